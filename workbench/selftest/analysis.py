"""From recordings to figures with their bounds: pure functions, the same for quick and full.

A *comparison* has fixed roles, as a user's has: one contestant is base, another head, in every launch. Roles drawn
anew in each launch would make the ratios symmetric by construction, and no systematic difference of what should be
identical could ever show. It begins at a launch of the session, and the launches from there on are played back to the
gate's own rule (:mod:`workbench.comparison.judge`), which says after each whether it wants another one, and what it
finds. So what is certified here is the code that judges commits; there is no second one.

What is independent of what: comparisons of identical code pair contestants 0 and 1, 2 and 3, ...; they share no
process, and begin 8 launches apart, so they share launches only where one goes on beyond its first look (it goes on
round the end of the session). Comparisons of one slow contestant with several bases share the slow one's processes;
comparisons of one session share its moments. The null of a comparison, which the gate runs beside base and head, is
the next contestant that is identical to the base; it can only withdraw an alarm.
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
FOUND = 0.9
COVERED = 0.9
OVERHEAD = 1.02
FIRST = LADDER[0]
HOLDS, FAILS, NOT_JUDGED = "holds", "FAILS", "not judged"


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``numbers`` are what its texts are made of."""

    part: str
    name: str
    value: str
    bound: str
    verdict: str
    numbers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """A comparison at the look that settled it, or at the last one.

    ``significant`` is the sign of the first look with p < alpha, whatever the effect; 0 without one. ``confirmed`` is
    whether the gate's whole rule, with confirmation and null, calls it faster or slower.
    """

    comparison: Comparison
    true: float
    significant: int
    seconds: float
    confirmed: bool = False

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.comparison.verdict

    @property
    def covers(self) -> bool | None:
        """Whether its interval holds the true ratio; None where there is no interval."""
        if self.comparison.p is None or self.comparison.low is None or self.comparison.high is None:
            return None
        return self.comparison.low <= self.true <= self.comparison.high


# Comparisons


def settle(times: Times, true: float = 1.0, cost_s: Floats | None = None) -> Settled:
    """Play launches back to the gate's rule until it wants no more of them for its screening.

    Args:
        times: seconds per step of each launch.
        true: the true ratio.
        cost_s: what each launch of base and head took.
    """
    made, significant = 0, 0
    while made < len(times) and _wanted(times.first(made)) == SCREENING:
        made += 1
        seen = judge.look(times.first(made), DELTA) if made in LADDER else None
        if seen is not None and seen.significant and not significant:
            significant = 1 if (seen.ratio or 1) > 1 else -1
    answer = judge.look(times.first(made), DELTA) or compare(times.base, times.head, delta=DELTA)
    seconds = math.nan if cost_s is None else float(cost_s[: answer.launches].sum())
    return Settled(answer, true, significant, seconds)


def _wanted(screening: Times, confirmation: Times | None = None) -> str | None:
    """What the gate wants the next launch for; there is one comparison in the whole gate."""
    return judge.next_purpose(screening, confirmation or Times(), DELTA, comparisons=1)


def comparison(recording: Recording, base: int, head: int, start: int = 0) -> Settled | None:
    """Contestant ``head`` against ``base``, beginning at a launch; None when a launch is missing."""
    order = _order(recording, start)
    times = played(recording, base, head, order)
    if not len(times) or len(times) < len(order):
        return None
    true = recording.factors[head] / recording.factors[base]
    return settle(times, true, recording.cost_s[order][:, [base, head]].sum(axis=1))


def _order(recording: Recording, start: int) -> NDArray[np.intp]:
    """The launches of a session from one of them on, round its end."""
    return np.roll(np.arange(len(recording.times)), -start)


def played(recording: Recording, base: int, head: int, launches: NDArray[np.intp]) -> Times:
    """Some launches of a pair and of its null, those that all of them have finished."""
    columns = recording.times[launches][:, [base, null_of(recording, base, head), head]]
    whole = columns[~np.isnan(columns).any(axis=1)]
    return Times(*(list(map(float, column)) for column in whole.T))


def null_of(recording: Recording, base: int, head: int) -> int:
    """The next contestant that is identical to the base and whole, as its null; the base itself where there is none.

    Compared with itself, nothing ever differs: that leaves the null out.
    """
    others = (other for other in [*range(base + 1, len(recording.slowdowns)), *range(base)] if other != head)
    same = (other for other in others if recording.slowdowns[other] == recording.slowdowns[base])
    return next((other for other in same if not np.isnan(recording.times[:, other]).any()), base)


