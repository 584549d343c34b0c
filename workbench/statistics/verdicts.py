"""The verdict: what a comparison says about head, measured against base."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, check_level, saturating_exp, shamos_spread
from workbench.statistics.ladder import ALPHA, minimum_launches, smallest_detectable
from workbench.statistics.rank_sum import rank_sum_p, rank_sum_tail
from workbench.statistics.signed_rank import hodges_lehmann, inverted_interval, signed_rank_p

_FORECAST_LIMIT = 500
"""Launches beyond which a comparison is said to be out of reach, not planned."""


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
    significant: bool = False
    """Whether p lies below the level of this look, however small the effect."""


@dataclass(frozen=True)
class Names:
    """What the two sides are called in sentences."""

    base: str = "base"
    head: str = "head"


NAMES = Names()


def compare(
    base: ArrayLike | None,
    head: ArrayLike | None,
    *,
    delta: float = 0.03,
    alpha: float = ALPHA,
    confidence: float | None = None,
    names: Names = NAMES,
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
        names: what the sides are called in the answer's sentence.

    Raises:
        ValueError: if delta, alpha or confidence is out of range: a mistake in the call, not in the data.

    """
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(f"delta must be a finite number >= 0, not {delta}")
    if confidence is not None:
        check_level("confidence", confidence)
    outside = alpha if confidence is None else 1 - confidence
    needed = max(minimum_launches(alpha), minimum_launches(outside))
    answer = _unusable(base, head, names)
    if answer is not None:
        return answer
    ratios = np.log(_arm(head)) - np.log(_arm(base))
    if len(ratios) < needed:
        return _few_launches(ratios, needed, math.log1p(delta), alpha)
    if float(np.ptp(ratios)) <= 1e-12:
        return _no_noise(ratios)
    return _tested(ratios, math.log1p(delta), alpha, outside, names)


