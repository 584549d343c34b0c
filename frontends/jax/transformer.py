"""A transformer in JAX: pure functions of parameters by name, value_and_grad, AdamW from its formula."""

import jax
import jax.numpy as jnp

from frontends.jax.optimizers import start, update
from frontends.jax.scanning import CHUNK, chunks, scan
from workbench.contract import Calls, Problem, State, Steps, Training


def layer_norm(a, scale, shift):
    return jax.nn.standardize(a, epsilon=1e-5) * scale + shift


def attend(a, p):
    normal = layer_norm(a, p["scale_a"], p["shift_a"])
    q = jnp.einsum("btw,whs->bths", normal, p["wq"]) + p["bq"]
    k = jnp.einsum("btw,whs->bths", normal, p["wk"])
    v = jnp.einsum("btw,whs->bths", normal, p["wv"]) + p["bv"]
    scores = jnp.einsum("bqhs,bkhs->bhqk", q, k) / q.shape[-1] ** 0.5
    earlier = jnp.tri(a.shape[1], dtype=bool)
    weights = jax.nn.softmax(jnp.where(earlier, scores, -jnp.inf))  # jax.nn.dot_product_attention's is float32
    return jnp.einsum("bhqk,bkhs,hsw->bqw", weights, v, p["wo"]) + p["bo"]


def perceive(a, p):
    normal = layer_norm(a, p["scale_m"], p["shift_m"])
    return jax.nn.gelu(normal @ p["wu"] + p["bu"], approximate=True) @ p["wd"] + p["bd"]


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}
    blocks = [name.removeprefix("wq_") for name in parameters if name.startswith("wq_")]
    t, carried = start(problem, parameters)
    batches = problem.batches(jnp.asarray)
    answers = problem.answers.shape[1]

    def predict(p, x, keep):
        a = p["token"][x] + p["position"]
        for place, block in enumerate(blocks):
            own = {name.removesuffix(f"_{block}"): array for name, array in p.items() if name.endswith(f"_{block}")}
            a = a + attend(a, own) * keep[:, 2 * place]
            a = a + perceive(a, own) * keep[:, 2 * place + 1]
        return layer_norm(a, p["scale"], p["shift"])[:, -answers:] @ p["w"]

    def loss_of(parameters, x, labels, keep):
        logits = predict(parameters, x, keep.astype(problem.dtype) / 0.9)
        right = jnp.take_along_axis(logits, labels[..., jnp.newaxis], axis=2)[..., 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=2) - right)

    def step(parameters, t, carried, x, labels, keep):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels, keep)
        parameters, t, carried = update(problem, parameters, gradients, t, carried)
        return parameters, t, carried, loss

    def state():
        everything = jnp.ones((1, 2 * len(blocks), 1, 1), problem.dtype)
        return State(
            parameters=jax.device_get(parameters),
            predictions=jax.device_get(predict(parameters, jnp.asarray(problem.queries), everything)),
            carried=jax.device_get(carried),
        )

    if problem.mode == "jax_scan":
        step, batches = scan(problem, step), chunks(problem)
    step = jax.jit(step) if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of) if problem.mode != "jax_op_by_op" else loss_of

    def evaluate():
        return value(parameters, *next(batches))

    yield Calls(state, steps=CHUNK) if problem.mode == "jax_scan" else Steps(state, evaluate)

    for x, labels, keep in batches:
        parameters, t, carried, loss = step(parameters, t, carried, x, labels, keep)
        yield loss
