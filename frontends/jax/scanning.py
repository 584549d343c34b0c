"""Many steps in one program: lax.scan over batches that are stacked on the host, or over resident data."""

import itertools

import jax
import numpy as np

CHUNK = 10  # steps of one call


def chunked(problem, step):
    """A function that takes CHUNK steps: it is given what a step is given, and its batches stacked, unless resident."""
    batch_arrays = len(problem.data) + len(problem.per_step)

    def steps(*arguments):
        carry, batch = arguments[:-batch_arrays], arguments[-batch_arrays:]

        def one(carry, of_step):
            *carry, loss = step(*carry, *(batch if problem.resident else of_step))
            return tuple(carry), loss

        carry, losses = jax.lax.scan(one, carry, None if problem.resident else batch, length=CHUNK)
        return *carry, losses

    return steps


def stacked(problem, batches):
    """The batches of the next CHUNK steps, as a chunked step takes them."""
    *others, last = itertools.islice(batches, CHUNK)
    return last if problem.resident else tuple(np.stack(arrays) for arrays in zip(*others, last, strict=True))
