"""What a gate decides on: when a pair has been launched often enough, and what its launches say. Pure functions.

Each pair is screened along the ladder of launch counts, which stops at the first look that settles it. A *slower*
is then confirmed in fresh launches, and the confirmation alone is corrected over all comparisons of the gate (Holm
1979, *A Simple Sequentially Rejective Multiple Test Procedure*): whatever the screening saw, the chance that a gate
without any real change calls anything slower is at most ALPHA. Beside base and head runs the *null*, base a second
time: where it differs from the base, the machine and not the code made a difference.

A pair is compared at every stage that all of its sides measured, each stage by itself; its launches serve all of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from workbench.comparison.sides import MetricChange, metric_changes, metrics_of, shared_stages, times_side_by_side
from workbench.model.outcomes import Outcome
from workbench.model.records import ContestantRecord, Launch
from workbench.statistics import ALPHA, LADDER, Comparison, Verdict, alpha_at, compare, minimum_launches
from workbench.statistics.launches import RoundIds

SCREENING, CONFIRMATION = "screening", "confirmation"
BASE, NULL, HEAD = "base", "null", "head"
SIDES = (BASE, NULL, HEAD)


class Finding(StrEnum):
    """What a gate says of one pair of task and frontend, worst first."""

    WRONG = "wrong"
    FAILED = "failed"
    SLOWER = "slower"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    FASTER = "faster"
    SAME = "same"
    NEW = "new"
    REMOVED = "removed"


WORSE = (Finding.WRONG, Finding.FAILED, Finding.SLOWER)
UNKNOWN = (Finding.INCONCLUSIVE, Finding.NOT_COMPARABLE)


@dataclass(frozen=True)
class Times:
    """Seconds per unit of launches, side by side: index i of each is launch i."""

    base: Sequence[float] = ()
    null: Sequence[float] = ()
    head: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.head)

    def __add__(self, other: Times) -> Times:
        return Times([*self.base, *other.base], [*self.null, *other.null], [*self.head, *other.head])

    def first(self, count: int) -> Times:
        """The first launches."""
        return Times(self.base[:count], self.null[:count], self.head[:count])


@dataclass(frozen=True)
class Judgement:
    """One row of a gate: a pair at a stage, what is found, and the figures behind it; None where there are none.

    ``stage`` is empty where no time was compared. ``smallest_detectable`` is the relative change that these launches
    could have shown, ``null_ratio`` the base against itself. ``metrics`` never decide what is found.
    """

    task: str
    frontend: str
    finding: Finding
    reason: str
    stage: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest_detectable: float | None = None
    null_ratio: float | None = None
    launches: int = 0
    max_relative_error: float | None = None
    metrics: tuple[MetricChange, ...] = ()
    run: str = ""

    def compared(self, answer: Comparison) -> Judgement:
        """The row with what a comparison of times came to."""
        return dataclasses.replace(
            self,
            finding=Finding(answer.verdict.value),
            reason=answer.reason,
            ratio=answer.ratio,
            low=answer.low,
            high=answer.high,
            smallest_detectable=answer.smallest_detectable,
        )


# The rule: from times to a finding


def look(times: Times, delta: float) -> Comparison | None:
    """What the screening says at the latest look that the ladder allows; None before the first."""
    looks = [count for count in LADDER if count <= len(times)]
    if not looks:
        return None
    count = looks[-1]
    return compare(times.base[:count], times.head[:count], delta=delta, alpha=alpha_at(len(looks) - 1))


def confirmation_launches(comparisons: int, seen: Comparison) -> int:
    """Fresh launches that confirm what the screening saw.

    As many as one of so many comparisons needs to reach the corrected level, and, up to the top of the ladder, as many
    as show half of the change that was seen if launches go on to scatter as they did. The screening alone decides that:
    the confirmation is looked at once.
    """
    least = max(LADDER[0], minimum_launches(ALPHA / max(1, comparisons)))
    if seen.ratio is None or seen.ratio == 1 or seen.smallest_detectable is None:
        return least
    needed = seen.launches * (2 * seen.smallest_detectable / (seen.ratio - 1)) ** 2
    return max(least, math.ceil(min(needed, LADDER[-1])))


def next_purpose(
    screening: Times, confirmation: Times, delta: float, comparisons: int, most: int = LADDER[-1]
) -> str | None:
    """What the next launch is made for, or None when there have been enough.

    Args:
        screening: the launches of the screening so far.
        confirmation: those of the confirmation so far.
        delta: smallest relative change that matters.
        comparisons: of the whole gate.
        most: launches of the screening, one of LADDER; the looks that are left out spend nothing.
    """
    if len(screening) not in LADDER:
        return SCREENING
    seen = look(screening, delta)
    if seen is None or (seen.verdict is Verdict.inconclusive and len(screening) < most):
        return SCREENING
    if seen.verdict is Verdict.slower and len(confirmation) < confirmation_launches(comparisons, seen):
        return CONFIRMATION
    return None


def judge_times(row: Judgement, screening: Times, confirmation: Times, *, delta: float, comparisons: int) -> Judgement:
    """A row with what its launches say, before it is corrected over all comparisons.

    Args:
        row: the pair and its stage.
        screening: the launches of the screening.
        confirmation: those of the confirmation.
        delta: smallest relative change that matters.
        comparisons: of the whole gate.
    """
    seen = look(screening, delta)
    if seen is None:
        reason = f"the budget ended after {len(screening)} of {LADDER[0]} launches, which is too few for any test"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason, launches=len(screening))
    whole = screening + confirmation
    confirmed = compare(confirmation.base, confirmation.head, delta=delta)
    null = compare(whole.base, whole.null, delta=delta)
    row = row.compared(confirmed if seen.verdict is Verdict.slower and len(confirmation) else seen)
    row = dataclasses.replace(
        row,
        finding=Finding(seen.verdict.value),
        reason=seen.reason,
        null_ratio=null.ratio,
        launches=len(whole),
    )
    if {seen.verdict, null.verdict} <= {Verdict.slower, Verdict.faster} and null.ratio is not None:
        reason = f"the base against itself differs as well ({null.ratio - 1:+.1%}): the machine made a difference"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if seen.verdict is not Verdict.slower:
        return row
    return _confirmed(row, confirmed, len(confirmation), confirmation_launches(comparisons, seen))


def _confirmed(row: Judgement, confirmed: Comparison, made: int, wanted: int) -> Judgement:
    if made < wanted:
        reason = f"slower in the screening, but the budget ended after {made} of {wanted} launches to confirm it"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if confirmed.verdict is Verdict.slower:
        return dataclasses.replace(row, p=confirmed.p, reason=f"in {made} fresh launches, {confirmed.reason}")
    reason = f"slower in the screening, but not in {made} fresh launches ({confirmed.reason})"
    return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)


def corrected(rows: Sequence[Judgement], pairs: int) -> list[Judgement]:
    """All rows, each *slower* held against Holm's step-down level over all comparisons of the gate.

    Those are its pairs, times the most stages that a task was timed at. Comparisons that were not confirmed as slower
    count with p = 1.
    """
    stages = {
        task: {row.stage for row in rows if row.task == task and row.stage} for task in {row.task for row in rows}
    }
    comparisons = pairs * max([1, *map(len, stages.values())])
    slower = sorted((row for row in rows if row.finding is Finding.SLOWER), key=lambda row: row.p or 0.0)
    kept: set[int] = set()
    for index, row in enumerate(slower):
        if (row.p or 0.0) > ALPHA / (comparisons - index):
            break
        kept.add(id(row))
    return [
        row
        if row.finding is not Finding.SLOWER or id(row) in kept
        else dataclasses.replace(
            row,
            finding=Finding.INCONCLUSIVE,
            reason=f"slower by itself (p = {row.p:.2g}), but not once corrected over {comparisons} comparisons (Holm)",
        )
        for row in rows
    ]


# Records: from launches to times


def times_of(sides: Sequence[Sequence[Launch]], stage: str, disturbed: RoundIds, purpose: str) -> Times:
    """The launches of a pair that were made for one purpose, without what a round did to all three alike.

    Args:
        sides: the launches of base, null and head, in this order.
        stage: what was measured.
        disturbed: the rounds in which the machine was disturbed.
        purpose: SCREENING or CONFIRMATION.
    """
    chosen = [[launch for launch in launches if launch.purpose == purpose] for launches in sides]
    return Times(*times_side_by_side(chosen, stage, disturbed))


def purpose_of_pair(
    sides: Sequence[Sequence[Launch]], disturbed: RoundIds, *, delta: float, pairs: int, most: int = LADDER[-1]
) -> str | None:
    """What a pair's next launch is made for: what any of its stages still needs, the screening first; None if nothing.

    Args:
        sides: the launches of base, null and head, in this order.
        disturbed: the rounds in which the machine was disturbed.
        delta: smallest relative change that matters.
        pairs: of the whole gate.
        most: launches of the screening, one of LADDER.
    """
    stages = shared_stages(sides)
    wanted = set()
    for stage in stages:
        screening, confirmation = (
            times_of(sides, stage.name, disturbed, purpose) for purpose in (SCREENING, CONFIRMATION)
        )
        wanted.add(next_purpose(screening, confirmation, delta, pairs * len(stages), most))
    return next((purpose for purpose in (SCREENING, CONFIRMATION) if purpose in wanted), None)


def judge(
    task: str,
    frontend: str,
    sides: Mapping[str, ContestantRecord],
    disturbed: RoundIds,
    *,
    delta: float,
    pairs: int,
) -> list[Judgement]:
    """The rows of one pair, one per stage, before they are corrected over all comparisons.

    Args:
        task: of the pair.
        frontend: of the pair.
        sides: what base, null and head did, by side; the head alone where the pair is new.
        disturbed: the rounds in which the machine was disturbed.
        delta: smallest relative change that matters.
        pairs: of the whole gate.
    """
    row = about(task, frontend, sides)
    if row.finding is not Finding.NEW or BASE not in sides:
        return [row]
    launches = [sides[side].launches for side in SIDES]
    stages = shared_stages(launches)
    return [
        judge_times(
            dataclasses.replace(row, stage=stage.name),
            times_of(launches, stage.name, disturbed, SCREENING),
            times_of(launches, stage.name, disturbed, CONFIRMATION),
            delta=delta,
            comparisons=pairs * len(stages),
        )
        for stage in stages
    ]


def about(task: str, frontend: str, sides: Mapping[str, ContestantRecord]) -> Judgement:
    """What is known of a pair without its times: what the outcomes decide, its error, its metrics; else *new*."""
    head, base = sides[HEAD], sides.get(BASE)
    finding, reason = ended(sides) or (Finding.NEW, "nothing to compare with")
    return Judgement(
        task,
        frontend,
        finding,
        reason,
        max_relative_error=head.proof.max_relative_error if head.proof else None,
        metrics=metric_changes(metrics_of(base) if base else {}, metrics_of(head)),
    )


def ended(sides: Mapping[str, ContestantRecord]) -> tuple[Finding, str] | None:
    """What the outcomes alone decide: nobody's speed counts where something is wrong."""
    head, others = sides[HEAD], [sides[side] for side in (BASE, NULL) if side in sides]
    failed = next((record for record in others if record.outcome is not Outcome.OK), None)
    reason = f"{head.outcome}: {head.reason}"
    if head.outcome is Outcome.OK:
        return (Finding.NOT_COMPARABLE, f"the base is {failed.outcome}: {failed.reason}") if failed else None
    absent = head.outcome in (Outcome.UNAVAILABLE, Outcome.UNSUPPORTED)
    if head.outcome is Outcome.INTERRUPTED or (not others and absent):
        return Finding.NOT_COMPARABLE, reason
    if failed and failed.outcome is head.outcome:
        return Finding.NOT_COMPARABLE, f"on both sides, {reason}"
    return Finding.WRONG if head.outcome is Outcome.INVALID else Finding.FAILED, reason
