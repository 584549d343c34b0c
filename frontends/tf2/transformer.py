"""A transformer in TensorFlow 2: functions of variables by name, gradients from a tape, AdamW from its formula."""

import numpy as np
import tensorflow as tf

from frontends.tf2.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def layer_norm(a, scale, shift):
    mean, variance = tf.nn.moments(a, axes=-1, keepdims=True)
    return (a - mean) * tf.math.rsqrt(variance + 1e-5) * scale + shift


def attend(a, p):
    normal = layer_norm(a, p["scale_a"], p["shift_a"])
    q = tf.einsum("btw,whs->bhts", normal, p["wq"]) + p["bq"][:, tf.newaxis]
    k = tf.einsum("btw,whs->bhts", normal, p["wk"])
    v = tf.einsum("btw,whs->bhts", normal, p["wv"]) + p["bv"][:, tf.newaxis]
    scores = tf.matmul(q, k, transpose_b=True) / q.shape[-1] ** 0.5
    earlier = tf.linalg.band_part(tf.ones(scores.shape[-2:], tf.bool), -1, 0)
    weights = tf.nn.softmax(tf.where(earlier, scores, scores.dtype.min))
    return tf.einsum("bhts,hsw->btw", weights @ v, p["wo"]) + p["bo"]


def perceive(a, p):
    up = layer_norm(a, p["scale_m"], p["shift_m"]) @ p["wu"] + p["bu"]
    gelu = up / 2 * (1 + tf.tanh((2 / np.pi) ** 0.5 * (up + 0.044715 * up**3)))  # tf.nn.gelu's numbers are float32
    return gelu @ p["wd"] + p["bd"]


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        parameters = {name: tf.Variable(array) for name, array in problem.init.items()}
        optimizer = optimizer_of(problem, parameters)
        batches = problem.batches(tf.convert_to_tensor)
    ends = [name.removeprefix("wq") for name in parameters if name.startswith("wq_")]
    answers = problem.answers.shape[1]

    def predict(x, keep):
        p = parameters
        a = tf.gather(p["token"], x) + p["position"]
        for place, end in enumerate(ends):
            own = {name.removesuffix(end): array for name, array in p.items() if name.endswith(end)}
            a = a + attend(a, own) * keep[:, 2 * place]
            a = a + perceive(a, own) * keep[:, 2 * place + 1]
        return layer_norm(a, p["scale"], p["shift"])[:, -answers:] @ p["w"]

    def loss_of(x, labels, keep):
        logits = predict(x, tf.cast(keep, problem.dtype) / 0.9)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    def step(x, labels, keep):
        with tf.GradientTape() as tape:
            loss = loss_of(x, labels, keep)

        gradients = tape.gradient(loss, parameters)
        optimizer.update({name: tf.convert_to_tensor(g) for name, g in gradients.items()})  # token's is sparse
        return loss

    def state():
        everything = tf.ones((1, 2 * len(ends), 1, 1), problem.dtype)
        return State(
            parameters={name: parameter.numpy() for name, parameter in parameters.items()},
            predictions=predict(tf.convert_to_tensor(problem.queries), everything).numpy(),
            carried={name: moment.numpy() for name, moment in optimizer.carried.items()},
        )

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, labels, keep in batches:
        yield step(x, labels, keep)
