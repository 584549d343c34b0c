"""What a notebook or a script uses: run a comparison, load one, list what there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.catalog import catalog
from workbench.catalog.checks import check_task
from workbench.errors import WorkbenchError
from workbench.host import machine, venvs
from workbench.host.locks import CHOICES
from workbench.model.contestant import Settings
from workbench.model.device import Device
from workbench.model.progress import Progress
from workbench.session import runner
from workbench.session.runner import NotWrittenError, PlotFailedError, measure
from workbench.session.session import contestants_of
from workbench.show import snippets
from workbench.store import results
from workbench.store.results import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

PRECISIONS = ("float32", "tf32")
DTYPES = ("float32", "float64")
PROFILES = ("equal", "stock")


def run(
    task: str,
    frameworks: str | Iterable[str] = "all",
    *,
    preset: str | None = None,
    device: str = "cpu",
    profile: str = "equal",
    threads: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
    matmul_precision: str = "float32",
    launches: int | None = None,
    budget_s: float | None = None,
    precision: float | None = None,
    rounds: int = 10,
    sweep: str | None = None,
    max_alive: int | None = None,
    warm_cache: bool = False,
    timeout_s: float = 300.0,
    output: str | Path | None = None,
    content: Roots = None,
    progress: Progress | None = None,
    if_busy: str = "wait",
    build_environments: bool = False,
) -> Run:
    """Run one task in every chosen frontend, prove and time each, and write a run folder.

    Args:
        task: a task's name, such as "linreg".
        frameworks: ids, families, globs or "all"; a text may hold several with commas.
        preset: one of the task's presets; its first when None.
        device: "cpu", "gpu", "auto", or an index such as "gpu:1".
        profile: "equal" (threads, CPUs, precision alike) or "stock" (every framework as it comes).
        threads: CPU threads of every frontend, on as many CPUs; 1 when None. Not with "stock".
        steps: instead of the preset's number of steps.
        seed: of start weights, generated data and the order of batches.
        dtype: "float32" or "float64".
        matmul_precision: of float32 products on a GPU: "float32" or "tf32". Not with "stock".
        launches: fresh processes per contestant, exactly; else budget and precision decide, or it is 2.
        budget_s: launches go on while this many seconds have room for one more.
        precision: launches go on until every interval's half-width is within this share, such as 0.02.
        rounds: how often each contestant is measured per launch, one block each time, in shuffled order.
        sweep: "size" measures every contestant at each of the task's SWEEP sizes, too.
        max_alive: how many workers may be alive at once; as many as the memory holds when None.
        warm_cache: keep compilers' caches between runs instead of starting cold.
        timeout_s: how long one phase of one contestant may take, in seconds.
        output: the folder that receives the run's folder; ./results when None.
        content: a folder with tasks or frontends of your own, or several, beside workbench's own.
        progress: who is told how it gets on.
        if_busy: "wait" when another session measures on this host, or "refuse".
        build_environments: build an environment for each frontend that needs one of its own, and use it.

    Raises:
        WorkbenchError: for anything that was asked for wrongly; nothing is written then.
        NotWrittenError: when the disk was full, or the folder gone, before all was written.
        PlotFailedError: when all is measured and written but for a plot.
    """
    _choose("--if-busy", if_busy, CHOICES)
    found = catalog(content)
    check_task(found, task)
    chosen = chosen_frontends(found, frameworks, task)
    settings = settings_of(
        found,
        task,
        preset=preset,
        device=device,
        profile=profile,
        threads=threads,
        steps=steps,
        seed=seed,
        dtype=dtype,
        matmul_precision=matmul_precision,
        launches=launches,
        budget_s=budget_s,
        precision=precision,
        rounds=rounds,
        sweep=sweep,
        max_alive=max_alive,
        warm_cache=warm_cache,
        timeout_s=timeout_s,
    )
    contestants = contestants_of(found, chosen)
    venvs.settle(contestants, build=build_environments, progress=progress, if_busy=if_busy)
    return measure(found, contestants, settings, _store(output), progress, if_busy=if_busy)


def chosen_frontends(found: Catalog, frameworks: str | Iterable[str], task: str) -> list[Frontend]:
    """Frontends chosen for a task by ids, families, globs or "all"; a text may hold several with commas.

    Raises:
        WorkbenchError: when one matches nothing, or none is named.
    """
    return found.select(patterns_of(frameworks), task)


def patterns_of(frameworks: str | Iterable[str]) -> list[str]:
    """The single names and globs of a choice of frontends.

    Raises:
        WorkbenchError: when there is none.
    """
    texts = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    patterns = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not patterns:
        raise WorkbenchError("no frontend chosen: --frameworks takes ids, families, globs or all")
    return patterns


def settings_of(
    found: Catalog,
    task: str,
    *,
    preset: str | None = None,
    device: str = "cpu",
    profile: str = "equal",
    threads: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
    matmul_precision: str = "float32",
    launches: int | None = None,
    budget_s: float | None = None,
    precision: float | None = None,
    rounds: int = 10,
    sweep: str | None = None,
    max_alive: int | None = None,
    warm_cache: bool = False,
    timeout_s: float = 300.0,
) -> Settings:
    """A session's settings, all checked; the arguments are those of :func:`run`.

    Raises:
        WorkbenchError: for anything that was asked for wrongly.
    """
    for name, value, least in (
        ("--steps", steps, 1),
        ("--rounds", rounds, 1),
        ("--launches", launches, 1),
        ("--max-alive", max_alive, 1),
        ("--seed", seed, 0),
        ("--timeout", timeout_s, 0.001),
        ("--budget", budget_s, 0.001),
        ("--precision", precision, 0.0001),
    ):
        _check(name, value, least)
    _choose("--dtype", dtype, DTYPES)
    _choose("--matmul-precision", matmul_precision, PRECISIONS)
    _choose("--profile", profile, PROFILES)
    chosen_task = found.task(task)
    if sweep is not None:
        _choose("--sweep", sweep, ("size",))
        if chosen_task.sweep is None:
            raise WorkbenchError(f"--sweep size: task {task} declares no SWEEP of sizes")
    stock = profile == "stock"
    if stock and threads is not None:
        raise WorkbenchError("--threads belongs to the equal profile: in stock every framework takes what it wants")
    cpus, harness_cpus = _cpus(1 if threads is None else threads, stock=stock)
    return Settings(
        task=task,
        preset=found.preset(chosen_task, preset),
        seed=seed,
        steps=steps,
        dtype=dtype,
        device=Device.parse(device, len(machine.gpus())),
        profile=profile,
        threads=None if stock else threads or 1,
        matmul_precision=None if stock else matmul_precision,
        launches=launches,
        budget_s=budget_s,
        precision=precision,
        rounds=rounds,
        timeout_s=timeout_s,
        max_alive=max_alive,
        warm_cache=warm_cache,
        sweep=sweep,
        cpus=cpus,
        harness_cpus=harness_cpus,
    )


def resume(
    path: str | Path,
    store: str | Path | None = None,
    *,
    content: Roots = None,
    progress: Progress | None = None,
    if_busy: str = "wait",
) -> Run:
    """Measure what an interrupted run had not finished, and only that; see :func:`workbench.session.runner.resume`."""
    return runner.resume(path, _store(store), catalog(content), progress, if_busy=if_busy)


def rebuild(path: str | Path, store: str | Path | None = None) -> Run:
    """Make a run's summaries, tables and plots once more from its log."""
    return runner.rebuild(path, _store(store))


def load(path: str | Path, store: str | Path | None = None) -> Run:
    """A run by its folder, or by its id (or the beginning of one, or "latest") in a store, ./results by default."""
    return results.load(path, _store(store))


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
    for folder in results.folders(_store(store)):
        try:
            found.append(results.load(folder))
        except WorkbenchError:
            continue
    return found


def _store(folder: str | Path | None) -> Path:
    return Path(folder) if folder is not None else results.default_store()


def _cpus(threads: int, *, stock: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """CPUs of the workers and of the harness; in stock every framework may use all there are."""
    _check("--threads", threads, at_least=1)
    if stock:
        everything = machine.usable_cpus() or ()
        return everything, everything
    try:
        return machine.measuring_cpus(threads)
    except ValueError as error:
        raise WorkbenchError(f"--threads {threads}: {error}") from None


def _check(name: str, value: float | None, at_least: float) -> None:
    if value is not None and not value >= at_least:
        raise WorkbenchError(f"{name} {value}: must be at least {at_least:g}")


def _choose(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise WorkbenchError(f"{name} {value!r}: choose {' or '.join(choices)}")
