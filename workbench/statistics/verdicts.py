"""Verdicts: head compared with base."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, check_level, saturating_exp, shamos_spread
from workbench.statistics.ladder import ALPHA, minimum_launches, smallest_detectable
from workbench.statistics.rank_sum import rank_sum_p, rank_sum_tail
from workbench.statistics.signed_rank import hodges_lehmann, inverted_interval, signed_rank_p

IDENTICAL = 1e-12  # log ratios that differ by less differ by rounding alone
_FORECAST_LIMIT = 500
"""Most launches that are forecast for a comparison; one that needs more counts as out of reach."""


class Verdict(StrEnum):
    """What a comparison says about head, relative to base."""

    faster = "faster"
    slower = "slower"
    same = "same"
    inconclusive = "inconclusive"
    not_comparable = "not comparable"
    failed = "failed"


@dataclass(frozen=True)
class Comparison:
    """Result of one comparison of head with base; a number that would be meaningless is None."""

    verdict: Verdict
    ratio: float | None
    """Time of head divided by time of base: exp of the Hodges-Lehmann estimate."""
    low: float | None
    """Lower end of the ratio's confidence interval; with too few launches for a test, the minimum."""
    high: float | None
    """Upper end of the interval, likewise."""
    p: float | None
    """Two-sided p value of the test; None if no test was possible."""
    launches: int
    """Number of pairs of launches; if they are not paired, the smaller of the two numbers."""
    smallest_detectable: float | None
    """Smallest relative change that these data could have detected, such as 0.04."""
    more_launches: int | None
    """Further launches that would probably decide it: 0 if decided, None if out of reach or unknown."""
    reason: str
    """The result in one sentence."""
    significant: bool = False
    """Whether p is below the significance level of this look, however small the effect."""


@dataclass(frozen=True)
class Names:
    """Names of the two sides in sentences."""

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
    """Compare head with base, launch by launch; any data get a verdict, none raise an exception.

    *slower* and *faster* need ``p < alpha``, an estimate of at least delta, and an interval that lies beyond a third
    of delta, so that scatter does not turn a true change of 1 % into one of 3 %; *same* needs the whole interval
    within delta; everything else is *inconclusive*. Delta applies on the log scale, so that swapping base and head
    swaps the verdicts: faster means a ratio of at most ``1 / (1 + delta)``. Ratios that are all identical, without
    noise to judge them by, are slower or faster if they reach delta, without a p value, and else inconclusive, as are
    too few launches for any p < alpha; a side without positive finite times has *failed*; None, or unequal numbers of
    launches, are *not comparable*.

    Args:
        base: one time per launch, shape (launches,), or None if it was not measured.
        head: the same for the other side, in the same unit and order.
        delta: smallest relative change that matters.
        alpha: two-sided significance level of this look; use `alpha_at` for a ladder of several looks.
        confidence: of the interval; by default ``1 - alpha``, which inverts the test.
        names: names of the two sides in the result's sentence.

    Raises:
        ValueError: if delta, alpha or confidence is out of range, which is a mistake of the caller.

    """
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(f"delta must be a finite number >= 0, not {delta}")
    if confidence is not None:
        check_level("confidence", confidence)
    interval_alpha = alpha if confidence is None else 1 - confidence
    needed = max(minimum_launches(alpha), minimum_launches(interval_alpha))
    unusable = _unusable(base, head, names)
    if unusable is not None:
        return unusable
    ratios = np.log(_times(head)) - np.log(_times(base))
    if len(ratios) < needed:
        return _few_launches(ratios, needed, math.log1p(delta), alpha)
    if float(np.ptp(ratios)) <= IDENTICAL:
        return _no_noise(ratios, math.log1p(delta), names)
    return _tested(ratios, math.log1p(delta), alpha, interval_alpha, names)


