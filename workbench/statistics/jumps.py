"""Jumps in a series of runs that were measured one after another, each on its own. Pure functions on arrays."""

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
"""Fewest runs on either side of a jump."""

WINDOW = 20
"""Most runs on either side by which a jump is judged; farther away, drift outweighs the jump."""

CERTAIN = 4.0
"""Size of the smallest jump that is reported, in standard errors."""

PENALTY = 4.0
"""Penalty of a segment in units of s**2 log(n); s is the noise from run to run, n the number of runs."""


class Jump(NamedTuple):
    """A jump between two runs."""

    start: int
    """Index of the first run after it, from 0."""
    ratio: float
    """Level after it divided by the level before it, with the trend around it removed."""


def jumps(times: ArrayLike, delta: float = DELTA) -> list[Jump]:
    """The jumps in the level of a series, in order.

    Optimal partitioning cuts the log times into segments of one level (squared error + PENALTY s**2 log n per
    segment, at least SHORTEST runs each; s from the median absolute first difference, at least delta / 4; outliers
    are filtered out first). Because a slow drift is cut into segments as well, each border is then tested with a
    straight line that has a jump in it, fitted to at most WINDOW runs on either side, up to the next border: the
    border stays if the jump is at least delta and at least CERTAIN standard errors. Of those that fail, the weakest
    is dropped and the rest are tested again, until none fails.

    Args:
        times: positive times of the runs in the order they were measured, shape (n,).
        delta: smallest relative change that matters.

    Raises:
        ValueError: if a time is not positive and finite, or delta is not positive.
    """
    if not delta > 0:
        raise ValueError(f"delta must be positive, not {delta}")
    logs = np.log(as_times(times, "times"))
    n, log_delta = len(logs), math.log1p(delta)
    if n < 2 * SHORTEST:
        return []
    differences = np.diff(logs)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)
    noise = max(noise * (1 + 4 / n), log_delta / 4)
    cleaned = without_outliers(logs - np.median(logs), 3 * noise)
    return _significant(cleaned, partition(cleaned, PENALTY * noise**2 * math.log(n), SHORTEST)[1:], noise, log_delta)


def _significant(logs: Floats, borders: list[int], noise: float, log_delta: float) -> list[Jump]:
    """The borders that pass the test, after those that fail are dropped one at a time, the weakest first."""
    tested: dict[tuple[int, int, int], tuple[float, float]] = {}
    while True:
        edges = [0, *borders, len(logs)]
        windows = [
            (max(before, border - WINDOW), border, min(after, border + WINDOW))
            for before, border, after in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        for window in windows:
            if window not in tested:
                tested[window] = _jump_at(logs, window, noise)
        fits = [tested[window] for window in windows]
        strengths = [min(abs(size) / log_delta, errors / CERTAIN) for size, errors in fits]
        if not strengths or min(strengths) >= 1:
            return [Jump(border, math.exp(size)) for border, (size, _) in zip(borders, fits, strict=True)]
        del borders[int(np.argmin(strengths))]


def _jump_at(logs: Floats, window: tuple[int, int, int], noise: float) -> tuple[float, float]:
    """The jump at a border, from a line fitted around it: its size on the log scale, and in standard errors."""
    first, border, end = window
    time = np.arange(first, end) - border + 0.5
    design = np.stack([np.ones_like(time), time, (time > 0).astype(np.float64)], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    values = logs[first:end]
    fit = inverse @ design.T @ values
    residuals = values - design @ fit
    spread = max(noise, math.sqrt(float(residuals @ residuals) / max(1, len(time) - 3)))
    return float(fit[2]), abs(float(fit[2])) / (spread * math.sqrt(inverse[2, 2]))
