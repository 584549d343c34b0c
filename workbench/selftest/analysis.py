"""From recordings to figures and their bounds: pure functions, the same for the quick and the full self-test.

A *comparison* has fixed roles, as for a user: one contestant is the base and another the head in every launch. If the
roles were drawn anew for each launch, the ratios would be symmetric by construction, and a systematic difference
between identical contestants could never show. A comparison begins at some launch of a session; the launches from
there on are replayed to the gate's own rule (:mod:`workbench.comparison.judge`), which decides after each whether it
needs another one, and finally what it finds. What is certified here is therefore the very code that judges commits.

Which comparisons are independent: comparisons of identical code pair contestants 0 and 1, 2 and 3, ...; they share no
process, and they begin 8 launches after one another, so that they share launches only if one continues beyond its first
look (at the end of the session it wraps around). Comparisons of one slowed contestant with several bases share the
slowed one's processes; comparisons in one session share its moments in time. The null of a comparison, which the gate
runs beside base and head, is the next contestant that is identical to the base; it can only withdraw a positive.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.comparison import judge
from workbench.comparison.judge import CONFIRMATION, SCREENING, Finding, Judgement, Times
from workbench.selftest.pool import Pool, Recording
from workbench.statistics import (
    ALPHA,
    LADDER,
    Comparison,
    Floats,
    Verdict,
    asv_rule,
    compare,
    pyperf_rule,
    pytest_benchmark_rule,
)

DELTA = 0.03
WITHIN_S = 60.0
DETECTED = 0.9
COVERED = 0.9
OVERHEAD = 1.02
FIRST_LOOK = LADDER[0]
HOLDS, FAILS, NOT_JUDGED = "holds", "FAILS", "not judged"
CHANGED = (Verdict.faster, Verdict.slower)


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``numbers`` holds the values behind its texts."""

    part: str
    name: str
    value: str
    bound: str
    verdict: str
    numbers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """A comparison at the look that was conclusive, or else at the last one.

    ``true`` is the true ratio, ``seconds`` the measuring time. ``significant`` is the sign of the effect at the first
    look with p < alpha, however small the effect; 0 if there is none. ``confirmed`` is whether the gate's whole rule,
    including confirmation and null, finds it faster or slower.
    """

    comparison: Comparison
    true: float
    significant: int
    seconds: float
    confirmed: bool = False

    @property
    def verdict(self) -> Verdict:
        """The verdict of the screening."""
        return self.comparison.verdict

    @property
    def covers(self) -> bool | None:
        """Whether its interval contains the true ratio; None if there is no interval."""
        if self.comparison.p is None or self.comparison.low is None or self.comparison.high is None:
            return None
        return self.comparison.low <= self.true <= self.comparison.high


# Comparisons


def settle(times: Times, true: float = 1.0, cost_s: Floats | None = None) -> Settled:
    """Replay launches to the gate's rule until its screening needs no more of them.

    Args:
        times: seconds per step of each launch.
        true: the true ratio.
        cost_s: seconds that each launch of base and head took.
    """
    count, significant = 0, 0
    while count < len(times) and _next_purpose(times.first(count)) == SCREENING:
        count += 1
        look = judge.look(times.first(count), DELTA) if count in LADDER else None
        if look is not None and look.significant and not significant:
            significant = 1 if (look.ratio or 1) > 1 else -1
    result = judge.look(times.first(count), DELTA) or compare(times.base, times.head, delta=DELTA)
    seconds = math.nan if cost_s is None else float(cost_s[: result.launches].sum())
    return Settled(result, true, significant, seconds)


def _next_purpose(screening: Times, confirmation: Times | None = None) -> str | None:
    """The purpose of the next launch in a gate that makes this comparison alone."""
    return judge.next_purpose(screening, confirmation or Times(), DELTA, comparisons=1)


