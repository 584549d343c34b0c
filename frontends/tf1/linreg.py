"""Linear regression in TensorFlow 1 style: declare a graph, then feed it in a session."""

import tensorflow.compat.v1 as tf

from frontends.tf1.runtime import inputs_of
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        x, y = inputs_of(problem)
        w = tf.get_variable("w", initializer=problem.init["w"])
        b = tf.get_variable("b", initializer=problem.init["b"])

        prediction = tf.matmul(x, w) + b
        loss = tf.reduce_mean(tf.square(prediction - y))
        learning_rate = tf.constant(problem.learning_rate, problem.dtype)  # a Python float would become float32
        update = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, var_list=[w, b])
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    with tf.Session(graph=graph) as session:
        session.run(initialize)
        yield

        for batch_x, batch_y in batches:
            feed = {} if problem.resident else {x: batch_x, y: batch_y}
            loss_value, _ = session.run([loss, update], feed_dict=feed)
            yield loss_value

        w_value, b_value = session.run([w, b])
        predictions = session.run(prediction, feed_dict={x: problem.queries})
    return Result(parameters={"w": w_value, "b": b_value}, predictions=predictions)
