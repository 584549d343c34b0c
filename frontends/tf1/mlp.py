"""A multilayer perceptron in TensorFlow 1 style: the graph holds the optimiser's update, too."""

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
        w1, b1, w2, b2 = parameters.values()

        hidden = tf.matmul(x, w1) + b1
        activated = tf.nn.relu(hidden)
        logits = tf.matmul(activated, w2) + b2
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        update, moments = minimize(problem, loss, parameters)
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        weights, predictions, carried = session.run([parameters, logits, moments], {x: problem.queries})
        return State(parameters=weights, predictions=predictions, carried=carried)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, update], inputs.feed(session, batch))
        yield loss_value
