"""Confidence intervals and ranks for tables."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import as_floats, check_level


class MedianInterval(NamedTuple):
    """A median with its confidence interval; `confidence_reached` is False if the interval is merely the range."""

    estimate: float
    low: float
    high: float
    confidence_reached: bool


def median_interval(values: ArrayLike, confidence: float = 0.95) -> MedianInterval:
    """Median with a distribution-free confidence interval between two order statistics.

    The interval runs from the k-th smallest to the k-th largest value, with the largest k for which
    ``2 P(Binomial(n, 1/2) < k) <= 1 - confidence``. If there is no such k (n < 6 at 95 %), it is the range.

    Source: David and Nagaraja 2003, Order Statistics, section 7.1.

    Args:
        values: finite numbers, shape (n,), n >= 1.
        confidence: the least coverage, between 0 and 1.

    Raises:
        ValueError: if there is no value, a value is not finite, or the confidence is not between 0 and 1.

    """
    check_level("confidence", confidence)
    ordered = np.sort(as_floats(values))
    n = len(ordered)
    if n == 0:
        raise ValueError("a median needs at least one value")
    k, tail = 0, 0.0
    while 2 * (tail + math.comb(n, k) / 2**n) <= 1 - confidence:
        tail += math.comb(n, k) / 2**n
        k += 1
    edge = max(k - 1, 0)
    return MedianInterval(float(np.median(ordered)), float(ordered[edge]), float(ordered[n - 1 - edge]), k > 0)


def shared_ranks(lows: ArrayLike, highs: ArrayLike) -> list[int | None]:
    """Ranks from intervals: one more than the number of contestants whose whole interval lies below one's own.

    So contestants that share a rank have overlapping intervals, each with each; if two do not overlap, the one above
    has the larger rank. Those that overlap may have different ranks.

    Args:
        lows: lower ends of the intervals, shape (contestants,); NaN for a contestant that is not to be ranked.
        highs: upper ends of the intervals, same shape.

    Returns:
        one rank per contestant; None where any of its numbers is NaN.

    Raises:
        ValueError: if the two are not one-dimensional and equally long.

    """
    low, high = (np.asarray(column, dtype=np.float64) for column in (lows, highs))
    if low.ndim != 1 or low.shape != high.shape:
        raise ValueError("lows and highs must be one-dimensional and of one length")
    unranked = np.isnan(low) | np.isnan(high)
    below = (high[np.newaxis, :] < low[:, np.newaxis]).sum(axis=1)
    return [None if skipped else 1 + int(count) for skipped, count in zip(unranked, below, strict=True)]
