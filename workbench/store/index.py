"""The index of a store: an entry per run with its times per launch, so that listing a thousand runs opens none.

It is only a cache: what is missing, damaged or out of date in it is read from the run itself.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.host import files
from workbench.model.events import LaunchMeasured
from workbench.model.outcomes import Outcome
from workbench.model.records import ContestantRecord, RunRecord
from workbench.statistics.launches import RoundIds, Steady, metric_values, steady, unit_time
from workbench.store import eventlog, results
from workbench.store.codec import DamageError, compact, decoded, parsed, quickly, text_of

NAME = "index.json"
MOST_THREADS = 1 << 20
FORMAT = 3  # 2 added what was measured, 3 the stages


@dataclass(frozen=True)
class Timing:
    """The times of a contestant at one stage, in seconds per unit.

    Attributes:
        launches_s: one time per launch.
        steady: over all launches; None unless the contestant is ok.
    """

    launches_s: list[float]
    steady: Steady | None = None

    def __post_init__(self) -> None:
        times = [*self.launches_s]
        if self.steady is not None:
            times += [self.steady.seconds, self.steady.low, self.steady.high]
        if not all(seconds > 0 for seconds in times):
            raise ValueError("times must be positive")


@dataclass(frozen=True)
class IndexedContestant:
    """The results of a contestant in a run.

    ``special`` is what distinguishes it from other contestants of its frontend (its own threads, device, slowdown or
    environment), as JSON; empty when nothing does. ``stages`` are its times by the name of the stage.
    """

    outcome: Outcome
    special: str
    versions: dict[str, str]
    stages: dict[str, Timing]
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexedRun:
    """A run in the index: what was asked for, where it was measured, and each contestant's results."""

    run: str
    started: str
    task: str
    preset: str
    device: str
    threads: int | None
    dtype: str
    profile: str
    matmul_precision: str | None
    problem: str
    machine: str
    cpu: str | None
    workbench: str
    content: str
    contestants: dict[str, IndexedContestant]

    def __post_init__(self) -> None:
        if self.threads is not None and not 0 < self.threads < MOST_THREADS:
            raise ValueError("an impossible number of threads")

    @property
    def outcomes(self) -> dict[str, str]:
        """How each contestant ended."""
        return {name: str(contestant.outcome) for name, contestant in self.contestants.items()}


@dataclass(frozen=True)
class Entry:
    """A run and the stamp of its run.json, (modification time in ns, bytes), which shows whether it has changed."""

    stamp: tuple[int, int]
    about: IndexedRun


@dataclass(frozen=True)
class UnfinishedRun:
    """An unfinished run: its finished launches, whether a session is still measuring it, and what is damaged."""

    run: str
    path: str
    launches: int
    measuring: bool
    damage: str = ""


def runs(store: Path) -> tuple[list[IndexedRun], list[str]]:
    """Every readable finished run of a store, newest first; and an error message for each that cannot be read."""
    cached = _read(store)
    entries: dict[str, Entry] = {}
    damaged = []
    for name in results.newest_first(store):
        try:
            status = os.stat(f"{store}/{name}/run.json")  # noqa: PTH116 - of each of ten thousand runs
            entries[name] = _entry(cached.get(name), (status.st_mtime_ns, status.st_size), store, name)
        except OSError:  # removed meanwhile
            continue
        except WorkbenchError as error:
            damaged.append(str(error))
    if len(entries) != len(cached) or any(entry is not cached.get(name) for name, entry in entries.items()):
        with contextlib.suppress(OSError):  # a read-only store can still be listed
            files.write_bytes(store / NAME, compact(_Entries(FORMAT, entries)))
    return [entry.about for entry in entries.values()], damaged


def unfinished(store: Path) -> list[UnfinishedRun]:
    """The unfinished runs of a store, newest first."""
    unfinished_runs = []
    for folder in results.unfinished_folders(store):
        launches, damage = 0, ""
        try:
            launches = sum(isinstance(event, LaunchMeasured) for event in results.events_of(folder))
        except WorkbenchError as error:
            damage = str(error)
        name = folder.name.removeprefix(results.PARTIAL)
        unfinished_runs.append(UnfinishedRun(name, str(folder), launches, eventlog.in_use(folder), damage))
    return sorted(unfinished_runs, key=lambda run: run.run, reverse=True)


def indexed(name: str, record: RunRecord) -> IndexedRun:
    """What the index keeps of a run."""
    settings = record.settings
    return IndexedRun(
        run=name,
        started=record.started,
        task=settings.task,
        preset=settings.preset,
        device=str(settings.device),
        threads=settings.threads,
        dtype=settings.dtype,
        profile=settings.profile,
        matmul_precision=settings.matmul_precision,
        problem=record.problem.hash,
        machine=record.machine_key,
        cpu=record.machine.cpu_model,
        workbench=record.workbench,
        content=record.content_hash,
        contestants={contestant.id: _contestant(contestant, record.disturbed) for contestant in record.contestants},
    )


def _contestant(record: ContestantRecord, disturbed: RoundIds) -> IndexedContestant:
    own = {
        "threads": record.threads,
        "device": None if record.device is None else str(record.device),
        "slowdown": record.slowdown,
        "environment": {name: value for name, value in record.environment.items() if value},
    }
    special = {name: value for name, value in own.items() if value}
    stages = dict.fromkeys(name for launch in record.launches for name in launch.blocks if launch.measured(name))
    timed = [launch for launch in record.launches if any(launch.measured(stage) for stage in stages)]
    return IndexedContestant(
        outcome=record.outcome,
        special=json.dumps(special, sort_keys=True) if special else "",
        versions=timed[-1].versions if timed else {},
        stages={stage: _timing(record, stage, disturbed) for stage in stages},
        metrics=metric_values(record.launches) if record.outcome is Outcome.OK else {},
    )


def _timing(record: ContestantRecord, stage: str, disturbed: RoundIds) -> Timing:
    launches = [launch for launch in record.launches if launch.measured(stage)]
    times = [unit_time(launch, stage, disturbed) for launch in launches]
    return Timing(times, steady(launches, stage, disturbed) if record.outcome is Outcome.OK else None)


def _entry(cached: Entry | None, stamp: tuple[int, int], store: Path, name: str) -> Entry:
    if cached is not None and cached.stamp == stamp and cached.about.run == name:
        return cached
    run = results.load(store / name)
    with run.reading():
        entry = Entry(stamp, indexed(name, run.record))
        text_of(entry)  # raises: every number must be finite
        return entry


def _read(store: Path) -> Mapping[str, Entry]:
    """The entries that are valid."""
    try:
        text = files.read_bytes(store / NAME)
        if (whole := quickly(_Entries, text)) is not None:
            return whole.runs if whole.format == FORMAT else {}
        values = decoded(_File, parsed(text))
    except (OSError, ValueError):
        return {}
    entries = {}
    for name, entry in values.runs.items() if values.format == FORMAT else ():
        with contextlib.suppress(DamageError):
            entries[name] = decoded(Entry, entry)
    return entries


@dataclass(frozen=True)
class _Entries:
    """The contents of the index file."""

    format: int
    runs: dict[str, Entry]


@dataclass(frozen=True)
class _File:
    """The contents of the index file, its entries not decoded yet."""

    format: int
    runs: dict[str, object]
