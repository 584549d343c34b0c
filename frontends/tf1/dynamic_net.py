"""A network of changing depth in TensorFlow 1 style: the loop is a part of the graph, and the depth is fed."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, y, depth = inputs.tensors
        w1, w2, w3 = (tf.get_variable(name, initializer=problem.init[name]) for name in ("w1", "w2", "w3"))

        _, a = tf.while_loop(
            lambda done, _: done < depth,
            lambda done, a: (done + 1, tf.nn.relu(tf.matmul(a, w2))),
            (tf.constant(0, tf.int64), tf.nn.relu(tf.matmul(x, w1))),
        )
        prediction = tf.matmul(a, w3)
        loss = tf.reduce_mean(tf.reduce_sum(tf.square(prediction - y), axis=1))
        learning_rate = tf.constant(problem.learning_rate, problem.dtype)  # a Python float would become float32
        update = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, var_list=[w1, w2, w3])
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        parameters = {"w1": w1, "w2": w2, "w3": w3}
        values, predictions = session.run([parameters, prediction], {x: problem.queries, depth: 1})
        return State(parameters=values, predictions=predictions)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, update], inputs.feed(session, batch))
        yield loss_value