def comparisons(pool: Pool, pairs: Callable[[Recording], list[tuple[int, int]]]) -> list[Settled]:
    """All comparisons of a pool, each with whether the gate's whole rule confirms it."""
    answers = []
    for number, recording in enumerate(pool.recordings):
        for base, head in pairs(recording):
            for start in starts(recording):
                settled = comparison(recording, base, head, start)
                if settled is not None:
                    confirmed = _confirmed(settled, pool, number, (base, head), start)
                    answers.append(dataclasses.replace(settled, confirmed=confirmed))
    return answers


def starts(recording: Recording) -> range:
    """The launches at which comparisons begin."""
    return range(0, max(1, len(recording.times) - FIRST + 1), FIRST)


def _confirmed(settled: Settled, pool: Pool, number: int, pair: tuple[int, int], start: int) -> bool:
    """Whether the gate calls it slower once it has what it wants of launches that the screening has not seen.

    Those are the rest of the session, then the next sessions'. Where the pool has too few of them, the alarm stands.
    The gate confirms no *faster*: there, base and head change places, which changes nothing else.
    """
    if settled.verdict not in (Verdict.faster, Verdict.slower):
        return False
    base, head = pair if settled.verdict is Verdict.slower else pair[::-1]
    recording, used = pool.recordings[number], settled.comparison.launches
    order = _order(recording, start)
    screening, fresh = (played(recording, base, head, part) for part in (order[:used], order[used:]))
    for other in (*pool.recordings[number + 1 :], *pool.recordings[:number]):
        fresh = fresh + played(other, base, head, _order(other, 0))
    made = 0
    while _wanted(screening, fresh.first(made)) == CONFIRMATION:
        if made == len(fresh):
            return True
        made += 1
    row = Judgement(pool.scenario, "", Finding.NEW, "")
    row = judge.judge_times(row, screening, fresh.first(made), delta=DELTA, comparisons=1)
    return judge.corrected([row], 1)[0].finding is Finding.SLOWER


def identical(recording: Recording) -> list[tuple[int, int]]:
    """Pairs of contestants that are the same code, no contestant in two."""
    same = [index for index, slowdown in enumerate(recording.slowdowns) if slowdown == 0]
    return list(zip(same[::2], same[1::2], strict=False))


def slowed(slowdown: float) -> Callable[[Recording], list[tuple[int, int]]]:
    """Every base against every contestant of a slow-down."""

    def pairs(recording: Recording) -> list[tuple[int, int]]:
        shares = list(enumerate(recording.slowdowns))
        return [(base, head) for base, zero in shares if zero == 0 for head, share in shares if share == slowdown]

    return pairs


# What chance allows


def _tail_above(count: int, n: int, rate: float) -> float:
    """P(more than ``count`` of ``n``)."""
    chances = [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(count + 1, n + 1)]
    return math.fsum(chances)


def most_by_chance(n: int, rate: float, level: float) -> int:
    """The fewest events that chance exceeds with a probability below ``level``: the bound of a count."""
    return next(count for count in range(n + 1) if _tail_above(count, n, rate) < level)


def fewest_by_chance(n: int, rate: float, level: float) -> int:
    """The most events that chance undershoots with a probability below ``level``."""
    return n - most_by_chance(n, 1 - rate, level)


def balance_p(above: int, below: int) -> float:
    """Two-sided binomial p value that the two are equally likely."""
    n = above + below
    ways = sum(math.comb(n, k) for k in range(min(above, below) + 1))
    return min(1.0, 2 * ways / (1 << n))


# Figures


@dataclass(frozen=True)
class Rules:
    """How strictly: ``full`` holds METHOD's numbers; quick lets chance have one in a thousand, as CI asks daily."""

    full: bool

    @property
    def level(self) -> float:
        """How seldom a bound may be broken by chance alone: 8 of 200 at 2 % and 1 of 200 confirmed are 2.5 %."""
        return 0.025 if self.full else 0.001

    def judge(self, holds: bool) -> str:
        """A bound that is judged in full alone."""
        return (HOLDS if holds else FAILS) if self.full else NOT_JUDGED


def judged(holds: bool) -> str:
    """A bound that is always judged."""
    return HOLDS if holds else FAILS