def comparison(recording: Recording, base: int, head: int, start: int = 0) -> Settled | None:
    """Compare contestants ``head`` and ``base``, beginning at a launch; None if a launch is missing."""
    order = _order(recording, start)
    times = replayed(recording, base, head, order)
    if not len(times) or len(times) < len(order):
        return None
    true = recording.factors[head] / recording.factors[base]
    settled = settle(times, true, recording.cost_s[order][:, [base, head]].sum(axis=1))
    if recording.shared <= judge.SHARED:
        return settled
    nothing = dataclasses.replace(settled.comparison, verdict=Verdict.inconclusive, low=None, high=None, p=None)
    return dataclasses.replace(settled, comparison=nothing, significant=0)


def _order(recording: Recording, start: int) -> NDArray[np.intp]:
    """The launches of a session, beginning with one of them and wrapping around at the end."""
    return np.roll(np.arange(len(recording.times)), -start)


def replayed(recording: Recording, base: int, head: int, launches: NDArray[np.intp]) -> Times:
    """The times of a pair and its null in the given launches, as far as all three finished them."""
    columns = recording.times[launches][:, [base, null_of(recording, base, head), head]]
    finished = columns[~np.isnan(columns).any(axis=1)]
    return Times(*(list(map(float, column)) for column in finished.T))


def null_of(recording: Recording, base: int, head: int) -> int:
    """The null: the next contestant that is identical to the base and finished; the base itself if there is none.

    The base compared with itself never differs, so in that case the null has no effect.
    """
    others = (other for other in [*range(base + 1, len(recording.slowdowns)), *range(base)] if other != head)
    identical_to_base = (other for other in others if recording.slowdowns[other] == recording.slowdowns[base])
    return next((other for other in identical_to_base if not np.isnan(recording.times[:, other]).any()), base)


def comparisons(pool: Pool, pairs: Callable[[Recording], list[tuple[int, int]]]) -> list[Settled]:
    """All comparisons of a pool, each with whether the gate's whole rule confirms it."""
    results = []
    for number, recording in enumerate(pool.recordings):
        for base, head in pairs(recording):
            for start in starts(recording):
                settled = comparison(recording, base, head, start)
                if settled is not None:
                    confirmed = _confirmed(settled, pool, number, (base, head), start)
                    results.append(dataclasses.replace(settled, confirmed=confirmed))
    return results


def starts(recording: Recording) -> range:
    """The launches at which comparisons begin."""
    return range(0, max(1, len(recording.times) - FIRST_LOOK + 1), FIRST_LOOK)


def _confirmed(settled: Settled, pool: Pool, number: int, pair: tuple[int, int], start: int) -> bool:
    """Whether the gate finds a slowdown after confirming it in launches that were not part of the screening.

    Those launches are the rest of the session, then the following sessions; if the pool has too few, the positive
    counts as confirmed. The gate does not confirm *faster*, so for that verdict base and head swap their roles.
    """
    if settled.verdict not in CHANGED:
        return False
    base, head = pair if settled.verdict is Verdict.slower else pair[::-1]
    recording, used = pool.recordings[number], settled.comparison.launches
    order = _order(recording, start)
    screening, fresh = (replayed(recording, base, head, part) for part in (order[:used], order[used:]))
    for other in (*pool.recordings[number + 1 :], *pool.recordings[:number]):
        fresh = fresh + replayed(other, base, head, _order(other, 0))
    count = 0
    while _next_purpose(screening, fresh.first(count)) == CONFIRMATION:
        if count == len(fresh):
            return True
        count += 1
    row = Judgement(pool.scenario, "", Finding.NEW, "")
    row = judge.judge_times(row, screening, fresh.first(count), delta=DELTA, comparisons=1)
    return judge.corrected([row], 1)[0].finding is Finding.SLOWER


def identical(recording: Recording) -> list[tuple[int, int]]:
    """Pairs of contestants with identical code; each contestant is in one pair at most."""
    unslowed = [index for index, slowdown in enumerate(recording.slowdowns) if slowdown == 0]
    return list(zip(unslowed[::2], unslowed[1::2], strict=False))


