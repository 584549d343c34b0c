"""pyperf's JSON: a benchmark per proven contestant and stage, with a pyperf run per launch and a value per block."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.model.stage import TRAIN, Stage
from workbench.show.exports.frames import timed_launches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workbench.model.records import ContestantRecord, Launch
    from workbench.store.results import StoredRun

FORMAT = "1.0"  # of pyperf's files


@dataclass(frozen=True)
class Measured:
    """A launch, which pyperf calls a run; values in seconds per unit."""

    metadata: dict[str, str | int]
    values: list[float]


@dataclass
class Benchmark:
    """One contestant at one stage."""

    metadata: dict[str, str]
    runs: list[Measured]


@dataclass(frozen=True)
class Suite:
    """The whole file."""

    version: str
    metadata: dict[str, str]
    benchmarks: list[Benchmark]


def write(run: StoredRun, target: Path) -> None:
    """Write a suite of benchmarks into a file for pyperf.

    Raises:
        WorkbenchError: when the run has no frontend with a time.
    """
    target.write_text(json.dumps(dataclasses.asdict(suite(run)), indent=1, allow_nan=False), encoding="utf-8")


def suite(run: StoredRun) -> Suite:
    """The suite of a run, with times in seconds per unit."""
    benchmarks: dict[str, Benchmark] = {}
    for stage in run.stages:
        for contestant, launch in timed_launches(run, stage.name):
            name = contestant.id if stage is TRAIN else f"{contestant.id} {stage.name}"
            benchmark = benchmarks.setdefault(name, Benchmark({"name": name}, []))
            benchmark.runs.append(_measured(run, contestant, launch, stage))
    if not benchmarks:
        raise WorkbenchError(f"run {run.id} has no frontend with a time, and pyperf does not read empty files")
    return Suite(FORMAT, _machine(run), list(benchmarks.values()))


def _measured(run: StoredRun, contestant: ContestantRecord, launch: Launch, stage: Stage) -> Measured:
    blocks = launch.of(stage.name)
    versions = {f"{package}_version": version for package, version in launch.versions.items()}
    metadata: dict[str, str | int] = {
        **_texts(versions),
        **_texts({"title": contestant.title, "launch": launch.number}),
        "date": run.record.started[:19].replace("T", " "),
        "loops": max(1, blocks.units),
    }
    return Measured(metadata, blocks.seconds)


def _machine(run: StoredRun) -> dict[str, str]:
    record, settings = run.record, run.record.settings
    facts = record.machine
    metadata = {
        "cpu_model_name": facts.cpu_model,
        "platform": " ".join(text for text in (facts.os_name, facts.kernel) if text),
        "workbench_version": record.workbench,
        "workbench_run": run.id,
        "task": settings.task,
        "preset": settings.preset,
        "device": settings.device,
        "dtype": settings.dtype,
        "profile": settings.profile,
        "cpu_affinity": ",".join(str(cpu) for cpu in settings.cpus),
    }
    return {"unit": "second", **_texts(metadata)}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    """The known values as texts; pyperf does not accept empty ones."""
    return {name: str(value).strip() for name, value in values.items() if value is not None and str(value).strip()}
