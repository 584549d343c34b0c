"""Jumps in a series of runs that were made one after another, each by itself. Pure functions on arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, as_times
from workbench.statistics.segments import partition, without_outliers

DELTA = 0.03
"""Smallest jump that is reported."""

SHORTEST = 3
"""Runs that there must be on either side of a jump."""

WINDOW = 20
"""Runs on either side that a jump is judged by; further away drift weighs more than the jump."""

CERTAIN = 4.0
"""Standard errors that a jump must measure."""

PENALTY = 4.0
"""Cost of a segment in units of s**2 log(n): s is the noise from run to run, n the number of runs."""


class Jump(NamedTuple):
    """A jump between two runs."""

    start: int
    """The first run after it, counted from 0."""
    ratio: float
    """The level after it over the level before it, without the trend around it."""


def jumps(times: ArrayLike, delta: float = DELTA) -> list[Jump]:
    """Places where the level of a series jumps, in order.

    Segments of one level are found in the log times by optimal partitioning (squared error + PENALTY s**2 log n a
    segment, each of SHORTEST runs or more; s from the median absolute first difference, at least delta / 4; a stray
    run is filtered out before). A slow drift breaks into segments, too; so each border is then judged by a straight
    line with a jump in it, fitted to the WINDOW runs on either side that reach to the next border: it stays if the
    jump measures delta or more and CERTAIN standard errors. The weakest that fails is dropped, until none does.

    Args:
        times: positive times of runs in the order they were made, shape (n,).
        delta: smallest relative change that matters.

    Raises:
        ValueError: if a time is not positive and finite, or delta is not positive.
    """
    if not delta > 0:
        raise ValueError(f"delta must be positive, not {delta}")
    logs = np.log(as_times(times, "times"))
    n, bar = len(logs), math.log1p(delta)
    if n < 2 * SHORTEST:
        return []
    differences = np.diff(logs)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)
    noise = max(noise * (1 + 4 / n), bar / 4)
    cleaned = without_outliers(logs - np.median(logs), 3 * noise)
    return _lasting(cleaned, partition(cleaned, PENALTY * noise**2 * math.log(n), SHORTEST)[1:], noise, bar)


def _lasting(logs: Floats, borders: list[int], noise: float, bar: float) -> list[Jump]:
    """The borders that stand, after those that do not are dropped one by one, the weakest first."""
    judged: dict[tuple[int, int, int], tuple[float, float]] = {}
    while True:
        edges = [0, *borders, len(logs)]
        around = [
            (max(before, border - WINDOW), border, min(after, border + WINDOW))
            for before, border, after in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        for place in around:
            if place not in judged:
                judged[place] = _judged(logs, place, noise)
        found = [judged[place] for place in around]
        strengths = [min(abs(size) / bar, errors / CERTAIN) for size, errors in found]
        if not strengths or min(strengths) >= 1:
            return [Jump(border, math.exp(size)) for border, (size, _) in zip(borders, found, strict=True)]
        del borders[int(np.argmin(strengths))]


def _judged(logs: Floats, place: tuple[int, int, int], noise: float) -> tuple[float, float]:
    """The size of the jump at a border in a line fitted around it, on the log scale, and in standard errors."""
    first, border, end = place
    time = np.arange(first, end) - border + 0.5
    design = np.stack([np.ones_like(time), time, (time > 0).astype(np.float64)], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    values = logs[first:end]
    fit = inverse @ design.T @ values
    residuals = values - design @ fit
    spread = max(noise, math.sqrt(float(residuals @ residuals) / max(1, len(time) - 3)))
    return float(fit[2]), abs(float(fit[2])) / (spread * math.sqrt(inverse[2, 2]))
