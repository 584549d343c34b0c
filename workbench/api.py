"""The functions for notebooks, scripts and the command line: measure, compare, load and list runs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from workbench.catalog import catalog
from workbench.catalog.checks import check_task
from workbench.comparison import commits, unpaired
from workbench.comparison import matrix as pairs
from workbench.comparison import versions as upgrades
from workbench.comparison.history import timeline
from workbench.errors import WorkbenchError
from workbench.host import venvs
from workbench.model.arguments import checked
from workbench.model.option import keywords
from workbench.model.progress import Progress
from workbench.model.request import COMPARE, MATRIX, REGRESS, RUN, VERSIONS, GateRequest, Judging, Request, patterns_of
from workbench.session import runner
from workbench.session.session import contestants_of
from workbench.session.settings import settings_of
from workbench.show import snippets
from workbench.show.folder import PlotFailedError, publish
from workbench.show.gate import Gate
from workbench.show.history import History
from workbench.show.matrix import Matrix
from workbench.show.run import Run
from workbench.show.versions import VersionsReport
from workbench.store import results
from workbench.store.results import NotWrittenError, StoredRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import DataclassInstance

    from workbench.catalog import Catalog, Roots
    from workbench.model.contestant import Contestant
    from workbench.model.records import Settings

__all__ = [
    "Gate",
    "History",
    "Matrix",
    "NotWrittenError",
    "PlotFailedError",
    "Run",
    "VersionsReport",
    "compare",
    "history",
    "load",
    "matrix",
    "measure",
    "publish",
    "rebuild",
    "regress",
    "results_of",
    "resume",
    "run",
    "source",
    "versions",
]

T = TypeVar("T")


@keywords(Request, RUN)
@checked
def run(
    task: str, frameworks: str | Iterable[str] = "all", *, progress: Progress | None = None, **options: object
) -> Run:
    """Run one task in every chosen frontend, prove and time each, and write a run folder.

    Args:
        task: a task's name, such as "linreg".
        frameworks: ids, families, globs or "all"; a string may hold several, separated by commas.
        progress: receives progress events.
        **options: those of :class:`workbench.model.request.Request`.

    Raises:
        WorkbenchError: when an argument is invalid; nothing is written then.
        NotWrittenError: when the disk is full, or the folder was removed, before everything was written.
        PlotFailedError: when everything was measured and written except a plot.
    """
    return run_request(task, frameworks, Request.of(RUN, options), progress)


def run_request(task: str, frameworks: str | Iterable[str], request: Request, progress: Progress | None = None) -> Run:
    """As :func:`run`, with the options as a request."""
    content = catalog(request.content)
    check_task(content, task)
    chosen = content.select(patterns_of(frameworks), task)
    settings = settings_of(content, task, request)
    contestants = contestants_of(content, chosen)
    venvs.settle(contestants, build=request.build_environments, progress=progress, if_busy=request.if_busy)
    store = results.store_of(request.output)
    return measure(content, contestants, settings, store, progress, if_busy=request.if_busy)


def measure(
    content: Catalog,
    contestants: Sequence[Contestant],
    settings: Settings,
    store: Path,
    progress: Progress | None = None,
    *,
    if_busy: str = "wait",
) -> Run:
    """Measure any contestants in one session and write a run folder; see :func:`workbench.session.runner.measure`.

    Raises:
        WorkbenchError, NotWrittenError: as there.
        PlotFailedError: when everything was measured and written except a plot.
    """
    with _showable_failures():
        return publish(runner.measure(content, contestants, settings, store, progress, if_busy=if_busy))


@keywords(Request, MATRIX)
@checked
def matrix(
    tasks: str | Sequence[str] = (),
    frameworks: str | Iterable[str] = "all",
    *,
    progress: Progress | None = None,
    **options: object,
) -> Matrix:
    """Every chosen frontend at every chosen task: a run for each task and preset that the store does not have yet.

    Args:
        tasks: names of tasks, or one name; all tasks if empty.
        frameworks: ids, families, globs or "all"; a string may hold several, separated by commas.
        progress: receives progress events.
        **options: those of :class:`workbench.model.request.Request`.

    Raises:
        WorkbenchError: when an argument is invalid; nothing is measured then.
    """
    names = [tasks] if isinstance(tasks, str) else tasks
    return matrix_request(names, frameworks, Request.of(MATRIX, options), progress)


def matrix_request(
    tasks: Sequence[str], frameworks: str | Iterable[str], request: Request, progress: Progress | None = None
) -> Matrix:
    """As :func:`matrix`, with the options as a request."""
    content = catalog(request.content)
    parts = pairs.parts_of(content, tasks, request.preset)
    chosen = content.select(patterns_of(frameworks))
    for part in parts:
        check_task(content, part.task)
        settings_of(content, part.task, dataclasses.replace(request, preset=part.preset))
        for frontend in chosen:
            content.hole(part.task, frontend)  # raises where a declared hole has a file

    def one(part: pairs.Part, own: Request) -> StoredRun:
        settings, contestants = settings_of(content, part.task, own), contestants_of(content, chosen)
        venvs.settle(contestants, build=own.build_environments, progress=progress, if_busy=own.if_busy)
        run = runner.measure(
            content, contestants, settings, results.store_of(own.output), progress, if_busy=own.if_busy
        )
        return _published(run)

    return Matrix(chosen, list(pairs.measured(content, parts, chosen, request, one)))


@contextlib.contextmanager
def _showable_failures() -> Iterator[None]:
    """Let a run that could not be written completely be shown like any other."""
    try:
        yield
    except NotWrittenError as error:
        raise NotWrittenError(Run.of(error.run), str(error)) from error.__cause__


@keywords(GateRequest, REGRESS)
@checked
def regress(
    base: str,
    head: str | None = None,
    tasks: str | Sequence[str] = (),
    frameworks: str | Sequence[str] = "all",
    *,
    progress: Progress | None = None,
    **options: object,
) -> Gate:
    """Measure base, a second copy of base, and head in interleaved sessions, and judge every pair.

    Args:
        base: the baseline commit: a branch, tag or hash.
        head: the commit under test, likewise; None is the working tree with its uncommitted changes.
        tasks: names of tasks, or one name; all tasks of either side if empty.
        frameworks: ids, families, globs or "all"; a string may hold several, separated by commas.
        progress: receives progress events.
        **options: those of :class:`workbench.model.request.GateRequest`.

    Raises:
        WorkbenchError: when an argument is invalid.
    """
    names = [tasks] if isinstance(tasks, str) else tasks
    return regress_request(base, head, names, frameworks, GateRequest.of(REGRESS, options), progress)


def regress_request(
    base: str,
    head: str | None,
    tasks: Sequence[str],
    frameworks: str | Sequence[str],
    request: GateRequest,
    progress: Progress | None = None,
) -> Gate:
    """As :func:`regress`, with the options as a request."""
    with _showable_failures():
        gate = _shown(Gate, commits.compare_commits(base, head, tasks, frameworks, request, progress))
        return dataclasses.replace(gate, runs=[_published(run) for run in gate.runs])


def _published(run: StoredRun) -> Run:
    """A run whose folder has its tables and, unless a plot fails, its plots."""
    try:
        return publish(run)
    except PlotFailedError as failure:
        return failure.run


@keywords(Judging, COMPARE)
@checked
def compare(base: str | Path, head: str | Path, *, store: str | Path | None = None, **options: object) -> Gate:
    """Compare two runs measured at different times, as far as that is valid.

    Args:
        base: the baseline: a run's folder, its id, or the beginning of its id.
        head: the run under test, likewise.
        store: the folder in which ids are looked up; ./results if None.
        **options: those of :class:`workbench.model.request.Judging`.

    Raises:
        WorkbenchError: when there is no such run, or the runs are of different tasks or presets.
    """
    return compare_request(base, head, Judging.of(COMPARE, options), store)


def compare_request(base: str | Path, head: str | Path, judging: Judging, store: str | Path | None = None) -> Gate:
    """As :func:`compare`, with the options as a request."""
    return _shown(Gate, unpaired.compare_runs(load(base, store), load(head, store), judging))


@keywords(Request, VERSIONS)
@checked
def versions(
    requirements: str | Iterable[str],
    task: str,
    frameworks: str | Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
    environments: Path | None = None,
    **options: object,
) -> VersionsReport:
    """Measure versions of one package side by side, each in an environment of its own, which is built if needed.

    Args:
        requirements: such as "torch==2.12,torch==2.13"; the first is the base of every comparison.
        task: a task's name.
        frameworks: frontends to measure; if None, those that import the package.
        progress: receives progress events.
        environments: the folder that keeps environments; if None, one in the user's cache.
        **options: those of :class:`workbench.model.request.Request`.

    Raises:
        WorkbenchError: when an argument is invalid; nothing is written then.
        NotWrittenError, PlotFailedError: as in :func:`run`.
    """
    request = Request.of(VERSIONS, options)
    return versions_request(requirements, task, frameworks, request, progress, environments)


def versions_request(
    requirements: str | Iterable[str],
    task: str,
    frameworks: str | Iterable[str] | None,
    request: Request,
    progress: Progress | None = None,
    environments: Path | None = None,
) -> VersionsReport:
    """As :func:`versions`, with the options as a request."""
    with _showable_failures():
        result = upgrades.compare_versions(requirements, task, frameworks, request, progress, environments)
        return dataclasses.replace(_shown(VersionsReport, result), run=publish(result.run))


@checked
def history(task: str, frontend: str, *, preset: str | None = None, results: str | Path | None = None) -> History:
    """All recorded runs of a frontend at a task, in series of comparable runs, one or more per stage.

    Args:
        task: a task's name.
        frontend: a frontend's id, or a contestant's id, such as "numpy_manual@2.4.6".
        preset: only runs of this preset.
        results: the folder of runs; ./results if None.

    Raises:
        WorkbenchError: when no run matches.
    """
    return _shown(History, timeline(task, frontend, preset=preset, results=results))


def _shown(kind: Callable[..., T], result: DataclassInstance) -> T:
    """A result as an object of the class that notebooks and the command line show."""
    return kind(**{entry.name: getattr(result, entry.name) for entry in fields(result)})


@checked
def resume(
    path: str | Path,
    store: str | Path | None = None,
    *,
    content: Roots = None,
    progress: Progress | None = None,
    if_busy: str = "wait",
) -> Run:
    """Measure only what an interrupted run did not finish; see :func:`workbench.session.runner.resume`."""
    with _showable_failures():
        return publish(runner.resume(path, results.store_of(store), catalog(content), progress, if_busy=if_busy))


@checked
def rebuild(path: str | Path, store: str | Path | None = None) -> Run:
    """Rebuild a run's summaries, tables and plots from its log."""
    with _showable_failures():
        return publish(runner.rebuild(path, results.store_of(store)))


@checked
def load(path: str | Path, store: str | Path | None = None) -> Run:
    """Load a run by its folder, or by its id (or the beginning of it, or "latest") in a store, ./results by default."""
    return Run.of(results.load(path, results.store_of(store)))


@checked
def source(task: str, frameworks: str | Iterable[str] = "all", *parts: str, content: Roots = None) -> snippets.Snippets:
    """The code of a task in the chosen frontends, for a notebook: a card per file.

    Args:
        task: a task's name, such as "linreg".
        frameworks: ids, families, globs or "all"; a string may hold several, separated by commas.
        *parts: "about", "imports", "data", "model", "loss", "gradient", "update", "loop", "result"; all if none.
        content: one or more folders with tasks or frontends of your own, used beside the built-in ones.

    Raises:
        WorkbenchError: for an unknown task, frontend or part.
    """
    return snippets.source(task, frameworks, parts, catalog(content))


@checked
def results_of(store: str | Path | None = None) -> list[Run]:
    """All readable runs of a store, newest first."""
    runs = []
    for folder in results.folders(results.store_of(store)):
        try:
            runs.append(Run.of(results.load(folder)))
        except WorkbenchError:
            continue
    return runs
