"""Softmax regression in TensorFlow 1 style: declare a graph, then feed it in a session."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, labels = inputs.tensors
        w = tf.get_variable("w", initializer=problem.init["w"])
        b = tf.get_variable("b", initializer=problem.init["b"])

        logits = tf.matmul(x, w) + b
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        learning_rate = tf.constant(problem.learning_rate, problem.dtype)  # a Python float would become float32
        update = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, var_list=[w, b])
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        parameters, predictions = session.run([{"w": w, "b": b}, logits], {x: problem.queries})
        return State(parameters=parameters, predictions=predictions)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, update], inputs.feed(session, batch))
        yield loss_value
