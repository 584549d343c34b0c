"""A convolutional network in TensorFlow 1 style: the graph holds every layer and the optimiser's update."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from frontends.tf1.optimizers import minimize
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, labels = inputs.tensors
        parameters = {name: tf.get_variable(name, initializer=array) for name, array in problem.init.items()}
        running, moving = {}, []
        for name in [name[1:] for name in parameters if name.startswith("g")]:
            for kind, start in (("mean", tf.zeros_like), ("variance", tf.ones_like)):
                value = start(problem.init[f"g{name}"])
                running[f"{kind}/{name}"] = tf.get_variable(f"{kind}{name}", initializer=value, trainable=False)

        def normalise(a, name, *, training):
            kinds = f"mean/{name}", f"variance/{name}"
            mean, variance = tf.nn.moments(a, axes=(0, 1, 2)) if training else (running[kind] for kind in kinds)
            if training:
                moving.extend(
                    running[kind].assign(0.9 * running[kind] + 0.1 * new)
                    for kind, new in zip(kinds, (mean, variance), strict=True)
                )
            return (a - mean) * tf.math.rsqrt(variance + 1e-5) * parameters[f"g{name}"]

        def predict(a, *, training):
            for name in [name[1:] for name in parameters if name.startswith("k")]:  # such as "1_1", "1_2", "2_1"
                if name.endswith("_1") and name != "1_1":
                    a = tf.nn.max_pool2d(a, 2, 2, "VALID")
                a = tf.nn.conv2d(a, parameters[f"k{name}"], 1, "SAME")
                a = normalise(a, name, training=training) if f"g{name}" in parameters else a
                a = tf.nn.relu(a + parameters[f"b{name}"])
            pooled = tf.nn.max_pool2d(a, 2, 2, "VALID")
            flat = tf.reshape(pooled, [-1, problem.init["w"].shape[0]])
            return tf.matmul(flat, parameters["w"]) + parameters["b"]

        logits, answers = predict(x, training=True), predict(x, training=False)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        update, moments = minimize(problem, loss, parameters)
        step = tf.group(update, *moving)
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        carried = {**moments, **running}
        weights, predictions, carried = session.run([parameters, answers, carried], {x: problem.queries})
        return State(parameters=weights, predictions=predictions, carried=carried)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, step], inputs.feed(session, batch))
        yield loss_value