def slowed(slowdown: float) -> Callable[[Recording], list[tuple[int, int]]]:
    """Pairs of every unslowed contestant with every contestant of one slowdown."""

    def pairs(recording: Recording) -> list[tuple[int, int]]:
        contestants = list(enumerate(recording.slowdowns))
        bases, heads = ([index for index, own in contestants if own == share] for share in (0.0, slowdown))
        return [(base, head) for base in bases for head in heads]

    return pairs


# What chance alone can explain


def _tail_above(count: int, n: int, rate: float) -> float:
    """P(more than ``count`` of ``n`` events), each with probability ``rate``."""
    probabilities = [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(count + 1, n + 1)]
    return math.fsum(probabilities)


def most_by_chance(n: int, rate: float, level: float) -> int:
    """The upper bound of a count: chance exceeds it with a probability below ``level``."""
    return next(count for count in range(n + 1) if _tail_above(count, n, rate) < level)


def fewest_by_chance(n: int, rate: float, level: float) -> int:
    """The lower bound of a count: chance falls below it with a probability below ``level``."""
    return n - most_by_chance(n, 1 - rate, level)


def balance_p(above: int, below: int) -> float:
    """Two-sided p value of the binomial test that both are equally likely."""
    n = above + below
    ways = sum(math.comb(n, k) for k in range(min(above, below) + 1))
    return min(1.0, 2 * ways / (1 << n))


# Figures


@dataclass(frozen=True)
class Rules:
    """How strict the bounds are: ``full`` has the bounds of METHODOLOGY.md; quick, for daily use, fails less often."""

    full: bool

    @property
    def level(self) -> float:
        """Probability that chance alone breaks a bound: 2.5 % in full, so 8 of 200 at 2 %, and 1 of 200 confirmed."""
        return 0.025 if self.full else 0.001

    def judge(self, holds: bool) -> str:
        """The verdict on a bound that only the full self-test judges."""
        return (HOLDS if holds else FAILS) if self.full else NOT_JUDGED


def judged(holds: bool) -> str:
    """The verdict on a bound that is always judged."""
    return HOLDS if holds else FAILS


def pool_figures(pool: Pool, rules: Rules) -> list[Figure]:
    """All figures of one scenario."""
    slowdowns = sorted({slowdown for recording in pool.recordings for slowdown in recording.slowdowns} - {0.0})
    by_slowdown = {slowdown: comparisons(pool, slowed(slowdown)) for slowdown in slowdowns}
    unchanged = comparisons(pool, identical)
    figures = [*_false_positives(pool.scenario, unchanged, rules)] if unchanged else []
    for slowdown, results in by_slowdown.items():
        if results:
            figures.append(_power(pool, slowdown, results, rules))
    everything = [settled for results in (unchanged, *by_slowdown.values()) for settled in results]
    figures.append(_coverage(pool.scenario, everything, rules))
    figures.append(_failures(pool))
    return figures


def _false_positives(part: str, results: Sequence[Settled], rules: Rules) -> list[Figure]:
    n = len(results)
    significant = [settled.significant for settled in results]
    positives = [settled for settled in results if settled.verdict in CHANGED]
    confirmed = sum(settled.confirmed for settled in positives)
    larger = sum((settled.comparison.ratio or 1) > 1 for settled in results)
    most_screened = most_by_chance(n, ALPHA, rules.level)
    most_confirmed = most_by_chance(n, ALPHA * ALPHA / 2, rules.level)
    p = balance_p(larger, n - larger)
    faster, slower = significant.count(-1), significant.count(1)
    settled_as = ", ".join(f"{count} {verdict}" for verdict, count in _counts(results).items())
    return [
        Figure(
            part,
            "identical code: p < alpha, whatever the effect",
            f"{faster + slower} of {n} ({faster} faster, {slower} slower)",
            f"at most {most_screened}",
            rules.judge(faster + slower <= most_screened),
            {"comparisons": n, "faster": faster, "slower": slower, "most": most_screened},
        ),
        Figure(
            part,
            "identical code: called faster or slower",
            f"{len(positives)} of {n}, {confirmed} after confirmation ({settled_as})",
            f"at most {most_screened}, {most_confirmed} after confirmation",
            judged(len(positives) <= most_screened and confirmed <= most_confirmed),
            {"comparisons": n, "alarms": len(positives), "confirmed": confirmed, "verdicts": _counts(results)},
        ),
        Figure(
            part,
            "identical code: estimates above and below 1",
            f"{larger} and {n - larger} (p = {p:.2g})",
            "balanced, p ≥ 0.01",
            rules.judge(p >= 0.01),
            {"above": larger, "below": n - larger, "p": p, "spread": _spread(results)},
        ),
    ]


