"""A two-layer ReLU network in TensorFlow 1 style: declare a graph, then feed it in a session."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, y = inputs.tensors
        w1 = tf.get_variable("w1", initializer=problem.init["w1"])
        w2 = tf.get_variable("w2", initializer=problem.init["w2"])

        prediction = tf.matmul(tf.nn.relu(tf.matmul(x, w1)), w2)
        loss = tf.reduce_mean(tf.reduce_sum(tf.square(prediction - y), axis=1))
        learning_rate = tf.constant(problem.learning_rate, problem.dtype)  # a Python float would become float32
        update = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, var_list=[w1, w2])
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        parameters, predictions = session.run([{"w1": w1, "w2": w2}, prediction], {x: problem.queries})
        return State(parameters=parameters, predictions=predictions)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, update], inputs.feed(session, batch))
        yield loss_value
