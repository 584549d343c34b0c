"""The rules of other tools, to be applied to the same launches, so that false positive rates can be compared."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, as_times, t_quantile
from workbench.statistics.verdicts import Verdict


def _pooled(launches: Sequence[ArrayLike]) -> Floats:
    """All samples of a list of launches (each an array of samples) in one array."""
    return as_times(np.concatenate([np.ravel(np.asarray(launch, dtype=np.float64)) for launch in launches]), "samples")


def _direction(base: float, head: float) -> Verdict:
    return Verdict.slower if head > base else Verdict.faster


def pyperf_rule(base: Sequence[ArrayLike], head: Sequence[ArrayLike]) -> Verdict:
    """Rule of pyperf: pooled two-sample Student t test at 95 % (pyperf/_utils.py, is_significant)."""
    old, new = _pooled(base), _pooled(head)
    degrees_of_freedom = len(old) + len(new) - 2
    difference = abs(float(new.mean() - old.mean()))
    if degrees_of_freedom < 1 or difference == 0:
        return Verdict.same
    squares = float(((old - old.mean()) ** 2).sum()) + float(((new - new.mean()) ** 2).sum())
    variance = squares / degrees_of_freedom
    error = math.sqrt(variance * (1 / len(old) + 1 / len(new)))
    significant = difference >= t_quantile(0.975, degrees_of_freedom) * error
    return _direction(float(old.mean()), float(new.mean())) if significant else Verdict.same


def pytest_benchmark_rule(base: Sequence[ArrayLike], head: Sequence[ArrayLike], threshold: float = 0.05) -> Verdict:
    """Rule of pytest-benchmark: ``compare-fail=mean:5%`` (its PercentageRegressionCheck), in both directions."""
    old, new = float(_pooled(base).mean()), float(_pooled(head).mean())
    changed = max(old / new, new / old) > 1 + threshold
    return _direction(old, new) if changed else Verdict.same


def asv_rule(
    base: Sequence[ArrayLike], head: Sequence[ArrayLike], factor: float = 1.1, p_threshold: float = 0.002
) -> Verdict:
    """Rule of ``asv continuous``: medians differ by the factor, samples by asv/statistics.py, is_different.

    The samples differ if the Mann-Whitney U test has p < 0.002; with too few samples for such a p, if the 99 %
    intervals of the medians do not overlap (here the ranges: asv widens its intervals further by a Laplace
    posterior). A single sample on one side is judged by the factor alone.
    """
    old, new = _pooled(base), _pooled(head)
    medians = float(np.median(old)), float(np.median(new))
    if max(medians[0] / medians[1], medians[1] / medians[0]) <= factor:
        return Verdict.same
    if min(len(old), len(new)) > 1 and not _asv_different(old, new, p_threshold):
        return Verdict.same
    return _direction(*medians)


def _asv_different(old: Floats, new: Floats, p_threshold: float) -> bool:
    if 1 / math.comb(len(old) + len(new), len(old)) >= p_threshold:
        return bool(old.max() < new.min() or new.max() < old.min())
    from scipy.stats import mannwhitneyu

    method = "exact" if max(len(old), len(new)) <= 20 else "asymptotic"
    return float(mannwhitneyu(old, new, use_continuity=False, method=method).pvalue) < p_threshold
