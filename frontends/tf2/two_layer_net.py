"""A two-layer ReLU network in TensorFlow 2: a tape records the forward pass and replays it backwards."""

import tensorflow as tf

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        w1 = tf.Variable(problem.init["w1"])
        w2 = tf.Variable(problem.init["w2"])
        batches = problem.batches(tf.convert_to_tensor)

    def predict(x):
        return tf.nn.relu(x @ w1) @ w2

    def loss_of(x, y):
        return tf.reduce_mean(tf.reduce_sum(tf.square(predict(x) - y), axis=1))

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(x, y)

        dloss_dw1, dloss_dw2 = tape.gradient(loss, [w1, w2])
        w1.assign_sub(problem.learning_rate * dloss_dw1)
        w2.assign_sub(problem.learning_rate * dloss_dw2)
        return loss

    def state():
        predictions = predict(tf.convert_to_tensor(problem.queries))
        return State(parameters={"w1": w1.numpy(), "w2": w2.numpy()}, predictions=predictions.numpy())

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, y in batches:
        yield step(x, y)
