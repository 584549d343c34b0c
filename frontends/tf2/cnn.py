"""A convolutional network in TensorFlow 2: tf.nn.conv2d, gradients from a tape, momentum from its formula."""

import tensorflow as tf

from frontends.tf2.optimizers import optimizer_of
from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        parameters = {name: tf.Variable(array) for name, array in problem.init.items()}
        optimizer = optimizer_of(problem, parameters)
        batches = problem.batches(tf.convert_to_tensor)
    layers = [name[1:] for name in parameters if name.startswith("k")]  # such as "1_1", "1_2", "2_1"

    def predict(a):
        for name in layers:
            if name.endswith("_1") and name != "1_1":
                a = tf.nn.max_pool2d(a, 2, 2, "VALID")
            a = tf.nn.relu(tf.nn.conv2d(a, parameters[f"k{name}"], 1, "SAME") + parameters[f"b{name}"])
        pooled = tf.nn.max_pool2d(a, 2, 2, "VALID")
        return tf.reshape(pooled, [len(pooled), -1]) @ parameters["w"] + parameters["b"]

    def step(x, labels):
        with tf.GradientTape() as tape:
            logits = predict(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

        optimizer.update(tape.gradient(loss, parameters))
        return loss

    def state():
        predictions = predict(tf.convert_to_tensor(problem.queries))
        return State(
            parameters={name: parameter.numpy() for name, parameter in parameters.items()},
            predictions=predictions.numpy(),
            carried={name: moment.numpy() for name, moment in optimizer.carried.items()},
        )

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    yield state

    for x, labels in batches:
        yield step(x, labels)
