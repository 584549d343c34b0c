"""The gate's decision rule: when a pair has enough launches, and what its launches show. Pure functions.

Each pair is screened along the ladder of launch counts, up to the first look that is conclusive. A *slower* is then
confirmed in fresh launches, and only the confirmation counts in the correction for multiple comparisons (Holm 1979,
*A Simple Sequentially Rejective Multiple Test Procedure*): whatever the screening showed, the probability that a gate
without any real change reports a slowdown is at most ALPHA. Next to base and head runs the *null*, a second copy of
the base: if it differs from the base, the machine rather than the code caused the difference.

A pair is compared at every stage that all of its sides measured, each stage separately; they share its launches.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from workbench.comparison.sides import MetricChange, metric_changes, metrics_of, shared_stages, times_side_by_side
from workbench.model.outcomes import Outcome
from workbench.model.records import ContestantRecord, Launch
from workbench.statistics import ALPHA, LADDER, Comparison, Verdict, alpha_at, compare, minimum_launches
from workbench.statistics.dependence import order_p
from workbench.statistics.launches import RoundIds

SCREENING, CONFIRMATION = "screening", "confirmation"
BASE, NULL, HEAD = "base", "null", "head"
SIDES = (BASE, NULL, HEAD)
SHARED = 0.5  # of the rounds with somebody else on the measured CPU, above which times say nothing
DEPENDENT = 0.01  # the probability of a course of launches below which they count as dependent on each other


class Finding(StrEnum):
    """The gate's finding on one pair of task and frontend, worst first."""

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
    """Seconds per unit of each launch, side by side: index i of each list is launch i."""

    base: Sequence[float] = ()
    null: Sequence[float] = ()
    head: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.head)

    def __add__(self, other: Times) -> Times:
        return Times([*self.base, *other.base], [*self.null, *other.null], [*self.head, *other.head])

    def order_p(self) -> float:
        """How probable this course of the launches is if each were independent of the others."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log([self.base, self.null, self.head])
        return order_p(logs) if np.isfinite(logs).all() else 1.0

    def first(self, count: int) -> Times:
        """The first ``count`` launches."""
        return Times(self.base[:count], self.null[:count], self.head[:count])


@dataclass(frozen=True)
class Judgement:
    """One row of a gate: a pair at a stage, the finding, and the numbers behind it; None where there is no number.

    ``stage`` is empty if no times were compared. ``smallest_detectable`` is the smallest relative change that these
    launches could have detected, ``null_ratio`` the ratio of the base's second copy to the base. ``metrics`` never
    influence the finding.
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

    def compared(self, comparison: Comparison) -> Judgement:
        """The row with the result of a comparison of times."""
        return dataclasses.replace(
            self,
            finding=Finding(comparison.verdict.value),
            reason=comparison.reason,
            ratio=comparison.ratio,
            low=comparison.low,
            high=comparison.high,
            smallest_detectable=comparison.smallest_detectable,
        )


# The rule: from times to a finding


def look(times: Times, delta: float) -> Comparison | None:
    """The result of the screening at the latest look that the ladder allows; None before the first look."""
    looks = [count for count in LADDER if count <= len(times)]
    if not looks:
        return None
    count = looks[-1]
    return compare(times.base[:count], times.head[:count], delta=delta, alpha=alpha_at(len(looks) - 1))


def confirmation_launches(comparisons: int, screened: Comparison) -> int:
    """How many fresh launches the confirmation of a slowdown needs.

    Enough to reach the corrected significance level among so many comparisons and, up to the top of the ladder, enough
    to detect half of the observed change if the scatter stays as it is. The screening alone determines the number, so
    the confirmation is looked at once.

    Args:
        comparisons: number of comparisons in the whole gate.
        screened: the result of the screening.
    """
    fewest = max(LADDER[0], minimum_launches(ALPHA / max(1, comparisons)))
    if screened.ratio is None or screened.ratio == 1 or screened.smallest_detectable is None:
        return fewest
    needed = screened.launches * (2 * screened.smallest_detectable / (screened.ratio - 1)) ** 2
    return max(fewest, math.ceil(min(needed, LADDER[-1])))


