"""The small index of a store: an entry per run with its times per launch, so that a thousand runs are not opened.

It is a convenience and never required: what is missing, damaged or out of date in it is read from the run itself.
"""

from __future__ import annotations

import contextlib
import json
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
from workbench.store.codec import DamageError, decoded, parsed, plain

NAME = "index.json"
FORMAT = 3  # 2: with what was measured; 3: by stage


@dataclass(frozen=True)
class Timing:
    """What a contestant took at one stage, in seconds per unit.

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
            raise ValueError("a time that is not positive")


@dataclass(frozen=True)
class IndexedContestant:
    """What a contestant came to in a run.

    ``special`` is what sets it apart from other contestants of its frontend (threads, a device, a slow-down or an
    environment of its own), as JSON; empty when nothing does. ``stages`` are its times by the name of the stage.
    """

    outcome: Outcome
    special: str
    versions: dict[str, str]
    stages: dict[str, Timing]
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexedRun:
    """A run in the index: what was asked for, where it was measured, and what became of each contestant."""

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

    @property
    def outcomes(self) -> dict[str, str]:
        """How each contestant ended."""
        return {name: str(contestant.outcome) for name, contestant in self.contestants.items()}


@dataclass(frozen=True)
class Entry:
    """A run and the stamp of its run.json, (modified in ns, bytes), by which it is known to be unchanged."""

    stamp: tuple[int, int]
    about: IndexedRun


@dataclass(frozen=True)
class UnfinishedRun:
    """A run without an end: how many launches it has finished, and whether a session is still at work on it."""

    run: str
    path: str
    launches: int
    measuring: bool


def runs(store: Path) -> tuple[list[IndexedRun], list[str]]:
    """Every readable finished run of a store, newest first; and a sentence for each that cannot be read."""
    known = _read(store)
    entries, damaged = {}, []
    for folder in results.folders(store):
        try:
            about = (folder / "run.json").stat()
            entries[folder.name] = _entry(known.get(folder.name), (about.st_mtime_ns, about.st_size), folder)
        except OSError:  # removed meanwhile
            continue
        except WorkbenchError as error:
            damaged.append(str(error))
    if entries != known:
        text = json.dumps({"format": FORMAT, "runs": plain(entries)}, allow_nan=False, ensure_ascii=False)
        with contextlib.suppress(OSError):  # a store that can only be read is still a store
            files.write_text(store / NAME, text)
    return [entry.about for entry in entries.values()], damaged


def unfinished(store: Path) -> list[UnfinishedRun]:
    """Runs that have no end, newest first."""
    without_end = []
    for folder in results.unfinished_folders(store):
        with contextlib.suppress(WorkbenchError):
            launches = sum(isinstance(event, LaunchMeasured) for event in results.events_of(folder))
            name = folder.name.removeprefix(results.PARTIAL)
            without_end.append(UnfinishedRun(name, str(folder), launches, eventlog.in_use(folder)))
    return sorted(without_end, key=lambda run: run.run, reverse=True)


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


def _entry(known: Entry | None, stamp: tuple[int, int], folder: Path) -> Entry:
    if known is not None and known.stamp == stamp and known.about.run == folder.name:
        return known
    run = results.load(folder)
    with run.reading():
        return Entry(stamp, indexed(folder.name, run.record))


def _read(store: Path) -> Mapping[str, Entry]:
    """The entries that fit their type."""
    try:
        value = parsed((store / NAME).read_text(encoding="utf-8"))
        values = decoded(_File, value)
    except (OSError, ValueError):
        return {}
    entries = {}
    for name, entry in values.runs.items() if values.format == FORMAT else ():
        with contextlib.suppress(DamageError):
            entries[name] = decoded(Entry, entry)
    return entries


@dataclass(frozen=True)
class _File:
    """The index as its file holds it, the entries not decoded yet."""

    format: int
    runs: dict[str, object]
