"""A convolutional network in JAX: lax.conv_general_dilated, value_and_grad, momentum from its formula, one step."""

import jax
import jax.numpy as jnp

from frontends.jax.optimizers import start, update
from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}
    layers = [name[1:] for name in parameters if name.startswith("k")]  # such as "1_1", "1_2", "2_1"
    t, carried = start(problem, parameters)
    batches = problem.batches(jnp.asarray)

    def convolve(a, kernel):
        return jax.lax.conv_general_dilated(a, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def max_pool(a):
        return jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def predict(parameters, a):
        for name in layers:
            if name.endswith("_1") and name != "1_1":
                a = max_pool(a)
            a = jax.nn.relu(convolve(a, parameters[f"k{name}"]) + parameters[f"b{name}"])
        return max_pool(a).reshape(len(a), -1) @ parameters["w"] + parameters["b"]

    def loss_of(parameters, x, labels):
        logits = predict(parameters, x)
        samples = jnp.arange(len(x))
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[samples, labels])

    def step(parameters, t, carried, x, labels):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels)
        parameters, t, carried = update(problem, parameters, gradients, t, carried)
        return parameters, t, carried, loss

    def state():
        return State(
            parameters=jax.device_get(parameters),
            predictions=jax.device_get(predict(parameters, jnp.asarray(problem.queries))),
            carried=jax.device_get(carried),
        )

    step = jax.jit(step) if problem.mode == "jax_jit" else step
    yield state

    for x, labels in batches:
        parameters, t, carried, loss = step(parameters, t, carried, x, labels)
        yield loss
