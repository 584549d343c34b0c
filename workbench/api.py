"""What a notebook or a script uses: run a comparison, load one, list what there is."""

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
from workbench.comparison import versions as upgrades
from workbench.comparison.history import timeline
from workbench.errors import WorkbenchError
from workbench.host import venvs
from workbench.model.option import keywords
from workbench.model.progress import Progress
from workbench.model.request import COMPARE, REGRESS, RUN, VERSIONS, GateRequest, Judging, Request, patterns_of
from workbench.session import runner
from workbench.session.session import contestants_of
from workbench.session.settings import settings_of
from workbench.show import snippets
from workbench.show.folder import PlotFailedError, publish
from workbench.show.gate import Gate
from workbench.show.history import History
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
    "NotWrittenError",
    "PlotFailedError",
    "Run",
    "VersionsReport",
    "compare",
    "history",
    "load",
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
def run(
    task: str, frameworks: str | Iterable[str] = "all", *, progress: Progress | None = None, **options: object
) -> Run:
    """Run one task in every chosen frontend, prove and time each, and write a run folder.

    Args:
        task: a task's name, such as "linreg".
        frameworks: ids, families, globs or "all"; a text may hold several with commas.
        progress: who is told how it gets on.
        **options: those of :class:`workbench.model.request.Request`.

    Raises:
        WorkbenchError: for anything that was asked for wrongly; nothing is written then.
        NotWrittenError: when the disk was full, or the folder gone, before all was written.
        PlotFailedError: when all is measured and written but for a plot.
    """
    return measured(task, frameworks, Request.of(RUN, options), progress)


