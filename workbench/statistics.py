"""Statistics of launches: tests, intervals, verdicts, ranks, warm-up, break-even and overhead.

Pure functions on arrays and plain numbers: no I/O, no content, no state. The unit of every test is the
*launch*, one fresh process, because samples of one process are not independent of each other.
Comparisons work on paired log ratios of launches, ``log(head / base)``: the noise of a launch multiplies
a time, and swapping the two sides only changes the sign.

SciPy is imported inside the functions that need it: importing it costs more than all of this module.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ALPHA = 0.02
"""Two-sided false alarm rate of one whole comparison, over all its looks: 1 % a side."""

LADDER = (8, 12, 16, 24)
"""Launch counts at which a running comparison may look at its data; it stops at the first that settles it."""

_SPENT = (0.008, 0.004, 0.004, 0.004)

_EXACT_UP_TO = 200
"""Signed-rank tests of more values use the normal approximation."""

_FORECAST_LIMIT = 500
"""Launches beyond which a comparison is said to be out of reach, not planned."""


def _floats(values: ArrayLike, name: str = "values") -> Floats:
    """Turn values into a 1-d array of finite float64, or raise ValueError."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers")
    return array


def _times(values: ArrayLike, name: str) -> Floats:
    """Turn values into a 1-d array of positive finite times, or raise ValueError."""
    times = _floats(values, name)
    if not (times > 0).all():
        raise ValueError(f"{name} must be positive times")
    return times


