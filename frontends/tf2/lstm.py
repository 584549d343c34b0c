"""A long short-term memory in TensorFlow 2: a loop over the rows, gradients from a tape, Adam from its formula."""

import tensorflow as tf

from frontends.tf2.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    shape = problem.rows.shape[1], len(problem.init["wh"])
    with tf.device(problem.device):
        parameters = {name: tf.Variable(array) for name, array in problem.init.items()}
        wx, wh, b, wy, by = parameters.values()
        optimizer = optimizer_of(problem, parameters)
        h, c = (tf.Variable(tf.zeros(shape, problem.dtype)) for _ in "hc")
        batches = problem.batches(tf.convert_to_tensor)

    def read(x, h, c):
        for a in tf.unstack(x, axis=1):
            i, f, g, o = tf.split(a @ wx + h @ wh + b, 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
        return h @ wy + by, h, c

    def loss_of(x, labels):
        logits, *after = read(x, h, c)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)), *after

    def step(x, labels):
        with tf.GradientTape() as tape:
            loss, h_after, c_after = loss_of(x, labels)

        optimizer.update(tape.gradient(loss, parameters))
        h.assign(h_after)  # as numbers, through which no gradient goes
        c.assign(c_after)
        return loss

    def state():
        nothing = tf.zeros((len(problem.queries), shape[1]), problem.dtype)
        predictions, _, _ = read(tf.convert_to_tensor(problem.queries), nothing, nothing)
        return State(
            parameters={name: parameter.numpy() for name, parameter in parameters.items()},
            predictions=predictions.numpy(),
            carried={name: array.numpy() for name, array in {**optimizer.carried, "h": h, "c": c}.items()},
        )

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches))[0])

    for x, labels in batches:
        yield step(x, labels)
