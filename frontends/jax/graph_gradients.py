"""c = sum(x * y + z) in JAX: value_and_grad turns the function into one that also returns its gradients."""

import jax
import jax.numpy as jnp

from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    x, y, z = (jnp.asarray(problem.init[name]) for name in ("x", "y", "z"))
    batches = problem.batches()

    def graph(x, y, z):
        a = x * y
        b = a + z
        return b.sum()

    step = jax.jit(jax.value_and_grad(graph, argnums=(0, 1, 2)))
    yield

    for () in batches:
        c, (dc_dx, dc_dy, dc_dz) = step(x, y, z)
        yield c

    return Result(gradients=jax.device_get({"x": dc_dx, "y": dc_dy, "z": dc_dz}))
