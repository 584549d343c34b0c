"""Linear regression in TensorFlow 2: a tape records the forward pass and replays it backwards."""

import tensorflow as tf

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        w = tf.Variable(problem.init["w"])
        b = tf.Variable(problem.init["b"])
        batches = problem.batches(tf.convert_to_tensor)

    def predict(x):
        return x @ w + b

    def loss_of(x, y):
        return tf.reduce_mean(tf.square(predict(x) - y))

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(x, y)

        dloss_dw, dloss_db = tape.gradient(loss, [w, b])
        w.assign_sub(problem.learning_rate * dloss_dw)
        b.assign_sub(problem.learning_rate * dloss_db)
        return loss

    def state():
        predictions = predict(tf.convert_to_tensor(problem.queries))
        return State(parameters={"w": w.numpy(), "b": b.numpy()}, predictions=predictions.numpy())

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, y in batches:
        yield step(x, y)
