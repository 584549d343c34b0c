"""A network of changing depth in JAX: the depth is static, so that jit compiles a program for each when it is met."""

import jax
import jax.numpy as jnp

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}
    batches = problem.batches(lambda array: jnp.asarray(array) if array.ndim else int(array))

    def predict(parameters, x, depth):
        a = jax.nn.relu(x @ parameters["w1"])
        for _ in range(depth):
            a = jax.nn.relu(a @ parameters["w2"])
        return a @ parameters["w3"]

    def loss_of(parameters, x, y, depth):
        return jnp.sum((predict(parameters, x, depth) - y) ** 2) / len(x)

    def step(parameters, x, y, depth):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y, depth)
        parameters = jax.tree.map(lambda p, g: p - problem.learning_rate * g, parameters, gradients)
        return parameters, loss

    def state():
        predictions = predict(parameters, jnp.asarray(problem.queries), 1)
        return State(parameters=jax.device_get(parameters), predictions=jax.device_get(predictions))

    step = jax.jit(step, static_argnames="depth") if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of, static_argnames="depth") if problem.mode != "jax_op_by_op" else loss_of
    yield Steps(state, evaluate=lambda: value(parameters, *next(batches)))

    for x, y, depth in batches:
        parameters, loss = step(parameters, x, y, depth)
        yield loss
