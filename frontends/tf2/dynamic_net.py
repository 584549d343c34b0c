"""A network of changing depth in TensorFlow 2: a Python loop; under tf.function, a graph is traced for each depth."""

import tensorflow as tf

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        w1, w2, w3 = (tf.Variable(problem.init[name]) for name in ("w1", "w2", "w3"))
        batches = problem.batches(lambda array: tf.convert_to_tensor(array) if array.ndim else int(array))

    def predict(x, depth):
        a = tf.nn.relu(x @ w1)
        for _ in range(depth):
            a = tf.nn.relu(a @ w2)
        return a @ w3

    def loss_of(x, y, depth):
        return tf.reduce_mean(tf.reduce_sum(tf.square(predict(x, depth) - y), axis=1))

    def step(x, y, depth):
        with tf.GradientTape() as tape:
            loss = loss_of(x, y, depth)

        gradients = tape.gradient(loss, [w1, w2, w3], unconnected_gradients="zero")  # of w2, where the depth is 0
        for parameter, gradient in zip((w1, w2, w3), gradients, strict=True):
            parameter.assign_sub(problem.learning_rate * gradient)
        return loss

    def state():
        predictions = predict(tf.convert_to_tensor(problem.queries), 1)
        parameters = {"w1": w1.numpy(), "w2": w2.numpy(), "w3": w3.numpy()}
        return State(parameters=parameters, predictions=predictions.numpy())

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, y, depth in batches:
        yield step(x, y, depth)
