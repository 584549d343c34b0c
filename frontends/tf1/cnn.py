"""A convolutional network in TensorFlow 1 style: the graph holds every layer and the optimiser's update."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from frontends.tf1.optimizers import minimize
from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, labels = inputs.tensors
        parameters = {name: tf.get_variable(name, initializer=array) for name, array in problem.init.items()}

        a = x
        for name in [name[1:] for name in parameters if name.startswith("k")]:  # such as "1_1", "1_2", "2_1"
            if name.endswith("_1") and name != "1_1":
                a = tf.nn.max_pool2d(a, 2, 2, "VALID")
            a = tf.nn.relu(tf.nn.conv2d(a, parameters[f"k{name}"], 1, "SAME") + parameters[f"b{name}"])
        pooled = tf.nn.max_pool2d(a, 2, 2, "VALID")
        flat = tf.reshape(pooled, [-1, problem.init["w"].shape[0]])
        logits = tf.matmul(flat, parameters["w"]) + parameters["b"]
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        update, moments = minimize(problem, loss, parameters)
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        weights, predictions, carried = session.run([parameters, logits, moments], {x: problem.queries})
        return State(parameters=weights, predictions=predictions, carried=carried)

    yield state

    for batch in batches:
        loss_value, _ = session.run([loss, update], inputs.feed(session, batch))
        yield loss_value
