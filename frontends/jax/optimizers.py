"""Optimisers in JAX, each by the formula that a task's docstring gives: pure functions to call in a jitted step."""

import jax.numpy as jnp

from workbench.contract import Problem


def sgd(problem, _t, p, g):
    return p - problem.learning_rate * g, ()


def momentum(problem, _t, p, g, velocity):
    """v <- momentum * v + g;  p <- p - learning_rate * v;  Nesterov's: p <- p - learning_rate * (g + momentum * v)."""
    numbers = problem.optimizer
    velocity = numbers["momentum"] * velocity + g
    change = g + numbers["momentum"] * velocity if numbers["name"] == "nesterov" else velocity
    return p - problem.learning_rate * change, (velocity,)


def adam(problem, t, p, g, m, v):
    """Adam (Kingma and Ba 2015, Algorithm 1)."""
    numbers = problem.optimizer
    # rounded once, so that 1 - beta and 1 - beta**t belong together in float32, too
    beta_1, beta_2 = (jnp.asarray(numbers[beta], p.dtype) for beta in ("beta_1", "beta_2"))
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g * g - v)
    t = t.astype(p.dtype)  # of a whole number, jnp.power would make another program at every step
    root = jnp.sqrt(v / (1 - beta_2**t)) + numbers["epsilon"]
    return p - problem.learning_rate * (m / (1 - beta_1**t)) / root, (m, v)


BY_NAME = {
    "sgd": (sgd, ()),
    "momentum": (momentum, ("velocity",)),
    "nesterov": (momentum, ("velocity",)),
    "adam": (adam, ("m", "v")),
    "adamw": (adam, ("m", "v")),
}


def start(problem: Problem, parameters: dict) -> tuple:
    """What an optimiser carries from step to step: the number of steps, and its moments by name, such as "m/w1"."""
    _, moments = BY_NAME[problem.optimizer["name"]]
    zeros = {f"{moment}/{name}": jnp.zeros_like(p) for moment in moments for name, p in parameters.items()}
    return jnp.int32(0), zeros


def update(problem: Problem, parameters: dict, gradients: dict, t, carried: dict) -> tuple:
    """New parameters, t and moments after a step with the gradients of all parameters that are not frozen."""
    formula, moments = BY_NAME[problem.optimizer["name"]]
    parameters, carried, t = dict(parameters), dict(carried), t + 1
    for name, g in gradients.items():
        p, keys = parameters[name], [f"{moment}/{name}" for moment in moments]
        if name in problem.optimizer.get("decayed", ()):  # AdamW (Loshchilov and Hutter 2019)
            p = p - problem.learning_rate * problem.optimizer["weight_decay"] * p
        parameters[name], values = formula(problem, t, p, g, *(carried[key] for key in keys))
        carried |= zip(keys, values, strict=True)
    return parameters, t, carried
