"""What a run can resolve: for each two contestants the interval of their ratio, and for each one an arm to show it by.

Arms are such that wherever two contestants' intervals do not overlap, the interval of their ratio does not hold 1: what
is shown, what is ranked, and the smallest difference that is said to be resolvable are one and the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.statistics.arrays import Floats, saturating_exp
from workbench.statistics.ranks import median_interval
from workbench.statistics.rounds import without_rounds

FEWEST_FOR_INTERVAL = 6  # with fewer launches, their median has no 95 % confidence interval
SWEEPS = 500
SETTLED = 1e-9
LEAST_WEIGHT = 1e-3


def half_widths(launches: Sequence[Sequence[Sequence[float]]]) -> Floats:
    """How far the 95 % interval of each two contestants' log ratio extends from their log ratio, on its longer side.

    With six launches or more, it is the interval of the median over launches, whose samples are launches. With fewer,
    no such interval exists; the one given then spans the intervals, over rounds, of every launch. In both, a slow round
    makes no difference, because only times of one round are compared.

    Args:
        launches: for each launch its blocks, a list per round, of all contestants in one order.

    Returns:
        shape (contestants, contestants), zero on the diagonal.
    """
    logs = [np.log(np.asarray(blocks, dtype=np.float64)) for blocks in launches]
    times = np.log([without_rounds(blocks) for blocks in launches])
    centres = np.log(without_rounds(np.exp(times)))
    count = times.shape[1]
    widths = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            if len(launches) >= FEWEST_FOR_INTERVAL:
                intervals = [median_interval(times[:, i] - times[:, j])]
            else:
                intervals = [median_interval(blocks[:, i] - blocks[:, j]) for blocks in logs]
            centre = float(centres[i] - centres[j])
            low, high = min(part.low for part in intervals), max(part.high for part in intervals)
            widths[i, j] = widths[j, i] = max(high - centre, centre - low, 0.0)
    return widths


def arms(widths: Floats) -> Floats:
    """The arm of each contestant's interval, on the log scale: the arms of any two together reach their half-width.

    Among all such arms those with the least sum of squares, each weighted by the half-width of the ratio by which its
    contestant is known best: so a restless one has a long arm and the others keep short ones. As quasi-variances do,
    they show pairwise comparisons by an interval for each (Firth and de Menezes 2004, Quasi-variances, Biometrika 91);
    found by Hildreth's method for quadratic programs (1957).

    Args:
        widths: as from :func:`half_widths`.

    Returns:
        shape (contestants,); of a single one, zero.
    """
    count, largest = len(widths), float(np.max(widths, initial=0.0))
    found, multipliers = np.zeros(count), np.zeros((count, count))
    if largest == 0:
        return found
    best = np.where(np.eye(count, dtype=bool), np.inf, widths).min(axis=1)
    weights = np.maximum(best / largest, LEAST_WEIGHT) ** 2
    pairs = [(i, j) for i in range(count) for j in range(i)]
    for _ in range(SWEEPS):
        moved = 0.0
        for i, j in pairs:
            lacking = (widths[i, j] - found[i] - found[j]) / (weights[i] + weights[j])
            step = max(lacking, -multipliers[i, j])
            multipliers[i, j] += step
            found[i] += weights[i] * step
            found[j] += weights[j] * step
            moved = max(moved, abs(step) * float(weights[i] + weights[j]))
        if moved <= SETTLED * largest:
            break
    short = max(float(widths[i, j] / (found[i] + found[j])) for i, j in pairs if widths[i, j])
    reaching: Floats = found * max(1.0, short)
    return reaching


def smallest_difference(found: Sequence[float]) -> float:
    """The smallest relative difference that two contestants with such arms could show: that of the shortest two.

    Raises:
        ValueError: with fewer than two.
    """
    if len(found) < 2:
        raise ValueError("a difference needs two contestants")
    return saturating_exp(sum(sorted(found)[:2])) - 1
