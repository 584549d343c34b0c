"""Unpaired launches: the Mann-Whitney test and its critical values."""

import numpy as np

from workbench.statistics.arrays import Floats
from workbench.statistics.signed_rank import EXACT_UP_TO


def rank_sum_tail(n: int, m: int, level: float) -> int | None:
    """How many values of the Mann-Whitney statistic U, from 0 up, have P(U <= value) <= level; None if not even 0 has.

    The numbers of arrangements of n and m values with U = u are the coefficients of a Gaussian binomial, computed by
    dynamic programming.
    """
    ways = np.zeros(n * m + 1)
    ways[0] = 1.0
    for i in range(1, m + 1):
        multiplied = ways.copy()
        multiplied[n + i :] -= ways[: len(ways) - n - i]
        for u in range(i, len(ways)):  # divided by (1 - x**i)
            multiplied[u] += multiplied[u - i]
        ways = multiplied
    cumulative = np.cumsum(ways) / ways.sum()
    count = int(np.count_nonzero(cumulative <= level))
    return count or None


def rank_sum_p(old: Floats, new: Floats) -> float:
    """Two-sided p value of the Mann-Whitney test; exact without ties and with at most `EXACT_UP_TO` values a side."""
    from scipy.stats import mannwhitneyu

    both = np.concatenate([old, new])
    exact = max(len(old), len(new)) <= EXACT_UP_TO and len(np.unique(both)) == len(both)
    return float(mannwhitneyu(new, old, method="exact" if exact else "asymptotic").pvalue)
