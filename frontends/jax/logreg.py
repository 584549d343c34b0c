"""Softmax regression in JAX: value_and_grad for the gradients, one jitted step."""

import jax
import jax.numpy as jnp

from frontends.jax.scanning import CHUNK, chunks, scan
from workbench.contract import Calls, Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}
    batches = problem.batches(jnp.asarray)

    def predict(parameters, x):
        return x @ parameters["w"] + parameters["b"]

    def loss_of(parameters, x, labels):
        logits = predict(parameters, x)
        samples = jnp.arange(len(x))
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[samples, labels])

    def step(parameters, x, labels):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels)
        updated = {name: p - problem.learning_rate * gradients[name] for name, p in parameters.items()}
        return updated, loss

    def state():
        return State(
            parameters=jax.device_get(parameters),
            predictions=jax.device_get(predict(parameters, jnp.asarray(problem.queries))),
        )

    if problem.mode == "jax_scan":
        step, batches = scan(problem, step), chunks(problem)
    step = jax.jit(step) if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of) if problem.mode != "jax_op_by_op" else loss_of

    def evaluate():
        return value(parameters, *next(batches))

    yield Calls(state, steps=CHUNK) if problem.mode == "jax_scan" else Steps(state, evaluate)

    for x, labels in batches:
        parameters, loss = step(parameters, x, labels)
        yield loss