def _check_level(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, not {value}")


def _exp(value: float) -> float:
    """``exp`` that saturates instead of overflowing."""
    return math.exp(min(max(value, -700.0), 700.0))


def _t_quantile(probability: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


# The signed-rank test, its estimate and its interval


def log_ratios(base: ArrayLike, head: ArrayLike) -> Floats:
    """Paired log ratios ``log(head / base)`` of two contestants' launches.

    Args:
        base: one positive time per launch, shape (launches,), any unit.
        head: the same number of times in the same unit; launch i of both ran side by side.

    Returns:
        shape (launches,); positive where head took longer.

    Raises:
        ValueError: if the counts differ, or a time is not a positive finite number.

    """
    old, new = _times(base, "base"), _times(head, "head")
    if len(old) != len(new):
        raise ValueError(f"launches are compared in pairs, but base has {len(old)} and head has {len(new)}")
    return np.log(new) - np.log(old)


def _walsh_averages(values: Floats) -> Floats:
    """The averages of all pairs, each value paired with itself too: shape (n (n + 1) / 2,)."""
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
    array = _floats(values)
    if not len(array):
        raise ValueError("the pseudo-median needs at least one value")
    return float(np.median(_walsh_averages(array)))


def _doubled_ranks(values: Floats) -> NDArray[np.int64]:
    """Twice the mid-rank of each ``|value|``: integers, also where values tie."""
    _, group, counts = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    doubled: NDArray[np.int64] = (2 * np.cumsum(counts) - counts + 1)[group]
    return doubled


def _tail_probability(weights: NDArray[np.int64], limit: int) -> float:
    """P(sum of a random half of the weights <= limit), each weight taken with probability 1/2."""
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
    coin, and the distribution of the rank sum follows by dynamic programming on doubled mid-ranks. Zeros
    are treated after Pratt (they are ranked and then left out) and not after Wilcoxon (left out before
    ranking), because otherwise data can be significantly positive and, all moved up a little, no longer
    be so. Longer series use the normal approximation.

    Sources: Wilcoxon 1945, Individual Comparisons by Ranking Methods; Pratt 1959, Remarks on Zeros and
    Ties in the Wilcoxon Signed Rank Procedures.

    Args:
        values: finite numbers, shape (n,). No values, or zeros alone, are no evidence: p = 1.

    Raises:
        ValueError: if a value is not finite.

    """
    array = _floats(values)
    weights = _doubled_ranks(array) * (array != 0)
    total, positive = int(weights.sum()), int(weights[array > 0].sum())
    smaller = min(positive, total - positive)
    if total == 0:
        return 1.0
    if len(array) <= _EXACT_UP_TO:
        return min(1.0, 2 * _tail_probability(weights[weights > 0], smaller))
    spread = math.sqrt(float((weights.astype(np.float64) ** 2).sum())) / 2
    return math.erfc(max(total / 2 - smaller - 1, 0.0) / spread / math.sqrt(2))


def _lower_limit(values: Floats, alpha: float) -> float:
    """Lowest shift that the signed-rank test at level alpha does not reject.

    Between two neighbouring Walsh averages the p value is constant, and it rises towards the estimate; so
    the search is a bisection over those cells. Cell i begins at the i-th Walsh average. Below the first
    one all signs are positive, which is rejected wherever there are `minimum_launches`.
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


def _interval(values: Floats, alpha: float) -> tuple[float, float]:
    """Shifts that the signed-rank test at level alpha does not reject, and the estimate among them."""
    if len(values) < minimum_launches(alpha):
        return -math.inf, math.inf
    estimate = hodges_lehmann(values)
    low, high = _lower_limit(values, alpha), -_lower_limit(-values, alpha)
    return min(low, estimate), max(high, estimate)


def signed_rank_interval(values: ArrayLike, confidence: float = 0.98) -> tuple[float, float]:
    """Interval of the pseudo-median, by inverting `signed_rank_p` over the Walsh averages.

    Zero lies outside the interval exactly when ``signed_rank_p(values) < 1 - confidence``; only zeros and
    ties among the absolute values can part the two. Ties are kept in the test that is inverted.

    Source: Hollander, Wolfe and Chicken 2014, Nonparametric Statistical Methods, section 3.3 (Tukey).

    Args:
        values: finite numbers, shape (n,).
        confidence: of the interval, between 0 and 1.

    Returns:
        ``(low, high)``, or ``(-inf, inf)`` where n is too small for the confidence.

    Raises:
        ValueError: if a value is not finite, or the confidence is not between 0 and 1.

    """
    _check_level("confidence", confidence)
    return _interval(_floats(values), 1 - confidence)


# The ladder of looks, and what a number of launches can show


def alpha_at(look: int) -> float:
    """The part of `ALPHA` that may be spent at look ``look`` (counted from 0) of `LADDER`.

    The parts sum to `ALPHA`, so by Bonferroni's inequality the false alarm rate over all looks is at most
    `ALPHA`, whatever the noise. The first look takes what eight launches need to be able to reject at all.

    Raises:
        ValueError: if the ladder has no such look.

    """
    if not 0 <= look < len(LADDER):
        raise ValueError(f"the ladder has looks 0 to {len(LADDER) - 1}, not {look}")
    return _SPENT[look]


def minimum_launches(alpha: float) -> int:
    """Fewest launches with which the two-sided signed-rank test can reach ``p < alpha``: 2 / 2**n < alpha.

    Raises:
        ValueError: if alpha is not between 0 and 1.

    """
    _check_level("alpha", alpha)
    launches = 1
    while 2.0 ** (1 - launches) >= alpha:
        launches += 1
    return launches


def smallest_detectable(sd_log: float, launches: int, alpha: float, power: float = 0.8) -> float:
    """Smallest relative change that the test would find with the given power, such as 0.04 for 4 %.

    Normal approximation with the efficiency 3/pi that the signed-rank test has under normal noise, and
    Student's t with launches - 1 degrees of freedom for its quantiles, as the normal ones promise too much
    of few launches: ``exp((t[1 - alpha/2] + t[power]) * sd_log * sqrt(pi / (3 launches))) - 1``. Under
    heavier tails the test is more efficient than that; just above `minimum_launches` it is less.
    Source: Lehmann 1975, Nonparametrics, section 4.3.

    Args:
        sd_log: standard deviation of the paired log ratios of launches.
        launches: pairs of launches.
        alpha: two-sided level of the test.
        power: probability of finding it.

    Returns:
        a relative change, or ``inf`` where so few launches can show nothing at this level.

    Raises:
        ValueError: if sd_log is negative or not finite, or a level is not between 0 and 1.

    """
    _check_level("power", power)
    if not (math.isfinite(sd_log) and sd_log >= 0):
        raise ValueError(f"sd_log must be a finite number >= 0, not {sd_log}")
    if launches < minimum_launches(alpha):
        return math.inf
    reach = _t_quantile(1 - alpha / 2, launches - 1) + _t_quantile(power, launches - 1)
    return _exp(reach * sd_log * math.sqrt(math.pi / (3 * launches))) - 1


def _spread(values: Floats) -> float:
    """Standard deviation that stray launches do not inflate: the median distance of two values, times 1.0483.

    Source: Shamos 1976, Geometry and Statistics: Problems at the Interface.
    """
    i, j = np.triu_indices(len(values), k=1)
    distances = np.abs(values[i] - values[j])
    return 1.0483 * float(np.median(distances)) if len(distances) else 0.0


# The verdict


class Verdict(StrEnum):
    """What a comparison says about head, measured against base."""

    faster = "faster"
    slower = "slower"
    same = "same"
    inconclusive = "inconclusive"
    not_comparable = "not comparable"
    failed = "failed"


@dataclass(frozen=True)
class Comparison:
    """Answer to one comparison of head with base; None stands wherever a number would mean nothing."""

    verdict: Verdict
    ratio: float | None
    """Time of head / time of base: exp of the Hodges-Lehmann estimate."""
    low: float | None
    """Interval of the ratio; with too few launches for a test, the range of the launches."""
    high: float | None
    p: float | None
    """Two-sided signed-rank p value; None where no test was possible."""
    launches: int
    """Pairs of launches compared."""
    smallest_detectable: float | None
    """Relative change that these data could have shown, such as 0.04."""
    more_launches: int | None
    """Launches that would likely settle it: 0 if settled, None if out of reach or unknown."""
    reason: str
    """The answer in one sentence."""


def _no_ratio(verdict: Verdict, launches: int, reason: str) -> Comparison:
    return Comparison(verdict, None, None, None, None, launches, None, None, reason)


def _arm(values: ArrayLike | None) -> Floats:
    """The launches of one side as an array; anything that is not a list of numbers becomes one NaN."""
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        return np.array([np.nan])
    return array if array.ndim == 1 else np.array([np.nan])


def _unusable(base: ArrayLike | None, head: ArrayLike | None, *, paired: bool = True) -> Comparison | None:
    """The answer to a comparison that has no ratio, or None if it has one."""
    for name, values in (("base", base), ("head", head)):
        if values is None:
            return _no_ratio(Verdict.not_comparable, 0, f"{name} was not measured")
    arms = {"base": _arm(base), "head": _arm(head)}
    launches = min(map(len, arms.values()))
    for name, times in arms.items():
        if not len(times):
            return _no_ratio(Verdict.failed, 0, f"{name} has no finished launch")
        if not (np.isfinite(times) & (times > 0)).all():
            return _no_ratio(Verdict.failed, launches, f"{name} holds a time that is not a positive number")
    if paired and len(arms["base"]) != len(arms["head"]):
        counts = f"base has {len(arms['base'])} and head has {len(arms['head'])}"
        return _no_ratio(Verdict.not_comparable, launches, f"launches are compared in pairs, but {counts}")
    return None


def compare(
    base: ArrayLike | None,
    head: ArrayLike | None,
    *,
    delta: float = 0.03,
    alpha: float = ALPHA,
    confidence: float | None = None,
) -> Comparison:
    """Compare head with base, launch by launch; every kind of data gets an answer and never an exception.

    *slower* and *faster* need ``p < alpha``, an estimate of at least delta, and an interval beyond a third of delta, so
    that a true change of 1 % is not called one of 3 % because the launches scatter; *same* needs the whole
    interval inside delta; all else is *inconclusive*. Delta counts on the log scale, so that exchanging base
    and head exchanges the verdicts: faster is a ratio of at most ``1 / (1 + delta)``. Too few launches
    for any p < alpha, or ratios that are all identical (no noise to judge by), are inconclusive; a
    contestant without positive finite times has *failed*; None and unequal counts are *not comparable*.

    Args:
        base: one time per launch, shape (launches,), or None if it was not measured.
        head: the same for the other side, in the same unit and order.
        delta: smallest relative change that matters.
        alpha: two-sided level of this look; use `alpha_at` where the data are looked at more than once.
        confidence: of the interval; ``1 - alpha`` by default, which is the test inverted.

    Raises:
        ValueError: if delta, alpha or confidence is out of range: a mistake in the call, not in the data.

    """
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(f"delta must be a finite number >= 0, not {delta}")
    if confidence is not None:
        _check_level("confidence", confidence)
    outside = alpha if confidence is None else 1 - confidence
    needed = max(minimum_launches(alpha), minimum_launches(outside))
    answer = _unusable(base, head)
    if answer is not None:
        return answer
    ratios = np.log(_arm(head)) - np.log(_arm(base))
    if len(ratios) < needed:
        return _few_launches(ratios, needed, math.log1p(delta), alpha)
    if float(np.ptp(ratios)) <= 1e-12:
        return _no_noise(ratios)
    return _tested(ratios, math.log1p(delta), alpha, outside)


def compare_apart(
    base: ArrayLike | None, head: ArrayLike | None, *, delta: float = 0.03, alpha: float = ALPHA
) -> Comparison:
    """Compare launches that were not measured side by side, such as those of two runs on different days.

    As :func:`compare`, but nothing is paired: the Mann-Whitney test on log times, the Hodges-Lehmann shift (the median
    of all differences) and the interval by inverting the test. What the machine did between the two runs is in
    the ratio, and no statistic removes it.

    Sources: Mann and Whitney 1947, On a Test of Whether one of Two Random Variables is Stochastically Larger than the
    Other; Hollander, Wolfe and Chicken 2014, section 4.3.

    Args:
        base: one time per launch, shape (launches,), or None if it was not measured.
        head: the same for the other run, shape (launches,); the counts may differ.
        delta: smallest relative change that matters.
        alpha: two-sided level of the test.

    Raises:
        ValueError: if delta or alpha is out of range.

    """
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(f"delta must be a finite number >= 0, not {delta}")
    _check_level("alpha", alpha)
    answer = _unusable(base, head, paired=False)
    if answer is not None:
        return answer
    old, new = np.log(_arm(base)), np.log(_arm(head))
    differences = np.sort((new[:, np.newaxis] - old[np.newaxis, :]).ravel())
    outside = _rank_sum_tail(len(new), len(old), alpha / 2)
    if outside is None:
        return _few_apart(differences, min(len(old), len(new)), alpha)
    bar, estimate = math.log1p(delta), float(np.median(differences))
    low, high = float(differences[outside - 1]), float(differences[-outside])
    p = _rank_sum_p(old, new)
    verdict = _verdict(estimate, low, high, bar, significant=p < alpha)
    detectable, count = _exp((high - low) / 2) - 1, f"p = {p:.2g}, {len(old)} and {len(new)} launches"
    reason = _reason(verdict, (estimate, low, high), bar, count)
    launches = min(len(old), len(new))
    return Comparison(verdict, _exp(estimate), _exp(low), _exp(high), p, launches, detectable, None, reason)


def _few_apart(differences: Floats, launches: int, alpha: float) -> Comparison:
    needed = next(n for n in range(1, 100) if _rank_sum_tail(n, n, alpha / 2) is not None)
    return Comparison(
        Verdict.inconclusive,
        ratio=_exp(float(np.median(differences))),
        low=_exp(float(differences[0])),
        high=_exp(float(differences[-1])),
        p=None,
        launches=launches,
        smallest_detectable=None,
        more_launches=max(1, needed - launches),
        reason=f"{launches} launches tell nothing at this level ({needed} of each do); the interval is the range",
    )


def _rank_sum_tail(n: int, m: int, level: float) -> int | None:
    """How many values of the Mann-Whitney statistic of n and m values, from 0 on, have P(U <= value) <= level.

    None where not even 0 has.

    The numbers of arrangements with U = u are the coefficients of a Gaussian binomial, by dynamic programming.
    """
    ways = np.zeros(n * m + 1)
    ways[0] = 1.0
    for i in range(1, m + 1):
        multiplied = ways.copy()
        multiplied[n + i :] -= ways[: len(ways) - n - i]
        for u in range(i, len(ways)):  # divided by (1 - x**i)
            multiplied[u] += multiplied[u - i]
        ways = multiplied
    below = np.cumsum(ways) / ways.sum()
    count = int(np.count_nonzero(below <= level))
    return count or None


def _rank_sum_p(old: Floats, new: Floats) -> float:
    from scipy.stats import mannwhitneyu

    exact = max(len(old), len(new)) <= _EXACT_UP_TO and len(np.unique(np.concatenate([old, new]))) == len(old) + len(
        new
    )
    return float(mannwhitneyu(new, old, method="exact" if exact else "asymptotic").pvalue)


def _few_launches(ratios: Floats, needed: int, bar: float, alpha: float) -> Comparison:
    """Inconclusive: no p value of so few launches is below alpha. The range stands for the interval."""
    launches = len(ratios)
    more = max(_forecast(ratios, bar, alpha) or 0, needed - launches)
    count = "one launch tells" if launches == 1 else f"{launches} launches tell"
    reason = f"{count} nothing about noise at this level (at least {needed} are needed); the interval is the range"
    return Comparison(
        Verdict.inconclusive,
        ratio=_exp(hodges_lehmann(ratios)),
        low=_exp(float(ratios.min())),
        high=_exp(float(ratios.max())),
        p=None,
        launches=launches,
        smallest_detectable=None,
        more_launches=more,
        reason=reason,
    )


def _no_noise(ratios: Floats) -> Comparison:
    """Inconclusive: no clock measures the same ratio every time, so there is nothing to judge it by."""
    ratio = _exp(float(ratios[0]))
    reason = f"all {len(ratios)} ratios are identical ({ratio:.4g}), as copied or rounded times are"
    return Comparison(Verdict.inconclusive, ratio, ratio, ratio, None, len(ratios), None, None, reason)


def _tested(ratios: Floats, bar: float, alpha: float, outside: float) -> Comparison:
    """The verdict where there are launches enough for a test; bar is delta on the log scale."""
    estimate, p = hodges_lehmann(ratios), signed_rank_p(ratios)
    low, high = _interval(ratios, outside)
    verdict = _verdict(estimate, low, high, bar, significant=p < alpha)
    detectable = smallest_detectable(_spread(ratios), len(ratios), alpha)
    detectable = max(detectable, _exp((high - low) / 2) - 1)
    more = _forecast(ratios, bar, alpha) if verdict is Verdict.inconclusive else 0
    reason = _reason(verdict, (estimate, low, high), bar, f"p = {p:.2g}, {len(ratios)} launches")
    if verdict is Verdict.inconclusive:
        reason += f"; {_percent(math.log1p(detectable))} could have been shown, and {_outlook(more)}"
    return Comparison(verdict, _exp(estimate), _exp(low), _exp(high), p, len(ratios), detectable, more, reason)


def _verdict(estimate: float, low: float, high: float, bar: float, *, significant: bool) -> Verdict:
    """From the estimate and its interval on the log scale; what may be a third of the bar is not called beyond it."""
    if significant and abs(estimate) >= bar and (low > bar / 3 or high < -bar / 3):
        return Verdict.slower if estimate > 0 else Verdict.faster
    return Verdict.same if -bar <= low and high <= bar else Verdict.inconclusive


def _forecast(ratios: Floats, bar: float, alpha: float) -> int | None:
    """How many more launches would likely settle it, if the spread stays: None if too many.

    An estimate beyond the bar has to part from zero; one inside has to part from the bar. It counts as
    at least its standard error away from there, since nearer than that it cannot be known to be.
    """
    estimate, spread = abs(hodges_lehmann(ratios)), _spread(ratios)
    distance = estimate if estimate >= bar else bar - estimate
    effect = _exp(max(distance, spread * math.sqrt(math.pi / (3 * len(ratios))))) - 1
    for total in range(max(minimum_launches(alpha), len(ratios) + 1), _FORECAST_LIMIT + 1):
        if smallest_detectable(spread, total, alpha) <= effect:
            return total - len(ratios)
    return None


def _outlook(more: int | None) -> str:
    if more is None:
        return "no affordable number of launches would settle it"
    return f"about {more} more launch{'' if more == 1 else 'es'} would settle it"


def _percent(log_ratio: float) -> str:
    ratio = _exp(log_ratio)
    return f"{round(ratio - 1, 3) + 0.0:+.1%}" if ratio < 10 else f"x{ratio:.3g}"


def _reason(verdict: Verdict, effect: tuple[float, float, float], bar: float, evidence: str) -> str:
    """One sentence for a tested verdict; effect is (estimate, low, high) on the log scale."""
    estimate, low, high = map(_percent, effect)
    detail = f"{estimate}, interval {low} to {high}, {evidence}"
    delta = _percent(bar).lstrip("+")
    if verdict is Verdict.same:
        return f"head takes the same time as base within {delta} ({detail})"
    if verdict is Verdict.inconclusive:
        return f"head is neither shown to differ from base by {delta} nor to be the same ({detail})"
    return f"head takes {'more' if verdict is Verdict.slower else 'less'} time than base ({detail})"


# Intervals and ranks for tables


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
    _check_level("confidence", confidence)
    ordered = np.sort(_floats(values))
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


def without_rounds(blocks: ArrayLike) -> Floats:
    """Times of contestants that were measured in turn, with what each round did to all of them taken out.

    Of each two contestants the median of their log ratios, round by round, is taken: drift and slow rounds leave it
    alone, and one disturbed block moves it little. A contestant's time is then its mean over those medians with all
    (itself too), which makes them agree: a to b times b to c is a to c. For two, the ratio is that median itself.

    Sources: Doksum 1967, Robust Procedures for Some Linear Models with One Observation per Cell; Hollander, Wolfe and
    Chicken 2014, Nonparametric Statistical Methods, section 7.4. Taking each round's median out instead (Tukey's
    median polish) draws the ratios of few noisy contestants towards 1: whoever is the median has no residual.

    Args:
        blocks: (rounds, contestants) positive times.

    Returns:
        (contestants,) times in the unit of the blocks.

    Raises:
        ValueError: for anything but a matrix of finite positive times.
    """
    logs = np.log(_matrix(blocks))
    contrasts = np.median(logs[:, :, np.newaxis] - logs[:, np.newaxis, :], axis=0)
    cleaned: Floats = np.exp(contrasts.mean(axis=1) + np.median(logs.mean(axis=1)))
    return cleaned


def ratio_error(blocks: ArrayLike) -> float:
    """Standard error of what `without_rounds` says of two contestants' ratio: of the least certain two.

    The error of the median of their log ratios, ``1.2533 * spread / sqrt(rounds)``. It is made of how the rounds
    differ among themselves, never of what the ratio is: exchanging the two, or slowing one of them down, leaves it
    as it is. So rounds may go on until it is small, and the signs of the ratios stay as fair as before.

    Args:
        blocks: (rounds, contestants) positive times.

    Returns:
        a relative error, such as 0.01; 0 for fewer than two contestants, inf for fewer than two rounds of them.

    Raises:
        ValueError: for anything but a matrix of finite positive times.
    """
    logs = np.log(_matrix(blocks))
    rounds, contestants = logs.shape
    if contestants < 2:
        return 0.0
    if rounds < 2:
        return math.inf
    widest = max(_spread(logs[:, i] - logs[:, j]) for i in range(contestants) for j in range(i))
    return math.sqrt(math.pi / 2) * widest / math.sqrt(rounds)


def _matrix(blocks: ArrayLike) -> Floats:
    times = np.asarray(blocks, dtype=np.float64)
    if times.ndim != 2 or not times.size or not np.all(np.isfinite(times) & (times > 0)):
        raise ValueError("blocks must be a matrix (rounds, contestants) of finite positive times")
    return times


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


# Warm-up


class WarmupClass(StrEnum):
    """How the block times of one launch develop."""

    flat = "flat"
    warming = "warming"
    slowing = "slowing"
    unsteady = "unsteady"


class Warmup(NamedTuple):
    """Class of a launch and the index of the block from which it is steady (None if it never is)."""

    kind: WarmupClass
    steady_from: int | None


def _without_outliers(values: Floats, limit: float) -> Floats:
    """Replace values further than limit from the median of the seven around them (Hampel's filter)."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 3, mode="symmetric"), 7)
    local: Floats = np.median(windows, axis=1)
    return np.where(np.abs(values - local) > limit, local, values)


def _partition(values: Floats, penalty: float, shortest: int = 2) -> list[int]:
    """Starts of the segments that minimise squared error + penalty per segment (optimal partitioning).

    O(n^2) in time, O(n) in memory. Source: Jackson et al. 2005, An Algorithm for Optimal Partitioning of
    Data on an Interval.
    """
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    best = np.full(n + 1, np.inf)
    best[0] = 0.0
    previous = np.zeros(n + 1, dtype=np.int64)
    for end in range(shortest, n + 1):
        starts = np.arange(end - shortest + 1)
        error = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        costs = best[starts] + error + penalty
        previous[end] = int(np.argmin(costs))
        best[end] = costs[previous[end]]
    segments: list[int] = []
    end = n
    while end > 0:
        end = int(previous[end])
        segments.insert(0, end)
    return segments


def _phases(values: Floats, starts: list[int], tolerance: float, brief: float) -> tuple[list[int], Floats]:
    """Merge segments into phases: (their starts, their medians).

    Neighbours whose medians differ by less than the tolerance merge, the closest first; so does an
    interlude of fewer than brief blocks with what surrounds it, if that is one level on both sides.
    """
    starts = list(starts)
    while True:
        medians = np.array([np.median(part) for part in np.split(values, starts[1:])])
        steps = np.abs(np.diff(medians))
        if len(steps) and steps.min() < tolerance:
            del starts[int(np.argmin(steps)) + 1]
            continue
        around = np.abs(medians[2:] - medians[:-2]) < tolerance
        interludes = np.flatnonzero(around & (np.diff(starts)[1:] < brief))
        if not len(interludes):
            return starts, medians
        del starts[interludes[0] + 1 : interludes[0] + 3]


def warmup_class(block_times: ArrayLike, tolerance: float = 0.02) -> Warmup:
    """Class of one launch's sequence of block times, and where it becomes steady.

    Change points of the log times are found by optimal partitioning with squared error and a penalty of
    ``4 s**2 log n``. The noise s comes from the median absolute first difference (raised by 4 / n, as few
    differences tell it low) and is at least a quarter of the tolerance. A stray block, also the very
    first, is filtered out before. Neighbouring phases whose medians differ by less than the tolerance
    are one, and an interlude shorter than a twentieth of the launch is none. Then:

    - flat: one phase;
    - unsteady: the last phase is shorter than a tenth of the launch or three blocks, or the level turns
      (up after down, down after up) more than once;
    - warming: the last phase is the fastest, within the tolerance; slowing: it is not.

    Source: Barrett et al. 2017, Virtual Machine Warmup Blows Hot and Cold.

    Args:
        block_times: positive times in the order they were measured, shape (n,). Fewer than four are flat.
        tolerance: relative difference below which two phases count as one.

    Raises:
        ValueError: if a time is not positive and finite, or the tolerance is not positive.

    """
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, not {tolerance}")
    logs = np.log(_times(block_times, "block times"))
    n, same = len(logs), math.log1p(tolerance)
    if n < 4:
        return Warmup(WarmupClass.flat, 0)
    logs -= np.median(logs)
    differences = np.diff(logs)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)
    noise = max(noise * (1 + 4 / n), same / 4)
    cleaned = _without_outliers(logs, 3 * noise)
    segments = _partition(cleaned, 4 * noise**2 * math.log(n))
    starts, medians = _phases(cleaned, segments, same, brief=max(3, n / 20))
    turns = int(np.count_nonzero(np.diff(np.sign(np.diff(medians)))))
    if len(starts) == 1:
        return Warmup(WarmupClass.flat, 0)
    if turns > 1 or n - starts[-1] < max(3, n / 10):
        return Warmup(WarmupClass.unsteady, None)
    fastest = medians[-1] - medians.min() < same
    return Warmup(WarmupClass.warming if fastest else WarmupClass.slowing, starts[-1])


# Break-even and overhead


def break_even(start_a_s: float, step_a_s: float, start_b_s: float, step_b_s: float) -> int | None:
    """Fewest steps after which b (say compiled: starts late, steps fast) took no longer in total than a.

    Args:
        start_a_s: seconds a needs before its first steady step.
        step_a_s: seconds per steady step of a.
        start_b_s: the same for b.
        step_b_s: the same for b.

    Returns:
        a number of steps; 0 if b is ahead from the start; None if it never gets there, or a time is not
        finite.

    """
    behind, gain = start_b_s - start_a_s, step_a_s - step_b_s
    if not (math.isfinite(behind) and math.isfinite(gain)):
        return None
    if behind <= 0:
        return 0
    steps = behind / gain if gain > 0 else math.inf
    return math.ceil(steps * (1 - 1e-12)) if math.isfinite(steps) else None


def break_even_range(
    start_a_s: float, step_a_s: tuple[float, float], start_b_s: float, step_b_s: tuple[float, float]
) -> tuple[int | None, int | None]:
    """`break_even` where the step times are known as intervals ``(low, high)``, in seconds.

    Returns:
        ``(earliest, latest)``: earliest with a slow and b fast, latest the other way round; None for never.

    """
    earliest = break_even(start_a_s, step_a_s[1], start_b_s, step_b_s[0])
    return earliest, break_even(start_a_s, step_a_s[0], start_b_s, step_b_s[1])


class Overhead(NamedTuple):
    """The fit of ``seconds = overhead_s + seconds_per_unit * work``, with 95 % intervals."""

    overhead_s: float
    overhead_low: float
    overhead_high: float
    seconds_per_unit: float
    seconds_per_unit_low: float
    seconds_per_unit_high: float
    relative_residual: float
    """Root mean square of (measured - fitted) / measured: 0 is a perfect fit."""
    crossover_work: float
    """Work whose arithmetic takes as long as the overhead; inf if time does not grow with work."""


def fit_overhead(work: ArrayLike, seconds: ArrayLike) -> Overhead:
    """Fit a fixed cost and a cost per unit of work to step times, both >= 0, by least relative squares.

    Weights are ``1 / seconds``: a clock errs in proportion to what it reads, and the small sizes, which
    tell the overhead, count as much as the large. Intervals are Student's t with n - 2 degrees of
    freedom from the weighted residuals, cut at zero (with three points they are wide, as they should be).

    Source: Lawson and Hanson 1974, Solving Least Squares Problems (non-negative least squares, which for
    two unknowns means: where one of them comes out negative, set it to zero and fit the other).

    Args:
        work: amounts of work >= 0, such as FLOP or bytes per step, shape (n,), n >= 3.
        seconds: positive seconds per step, shape (n,).

    Raises:
        ValueError: if there are fewer than three points, the shapes differ, all work is the same, or a
            number is not finite, work is negative or a time is not positive.

    """
    amount, times = _floats(work, "work"), _times(seconds, "seconds")
    if len(amount) != len(times) or len(amount) < 3:
        raise ValueError(f"a fit needs three or more points, not {len(amount)} of work, {len(times)} of time")
    if (amount < 0).any() or float(np.ptp(amount)) == 0:
        raise ValueError("a fit needs work >= 0, at two different amounts or more")
    unit = float(amount.max())
    design = np.stack([1 / times, amount / unit / times], axis=1) * times.min()
    coefficients, residuals = _non_negative_fit(design)
    errors = _standard_errors(design, residuals)
    scale = np.array([times.min(), times.min() / unit])
    (overhead, slope), (error_a, error_b) = coefficients * scale, errors * scale
    return Overhead(
        float(overhead),
        max(0.0, float(overhead - error_a)),
        float(overhead + error_a),
        float(slope),
        max(0.0, float(slope - error_b)),
        float(slope + error_b),
        math.sqrt(float(np.mean(residuals**2))),
        float(overhead / slope) if slope > 0 else math.inf,
    )


def _non_negative_fit(design: Floats) -> tuple[Floats, Floats]:
    """Non-negative least squares of ``design @ x = 1`` for two unknowns: (x, residuals)."""
    ones = np.ones(len(design))
    solution: Floats = np.linalg.lstsq(design, ones)[0].astype(np.float64)
    if (solution < 0).any():
        kept = int(np.argmax(solution))
        column = design[:, kept]
        solution = np.zeros(2)
        solution[kept] = column.sum() / (column @ column)
    return solution, ones - design @ solution


def _standard_errors(design: Floats, residuals: Floats) -> Floats:
    """Half widths of the 95 % t intervals of the two coefficients."""
    freedom = len(design) - 2
    variance = float(residuals @ residuals) / freedom
    covariance = variance * np.linalg.inv(design.T @ design)
    widths: Floats = _t_quantile(0.975, freedom) * np.sqrt(np.diag(covariance))
    return widths


# The rules of other tools, applied to the same launches, to compare false alarm rates


def _pooled(launches: Sequence[ArrayLike]) -> Floats:
    """All samples of a list of launches (each an array of samples) in one array."""
    return _times(np.concatenate([np.ravel(np.asarray(launch, dtype=np.float64)) for launch in launches]), "samples")


def _direction(base: float, head: float) -> Verdict:
    return Verdict.slower if head > base else Verdict.faster


def pyperf_rule(base: Sequence[ArrayLike], head: Sequence[ArrayLike]) -> Verdict:
    """Rule of pyperf: pooled two-sample Student t test at 95 % (pyperf/_utils.py, is_significant)."""
    old, new = _pooled(base), _pooled(head)
    freedom = len(old) + len(new) - 2
    difference = abs(float(new.mean() - old.mean()))
    if freedom < 1 or difference == 0:
        return Verdict.same
    variance = (float(((old - old.mean()) ** 2).sum()) + float(((new - new.mean()) ** 2).sum())) / freedom
    error = math.sqrt(variance * (1 / len(old) + 1 / len(new)))
    significant = difference >= _t_quantile(0.975, freedom) * error
    return _direction(float(old.mean()), float(new.mean())) if significant else Verdict.same


def pytest_benchmark_rule(base: Sequence[ArrayLike], head: Sequence[ArrayLike], threshold: float = 0.05) -> Verdict:
    """Rule of pytest-benchmark: ``compare-fail=mean:5%`` (its PercentageRegressionCheck), both ways."""
    old, new = float(_pooled(base).mean()), float(_pooled(head).mean())
    changed = max(old / new, new / old) > 1 + threshold
    return _direction(old, new) if changed else Verdict.same


def asv_rule(
    base: Sequence[ArrayLike], head: Sequence[ArrayLike], factor: float = 1.1, p_threshold: float = 0.002
) -> Verdict:
    """Rule of ``asv continuous``: medians differ by the factor, samples by asv/statistics.py, is_different.

    The samples differ if the Mann-Whitney U test has p < 0.002; where there are too few samples for such
    a p, if the 99 % intervals of the medians do not overlap (here the ranges: asv widens those further
    by a Laplace posterior). A single sample on one side is judged by the factor alone.
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