def compare_unpaired(
    base: ArrayLike | None,
    head: ArrayLike | None,
    *,
    delta: float = 0.03,
    alpha: float = ALPHA,
    names: Names = NAMES,
) -> Comparison:
    """Compare launches that were not measured side by side, such as those of two runs on different days.

    As :func:`compare`, but unpaired: the Mann-Whitney test on log times, the Hodges-Lehmann shift (the median of all
    differences), and the confidence interval by inverting the test. Whatever changed on the machine between the two
    runs is part of the ratio, and no statistic can remove it.

    Sources: Mann and Whitney 1947, On a Test of Whether one of Two Random Variables is Stochastically Larger than the
    Other; Hollander, Wolfe and Chicken 2014, section 4.3.

    Args:
        base: one time per launch, shape (launches,), or None if it was not measured.
        head: the same for the other run, shape (launches,); the counts may differ.
        delta: smallest relative change that matters.
        alpha: two-sided significance level of the test.
        names: names of the two sides in the result's sentence.

    Raises:
        ValueError: if delta or alpha is out of range.

    """
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(f"delta must be a finite number >= 0, not {delta}")
    check_level("alpha", alpha)
    unusable = _unusable(base, head, names, paired=False)
    if unusable is not None:
        return unusable
    old, new = np.log(_times(base)), np.log(_times(head))
    differences = np.sort((new[:, np.newaxis] - old[np.newaxis, :]).ravel())
    tail = rank_sum_tail(len(new), len(old), alpha / 2)
    if tail is None:
        return _few_unpaired(differences, min(len(old), len(new)), alpha)
    log_delta, estimate = math.log1p(delta), float(np.median(differences))
    low, high = float(differences[tail - 1]), float(differences[-tail])
    p = rank_sum_p(old, new)
    verdict = _verdict(estimate, low, high, log_delta, significant=p < alpha)
    detectable, evidence = saturating_exp((high - low) / 2) - 1, f"p = {p:.2g}, {len(old)} and {len(new)} launches"
    reason = _reason(verdict, (estimate, low, high), log_delta, evidence, names)
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


def _without_ratio(verdict: Verdict, launches: int, reason: str) -> Comparison:
    return Comparison(verdict, None, None, None, None, launches, None, None, reason)


def _times(values: ArrayLike | None) -> Floats:
    """The times of one side as an array; anything that is not a list of numbers becomes a single NaN."""
    try:
        given = np.asarray(values)
        array = np.atleast_1d(np.asarray(given, dtype=np.float64)) if given.dtype.kind != "c" else np.empty((0, 0))
    except (TypeError, ValueError, OverflowError):
        return np.array([np.nan])
    return array if array.ndim == 1 else np.array([np.nan])


def _unusable(
    base: ArrayLike | None, head: ArrayLike | None, names: Names, *, paired: bool = True
) -> Comparison | None:
    """The result of a comparison that cannot have a ratio; None if it can."""
    for name, values in ((names.base, base), (names.head, head)):
        if values is None:
            return _without_ratio(Verdict.not_comparable, 0, f"{name} was not measured")
    old, new = _times(base), _times(head)
    launches = min(len(old), len(new))
    for name, times in ((names.base, old), (names.head, new)):
        if not len(times):
            return _without_ratio(Verdict.failed, 0, f"{name} has no finished launch")
        if not (np.isfinite(times) & (times > 0)).all():
            return _without_ratio(Verdict.failed, launches, f"{name} has a time that is not a positive number")
    if paired and len(old) != len(new):
        counts = f"{names.base} has {len(old)} and {names.head} {len(new)}"
        return _without_ratio(Verdict.not_comparable, launches, f"launches are compared in pairs, but {counts}")
    return None


def _few_unpaired(differences: Floats, launches: int, alpha: float) -> Comparison:
    """Inconclusive: with so few launches, no p value is below alpha. The range takes the place of the interval."""
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
        reason=f"too few launches to decide ({launches}; at least {needed} of each needed): rerun both with more; "
        "the interval shown is min to max",
    )


def _few_launches(ratios: Floats, needed: int, log_delta: float, alpha: float) -> Comparison:
    """Inconclusive: with so few launches, no p value is below alpha. The range takes the place of the interval."""
    launches = len(ratios)
    more = max(_forecast(ratios, log_delta, alpha) or 0, needed - launches)
    count = f"{launches}; at least {needed} needed"
    reason = f"too few launches to decide ({count}): rerun with more; the interval shown is min to max"
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


