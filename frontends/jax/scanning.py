"""Many steps in one program: lax.scan over batches that are stacked on the host, or over resident data."""

import itertools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from workbench.contract import Problem

CHUNK = 10  # steps of one call


def scan(problem: Problem, step: Callable) -> Callable:
    """A function that takes CHUNK steps: the arguments of a step, its batch as :func:`chunks` yields it.

    It returns what a step returns, with all losses in place of the loss.
    """
    count = len(problem.data) + len(problem.per_step)
    resident = len(problem.data) if problem.resident else 0

    def steps(*arguments):
        carry, batch = arguments[:-count], arguments[-count:]

        def one(carry, of_step):
            *carry, loss = step(*carry, *batch[:resident], *of_step)
            return tuple(carry), loss

        carry, losses = jax.lax.scan(one, carry, batch[resident:], length=CHUNK)
        return *carry, losses

    return steps


def chunks(problem: Problem) -> Iterator[tuple]:
    """The batches of CHUNK steps at a time: each array stacked, but for resident data, which all steps share."""
    resident = len(problem.data) if problem.resident else 0
    batches = problem.batches(jnp.asarray if resident else np.asarray)
    while True:
        *others, last = itertools.islice(batches, CHUNK)
        own = zip(*(batch[resident:] for batch in (*others, last)), strict=True)
        yield (*last[:resident], *map(np.stack, own))
