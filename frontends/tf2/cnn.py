"""A convolutional network in TensorFlow 2: tf.nn.conv2d, gradients from a tape, momentum from its formula."""

import tensorflow as tf

from frontends.tf2.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        parameters = {name: tf.Variable(array) for name, array in problem.init.items()}
        optimizer = optimizer_of(problem, parameters)
        batches = problem.batches(tf.convert_to_tensor)
        scales = {name[1:]: p for name, p in parameters.items() if name.startswith("g")}
        running = {f"mean/{name}": tf.Variable(tf.zeros_like(p)) for name, p in scales.items()}
        running |= {f"variance/{name}": tf.Variable(tf.ones_like(p)) for name, p in scales.items()}
    layers = [name[1:] for name in parameters if name.startswith("k")]  # such as "1_1", "1_2", "2_1"

    def normalise(a, name, *, training):
        mean, variance = running[f"mean/{name}"], running[f"variance/{name}"]
        if training:
            mean_before, variance_before = mean, variance
            mean, variance = tf.nn.moments(a, axes=(0, 1, 2))
            mean_before.assign(0.9 * mean_before + 0.1 * mean)
            variance_before.assign(0.9 * variance_before + 0.1 * variance)
        return (a - mean) * tf.math.rsqrt(variance + 1e-5) * parameters[f"g{name}"]

    def predict(a, *, training):
        for name in layers:
            if name.endswith("_1") and name != "1_1":
                a = tf.nn.max_pool2d(a, 2, 2, "VALID")
            a = tf.nn.conv2d(a, parameters[f"k{name}"], 1, "SAME")
            a = normalise(a, name, training=training) if name in scales else a
            a = tf.nn.relu(a + parameters[f"b{name}"])
        pooled = tf.nn.max_pool2d(a, 2, 2, "VALID")
        return tf.reshape(pooled, [len(pooled), -1]) @ parameters["w"] + parameters["b"]

    def loss_of(x, labels):
        logits = predict(x, training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    def step(x, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(x, labels)

        optimizer.update(tape.gradient(loss, parameters))
        return loss

    def state():
        predictions = predict(tf.convert_to_tensor(problem.queries), training=False)
        return State(
            parameters={name: parameter.numpy() for name, parameter in parameters.items()},
            predictions=predictions.numpy(),
            carried={name: array.numpy() for name, array in {**optimizer.carried, **running}.items()},
        )

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    evaluate = None if running else lambda: value(*next(batches))  # it would move the running statistics on
    yield Steps(state, evaluate)

    for x, labels in batches:
        yield step(x, labels)