def _no_noise(ratios: Floats, log_delta: float, names: Names) -> Comparison:
    """Without noise there is no test. A difference of delta or more stands all the same; a smaller one is inconclusive.

    No clock measures exactly the same ratio every time, so these times may be copied, or rounded so far.
    """
    ratio, count = saturating_exp(float(ratios[0])), len(ratios)
    if abs(float(ratios[0])) >= max(log_delta, IDENTICAL):
        verdict = Verdict.slower if ratios[0] > 0 else Verdict.faster
        more = "more" if verdict is Verdict.slower else "less"
        change = _percent(float(ratios[0]))
        reason = (
            f"{names.head} takes {more} time than {names.base} ({change} in each of {count} launches, without noise)"
        )
        return Comparison(verdict, ratio, ratio, ratio, None, count, None, 0, reason)
    reason = f"all {count} ratios are identical ({ratio:.4g}): these times seem to be copied or rounded"
    return Comparison(Verdict.inconclusive, ratio, ratio, ratio, None, count, None, None, reason)


def _tested(ratios: Floats, log_delta: float, alpha: float, interval_alpha: float, names: Names) -> Comparison:
    """The result if there are enough launches for a test; log_delta is delta on the log scale."""
    estimate, p = hodges_lehmann(ratios), signed_rank_p(ratios)
    low, high = inverted_interval(ratios, interval_alpha)
    verdict = _verdict(estimate, low, high, log_delta, significant=p < alpha)
    detectable = smallest_detectable(shamos_spread(ratios), len(ratios), alpha)
    detectable = max(detectable, saturating_exp((high - low) / 2) - 1)
    more = _forecast(ratios, log_delta, alpha) if verdict is Verdict.inconclusive else 0
    reason = _reason(verdict, (estimate, low, high), log_delta, f"p = {p:.2g}, {len(ratios)} launches", names)
    if verdict is Verdict.inconclusive:
        smallest = _percent(math.log1p(detectable)).lstrip("+")
        reason += f"; the smallest detectable change is {smallest}, and {_outlook(more)}"
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


def _verdict(estimate: float, low: float, high: float, log_delta: float, *, significant: bool) -> Verdict:
    """The verdict on an estimate and its interval, all on the log scale; see `compare`."""
    if significant and abs(estimate) >= log_delta and (low > log_delta / 3 or high < -log_delta / 3):
        return Verdict.slower if estimate > 0 else Verdict.faster
    return Verdict.same if -log_delta <= low and high <= log_delta else Verdict.inconclusive


def _forecast(ratios: Floats, log_delta: float, alpha: float) -> int | None:
    """How many more launches would probably decide it, if the spread stays as it is; None if too many.

    An estimate beyond delta has to be distinguished from zero, one within delta from delta. The distance counts as
    at least a standard error, because the estimate is not known more precisely than that.
    """
    estimate, spread = abs(hodges_lehmann(ratios)), shamos_spread(ratios)
    distance = estimate if estimate >= log_delta else log_delta - estimate
    effect = saturating_exp(max(distance, spread * math.sqrt(math.pi / (3 * len(ratios))))) - 1
    for total in range(max(minimum_launches(alpha), len(ratios) + 1), _FORECAST_LIMIT + 1):
        if smallest_detectable(spread, total, alpha) <= effect:
            return total - len(ratios)
    return None


def _outlook(more: int | None) -> str:
    if more is None:
        return "no affordable number of launches would decide it"
    return f"about {more} more launch{'' if more == 1 else 'es'} would probably decide it"


def _percent(log_ratio: float) -> str:
    ratio = saturating_exp(log_ratio)
    return f"{round(ratio - 1, 3) + 0.0:+.1%}" if ratio < 10 else f"x{ratio:.3g}"


def _reason(verdict: Verdict, effect: tuple[float, float, float], log_delta: float, evidence: str, names: Names) -> str:
    """A tested verdict as a sentence; effect is (estimate, low, high) on the log scale."""
    estimate, low, high = map(_percent, effect)
    detail = f"{estimate}, confidence interval {low} to {high}, {evidence}"
    delta = _percent(log_delta).lstrip("+")
    if verdict is Verdict.same:
        return f"{names.head} takes the same time as {names.base} to within {delta} ({detail})"
    if verdict is Verdict.inconclusive:
        return f"{names.head} may or may not differ from {names.base} by {delta} or more ({detail})"
    return f"{names.head} takes {'more' if verdict is Verdict.slower else 'less'} time than {names.base} ({detail})"
