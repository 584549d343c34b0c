"""Comparing two runs that were measured at different times, as far as that is valid.

No statistic removes what changes on a machine between two runs. Therefore nothing is paired here, the report says that
differences include such drift, and if machine, settings, threads, BLAS, task or problem differ, there is no ratio.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.comparison import judge
from workbench.comparison.commits import GateResult
from workbench.comparison.judge import BASE, HEAD, Finding, Judgement
from workbench.comparison.sides import shared_stages
from workbench.errors import WorkbenchError
from workbench.statistics import compare_unpaired
from workbench.statistics.launches import unit_time

if TYPE_CHECKING:
    from workbench.model.records import ContestantRecord, RunRecord, Settings
    from workbench.model.request import Judging
    from workbench.store.results import StoredRun

OBSERVED = ("device", "threads", "matmul_precision", "flush_to_zero", "blas")
"""What must have been observed to be equal, by the names that a frontend's ``observe`` uses."""


def compare_runs(base: StoredRun, head: StoredRun, judging: Judging) -> GateResult:
    """Compare two runs measured at different times, as far as that is valid.

    Raises:
        WorkbenchError: when the runs are of different tasks or presets.
    """
    judgements = rows(base, head, delta=judging.delta)
    return GateResult(base.id, head.id, judgements, [head], judging.delta, judging.strict, unpaired=True)


def rows(base: StoredRun, head: StoredRun, *, delta: float) -> list[Judgement]:
    """A row per contestant and stage of either run.

    Raises:
        WorkbenchError: when the runs are of different tasks or presets.
    """
    before, after = base.record.settings, head.record.settings
    for name, old, new in (("task", before.task, after.task), ("preset", before.preset, after.preset)):
        if old != new:
            raise WorkbenchError(
                f"{base.id} measured {name} {old} and {head.id} measured {name} {new}: compare two runs of one {name}"
            )
    with base.reading(), head.reading():
        return [
            row
            for name, sides in _by_id(base.record, head.record).items()
            for row in _rows(name, sides, base, head, delta)
        ]


def _by_id(base: RunRecord, head: RunRecord) -> dict[str, dict[str, ContestantRecord]]:
    """The records of each contestant, by its id and then by side."""
    sides: dict[str, dict[str, ContestantRecord]] = {}
    for side, record in ((BASE, base), (HEAD, head)):
        for contestant in record.contestants:
            sides.setdefault(contestant.id, {})[side] = contestant
    return sides


def different(base: RunRecord, head: RunRecord) -> str:
    """Why the times of these runs cannot be compared; empty if they can."""
    if base.machine_key != head.machine_key:
        return f"measured on different machines ({base.machine_key} and {head.machine_key})"
    if base.problem.hash != head.problem.hash:
        return "measured on different problems: their bytes differ"
    old, new = _conditions(base.settings), _conditions(head.settings)
    for name, before in old.items():
        if before != new[name]:
            return f"measured with different settings: {name} ({before} and {new[name]})"
    if len(base.settings.cpus) != len(head.settings.cpus):
        return f"measured on different numbers of CPUs ({len(base.settings.cpus)} and {len(head.settings.cpus)})"
    return ""


def _conditions(settings: Settings) -> dict[str, str]:
    """The settings that must be equal, by name."""
    return {
        "device": f"{settings.device}",
        "profile": settings.profile,
        "threads": f"{settings.threads}",
        "dtype": settings.dtype,
        "matmul precision": f"{settings.matmul_precision}",
    }


def _rows(
    name: str, sides: Mapping[str, ContestantRecord], base: StoredRun, head: StoredRun, delta: float
) -> list[Judgement]:
    """The rows of one contestant, one per stage."""
    task = head.record.settings.task
    before, after = sides.get(BASE), sides.get(HEAD)
    if after is None:
        return [Judgement(task, name, Finding.REMOVED, f"only {base.id} has it", run=base.id)]
    row = dataclasses.replace(judge.without_times(task, name, sides), run=head.id)
    if row.finding is not Finding.NEW:
        return [row]
    if before is None:
        return [dataclasses.replace(row, reason=f"only {head.id} has it")]
    if reason := different(base.record, head.record) or _observed_difference(before, after):
        return [dataclasses.replace(row, finding=Finding.NOT_COMPARABLE, reason=reason)]
    changed = _changed_versions(before, after)
    judgements = []
    for stage in shared_stages([before.launches, after.launches]):
        times = _times(base, before, stage.name), _times(head, after, stage.name)
        comparison = compare_unpaired(*times, delta=delta)
        timed = dataclasses.replace(row, stage=stage.name, p=comparison.p, launches=sum(map(len, times))).compared(
            comparison
        )
        judgements.append(dataclasses.replace(timed, reason=f"{timed.reason} ({changed})") if changed else timed)
    return judgements


def _times(run: StoredRun, contestant: ContestantRecord, stage: str) -> list[float]:
    """Seconds per unit of each launch."""
    return [unit_time(launch, stage, run.record.disturbed) for launch in contestant.measured(stage)]


def _observed_difference(before: ContestantRecord, after: ContestantRecord) -> str:
    """What was observed to differ between the runs of a contestant, such as its BLAS library; empty if nothing was."""
    for name in OBSERVED:
        old, new = before.observed.get(name), after.observed.get(name)
        if old != new:
            return f"different settings observed: {name.replace('_', ' ')} ({old} and {new})"
    return ""


def _changed_versions(before: ContestantRecord, after: ContestantRecord) -> str:
    """The packages whose versions differ, in words; empty if there are none."""
    old, new = before.versions, after.versions
    changed = [name for name in old | new if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name, 'absent')} to {new.get(name, 'absent')}" for name in changed)
