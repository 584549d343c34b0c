"""Intervals and ranks for tables."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import as_floats, check_level
from workbench.statistics.ladder import ALPHA
from workbench.statistics.verdicts import Verdict, compare


class MedianInterval(NamedTuple):
    """A median with its interval; `confidence_reached` is False where the interval is only the range."""

    estimate: float
    low: float
    high: float
    confidence_reached: bool


def median_interval(values: ArrayLike, confidence: float = 0.95) -> MedianInterval:
    """Median with the interval between two order statistics, which holds for any distribution.

    The interval runs from the k-th smallest to the k-th largest value, with the largest k for which
    ``2 P(Binomial(n, 1/2) < k) <= 1 - confidence``. Without such a k (n < 6 at 95 %) it is the range.

    Source: David and Nagaraja 2003, Order Statistics, section 7.1.

    Args:
        values: finite numbers, shape (n,), n >= 1.
        confidence: at least this, between 0 and 1.

    Raises:
        ValueError: if there is no value, one is not finite, or the confidence is not between 0 and 1.

    """
    check_level("confidence", confidence)
    ordered = np.sort(as_floats(values))
    n = len(ordered)
    if n == 0:
        raise ValueError("a median needs at least one value")
    k, outside = 0, 0.0
    while 2 * (outside + math.comb(n, k) / 2**n) <= 1 - confidence:
        outside += math.comb(n, k) / 2**n
        k += 1
    edge = max(k - 1, 0)
    return MedianInterval(float(np.median(ordered)), float(ordered[edge]), float(ordered[n - 1 - edge]), k > 0)


def shared_ranks(estimates: ArrayLike, lows: ArrayLike, highs: ArrayLike) -> list[int | None]:
    """Ranks that do not rank inside noise: 1 is the smallest (fastest), ties share (1, 1, 3).

    The best remaining contestant and all whose interval overlaps its interval share the next rank; so a
    contestant known badly may share a rank with the best while a better-known one before it does not.

    Args:
        estimates: shape (contestants,), smaller is better; NaN for one that must not be ranked.
        lows: lower ends of the intervals, same shape.
        highs: upper ends of the intervals, same shape.

    Returns:
        one rank per contestant, None where a number is NaN.

    Raises:
        ValueError: if the three are not one-dimensional and of one length.

    """
    columns = [np.asarray(column, dtype=np.float64) for column in (estimates, lows, highs)]
    if columns[0].ndim != 1 or len({column.shape for column in columns}) != 1:
        raise ValueError("estimates, lows and highs must be one-dimensional and of one length")
    estimate, low, high = columns
    ranks: list[int | None] = [None] * len(estimate)
    waiting = [int(i) for i in np.argsort(estimate) if not np.isnan([c[i] for c in columns]).any()]
    ranked = 0
    while waiting:
        best = waiting[0]
        group = [i for i in waiting if i == best or (low[i] <= high[best] and low[best] <= high[i])]
        for i in group:
            ranks[i] = ranked + 1
        ranked += len(group)
        waiting = [i for i in waiting if i not in group]
    return ranks


def paired_ranks(matrix: ArrayLike, *, delta: float = 0.03, alpha: float = ALPHA) -> list[int | None]:
    """Ranks from launches measured side by side: tied with a group's best unless `compare` says slower.

    The best remaining contestant is the one with the smallest median time relative to its launch (the
    median of the launch), which a drift of the machine does not touch. It and all that are not shown to be
    slower share the next rank (1, 1, 3); inconclusive is a tie. Each comparison is at level alpha.

    Args:
        matrix: times, shape (launches, contestants).
        delta: as in `compare`.
        alpha: as in `compare`.

    Returns:
        one rank per contestant, None where a time is not a positive finite number.

    Raises:
        ValueError: if the matrix is not two-dimensional.

    """
    times = np.asarray(matrix, dtype=np.float64)
    if times.ndim != 2:
        raise ValueError(f"times must have the shape (launches, contestants), not {times.shape}")
    ranks: list[int | None] = [None] * times.shape[1]
    usable = np.flatnonzero((np.isfinite(times) & (times > 0)).all(axis=0))
    if not len(times) or not len(usable):
        return ranks
    logs = np.log(times[:, usable])
    order = np.argsort(np.median(logs - np.median(logs, axis=1, keepdims=True), axis=0), kind="stable")
    waiting, ranked = [int(i) for i in usable[order]], 0
    while waiting:
        best = times[:, waiting[0]]
        slower = [i for i in waiting if compare(best, times[:, i], delta=delta, alpha=alpha).verdict is Verdict.slower]
        for i in set(waiting).difference(slower):
            ranks[i] = ranked + 1
        ranked += len(waiting) - len(slower)
        waiting = slower
    return ranks
