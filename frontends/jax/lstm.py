"""A long short-term memory in JAX: lax.scan over the rows, value_and_grad through it, Adam from its formula."""

import jax
import jax.numpy as jnp

from frontends.jax.optimizers import start, update
from frontends.jax.scanning import CHUNK, chunks, scan
from workbench.contract import Calls, Problem, State, Steps, Training


def row(carry, a):
    """What one row makes of h and c; not made anew in each step, because lax.scan would compile it again."""
    p, (h, c) = carry
    i, f, g, o = jnp.split(a @ p["wx"] + h @ p["wh"] + p["b"], 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return (p, (jax.nn.sigmoid(o) * jnp.tanh(c), c)), None


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}
    t, carried = start(problem, parameters)
    batches = problem.batches(jnp.asarray)

    def nothing(batch):
        """The state before anything was read: h and c."""
        zeros = jnp.zeros((batch, len(problem.init["wh"])), problem.dtype)
        return zeros, zeros

    def read(parameters, x, memory):
        (_, memory), _ = jax.lax.scan(row, (parameters, memory), x.swapaxes(0, 1))
        return memory[0] @ parameters["wy"] + parameters["by"], memory

    def loss_of(parameters, x, labels, memory):
        logits, memory = read(parameters, x, memory)
        samples = jnp.arange(len(x))
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[samples, labels]), memory

    def step(parameters, t, carried, memory, x, labels):
        (loss, memory), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, labels, memory)
        parameters, t, carried = update(problem, parameters, gradients, t, carried)
        return parameters, t, carried, memory, loss

    memory = nothing(problem.rows.shape[1])

    def state():
        queries = jnp.asarray(problem.queries)
        predictions, _ = read(parameters, queries, nothing(len(queries)))
        return State(
            parameters=jax.device_get(parameters),
            predictions=jax.device_get(predictions),
            carried=jax.device_get({**carried, "h": memory[0], "c": memory[1]}),
        )

    if problem.mode == "jax_scan":
        step, batches = scan(problem, step), chunks(problem)
    step = jax.jit(step) if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of) if problem.mode != "jax_op_by_op" else loss_of

    def evaluate():
        return value(parameters, *next(batches), memory)[0]

    yield Calls(state, steps=CHUNK) if problem.mode == "jax_scan" else Steps(state, evaluate)

    for x, labels in batches:
        parameters, t, carried, memory, loss = step(parameters, t, carried, memory, x, labels)
        yield loss