def _counts(results: Sequence[Settled]) -> dict[str, int]:
    verdicts = [str(settled.verdict) for settled in results]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}


def _spread(results: Sequence[Settled]) -> float:
    return float(np.std([math.log(settled.comparison.ratio or 1) for settled in results]))


def _power(pool: Pool, slowdown: float, results: Sequence[Settled], rules: Rules) -> Figure:
    n, counts = len(results), _counts(results)
    slower = counts.get("slower", 0)
    faster = counts.get("faster", 0)
    ratio = float(np.median([settled.comparison.ratio or math.nan for settled in results]))
    seconds = float(np.median([settled.seconds for settled in results]))
    launches = int(np.median([settled.comparison.launches for settled in results]))
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    value = f"{verdicts}; median {ratio - 1:+.1%} after {launches} launches, {seconds:.0f} s"
    bound, verdict = _power_bound(pool, slowdown, results, rules)
    numbers = {"comparisons": n, "slower": slower, "faster": faster, "ratio": ratio, "seconds": seconds}
    return Figure(pool.scenario, f"{slowdown:.0%} slower", value, bound, verdict, {**numbers, "launches": launches})


def _power_bound(pool: Pool, slowdown: float, results: Sequence[Settled], rules: Rules) -> tuple[str, str]:
    """The bound of a slowdown's verdicts. With a hog on the contestants' own core, all of them may be inconclusive."""
    n, counts = len(results), _counts(results)
    slower, faster = counts.get("slower", 0), counts.get("faster", 0)
    if slowdown < DELTA:
        if rules.full:
            return "never slower", judged(slower == 0)
        confirmed = sum(settled.confirmed for settled in results if settled.verdict is Verdict.slower)
        return f"never slower after confirmation: {confirmed} (in full: never)", judged(confirmed == 0)
    if slowdown < 1.5 * DELTA:
        return "none: delta itself", NOT_JUDGED
    missed = counts.get("same", 0) + faster
    if "same core" in pool.scenario:
        return "never faster or same; inconclusive allowed", rules.judge(missed <= n * (1 - DETECTED))
    if rules.full:
        slower_in_time = [entry for entry in results if entry.verdict is Verdict.slower and entry.seconds <= WITHIN_S]
        return f"slower in ≥ {DETECTED:.0%}, each within {WITHIN_S:.0f} s", judged(len(slower_in_time) >= DETECTED * n)
    if slowdown < 2 * (DELTA + 0.01):
        return f"slower in ≥ {DETECTED:.0%}", NOT_JUDGED
    bound = "slower in half or more, never faster or same"
    if slower >= n / 2 and not missed:
        return bound, HOLDS
    noisy = any(recording.noisy for recording in pool.recordings)
    excuse = "the machine was not quiet" if noisy else "disturbed on purpose" if pool.scenario != "quiet" else ""
    return (
        (f"{bound} ({excuse})", NOT_JUDGED) if excuse and not missed else (bound, FAILS)
    )  # being inconclusive alone is no excuse


def _coverage(part: str, results: Sequence[Settled], rules: Rules) -> Figure:
    covers = [settled.covers for settled in results if settled.covers is not None]
    n, covering = len(covers), sum(covers)
    numbers = {"intervals": n, "hold": covering}
    name = "interval holds the true ratio"
    if not n:
        return Figure(part, name, "no comparison had an interval", f"≥ {COVERED:.0%}", NOT_JUDGED, numbers)
    fewest = math.ceil(COVERED * n) if rules.full else fewest_by_chance(n, COVERED, rules.level)
    return Figure(
        part, name, f"{covering} of {n} ({covering / n:.0%})", f"at least {fewest}", judged(covering >= fewest), numbers
    )