def compare_unpaired(
    base: ArrayLike | None,
    head: ArrayLike | None,
    *,
    delta: float = 0.03,
    alpha: float = ALPHA,
    names: Names = NAMES,
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
        names: what the sides are called in the answer's sentence.

    Raises:
        ValueError: if delta or alpha is out of range.

    """
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(f"delta must be a finite number >= 0, not {delta}")
    check_level("alpha", alpha)
    answer = _unusable(base, head, names, paired=False)
    if answer is not None:
        return answer
    old, new = np.log(_arm(base)), np.log(_arm(head))
    differences = np.sort((new[:, np.newaxis] - old[np.newaxis, :]).ravel())
    outside = rank_sum_tail(len(new), len(old), alpha / 2)
    if outside is None:
        return _few_unpaired(differences, min(len(old), len(new)), alpha)
    bar, estimate = math.log1p(delta), float(np.median(differences))
    low, high = float(differences[outside - 1]), float(differences[-outside])
    p = rank_sum_p(old, new)
    verdict = _verdict(estimate, low, high, bar, significant=p < alpha)
    detectable, count = saturating_exp((high - low) / 2) - 1, f"p = {p:.2g}, {len(old)} and {len(new)} launches"
    reason = _reason(verdict, (estimate, low, high), bar, count, names)
    launches = min(len(old), len(new))
    return Comparison(
        verdict,
        saturating_exp(estimate),
        saturating_exp(low),
        saturating_exp(high),
        p,
        launches,
        detectable,
        None,
        reason,
        significant=p < alpha,
    )


def _no_ratio(verdict: Verdict, launches: int, reason: str) -> Comparison:
    return Comparison(verdict, None, None, None, None, launches, None, None, reason)


def _arm(values: ArrayLike | None) -> Floats:
    """The launches of one side as an array; anything that is not a list of numbers becomes one NaN."""
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        return np.array([np.nan])
    return array if array.ndim == 1 else np.array([np.nan])


def _unusable(
    base: ArrayLike | None, head: ArrayLike | None, names: Names, *, paired: bool = True
) -> Comparison | None:
    """The answer to a comparison that has no ratio, or None if it has one."""
    for name, values in ((names.base, base), (names.head, head)):
        if values is None:
            return _no_ratio(Verdict.not_comparable, 0, f"{name} was not measured")
    old, new = _arm(base), _arm(head)
    launches = min(len(old), len(new))
    for name, times in ((names.base, old), (names.head, new)):
        if not len(times):
            return _no_ratio(Verdict.failed, 0, f"{name} has no finished launch")
        if not (np.isfinite(times) & (times > 0)).all():
            return _no_ratio(Verdict.failed, launches, f"{name} holds a time that is not a positive number")
    if paired and len(old) != len(new):
        counts = f"{names.base} has {len(old)} and {names.head} has {len(new)}"
        return _no_ratio(Verdict.not_comparable, launches, f"launches are compared in pairs, but {counts}")
    return None


def _few_unpaired(differences: Floats, launches: int, alpha: float) -> Comparison:
    needed = next(n for n in range(1, 100) if rank_sum_tail(n, n, alpha / 2) is not None)
    return Comparison(
        Verdict.inconclusive,
        ratio=saturating_exp(float(np.median(differences))),
        low=saturating_exp(float(differences[0])),
        high=saturating_exp(float(differences[-1])),
        p=None,
        launches=launches,
        smallest_detectable=None,
        more_launches=max(1, needed - launches),
        reason=f"{launches} launches tell nothing at this level ({needed} of each do); the interval is the range",
    )


def _few_launches(ratios: Floats, needed: int, bar: float, alpha: float) -> Comparison:
    """Inconclusive: no p value of so few launches is below alpha. The range stands for the interval."""
    launches = len(ratios)
    more = max(_forecast(ratios, bar, alpha) or 0, needed - launches)
    count = "one launch tells" if launches == 1 else f"{launches} launches tell"
    reason = f"{count} nothing about noise at this level (at least {needed} are needed); the interval is the range"
    return Comparison(
        Verdict.inconclusive,
        ratio=saturating_exp(hodges_lehmann(ratios)),
        low=saturating_exp(float(ratios.min())),
        high=saturating_exp(float(ratios.max())),
        p=None,
        launches=launches,
        smallest_detectable=None,
        more_launches=more,
        reason=reason,
    )


def _no_noise(ratios: Floats) -> Comparison:
    """Inconclusive: no clock measures the same ratio every time, so there is nothing to judge it by."""
    ratio = saturating_exp(float(ratios[0]))
    reason = f"all {len(ratios)} ratios are identical ({ratio:.4g}), as copied or rounded times are"
    return Comparison(Verdict.inconclusive, ratio, ratio, ratio, None, len(ratios), None, None, reason)


def _tested(ratios: Floats, bar: float, alpha: float, outside: float, names: Names) -> Comparison:
    """The verdict where there are launches enough for a test; bar is delta on the log scale."""
    estimate, p = hodges_lehmann(ratios), signed_rank_p(ratios)
    low, high = inverted_interval(ratios, outside)
    verdict = _verdict(estimate, low, high, bar, significant=p < alpha)
    detectable = smallest_detectable(shamos_spread(ratios), len(ratios), alpha)
    detectable = max(detectable, saturating_exp((high - low) / 2) - 1)
    more = _forecast(ratios, bar, alpha) if verdict is Verdict.inconclusive else 0
    reason = _reason(verdict, (estimate, low, high), bar, f"p = {p:.2g}, {len(ratios)} launches", names)
    if verdict is Verdict.inconclusive:
        reason += f"; {_percent(math.log1p(detectable))} could have been shown, and {_outlook(more)}"
    return Comparison(
        verdict,
        saturating_exp(estimate),
        saturating_exp(low),
        saturating_exp(high),
        p,
        len(ratios),
        detectable,
        more,
        reason,
        significant=p < alpha,
    )


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
    estimate, spread = abs(hodges_lehmann(ratios)), shamos_spread(ratios)
    distance = estimate if estimate >= bar else bar - estimate
    effect = saturating_exp(max(distance, spread * math.sqrt(math.pi / (3 * len(ratios))))) - 1
    for total in range(max(minimum_launches(alpha), len(ratios) + 1), _FORECAST_LIMIT + 1):
        if smallest_detectable(spread, total, alpha) <= effect:
            return total - len(ratios)
    return None


def _outlook(more: int | None) -> str:
    if more is None:
        return "no affordable number of launches would settle it"
    return f"about {more} more launch{'' if more == 1 else 'es'} would settle it"


def _percent(log_ratio: float) -> str:
    ratio = saturating_exp(log_ratio)
    return f"{round(ratio - 1, 3) + 0.0:+.1%}" if ratio < 10 else f"x{ratio:.3g}"


def _reason(verdict: Verdict, effect: tuple[float, float, float], bar: float, evidence: str, names: Names) -> str:
    """One sentence for a tested verdict; effect is (estimate, low, high) on the log scale."""
    estimate, low, high = map(_percent, effect)
    detail = f"{estimate}, interval {low} to {high}, {evidence}"
    delta = _percent(bar).lstrip("+")
    if verdict is Verdict.same:
        return f"{names.head} takes the same time as {names.base} within {delta} ({detail})"
    if verdict is Verdict.inconclusive:
        return f"{names.head} is neither shown to differ from {names.base} by {delta} nor to be the same ({detail})"
    return f"{names.head} takes {'more' if verdict is Verdict.slower else 'less'} time than {names.base} ({detail})"
