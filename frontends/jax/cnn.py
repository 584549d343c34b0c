"""A convolutional network in JAX: lax.conv_general_dilated, value_and_grad, momentum from its formula, one step."""

import jax
import jax.numpy as jnp

from frontends.jax.optimizers import start, update
from frontends.jax.scanning import CHUNK, chunks, scan
from workbench.contract import Calls, Problem, State, Steps, Training


def convolve(a, kernel):
    return jax.lax.conv_general_dilated(a, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(a):
    return jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def running_statistics(parameters):
    scales = {name[1:]: p for name, p in parameters.items() if name.startswith("g")}
    running = {f"mean/{name}": jnp.zeros_like(p) for name, p in scales.items()}
    return running | {f"variance/{name}": jnp.ones_like(p) for name, p in scales.items()}


def predict(parameters, running, a, *, training):
    """The logits and, while training, the running statistics as they move on."""
    moved = {}
    for name in [name[1:] for name in parameters if name.startswith("k")]:  # such as "1_1", "1_2", "2_1"
        if name.endswith("_1") and name != "1_1":
            a = max_pool(a)
        a = convolve(a, parameters[f"k{name}"])
        if f"g{name}" in parameters:
            kinds = f"mean/{name}", f"variance/{name}"
            mean, variance = (a.mean((0, 1, 2)), a.var((0, 1, 2))) if training else (running[kind] for kind in kinds)
            moved |= {kind: 0.9 * running[kind] + 0.1 * new for kind, new in zip(kinds, (mean, variance), strict=True)}
            a = (a - mean) * jax.lax.rsqrt(variance + 1e-5) * parameters[f"g{name}"]
        a = jax.nn.relu(a + parameters[f"b{name}"])
    return max_pool(a).reshape(len(a), -1) @ parameters["w"] + parameters["b"], moved


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}
    t, carried = start(problem, parameters)
    running = running_statistics(parameters)
    batches = problem.batches(jnp.asarray)

    def loss_of(parameters, running, x, labels):
        logits, running = predict(parameters, running, x, training=True)
        samples = jnp.arange(len(x))
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[samples, labels]), running

    def step(parameters, t, carried, running, x, labels):
        (loss, running), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, running, x, labels)
        parameters, t, carried = update(problem, parameters, gradients, t, carried)
        return parameters, t, carried, running, loss

    def state():
        predictions, _ = predict(parameters, running, jnp.asarray(problem.queries), training=False)
        return State(
            parameters=jax.device_get(parameters),
            predictions=jax.device_get(predictions),
            carried=jax.device_get({**carried, **running}),
        )

    if problem.mode == "jax_scan":
        step, batches = scan(problem, step), chunks(problem)
    step = jax.jit(step) if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of) if problem.mode != "jax_op_by_op" else loss_of

    def evaluate():
        return value(parameters, running, *next(batches))[0]

    yield Calls(state, steps=CHUNK) if problem.mode == "jax_scan" else Steps(state, evaluate)

    for x, labels in batches:
        parameters, t, carried, running, loss = step(parameters, t, carried, running, x, labels)
        yield loss
