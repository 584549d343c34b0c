"""A multilayer perceptron in TensorFlow 2: gradients from a tape, Adam from its formula."""

import tensorflow as tf

from frontends.tf2.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        parameters = {name: tf.Variable(array) for name, array in problem.init.items()}
        w1, b1, w2, b2 = parameters.values()
        optimizer = optimizer_of(problem, parameters)
        batches = problem.batches(tf.convert_to_tensor)

    def predict(x):
        hidden = x @ w1 + b1
        activated = tf.nn.relu(hidden)
        return activated @ w2 + b2

    def loss_of(x, labels):
        logits = predict(x)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    def step(x, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(x, labels)

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
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, labels in batches:
        yield step(x, labels)
