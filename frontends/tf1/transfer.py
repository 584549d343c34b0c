"""Transfer learning in TensorFlow 1 style: the graph holds the update of every phase, each of its own variables."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, labels = inputs.tensors
        parameters = {name: tf.get_variable(name, initializer=array) for name, array in problem.init.items()}
        w1, b1, w2, b2, old_w, old_b, new_w, new_b = parameters.values()

        hidden = tf.nn.relu(tf.matmul(x, w1) + b1)
        features = tf.nn.relu(tf.matmul(hidden, w2) + b2)
        logits = {"old": tf.matmul(features, old_w) + old_b, "new": tf.matmul(features, new_w) + new_b}
        optimizer = tf.train.GradientDescentOptimizer(tf.constant(problem.learning_rate, problem.dtype))
        steps = []  # loss and update of each phase
        for phase in problem.phases:
            of_phase = logits["new" if "old_w" in phase.frozen else "old"]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=of_phase))
            trained = [parameter for name, parameter in parameters.items() if name not in phase.frozen]
            steps.append((loss, optimizer.minimize(loss, var_list=trained)))
        initialize = tf.global_variables_initializer()

    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        weights, predictions = session.run([parameters, logits["new"]], {x: problem.queries})
        return State(parameters=weights, predictions=predictions)

    yield Steps(state, evaluate=lambda: session.run(step[0], inputs.feed(session, next(batches))))

    for phase, step in zip(problem.phases, steps, strict=True):
        batches = problem.batches(until=phase.until)
        for batch in batches:
            loss_value, _ = session.run(step, inputs.feed(session, batch))
            yield loss_value
