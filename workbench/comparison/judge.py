"""What a gate decides on: when a pair has been launched often enough, and what its launches say. Pure functions.

Each pair is screened along the ladder of launch counts, which stops at the first look that settles it. A *slower*
is then confirmed in fresh launches, and the confirmation alone is corrected over all pairs of the gate (Holm 1979, *A
Simple Sequentially Rejective Multiple Test Procedure*): whatever the screening saw, the chance that a gate without any
real change calls anything slower is at most ALPHA. Beside base and head runs the *null*, base a second time: where
it is told from the base, the machine and not the code made a difference.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.show.summary import dirty_rounds, launch_steps
from workbench.statistics import ALPHA, LADDER, Comparison, Verdict, alpha_at, compare, minimum_launches
from workbench.store.records import flag_rounds

Record = Mapping[str, Any]

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
    """Seconds per step of one stage's launches, side by side: index i of each is launch i."""

    base: list[float]
    null: list[float]
    head: list[float]

    def __len__(self) -> int:
        return len(self.head)

    def __add__(self, other: Times) -> Times:
        return Times(self.base + other.base, self.null + other.null, self.head + other.head)


@dataclass(frozen=True)
class Judgement:
    """One row of a gate: a pair, what is found, and the figures behind it; None where there are none."""

    task: str
    frontend: str
    finding: Finding
    reason: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest_detectable: float | None = None
    null_ratio: float | None = None
    launches: int = 0
    max_relative_error: float | None = None
    run: str = ""


def times_of(records: Sequence[Record], rounds: Sequence[Record], stage: str) -> Times:
    """One stage's launches of a pair, without what a round did to all three alike.

    Args:
        records: what base, null and head did, in this order.
        rounds: the run's rounds, flagged.
        stage: SCREENING or CONFIRMATION.
    """
    dirty = dirty_rounds({"rounds": rounds})
    by_number = [
        {launch["launch"]: launch for launch in record["launches"] if launch["stage"] == stage and launch["blocks"]}
        for record in records
    ]
    whole = sorted(set.intersection(*(set(found) for found in by_number)))
    steps = [launch_steps([found[number] for found in by_number], dirty) for number in whole]
    return Times(*(list(column) for column in zip(*steps, strict=True))) if steps else Times([], [], [])


def look(times: Times, delta: float) -> Comparison | None:
    """What the screening says at the latest look that the ladder allows; None before the first."""
    looks = [count for count in LADDER if count <= len(times)]
    if not looks:
        return None
    count = looks[-1]
    return compare(times.base[:count], times.head[:count], delta=delta, alpha=alpha_at(len(looks) - 1))


def confirmation_launches(pairs: int, seen: Comparison) -> int:
    """Fresh launches that confirm what the screening saw.

    As many as one of so many pairs needs to reach the corrected level, and, up to the top of the ladder, as many as
    show half of the change that was seen if launches go on to scatter as they did. The screening alone decides that:
    the confirmation is looked at once.
    """
    least = max(LADDER[0], minimum_launches(ALPHA / max(1, pairs)))
    if seen.ratio is None or seen.ratio == 1 or seen.smallest_detectable is None:
        return least
    needed = seen.launches * (2 * seen.smallest_detectable / (seen.ratio - 1)) ** 2
    return max(least, math.ceil(min(needed, LADDER[-1])))


def next_stage(screening: Times, confirmation: Times, delta: float, pairs: int, most: int = LADDER[-1]) -> str | None:
    """What a pair's next launch is for, or None when it has been launched often enough.

    Args:
        screening: the launches of the screening so far.
        confirmation: those of the confirmation so far.
        delta: smallest relative change that matters.
        pairs: of the whole gate.
        most: launches of the screening, one of LADDER; the looks that are left out spend nothing.
    """
    if len(screening) not in LADDER:
        return SCREENING
    seen = look(screening, delta)
    if seen is None or (seen.verdict is Verdict.inconclusive and len(screening) < most):
        return SCREENING
    if seen.verdict is Verdict.slower and len(confirmation) < confirmation_launches(pairs, seen):
        return CONFIRMATION
    return None


def flagged(rounds: Sequence[Any]) -> list[dict[str, Any]]:
    """Rounds as plain values, with their flags."""
    plain = [dataclasses.asdict(record) for record in rounds]
    flag_rounds(plain)
    return plain


