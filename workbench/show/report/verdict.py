"""A run's verdict in one sentence, and the caveats that belong to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import one_line
from workbench.model.outcomes import Outcome
from workbench.show import tables
from workbench.show.report.parts import interval
from workbench.show.units import counted, format_ratio, format_seconds, listed
from workbench.statistics.resolution import FEWEST_FOR_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.model.rows import Row
    from workbench.model.stage import Stage
    from workbench.store.results import StoredRun

ABSENT = (Outcome.UNSUPPORTED, Outcome.UNAVAILABLE, Outcome.INTERRUPTED)


def verdict(run: StoredRun) -> str:
    """One sentence: who is fastest as far as the data can tell, who failed, and whether the machine was quiet."""
    failed = [row for row in tables.untimed(run) if row.outcome not in ABSENT]
    clauses = []
    for table in tables.stage_tables(run):
        fastest = _fastest(table.timed, table.stage) if table.timed else "No frontend has a valid time"
        clauses.append(f"{table.stage.name}: {fastest}" if table.heading else fastest)
    if failed:
        reasons = ", ".join(f"{row.id} ({_outcome(row)})" for row in failed)
        clauses.append(f"{len(failed)} of {len(run.contestants)} failed: {reasons}")
    if tables.disturbance(run):
        clauses.append("the machine was not quiet")
    if run.record.cut_short:
        clauses.append(f"the run was cut short, because {run.record.cut_short}")
    elif run.record.interrupted:
        clauses.append("the run was interrupted")
    return one_line("; ".join(clauses) + ".")


def _fastest(timed: Sequence[Row], stage: Stage) -> str:
    shown, timed = len(timed), [row for row in timed if row.rank is not None]
    if not timed:
        return "no clocked block changed enough to be proven, so nothing is compared"
    best, per = timed[0], f"per steady {stage.unit}"
    if len(timed) == 1 < shown:
        return f"{best.id} takes {format_seconds(best.unit_s)} {per} ({interval(best)}), and no other time is proven"
    if len(timed) == 1:
        return (
            f"{best.id} takes {format_seconds(best.unit_s)} {per} ({interval(best)}), "
            "and there is no other valid time to compare with"
        )
    leaders = [row for row in timed if row.rank == best.rank]
    names = listed([row.id for row in leaders])
    seconds = sorted(row.unit_s for row in leaders if row.unit_s is not None)
    times = f"{format_seconds(seconds[0])} to {format_seconds(seconds[-1])} {per}"
    if len(leaders) == len(timed):
        return f"{names} are not distinguishable in this run: {times}"
    following = next(row for row in timed if row not in leaders)
    rest = f"the next, {following.id}, takes {_times_as_long(following)}"
    if len(leaders) > 1:
        return f"{names} share first place and are not distinguishable in this run ({times}); {rest}"
    return f"{names} is the fastest at {format_seconds(best.unit_s)} {per} ({interval(best)}); {rest}"


def _times_as_long(row: Row) -> str:
    return f"{format_ratio(row.relative).removesuffix('×')} times as long"


def _outcome(row: Row) -> str:
    return "no time" if row.outcome is Outcome.OK else str(row.outcome)


def caveats(run: StoredRun) -> list[str]:
    """What a reader must know besides the verdict, a sentence each."""
    stages = tables.stage_tables(run)
    timed = [row for table in stages for row in table.timed]
    lines = [tables.proof_sentence(run.record, timed)] if timed else []
    fewest = min((row.launches or 0 for row in timed), default=FEWEST_FOR_INTERVAL)
    if fewest < FEWEST_FOR_INTERVAL:
        lines.append(
            f"Only {counted(fewest, 'launch', 'launches')} per frontend: too few for a confidence interval, which "
            f"takes {FEWEST_FOR_INTERVAL} fresh processes; those shown tell how rounds scattered in these."
        )
    if absent := [f"{row.id} ({row.outcome})" for row in tables.untimed(run) if row.outcome in ABSENT]:
        lines.append(f"Not measured here: {listed(absent)}.")
    lines += [f"{row.id} {warning}." for row in timed for warning in row.warnings]
    lines += [line for table in stages for line in tables.ledger(table.timed)]
    return [one_line(line) for line in dict.fromkeys([*lines, *filter(None, [tables.disturbance(run)])])]
