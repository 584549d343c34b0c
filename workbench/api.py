"""What a notebook or a script uses: run a comparison, load one, list what there is."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalog import catalog
from workbench.catalog.checks import check_task
from workbench.errors import OptionError, WorkbenchError
from workbench.host import machine, venvs
from workbench.model.device import Device
from workbench.model.option import keywords
from workbench.model.progress import Progress
from workbench.model.records import Settings
from workbench.model.request import RUN, Request
from workbench.session import runner
from workbench.session.runner import NotWrittenError, PlotFailedError, measure
from workbench.session.session import contestants_of
from workbench.show import snippets
from workbench.store import results
from workbench.store.results import Run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.catalog import Catalog, Roots
    from workbench.model.content import Frontend

__all__ = [
    "NotWrittenError",
    "PlotFailedError",
    "Run",
    "load",
    "measure",
    "rebuild",
    "results_of",
    "resume",
    "run",
    "source",
]


@keywords(Request, RUN)
def run(task: str, frameworks: str | Iterable[str] = "all", *, progress: Progress | None = None, **options: Any) -> Run:
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
    chosen = chosen_frontends(content, frameworks, task)
    settings = settings_of(content, task, request)
    contestants = contestants_of(content, chosen)
    venvs.settle(contestants, build=request.build_environments, progress=progress, if_busy=request.if_busy)
    return measure(content, contestants, settings, store_of(request.output), progress, if_busy=request.if_busy)


def chosen_frontends(content: Catalog, frameworks: str | Iterable[str], task: str) -> list[Frontend]:
    """Frontends chosen for a task by ids, families, globs or "all"; a text may hold several with commas.

    Raises:
        WorkbenchError: when one matches nothing, or none is named.
    """
    return content.select(patterns_of(frameworks), task)


def patterns_of(frameworks: str | Iterable[str]) -> list[str]:
    """The single names and globs of a choice of frontends.

    Raises:
        OptionError: when there is none.
    """
    texts = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    patterns = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not patterns:
        raise OptionError("frameworks", ",".join(texts), "no frontend chosen: give ids, families, globs or all")
    return patterns


def settings_of(content: Catalog, task: str, request: Request) -> Settings:
    """A session's settings: what was asked for, as it can be done here.

    Raises:
        WorkbenchError: for a preset that the task does not have, or what this machine does not have.
    """
    chosen = content.task(task)
    if request.sweep is not None and chosen.sweep is None:
        raise OptionError("sweep", request.sweep, f"task {task} declares no SWEEP of sizes")
    stock = request.profile == "stock"
    if stock and request.threads is not None:
        reason = "belongs to the equal profile: in stock every framework takes what it wants"
        raise OptionError("threads", request.threads, reason)
    cpus, harness_cpus = _cpus(request.threads or 1, stock=stock)
    shared = {entry.name for entry in fields(Settings)} & {entry.name for entry in fields(Request)}
    resolved: dict[str, Any] = {
        **{name: getattr(request, name) for name in shared},
        "preset": content.preset(chosen, request.preset),
        "device": Device.parse(request.device, len(machine.gpus())),
        "threads": None if stock else request.threads or 1,
        "matmul_precision": None if stock else request.matmul_precision,
    }
    return Settings(task=task, cpus=cpus, harness_cpus=harness_cpus, **resolved)


def resume(
    path: str | Path,
    store: str | Path | None = None,
    *,
    content: Roots = None,
    progress: Progress | None = None,
    if_busy: str = "wait",
) -> Run:
    """Measure what an interrupted run had not finished, and only that; see :func:`workbench.session.runner.resume`."""
    return runner.resume(path, store_of(store), catalog(content), progress, if_busy=if_busy)


def rebuild(path: str | Path, store: str | Path | None = None) -> Run:
    """Make a run's summaries, tables and plots once more from its log."""
    return runner.rebuild(path, store_of(store))


def load(path: str | Path, store: str | Path | None = None) -> Run:
    """A run by its folder, or by its id (or the beginning of one, or "latest") in a store, ./results by default."""
    return results.load(path, store_of(store))


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
    for folder in results.folders(store_of(store)):
        try:
            found.append(results.load(folder))
        except WorkbenchError:
            continue
    return found


def store_of(folder: str | Path | None) -> Path:
    """The folder of runs that is meant; the default one when None."""
    return Path(folder) if folder is not None else results.default_store()


def _cpus(threads: int, *, stock: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """CPUs of the workers and of the harness; in stock every framework may use all there are."""
    if stock:
        everything = machine.usable_cpus() or ()
        return everything, everything
    try:
        return machine.measuring_cpus(threads)
    except ValueError as error:
        raise OptionError("threads", threads, str(error)) from None