def next_purpose(
    screening: Times, confirmation: Times, delta: float, comparisons: int, max_screening: int = LADDER[-1]
) -> str | None:
    """The purpose of the next launch, or None if there are enough.

    Args:
        screening: the screening launches so far.
        confirmation: the confirmation launches so far.
        delta: smallest relative change that matters.
        comparisons: number of comparisons in the whole gate.
        max_screening: most screening launches, one of LADDER; looks beyond it spend no significance level.
    """
    if len(screening) not in LADDER:
        return SCREENING
    screened = look(screening, delta)
    if screened is None or (screened.verdict is Verdict.inconclusive and len(screening) < max_screening):
        return SCREENING
    if screened.verdict is Verdict.slower and len(confirmation) < confirmation_launches(comparisons, screened):
        return CONFIRMATION
    return None


def judge_times(row: Judgement, screening: Times, confirmation: Times, *, delta: float, comparisons: int) -> Judgement:
    """A row with the finding of its launches, before the correction for multiple comparisons.

    Args:
        row: the pair and its stage.
        screening: the screening launches.
        confirmation: the confirmation launches.
        delta: smallest relative change that matters.
        comparisons: number of comparisons in the whole gate.
    """
    screened = look(screening, delta)
    if screened is None:
        reason = (
            f"measuring ended after {len(screening)} of {LADDER[0]} launches, too few for any test: allow more time"
        )
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason, launches=len(screening))
    launches = screening + confirmation
    confirmed = compare(confirmation.base, confirmation.head, delta=delta)
    null = compare(launches.base, launches.null, delta=delta)
    row = row.compared(confirmed if screened.verdict is Verdict.slower and len(confirmation) else screened)
    row = dataclasses.replace(
        row,
        finding=Finding(screened.verdict.value),
        reason=screened.reason,
        null_ratio=null.ratio,
        launches=len(launches),
    )
    if screened.verdict is not Verdict.inconclusive and (p := launches.order_p()) < DEPENDENT:
        reason = (
            f"launches resemble those before them (p = {p:.2g}), as if the machine slowly changed for one side alone, "
            "so their number says little: rerun later"
        )
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if {screened.verdict, null.verdict} <= {Verdict.slower, Verdict.faster} and null.ratio is not None:
        change = f"{null.ratio - 1:+.1%}"
        reason = f"two copies of the base differ as well ({change}), so this may be noise: rerun on a quieter machine"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if screened.verdict is not Verdict.slower:
        return row
    return _confirmed(row, confirmed, len(confirmation), confirmation_launches(comparisons, screened))


def _confirmed(row: Judgement, confirmed: Comparison, launches: int, needed: int) -> Judgement:
    if launches < needed:
        count = f"{launches} of {needed} confirmation launches"
        reason = f"slower in the screening, but measuring ended after {count}: allow more time"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if confirmed.verdict is Verdict.slower:
        return dataclasses.replace(
            row, p=confirmed.p, reason=f"confirmed in {launches} fresh launches: {confirmed.reason}"
        )
    reason = f"slower in the screening, but not confirmed in {launches} fresh launches ({confirmed.reason})"
    return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)


def corrected(rows: Sequence[Judgement], pairs: int) -> list[Judgement]:
    """All rows, each *slower* tested at Holm's step-down level over all comparisons of the gate.

    Their number is that of the pairs times the most stages at which a task was timed. Comparisons that were not
    confirmed as slower count as p = 1.
    """
    stages = {
        task: {row.stage for row in rows if row.task == task and row.stage} for task in {row.task for row in rows}
    }
    comparisons = pairs * max([1, *map(len, stages.values())])
    slower = sorted((row for row in rows if row.finding is Finding.SLOWER), key=lambda row: row.p or 0.0)
    significant: set[int] = set()
    for index, row in enumerate(slower):
        if (row.p or 0.0) > ALPHA / (comparisons - index):
            break
        significant.add(id(row))
    return [
        row
        if row.finding is not Finding.SLOWER or id(row) in significant
        else dataclasses.replace(
            row,
            finding=Finding.INCONCLUSIVE,
            reason=f"slower on its own (p = {row.p:.2g}), but not with Holm's correction for {comparisons} comparisons",
        )
        for row in rows
    ]