def measured(task: str, frameworks: str | Iterable[str], request: Request, progress: Progress | None = None) -> Run:
    """What :func:`run` does, for a request."""
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
        PlotFailedError: when all is measured and written but for a plot.
    """
    with _shown_all_the_same():
        return publish(runner.measure(content, contestants, settings, store, progress, if_busy=if_busy))


@contextlib.contextmanager
def _shown_all_the_same() -> Iterator[None]:
    """What could not be written can be looked at like any other run."""
    try:
        yield
    except NotWrittenError as error:
        raise NotWrittenError(Run.of(error.run), str(error)) from error.__cause__


@keywords(GateRequest, REGRESS)
def regress(
    base: str,
    head: str | None = None,
    tasks: Sequence[str] = (),
    frameworks: str | Sequence[str] = "all",
    *,
    progress: Progress | None = None,
    **options: object,
) -> Gate:
    """Measure base, head and the base once more in interleaved sessions, and judge every pair.

    Args:
        base: a branch, tag or hash: what is measured against.
        head: the same for what is judged; None is the working tree as it lies there.
        tasks: names; all that either side has when empty.
        frameworks: ids, families, globs or "all"; a text may hold several with commas.
        progress: who is told how it gets on.
        **options: those of :class:`workbench.model.request.GateRequest`.

    Raises:
        WorkbenchError: for anything that was asked for wrongly.
    """
    return gated(base, head, tasks, frameworks, GateRequest.of(REGRESS, options), progress)


def gated(
    base: str,
    head: str | None,
    tasks: Sequence[str],
    frameworks: str | Sequence[str],
    request: GateRequest,
    progress: Progress | None = None,
) -> Gate:
    """What :func:`regress` does, for a request."""
    with _shown_all_the_same():
        gate = _shown(Gate, commits.gated(base, head, tasks, frameworks, request, progress))
        return dataclasses.replace(gate, runs=[_published(run) for run in gate.runs])


def _published(run: StoredRun) -> Run:
    """A run with its tables and, as far as they can be drawn, its pictures in its folder."""
    try:
        return publish(run)
    except PlotFailedError as failure:
        return failure.run


@keywords(Judging, COMPARE)
def compare(base: str | Path, head: str | Path, *, store: str | Path | None = None, **options: object) -> Gate:
    """Compare two runs made at different times, as far as they can be compared.

    Args:
        base: what is measured against: a run's folder, its id or the beginning of it.
        head: the same for what is judged.
        store: where ids are looked up; ./results when None.
        **options: those of :class:`workbench.model.request.Judging`.

    Raises:
        WorkbenchError: when there is no such run, or the two are of different tasks.
    """
    return compared(base, head, Judging.of(COMPARE, options), store)


def compared(base: str | Path, head: str | Path, judging: Judging, store: str | Path | None = None) -> Gate:
    """What :func:`compare` does, for a request."""
    return _shown(Gate, unpaired.judged(load(base, store), load(head, store), judging))


@keywords(Request, VERSIONS)
def versions(
    requirements: str | Iterable[str],
    task: str,
    frameworks: str | Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
    environments: Path | None = None,
    **options: object,
) -> VersionsReport:
    """Measure versions of one package side by side, each in an environment of its own, which is built where needed.

    Args:
        requirements: such as "torch==2.12,torch==2.13"; the first is the base of every comparison.
        task: a task's name.
        frameworks: frontends to measure; those that import the package when None.
        progress: who is told how it gets on.
        environments: the folder that keeps environments; in the user's cache when None.
        **options: those of :class:`workbench.model.request.Request`.

    Raises:
        WorkbenchError: for anything that was asked for wrongly; nothing is written then.
        NotWrittenError, PlotFailedError: as in :func:`run`.
    """
    request = Request.of(VERSIONS, options)
    return upgraded(requirements, task, frameworks, request, progress, environments)


def upgraded(
    requirements: str | Iterable[str],
    task: str,
    frameworks: str | Iterable[str] | None,
    request: Request,
    progress: Progress | None = None,
    environments: Path | None = None,
) -> VersionsReport:
    """What :func:`versions` does, for a request."""
    with _shown_all_the_same():
        result = upgrades.measured(requirements, task, frameworks, request, progress, environments)
        return dataclasses.replace(_shown(VersionsReport, result), run=publish(result.run))


def history(task: str, frontend: str, *, preset: str | None = None, results: str | Path | None = None) -> History:
    """All recorded runs of a frontend at a task, in series that may be compared, one or more per stage.

    Args:
        task: a task's name.
        frontend: a frontend's id, or the id that a contestant had, such as "numpy_manual@2.4.6".
        preset: runs of this preset alone.
        results: the folder of runs; ./results when None.

    Raises:
        WorkbenchError: when no run has it.
    """
    return _shown(History, timeline(task, frontend, preset=preset, results=results))


def _shown(kind: Callable[..., T], result: DataclassInstance) -> T:
    """A result as the kind that notebooks and the command line show."""
    return kind(**{entry.name: getattr(result, entry.name) for entry in fields(result)})


def resume(
    path: str | Path,
    store: str | Path | None = None,
    *,
    content: Roots = None,
    progress: Progress | None = None,
    if_busy: str = "wait",
) -> Run:
    """Measure what an interrupted run had not finished, and only that; see :func:`workbench.session.runner.resume`."""
    with _shown_all_the_same():
        return publish(runner.resume(path, results.store_of(store), catalog(content), progress, if_busy=if_busy))


def rebuild(path: str | Path, store: str | Path | None = None) -> Run:
    """Make a run's summaries, tables and plots once more from its log."""
    with _shown_all_the_same():
        return publish(runner.rebuild(path, results.store_of(store)))


def load(path: str | Path, store: str | Path | None = None) -> Run:
    """A run by its folder, or by its id (or the beginning of one, or "latest") in a store, ./results by default."""
    return Run.of(results.load(path, results.store_of(store)))


def source(task: str, frameworks: str | Iterable[str] = "all", *parts: str, content: Roots = None) -> snippets.Snippets:
    """The code of a task in chosen frontends, for a notebook: a card per file.

    Args:
        task: a task's name, such as "linreg".
        frameworks: ids, families, globs or "all"; a text may hold several with commas.
        *parts: "about", "imports", "data", "model", "loss", "gradient", "update", "loop", "result"; all when none.
        content: a folder with tasks or frontends of your own, or several, beside workbench's own.

    Raises:
        WorkbenchError: for a task, frontend or part that is not there.
    """
    return snippets.source(task, frameworks, parts, catalog(content))


def results_of(store: str | Path | None = None) -> list[Run]:
    """All readable runs of a store, newest first."""
    found = []
    for folder in results.folders(results.store_of(store)):
        try:
            found.append(Run.of(results.load(folder)))
        except WorkbenchError:
            continue
    return found