def judge(
    task: str, frontend: str, sides: Mapping[str, Record], rounds: Sequence[Record], *, delta: float, pairs: int
) -> Judgement:
    """The row of one pair, before it is corrected over all pairs.

    Args:
        task: of the pair.
        frontend: of the pair.
        sides: what "base", "null" and "head" did; "head" alone where the pair is new.
        rounds: the run's rounds, flagged.
        delta: smallest relative change that matters.
        pairs: of the whole gate.
    """
    head = sides[HEAD]
    proof = head["proof"] or {}
    row = Judgement(
        task, frontend, Finding.NEW, "nothing to compare with", max_relative_error=proof.get("max_relative_error")
    )
    if decided := ended(sides):
        return dataclasses.replace(row, finding=decided[0], reason=decided[1])
    if BASE not in sides:
        return row
    records = [sides[side] for side in SIDES]
    screening, confirmation = (times_of(records, rounds, stage) for stage in (SCREENING, CONFIRMATION))
    return _timed(row, screening, confirmation, delta, pairs)


def ended(sides: Mapping[str, Record]) -> tuple[Finding, str] | None:
    """What the outcomes alone decide: nobody's speed counts where something is wrong."""
    head, others = sides[HEAD], [sides[side] for side in (BASE, NULL) if side in sides]
    failed = next((record for record in others if record["outcome"] != "ok"), None)
    said = f"{head['outcome']}: {head['reason']}"
    if head["outcome"] == "ok":
        return (Finding.NOT_COMPARABLE, f"the base is {failed['outcome']}: {failed['reason']}") if failed else None
    if head["outcome"] == "interrupted" or (not others and head["outcome"] in ("unavailable", "unsupported")):
        return Finding.NOT_COMPARABLE, said
    if failed and failed["outcome"] == head["outcome"]:
        return Finding.NOT_COMPARABLE, f"on both sides, {said}"
    return Finding.WRONG if head["outcome"] == "invalid" else Finding.FAILED, said


def _timed(row: Judgement, screening: Times, confirmation: Times, delta: float, pairs: int) -> Judgement:
    seen = look(screening, delta)
    if seen is None:
        reason = f"the budget ended after {len(screening)} of {LADDER[0]} launches, which is too few for any test"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason, launches=len(screening))
    whole = screening + confirmation
    confirmed = compare(confirmation.base, confirmation.head, delta=delta)
    null = compare(whole.base, whole.null, delta=delta)
    shown = confirmed if seen.verdict is Verdict.slower and len(confirmation) else seen
    row = dataclasses.replace(
        row,
        finding=Finding(seen.verdict.value),
        reason=seen.reason,
        ratio=shown.ratio,
        low=shown.low,
        high=shown.high,
        smallest_detectable=shown.smallest_detectable,
        null_ratio=null.ratio,
        launches=len(whole),
    )
    if seen.verdict in (Verdict.slower, Verdict.faster) and null.verdict in (Verdict.slower, Verdict.faster):
        reason = (
            f"the base run twice is told apart, too ({null.ratio - 1:+.1%}): the machine made a difference"
            if null.ratio
            else ""
        )
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if seen.verdict is not Verdict.slower:
        return row
    return _confirmed(row, confirmed, len(confirmation), confirmation_launches(pairs, seen))


def _confirmed(row: Judgement, confirmed: Comparison, made: int, wanted: int) -> Judgement:
    if made < wanted:
        reason = f"slower at first sight, but the budget ended after {made} of {wanted} fresh launches to confirm it"
        return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)
    if confirmed.verdict is Verdict.slower:
        return dataclasses.replace(row, p=confirmed.p, reason=f"in {made} fresh launches, {confirmed.reason}")
    reason = f"slower at first sight, but not in {made} fresh launches ({confirmed.reason})"
    return dataclasses.replace(row, finding=Finding.INCONCLUSIVE, reason=reason)


def corrected(rows: Sequence[Judgement], pairs: int) -> list[Judgement]:
    """All rows, each *slower* held against Holm's step-down level over all pairs of the gate.

    Pairs that were not confirmed as slower count with p = 1.
    """
    slower = sorted((row for row in rows if row.finding is Finding.SLOWER), key=lambda row: row.p or 0.0)
    kept: set[int] = set()
    for place, row in enumerate(slower):
        if (row.p or 0.0) > ALPHA / (pairs - place):
            break
        kept.add(id(row))
    return [
        row
        if row.finding is not Finding.SLOWER or id(row) in kept
        else dataclasses.replace(
            row,
            finding=Finding.INCONCLUSIVE,
            reason=f"slower by itself (p = {row.p:.2g}), but not after correction over {pairs} pairs (Holm)",
        )
        for row in rows
    ]