def without_shared_cpu(row: Judgement, shared: float) -> Judgement:
    """A row that says nothing about speed if somebody else ran on the measured CPU in most rounds.

    Args:
        row: the judgement.
        shared: the share of such rounds, see :func:`workbench.statistics.disturbance.shared_cpu`.
    """
    if shared <= SHARED or row.finding not in (Finding.SLOWER, Finding.FASTER, Finding.SAME):
        return row
    reason = (
        f"another process ran on the measured CPU in {shared:.0%} of the rounds: rerun on CPUs that nobody else uses"
    )
    return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason, low=None, high=None, p=None)


# Records: from launches to times


def times_of(sides: Sequence[Sequence[Launch]], stage: str, disturbed: RoundIds, purpose: str) -> Times:
    """The times of a pair's launches of one purpose, with the effect that each round had on all three sides removed.

    Args:
        sides: the launches of base, null and head, in this order.
        stage: the name of the stage.
        disturbed: the disturbed rounds.
        purpose: SCREENING or CONFIRMATION.
    """
    chosen = [[launch for launch in launches if launch.purpose == purpose] for launches in sides]
    return Times(*times_side_by_side(chosen, stage, disturbed))


def purpose_of_pair(
    sides: Sequence[Sequence[Launch]], disturbed: RoundIds, *, delta: float, pairs: int, max_screening: int = LADDER[-1]
) -> str | None:
    """The purpose of a pair's next launch: screening while any of its stages needs it, then confirmation, then None.

    Args:
        sides: the launches of base, null and head, in this order.
        disturbed: the disturbed rounds.
        delta: smallest relative change that matters.
        pairs: number of pairs in the whole gate.
        max_screening: most screening launches, one of LADDER.
    """
    stages = shared_stages(sides)
    needed = set()
    for stage in stages:
        screening, confirmation = (
            times_of(sides, stage.name, disturbed, purpose) for purpose in (SCREENING, CONFIRMATION)
        )
        needed.add(next_purpose(screening, confirmation, delta, pairs * len(stages), max_screening))
    return next((purpose for purpose in (SCREENING, CONFIRMATION) if purpose in needed), None)


def judge(
    task: str,
    frontend: str,
    sides: Mapping[str, ContestantRecord],
    disturbed: RoundIds,
    *,
    delta: float,
    pairs: int,
) -> list[Judgement]:
    """The rows of one pair, one per stage, before the correction for multiple comparisons.

    Args:
        task: the task's name.
        frontend: the frontend's id.
        sides: the records of base, null and head, by side; the head alone if the pair is new.
        disturbed: the disturbed rounds.
        delta: smallest relative change that matters.
        pairs: number of pairs in the whole gate.
    """
    row = without_times(task, frontend, sides)
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


def without_times(task: str, frontend: str, sides: Mapping[str, ContestantRecord]) -> Judgement:
    """The row of a pair before its times are compared: its metrics, its numeric error, and its finding.

    The finding is what the outcomes alone decide; *new* if they decide nothing.
    """
    head, base = sides[HEAD], sides.get(BASE)
    finding, reason = decided_by_outcomes(sides) or (Finding.NEW, "nothing to compare it with")
    return Judgement(
        task,
        frontend,
        finding,
        reason,
        max_relative_error=head.proof.max_relative_error if head.proof else None,
        metrics=metric_changes(metrics_of(base) if base else {}, metrics_of(head)),
    )


def decided_by_outcomes(sides: Mapping[str, ContestantRecord]) -> tuple[Finding, str] | None:
    """Finding and reason if the outcomes alone decide; no times are compared then. None if all outcomes are ok."""
    head, bases = sides[HEAD], [sides[side] for side in (BASE, NULL) if side in sides]
    failed = next((record for record in bases if record.outcome is not Outcome.OK), None)
    reason = f"{head.outcome}: {head.reason}"
    if head.outcome is Outcome.OK:
        return (
            (Finding.NOT_COMPARABLE, f"the base itself failed ({failed.outcome}: {failed.reason})") if failed else None
        )
    absent = head.outcome in (Outcome.UNAVAILABLE, Outcome.UNSUPPORTED)
    if head.outcome is Outcome.INTERRUPTED or (not bases and absent):
        return Finding.NOT_COMPARABLE, reason
    if failed and failed.outcome is head.outcome:
        return Finding.NOT_COMPARABLE, f"fails on both sides ({reason})"
    return Finding.WRONG if head.outcome is Outcome.INVALID else Finding.FAILED, reason
