"""c = sum(x * y + z) in JAX: value_and_grad turns the function into one that also returns its gradients."""

import jax
import jax.numpy as jnp

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    batches = problem.batches(jnp.asarray)

    def graph(x, y, z):
        a = x * y
        b = a + z
        return b.sum()

    step = jax.value_and_grad(graph, argnums=(0, 1, 2))

    def state():
        return State(gradients=jax.device_get({"x": dc_dx, "y": dc_dy, "z": dc_dz}))

    step = jax.jit(step) if problem.mode != "jax_op_by_op" else step
    value = jax.jit(graph) if problem.mode != "jax_op_by_op" else graph
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, y, z in batches:
        c, (dc_dx, dc_dy, dc_dz) = step(x, y, z)
        yield c
