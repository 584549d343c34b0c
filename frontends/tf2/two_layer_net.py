"""A two-layer ReLU network in TensorFlow 2: a tape records the forward pass and replays it backwards."""

import tensorflow as tf

from frontends.tf2.runtime import in_mode
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        w1 = tf.Variable(problem.init["w1"])
        w2 = tf.Variable(problem.init["w2"])
        batches = problem.batches(tf.convert_to_tensor)

    def predict(x):
        return tf.nn.relu(x @ w1) @ w2

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.reduce_sum(tf.square(predict(x) - y), axis=1))

        dloss_dw1, dloss_dw2 = tape.gradient(loss, [w1, w2])
        w1.assign_sub(problem.learning_rate * dloss_dw1)
        w2.assign_sub(problem.learning_rate * dloss_dw2)
        return loss

    step = in_mode(problem, step)
    yield

    for x, y in batches:
        yield step(x, y)

    return Result(
        parameters={"w1": w1.numpy(), "w2": w2.numpy()},
        predictions=predict(tf.convert_to_tensor(problem.queries)).numpy(),
    )