def _failures(pool: Pool) -> Figure:
    failures = [failure for recording in pool.recordings for failure in recording.failures]
    noisy = sum(bool(recording.noisy) for recording in pool.recordings)
    value = f"{len(failures)} failed; {noisy} of {len(pool.recordings)} sessions flagged as not quiet"
    if stolen := [recording.stolen for recording in pool.recordings if recording.stolen is not None]:
        value += f"; {sum(stolen) / len(stolen):.0%} of the CPU's time stolen by the host"
    value += "".join(f"; {failure}" for failure in failures[:2])
    return Figure(pool.scenario, "contestants that failed", value, "0", judged(not failures), {"failures": failures})


# Other tools' rules on the same data


@dataclass(frozen=True)
class Samples:
    """The launches of base and head that a rule is applied to: the time of each launch, and the times of its blocks."""

    base_s: Floats
    head_s: Floats
    base: list[list[float]]
    head: list[list[float]]


def _gate_rule(samples: Samples) -> Verdict:
    """The gate's first look, which is the only one with so few launches."""
    base_s, head_s = list(samples.base_s), list(samples.head_s)
    result = judge.look(Times(base_s, base_s, head_s), DELTA)
    return Verdict.inconclusive if result is None else result.verdict


RULES: dict[str, Callable[[Samples], Verdict]] = {
    "workbench": _gate_rule,
    "pyperf": lambda samples: pyperf_rule(samples.base, samples.head),
    "asv": lambda samples: asv_rule(samples.base, samples.head),
    "pytest-benchmark mean:5%": lambda samples: pytest_benchmark_rule(samples.base, samples.head),
}


def rule_verdicts(pool: Pool, *, one_after_the_other: bool) -> dict[str, list[Verdict]]:
    """Each rule's verdicts on identical code, given as many launches of base and head as the first look has.

    As recorded, base and head were interleaved. ``one_after_the_other`` is how the other tools measure: all launches
    of base, then all of head, which here are the next eight of the same session.
    """
    verdicts: dict[str, list[Verdict]] = {name: [] for name in RULES}
    for recording in pool.recordings:
        launches = len(recording.times)
        for base, head in identical(recording):
            for start in range(0, launches - FIRST_LOOK * (1 + one_after_the_other) + 1, FIRST_LOOK):
                of_base = range(start, start + FIRST_LOOK)
                of_head = range(start + FIRST_LOOK, start + 2 * FIRST_LOOK) if one_after_the_other else of_base
                samples = Samples(
                    recording.times[of_base, base],
                    recording.times[of_head, head],
                    [recording.blocks[launch][base] for launch in of_base],
                    [recording.blocks[launch][head] for launch in of_head],
                )
                if all(samples.base) and all(samples.head):
                    for name, rule in RULES.items():
                        verdicts[name].append(rule(samples))
    return verdicts


def rule_figures(pools: Sequence[Pool]) -> list[Figure]:
    """False positives of our rule and of other tools' rules on the same launches, scenario by scenario."""
    figures = []
    for one_after_the_other in (False, True):
        by_pool = {pool.scenario: rule_verdicts(pool, one_after_the_other=one_after_the_other) for pool in pools}
        for name in RULES:
            rates = {
                scenario: (sum(verdict in CHANGED for verdict in verdicts[name]), len(verdicts[name]))
                for scenario, verdicts in by_pool.items()
                if verdicts[name]
            }
            if rates:
                value = "; ".join(f"{scenario} {positives} of {n}" for scenario, (positives, n) in rates.items())
                how = "base, then head" if one_after_the_other else "interleaved"
                part = f"false alarms on the same launches, {how}"
                figures.append(Figure(part, name, value, "none: for comparison", NOT_JUDGED, {"rates": rates}))
    return figures
