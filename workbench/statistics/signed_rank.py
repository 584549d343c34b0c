"""Paired launches: the signed-rank test, with its estimate and confidence interval."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.statistics.arrays import Floats, as_floats, as_times, check_level
from workbench.statistics.ladder import minimum_launches

EXACT_UP_TO = 200
"""Tests of more values than this use the normal approximation."""


def log_ratios(base: ArrayLike, head: ArrayLike) -> Floats:
    """Paired log ratios ``log(head / base)`` of two contestants' launches.

    Args:
        base: one positive time per launch, shape (launches,), in any unit.
        head: as many times in the same unit; launch i of both ran side by side.

    Returns:
        shape (launches,); positive where head took longer.

    Raises:
        ValueError: if the counts differ, or a time is not a positive finite number.

    """
    old, new = as_times(base, "base"), as_times(head, "head")
    if len(old) != len(new):
        raise ValueError(f"launches are compared in pairs, but base has {len(old)} and head {len(new)}")
    return np.log(new) - np.log(old)


def _walsh_averages(values: Floats) -> Floats:
    """The averages of all pairs of values, including each value paired with itself: shape (n (n + 1) / 2,)."""
    i, j = np.triu_indices(len(values))
    return values[i] / 2 + values[j] / 2


def hodges_lehmann(values: ArrayLike) -> float:
    """Pseudo-median: the median of the averages of all pairs of values.

    Source: Hodges and Lehmann 1963, Estimates of Location Based on Rank Tests.

    Args:
        values: finite numbers, shape (n,), n >= 1.

    Raises:
        ValueError: if there is no value, or one is not finite.

    """
    array = as_floats(values)
    if not len(array):
        raise ValueError("the pseudo-median needs at least one value")
    return float(np.median(_walsh_averages(array)))


def _doubled_ranks(values: Floats) -> NDArray[np.int64]:
    """Twice the mid-rank of each ``|value|``, which is an integer even where values tie."""
    _, group, counts = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    doubled: NDArray[np.int64] = (2 * np.cumsum(counts) - counts + 1)[group]
    return doubled


def _tail_probability(weights: NDArray[np.int64], limit: int) -> float:
    """P(sum of a random subset of the weights <= limit), where each weight is included with probability 1/2."""
    mass = np.zeros(limit + 1)
    mass[0] = 1.0
    for weight in weights:
        halved = mass / 2
        mass = halved.copy()
        if weight <= limit:
            mass[weight:] += halved[: limit + 1 - weight]
    return float(mass.sum())


def signed_rank_p(values: ArrayLike) -> float:
    """Two-sided p value of the Wilcoxon signed-rank test that the values are symmetric about zero.

    Exact for up to 200 values, ties and zeros included: given the absolute values, each sign is a fair
    coin toss, and the distribution of the rank sum follows by dynamic programming on doubled mid-ranks. Zeros
    are handled as by Pratt (ranked, then dropped), not as by Wilcoxon (dropped before ranking); otherwise data
    could be significantly positive and, with all values increased a little, no longer be so. Longer series use
    the normal approximation.

    Sources: Wilcoxon 1945, Individual Comparisons by Ranking Methods; Pratt 1959, Remarks on Zeros and
    Ties in the Wilcoxon Signed Rank Procedures.

    Args:
        values: finite numbers, shape (n,). Without values, or with zeros alone, p = 1.

    Raises:
        ValueError: if a value is not finite.

    """
    array = as_floats(values)
    weights = _doubled_ranks(array) * (array != 0)
    total, positive = int(weights.sum()), int(weights[array > 0].sum())
    smaller = min(positive, total - positive)
    if total == 0:
        return 1.0
    if len(array) <= EXACT_UP_TO:
        return min(1.0, 2 * _tail_probability(weights[weights > 0], smaller))
    spread = math.sqrt(float((weights.astype(np.float64) ** 2).sum())) / 2
    return math.erfc(max(total / 2 - smaller - 1, 0.0) / spread / math.sqrt(2))


def _lower_limit(values: Floats, alpha: float) -> float:
    """Smallest shift that the signed-rank test at level alpha does not reject.

    Between two neighbouring Walsh averages the p value is constant, and it increases towards the estimate; so
    the search is a bisection over those cells. Cell i begins at the i-th Walsh average. Below the first one, all
    signs are positive, which is always rejected if there are `minimum_launches`.
    """
    walsh = np.unique(_walsh_averages(values))
    cells = walsh[:-1] / 2 + walsh[1:] / 2
    first, end = 0, int(np.count_nonzero(cells <= hodges_lehmann(values)))
    while first < end:
        middle = (first + end) // 2
        if signed_rank_p(values - cells[middle]) < alpha:
            first = middle + 1
        else:
            end = middle
    return float(walsh[first])


def inverted_interval(values: Floats, alpha: float) -> tuple[float, float]:
    """The interval of shifts that the signed-rank test at level alpha does not reject; it contains the estimate."""
    if len(values) < minimum_launches(alpha):
        return -math.inf, math.inf
    estimate = hodges_lehmann(values)
    low, high = _lower_limit(values, alpha), -_lower_limit(-values, alpha)
    return min(low, estimate), max(high, estimate)


def signed_rank_interval(values: ArrayLike, confidence: float = 0.98) -> tuple[float, float]:
    """Confidence interval of the pseudo-median, by inverting `signed_rank_p` over the Walsh averages.

    Zero lies outside the interval exactly if ``signed_rank_p(values) < 1 - confidence``, unless there are zeros or
    ties among the absolute values. The test that is inverted takes account of ties.

    Source: Hollander, Wolfe and Chicken 2014, Nonparametric Statistical Methods, section 3.3 (Tukey).

    Args:
        values: finite numbers, shape (n,).
        confidence: the confidence level, between 0 and 1.

    Returns:
        ``(low, high)``, or ``(-inf, inf)`` if n is too small for the confidence.

    Raises:
        ValueError: if a value is not finite, or the confidence is not between 0 and 1.

    """
    check_level("confidence", confidence)
    return inverted_interval(as_floats(values), 1 - confidence)
