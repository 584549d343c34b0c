"""A two-layer ReLU network in JAX: a pure step, value_and_grad for the gradients, jit to compile it."""

import jax
import jax.numpy as jnp

from frontends.jax.scanning import CHUNK, chunks, scan
from workbench.contract import Calls, Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {"w1": jnp.asarray(problem.init["w1"]), "w2": jnp.asarray(problem.init["w2"])}
    batches = problem.batches(jnp.asarray)

    def predict(parameters, x):
        return jax.nn.relu(x @ parameters["w1"]) @ parameters["w2"]

    def loss_of(parameters, x, y):
        return jnp.sum((predict(parameters, x) - y) ** 2) / len(x)

    def step(parameters, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        parameters = jax.tree.map(lambda p, g: p - problem.learning_rate * g, parameters, gradients)
        return parameters, loss

    def state():
        predictions = predict(parameters, jnp.asarray(problem.queries))
        return State(parameters=jax.device_get(parameters), predictions=jax.device_get(predictions))

    if problem.mode == "jax_scan":
        step, batches = scan(problem, step), chunks(problem)
    step = jax.jit(step) if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of) if problem.mode != "jax_op_by_op" else loss_of

    def evaluate():
        return value(parameters, *next(batches))

    yield Calls(state, steps=CHUNK) if problem.mode == "jax_scan" else Steps(state, evaluate)

    for x, y in batches:
        parameters, loss = step(parameters, x, y)
        yield loss
