"""Two runs that were made at different times: what can be compared, and what cannot.

No statistic removes what a machine does between two runs. So nothing is paired here, the rows say that they carry that
drift, and where machine, settings, threads, BLAS, task or problem differ there is no ratio at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.comparison.judge import BASE, HEAD, Finding, Judgement, ended
from workbench.errors import WorkbenchError
from workbench.show.summary import dirty_rounds, launch_step
from workbench.statistics import compare_apart

if TYPE_CHECKING:
    from workbench.store.results import Run

Record = Mapping[str, Any]

SETTINGS = ("device", "profile", "threads", "dtype", "matmul_precision")
OBSERVED = ("device", "threads", "matmul_precision", "flush_to_zero", "blas")


def rows(base: Run, head: Run, *, delta: float) -> list[Judgement]:
    """A row per frontend that either run has.

    Raises:
        WorkbenchError: when the runs are of different tasks or presets.
    """
    for name in ("task", "preset"):
        before, after = base.info["settings"][name], head.info["settings"][name]
        if before != after:
            raise WorkbenchError(
                f"{base.id} is of {name} {before} and {head.id} of {name} {after}: compare two runs of one {name}"
            )
    apart = different(base.info, head.info)
    sides = [{record["frontend"]: record for record in run.contestants} for run in (base, head)]
    with base.reading(), head.reading():
        return [
            _row(name, sides[0].get(name), sides[1].get(name), base, head, apart, delta) for name in sides[0] | sides[1]
        ]


def different(base: Record, head: Record) -> str:
    """Why no two rows of these runs can be compared; empty when they can."""
    if base["machine_key"] != head["machine_key"]:
        return f"another machine ({base['machine_key']} and {head['machine_key']})"
    if base["problem"]["hash"] != head["problem"]["hash"]:
        return "another problem: its bytes differ"
    for name in SETTINGS:
        before, after = base["settings"][name], head["settings"][name]
        if before != after:
            return f"another {name.replace('_', ' ')} ({before} and {after})"
    if len(base["settings"]["cpus"]) != len(head["settings"]["cpus"]):
        return "another number of CPUs"
    return ""


def _row(
    name: str, before: Record | None, after: Record | None, base: Run, head: Run, apart: str, delta: float
) -> Judgement:
    task = head.info["settings"]["task"]
    if after is None:
        return Judgement(task, name, Finding.REMOVED, f"only {base.id} has it", run=base.id)
    proof = after["proof"] or {}
    row = Judgement(task, name, Finding.NEW, f"only {head.id} has it", run=head.id)
    row = dataclasses.replace(row, max_relative_error=proof.get("max_relative_error"))
    if decided := ended({HEAD: after} if before is None else {BASE: before, HEAD: after}):
        return dataclasses.replace(row, finding=decided[0], reason=decided[1])
    if before is None:
        return row
    if reason := apart or _observed_otherwise(before, after):
        return dataclasses.replace(row, finding=Finding.NOT_COMPARABLE, reason=reason)
    steps = [_steps(run, record) for run, record in ((base, before), (head, after))]
    told = compare_apart(*steps, delta=delta)
    versions = _versions(before, after)
    return dataclasses.replace(
        row,
        finding=Finding(told.verdict.value),
        reason=f"{told.reason}{f' ({versions})' if versions else ''}",
        ratio=told.ratio,
        low=told.low,
        high=told.high,
        p=told.p,
        smallest_detectable=told.smallest_detectable,
        launches=sum(map(len, steps)),
    )


def _steps(run: Run, record: Record) -> list[float]:
    dirty = dirty_rounds(run.info)
    return [launch_step(launch, dirty) for launch in record["launches"] if launch["blocks"]]


def _observed_otherwise(before: Record, after: Record) -> str:
    """What was observed to differ in one frontend, such as its BLAS library; empty when nothing was."""
    seen = [_last(record, "observed") for record in (before, after)]
    for name in OBSERVED:
        old, new = (found.get(name) for found in seen)
        if old != new:
            return f"another {name.replace('_', ' ')} was observed ({old} and {new})"
    return ""


def _versions(before: Record, after: Record) -> str:
    """Packages whose versions differ, in words."""
    old, new = (_last(record, "versions") for record in (before, after))
    changed = [name for name in old | new if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name, 'absent')} to {new.get(name, 'absent')}" for name in changed)


def _last(record: Record, name: str) -> dict[str, Any]:
    """What the latest launch that has it noted under a name."""
    return next((dict(launch[name]) for launch in reversed(record["launches"]) if launch[name]), {})