def pool_figures(pool: Pool, rules: Rules) -> list[Figure]:
    """All figures of one scenario."""
    slowdowns = sorted({slowdown for recording in pool.recordings for slowdown in recording.slowdowns} - {0.0})
    by_slowdown = {slowdown: comparisons(pool, slowed(slowdown)) for slowdown in slowdowns}
    same = comparisons(pool, identical)
    figures = [*_false_alarms(pool.scenario, same, rules)] if same else []
    for slowdown, answers in by_slowdown.items():
        if answers:
            figures.append(_power(pool, slowdown, answers, rules))
    everything = [settled for answers in (same, *by_slowdown.values()) for settled in answers]
    figures.append(_coverage(pool.scenario, everything, rules))
    figures.append(_failures(pool))
    return figures


def _false_alarms(part: str, answers: Sequence[Settled], rules: Rules) -> list[Figure]:
    n = len(answers)
    significant = [settled.significant for settled in answers]
    alarms = [settled for settled in answers if settled.verdict in (Verdict.faster, Verdict.slower)]
    confirmed = sum(settled.confirmed for settled in alarms)
    larger = sum((settled.comparison.ratio or 1) > 1 for settled in answers)
    screening = most_by_chance(n, ALPHA, rules.level)
    after = most_by_chance(n, ALPHA * ALPHA / 2, rules.level)
    p = balance_p(larger, n - larger)
    faster, slower = significant.count(-1), significant.count(1)
    settled_as = ", ".join(f"{count} {verdict}" for verdict, count in _counts(answers).items())
    return [
        Figure(
            part,
            "identical code: p < alpha, whatever the effect",
            f"{faster + slower} of {n} ({faster} faster, {slower} slower)",
            f"at most {screening}",
            rules.judge(faster + slower <= screening),
            {"comparisons": n, "faster": faster, "slower": slower, "most": screening},
        ),
        Figure(
            part,
            "identical code: called faster or slower",
            f"{len(alarms)} of {n}, {confirmed} after confirmation ({settled_as})",
            f"at most {screening}, {after} after confirmation",
            judged(len(alarms) <= screening and confirmed <= after),
            {"comparisons": n, "alarms": len(alarms), "confirmed": confirmed, "verdicts": _counts(answers)},
        ),
        Figure(
            part,
            "identical code: estimates above and below 1",
            f"{larger} and {n - larger} (p = {p:.2g})",
            "balanced, p ≥ 0.01",
            rules.judge(p >= 0.01),
            {"above": larger, "below": n - larger, "p": p, "spread": _spread(answers)},
        ),
    ]


def _counts(answers: Sequence[Settled]) -> dict[str, int]:
    verdicts = [str(settled.verdict) for settled in answers]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}


def _spread(answers: Sequence[Settled]) -> float:
    return float(np.std([math.log(settled.comparison.ratio or 1) for settled in answers]))


def _power(pool: Pool, slowdown: float, answers: Sequence[Settled], rules: Rules) -> Figure:
    n, counts = len(answers), _counts(answers)
    slower = counts.get("slower", 0)
    opposite = counts.get("faster", 0)
    ratio = float(np.median([settled.comparison.ratio or math.nan for settled in answers]))
    seconds = float(np.median([settled.seconds for settled in answers]))
    launches = int(np.median([settled.comparison.launches for settled in answers]))
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    value = f"{verdicts}; median {ratio - 1:+.1%} after {launches} launches, {seconds:.0f} s"
    bound, verdict = _power_bound(pool, slowdown, answers, rules)
    numbers = {"comparisons": n, "slower": slower, "faster": opposite, "ratio": ratio, "seconds": seconds}
    return Figure(pool.scenario, f"{slowdown:.0%} slower", value, bound, verdict, {**numbers, "launches": launches})


