"""A transformer in TensorFlow 1 style: the graph holds every block, and dropout's bytes are fed beside the batch."""

import numpy as np
import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from frontends.tf1.optimizers import minimize
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
    weights = tf.nn.softmax(tf.where_v2(earlier, scores, scores.dtype.min))
    return tf.einsum("bhts,hsw->btw", tf.matmul(weights, v), p["wo"]) + p["bo"]


def perceive(a, p):
    up = tf.einsum("btw,wi->bti", layer_norm(a, p["scale_m"], p["shift_m"]), p["wu"]) + p["bu"]
    gelu = up / 2 * (1 + tf.tanh((2 / np.pi) ** 0.5 * (up + 0.044715 * up**3)))
    return tf.einsum("bti,iw->btw", gelu, p["wd"]) + p["bd"]


def train(problem: Problem) -> Training:
    answers = problem.answers.shape[1]
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, labels, keep = inputs.tensors
        p = {name: tf.get_variable(name, initializer=array) for name, array in problem.init.items()}

        a = tf.gather(p["token"], x) + p["position"]
        kept = tf.placeholder_with_default(tf.cast(keep, problem.dtype) / 0.9, (None, None, None, None))
        ends = [name.removeprefix("wq") for name in p if name.startswith("wq_")]
        for place, end in enumerate(ends):
            own = {name.removesuffix(end): array for name, array in p.items() if name.endswith(end)}
            a = a + attend(a, own) * kept[:, 2 * place]
            a = a + perceive(a, own) * kept[:, 2 * place + 1]
        normal = layer_norm(a, p["scale"], p["shift"])[:, -answers:]
        logits = tf.einsum("btw,wd->btd", normal, p["w"])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        update, moments = minimize(problem, loss, p)
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        nothing_dropped = [[[[1.0]]] * (2 * len(ends))]
        queries = {x: problem.queries, kept: nothing_dropped}
        weights, predictions, carried = session.run([p, logits, moments], queries)
        return State(parameters=weights, predictions=predictions, carried=carried)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, update], inputs.feed(session, batch))
        yield loss_value
