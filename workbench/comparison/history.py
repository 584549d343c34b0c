"""A frontend's steady time over all recorded runs: a series per machine and settings, with its significant jumps.

Series are never compared with each other. The runs of a series were measured at different times, so they include drift
that no statistic removes: a jump is a reason to measure both sides in one session, not a verdict.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

from workbench.errors import WorkbenchError, one_line, unknown
from workbench.model.outcomes import Outcome
from workbench.model.stage import TRAIN, Stage, in_order, stage_of
from workbench.statistics.jumps import Jump, jumps
from workbench.statistics.launches import Steady
from workbench.store import index
from workbench.store.index import IndexedContestant, IndexedRun
from workbench.store.results import store_of


@dataclass(frozen=True)
class Conditions:
    """What must be equal for the times of two runs to be comparable.

    ``apart`` is what distinguishes the contestant from others of its frontend, such as its threads, if anything;
    ``problem`` is the hash of the problem, ``machine`` the machine's key.
    """

    stage: str
    preset: str
    device: str
    threads: int | None
    dtype: str
    problem: str
    profile: str
    matmul_precision: str | None
    apart: str | None
    machine: str


@dataclass(frozen=True)
class Point:
    """A run in a series.

    Attributes:
        run, date: the run's id, and when it started.
        outcome: the contestant's outcome.
        steady: its steady time per unit; None if it has none.
        versions: versions of its packages.
        launches: number of launches measured.
        metrics: its metrics, by name.
        change: relative change from the previous timed run.
        news: what else changed since then, in words.
        level_s: median of the runs between the jumps around this one, in seconds per unit.
        jump: relative size of the jump that leads to this run, if one does.
    """

    run: str
    date: str
    outcome: Outcome
    steady: Steady | None
    versions: dict[str, str]
    launches: int
    metrics: dict[str, float] = field(default_factory=dict)
    change: float | None = None
    news: str = ""
    level_s: float | None = None
    jump: float | None = None

    def plain(self, unit: str) -> dict[str, object]:
        """The point as in JSON and frames, with times as ``<unit>_s`` with low and high, and without its level."""
        times = (None,) * 4 if self.steady is None else tuple(asdict(self.steady).values())
        return {
            "run": self.run,
            "date": self.date,
            "outcome": str(self.outcome),
            **dict(zip((f"{unit}_s", f"{unit}_s_low", f"{unit}_s_high", "interval"), times, strict=True)),
            "versions": self.versions,
            "launches": self.launches,
            "change": self.change,
            "news": self.news,
            "metrics": self.metrics,
        }


@dataclass(frozen=True)
class Series:
    """Runs that may be compared: one stage, one machine, one set of conditions, oldest first.

    ``cpu`` is the CPU model according to the latest run; ``jumps`` refer to the timed points alone.
    """

    conditions: Conditions
    cpu: str | None
    points: Sequence[Point]
    jumps: Sequence[Jump]

    @property
    def stage(self) -> Stage:
        """The stage that was measured."""
        return stage_of(self.conditions.stage)

    @property
    def timed(self) -> list[Point]:
        """The points that have a time."""
        return [point for point in self.points if point.steady is not None]

    @property
    def label(self) -> str:
        """The conditions in one line."""
        conditions = self.conditions
        precision = conditions.matmul_precision
        words = [
            "" if self.stage == TRAIN else conditions.stage,
            conditions.preset,
            conditions.device,
            _threads(conditions.threads),
            conditions.dtype,
            f"{precision} matrix products" if precision not in (None, conditions.dtype) else "",
            f"{conditions.profile} profile",
            f"with {conditions.apart}" if conditions.apart else "",
            f"problem {conditions.problem[:8]}",
            f"machine {conditions.machine} ({self.cpu})",
        ]
        return one_line(" · ".join(filter(None, words)))

    def plain_conditions(self) -> dict[str, object]:
        """The conditions as in JSON and frames."""
        return {**asdict(self.conditions), "cpu": self.cpu}


def _threads(count: int | None) -> str:
    if count is None:
        return "default threads"
    return f"{count} thread{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Timeline:
    """All recorded runs of a frontend at a task; ``skipped`` has a line for each run that could not be read."""

    task: str
    frontend: str
    series: Sequence[Series]
    skipped: Sequence[str] = field(default_factory=tuple)

    @property
    def title(self) -> str:
        """Task and frontend."""
        return one_line(f"{self.task} · {self.frontend}")


def timeline(task: str, frontend: str, *, preset: str | None = None, results: str | Path | None = None) -> Timeline:
    """All recorded runs of a frontend at a task, in series of comparable runs, one or more per stage.

    Args:
        task: a task's name.
        frontend: a frontend's id, or a contestant's id, such as "numpy_manual@2.4.6".
        preset: only runs of this preset.
        results: the folder of runs; ./results if None.

    Raises:
        WorkbenchError: when no run matches.
    """
    store = store_of(results)
    runs, skipped = index.runs(store)
    if skipped and not runs:
        raise WorkbenchError(f"no run in {store} can be read: {skipped[0]}")
    _check_known("task", task, {run.task for run in runs}, store, f"in {store}")
    runs = [run for run in runs if run.task == task]
    if preset is not None:
        _check_known("preset", preset, {run.preset for run in runs}, store, f"in the runs of {task}")
        runs = [run for run in runs if run.preset == preset]
    frontends = {name for run in runs for name in run.contestants}
    _check_known("frontend", frontend, frontends, store, f"in the runs of {task}")
    runs = sorted((run for run in runs if frontend in run.contestants), key=lambda run: (run.started, run.run))
    stages = in_order({stage for run in runs for stage in run.contestants[frontend].stages}) or [TRAIN]
    by_conditions: dict[Conditions, list[IndexedRun]] = {}
    for run in runs:
        contestant = run.contestants[frontend]
        for stage in stages:
            if stage.name in contestant.stages or not contestant.stages:  # one without any time is a point in each
                by_conditions.setdefault(_conditions(run, contestant, stage.name), []).append(run)
    series = [_series(conditions, comparable, frontend) for conditions, comparable in by_conditions.items()]
    latest_first = sorted(series, key=lambda entry: entry.points[-1].date, reverse=True)
    return Timeline(task, frontend, latest_first, tuple(skipped))


def _check_known(kind: str, name: str, names: set[str], store: Path, of: str) -> None:
    if not names:
        raise WorkbenchError(f"no runs in {store}: measure one first, for example with `workbench run linreg`")
    if name not in names:
        raise unknown(kind, name, names, of)


def _conditions(run: IndexedRun, contestant: IndexedContestant, stage: str) -> Conditions:
    return Conditions(
        stage=stage,
        preset=run.preset,
        device=run.device,
        threads=run.threads,
        dtype=run.dtype,
        problem=run.problem,
        profile=run.profile,
        matmul_precision=run.matmul_precision,
        apart=contestant.special or None,
        machine=run.machine,
    )


def _series(conditions: Conditions, runs: Sequence[IndexedRun], frontend: str) -> Series:
    """Runs of the same conditions, oldest first, as a series."""
    points: list[Point] = []
    previous: tuple[IndexedRun, Steady] | None = None
    for run in runs:
        contestant = run.contestants[frontend]
        timing = contestant.stages.get(conditions.stage)
        steady = timing.steady if timing else None
        change, news = None, ""
        if steady is not None:
            if previous is not None:
                change = steady.seconds / previous[1].seconds - 1
                news = ", ".join(_news(previous[0], run, frontend))
            previous = run, steady
        points.append(
            Point(
                run=run.run,
                date=run.started,
                outcome=contestant.outcome,
                steady=steady,
                versions=contestant.versions,
                launches=len(timing.launches_s) if timing else 0,
                metrics=contestant.metrics,
                change=change,
                news=news,
            )
        )
    level_changes = jumps([point.steady.seconds for point in points if point.steady is not None])
    return Series(conditions, runs[-1].cpu, _with_levels(points, level_changes), level_changes)


def _news(before: IndexedRun, after: IndexedRun, frontend: str) -> Iterator[str]:
    """What changed from one run to the next, besides the time."""
    old, new = before.contestants[frontend].versions, after.contestants[frontend].versions
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name, 'none')} → {new.get(name, 'none')}"
    if before.workbench != after.workbench:
        yield f"workbench {before.workbench} → {after.workbench}"
    if before.content != after.content:
        yield "tasks or frontends"


def _with_levels(points: Sequence[Point], level_changes: Sequence[Jump]) -> list[Point]:
    """The points, with the level between the jumps around each timed one, and the jump that leads to it, if any."""
    steps = [point.steady.seconds for point in points if point.steady is not None]
    edges = [0, *(jump.start for jump in level_changes), len(steps)]
    spans = itertools.pairwise(edges) if steps else ()
    levels = iter([level for start, end in spans for level in [median(steps[start:end])] * (end - start)])
    ratios = {jump.start: jump.ratio - 1 for jump in level_changes}
    numbers = itertools.count()
    return [
        point if point.steady is None else replace(point, level_s=next(levels), jump=ratios.get(next(numbers)))
        for point in points
    ]