def _power_bound(pool: Pool, slowdown: float, answers: Sequence[Settled], rules: Rules) -> tuple[str, str]:
    """What a slow-down must come to. On the contestants' own core a hog may leave everything inconclusive."""
    n, counts = len(answers), _counts(answers)
    slower, faster = counts.get("slower", 0), counts.get("faster", 0)
    if slowdown < DELTA:
        if rules.full:
            return "never slower", judged(slower == 0)
        confirmed = sum(settled.confirmed for settled in answers if settled.verdict is Verdict.slower)
        return f"never slower after confirmation: {confirmed} (in full: never)", judged(confirmed == 0)
    if slowdown < 1.5 * DELTA:
        return "none: delta itself", NOT_JUDGED
    missed = counts.get("same", 0) + faster
    if "same core" in pool.scenario:
        return "never faster or same; inconclusive allowed", rules.judge(missed <= n * (1 - FOUND))
    if rules.full:
        in_time = sum(s.verdict is Verdict.slower and s.seconds <= WITHIN_S for s in answers)
        return f"slower in ≥ {FOUND:.0%}, each within {WITHIN_S:.0f} s", judged(in_time >= FOUND * n)
    if slowdown < 2 * (DELTA + 0.01):
        return f"slower in ≥ {FOUND:.0%}", NOT_JUDGED
    bound = "slower in half or more, never faster or same"
    if slower >= n / 2 and not missed:
        return bound, HOLDS
    noisy = any(recording.noisy for recording in pool.recordings)
    excuse = "the machine was not quiet" if noisy else "disturbed on purpose" if pool.scenario != "quiet" else ""
    return (f"{bound} ({excuse})", NOT_JUDGED) if excuse and not missed else (bound, FAILS)  # the outcome is no excuse


def _coverage(part: str, answers: Sequence[Settled], rules: Rules) -> Figure:
    covers = [settled.covers for settled in answers if settled.covers is not None]
    n, held = len(covers), sum(covers)
    numbers = {"intervals": n, "hold": held}
    name = "interval holds the true ratio"
    if not n:
        return Figure(part, name, "no comparison had an interval", f"≥ {COVERED:.0%}", NOT_JUDGED, numbers)
    fewest = math.ceil(COVERED * n) if rules.full else fewest_by_chance(n, COVERED, rules.level)
    return Figure(part, name, f"{held} of {n} ({held / n:.0%})", f"at least {fewest}", judged(held >= fewest), numbers)


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
    """The launches of base and of head that a rule is asked about: one time of each, and all of its blocks."""

    base_s: Floats
    head_s: Floats
    base: list[list[float]]
    head: list[list[float]]


def _gate_rule(samples: Samples) -> Verdict:
    """The gate's first look, which is all that so many launches allow."""
    base_s, head_s = list(samples.base_s), list(samples.head_s)
    seen = judge.look(Times(base_s, base_s, head_s), DELTA)
    return Verdict.inconclusive if seen is None else seen.verdict


RULES: dict[str, Callable[[Samples], Verdict]] = {
    "workbench": _gate_rule,
    "pyperf": lambda samples: pyperf_rule(samples.base, samples.head),
    "asv": lambda samples: asv_rule(samples.base, samples.head),
    "pytest-benchmark mean:5%": lambda samples: pytest_benchmark_rule(samples.base, samples.head),
}


def rule_verdicts(pool: Pool, *, one_after_the_other: bool) -> dict[str, list[Verdict]]:
    """What each rule says of identical code: the first look's launches of base and head.

    As recorded, the two were interleaved. One after the other is how the other tools measure: all of base's launches,
    then all of head's, here the next eight of the same session.
    """
    verdicts: dict[str, list[Verdict]] = {name: [] for name in RULES}
    for recording in pool.recordings:
        launches = len(recording.times)
        for base, head in identical(recording):
            for start in range(0, launches - FIRST * (1 + one_after_the_other) + 1, FIRST):
                first = range(start, start + FIRST)
                second = range(start + FIRST, start + 2 * FIRST) if one_after_the_other else first
                samples = Samples(
                    recording.times[first, base],
                    recording.times[second, head],
                    [recording.blocks[launch][base] for launch in first],
                    [recording.blocks[launch][head] for launch in second],
                )
                if all(samples.base) and all(samples.head):
                    for name, rule in RULES.items():
                        verdicts[name].append(rule(samples))
    return verdicts


def rule_figures(pools: Sequence[Pool]) -> list[Figure]:
    """False alarms of the other tools' rules beside ours, on the same launches, scenario by scenario."""
    figures = []
    for one_after_the_other in (False, True):
        by_pool = {pool.scenario: rule_verdicts(pool, one_after_the_other=one_after_the_other) for pool in pools}
        for name in RULES:
            rates = {
                scenario: (sum(v in (Verdict.faster, Verdict.slower) for v in verdicts[name]), len(verdicts[name]))
                for scenario, verdicts in by_pool.items()
                if verdicts[name]
            }
            if rates:
                value = "; ".join(f"{scenario} {false} of {n}" for scenario, (false, n) in rates.items())
                how = "base, then head" if one_after_the_other else "interleaved"
                part = f"false alarms on the same launches, {how}"
                figures.append(Figure(part, name, value, "none: for comparison", NOT_JUDGED, {"rates": rates}))
    return figures
