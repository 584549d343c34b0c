"""What a notebook or a script uses: run a comparison, load one, list what there is."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench import machine, results, tables
from workbench.catalog import Catalog, catalog
from workbench.contestant import Contestant, Settings
from workbench.environment import Device
from workbench.errors import WorkbenchError
from workbench.exchange import hash_of, load_arrays, load_problem
from workbench.launcher import WorkerFailedError
from workbench.results import FORMAT, Run
from workbench.session import Progress, Session, Silence, contestants_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Run", "load", "results_of", "run"]

PRECISIONS = ("float32", "tf32")
DTYPES = ("float32", "float64")
PROFILES = ("equal", "stock")


class PlotFailedError(Exception):
    """Everything was measured and written, but a plot could not be drawn."""

    def __init__(self, run: Run, reason: str) -> None:
        super().__init__(reason)
        self.run = run


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
    content: str | Path | None = None,
    progress: Progress | None = None,
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
        content: a folder with tasks/ and frontends/ of your own; workbench's own when None.
        progress: who is told how it gets on.

    Raises:
        WorkbenchError: for anything that was asked for wrongly; nothing is written then.
        PlotFailedError: when all is measured and written but for a plot.
    """
    found = catalog(content)
    chosen_task = found.task(task)
    patterns = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    chosen = found.select([part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()])
    if not chosen:
        raise WorkbenchError("no frontend chosen: --frameworks takes ids, families, globs or all")
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
    if sweep is not None:
        _choose("--sweep", sweep, ("size",))
        if chosen_task.sweep is None:
            raise WorkbenchError(f"--sweep size: task {task} declares no SWEEP of sizes")
    stock = profile == "stock"
    if stock and threads is not None:
        raise WorkbenchError("--threads belongs to the equal profile: in stock every framework takes what it wants")
    cpus, harness_cpus = _cpus(1 if threads is None else threads, stock=stock)
    settings = Settings(
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
    store = Path(output) if output is not None else results.default_store()
    return measure(found, contestants_of(found, chosen), settings, store, progress or Silence())


def measure(
    content: Catalog, contestants: Sequence[Contestant], settings: Settings, store: Path, progress: Progress
) -> Run:
    """Measure any contestants in one session and write a run folder; what :func:`run` does for frontends."""
    started = datetime.datetime.now(datetime.UTC)
    folder = results.new_folder(store, settings.task, settings.preset)
    try:
        session = Session(content, contestants, settings, folder, progress, known_bring_ups(store))
        try:
            session.run()
        except WorkerFailedError as failure:
            log = (folder / "reference" / "log.txt").read_text(errors="replace").strip().splitlines()
            raise WorkbenchError(f"the problem could not be made: {failure.reason}; {' '.join(log[-1:])}") from None
        _write(folder, session, started)
    except BaseException:
        results.discard(folder)
        raise
    finished = results.load(results.complete(folder))
    try:
        draw(finished)
    except Exception as error:
        raise PlotFailedError(finished, f"{type(error).__name__}: {error}") from error
    return finished


def known_bring_ups(store: Path) -> dict[str, float]:
    """Seconds that bringing up each contestant took in the latest runs of a store, to forecast the next."""
    known: dict[str, float] = {}
    for folder in results.folders(store)[:10]:
        try:
            records = results.load(folder).contestants
        except WorkbenchError:
            continue
        for record in records:
            for launch in record["launches"][:1]:
                known.setdefault(record["frontend"], float(launch["bring_up_s"]))
    return known


def _write(folder: Path, session: Session, started: datetime.datetime) -> None:
    """Write everything but the pictures into a run in progress."""
    records = [contestant_record(contestant) for contestant in session.contestants]
    for contestant, record in zip(session.contestants, records, strict=True):
        results.write_json(session.place(contestant) / "samples.json", record)
    facts = machine.facts()
    info = {
        "format": FORMAT,
        "workbench": workbench.__version__,
        "command": sys.argv,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "interrupted": session.interrupted,
        "machine": facts,
        "machine_key": machine.stable_key(facts),
        "settings": _plain(session.settings),
        "problem": problem_facts(folder / "problem.npz"),
        "tolerance": session.allowed,
        "rounds": [dataclasses.asdict(record) for record in session.rounds],
    }
    results.write_json(folder / "run.json", {**info, "contestants": [record["frontend"] for record in records]})
    made = Run(folder, info, records)
    final_name = folder.name.removeprefix(results.PARTIAL)
    results.write_json(folder / "summary.json", {**made.summary(), "run": final_name})
    made.losses.to_csv(folder / "losses.csv")
    made.table.drop(columns=["versions", "color"]).to_csv(folder / "summary.csv", index=False)
    (folder / "summary.md").write_text(tables.markdown(made), encoding="utf-8")
    if not made.sweep.empty:
        made.sweep.to_csv(folder / "sweep.csv", index=False)


def draw(finished: Run) -> None:
    """Draw the run's pictures into its folder."""
    from workbench import plots, summary

    figure = plots.loss(finished.losses, finished.colors, title=finished.title, tolerance=finished.info["tolerance"])
    plots.save(figure, finished.path / "loss")
    plots.save(plots.time(finished.table, title=finished.title), finished.path / "time")
    steps = finished.info["problem"]["steps"]
    plots.save(plots.phases(finished.table, title=finished.title, steps=steps), finished.path / "phases")
    if not finished.sweep.empty:
        fits = summary.sweep_fits(finished.sweep)
        figure = plots.sweep(finished.sweep, fits, finished.colors, title=finished.title, unit="FLOP")
        plots.save(figure, finished.path / "sweep")


def contestant_record(contestant: Contestant) -> dict[str, Any]:
    """What samples.json holds of a contestant."""
    frontend, proof = contestant.frontend, contestant.proof
    return {
        "frontend": contestant.id,
        "title": frontend.title,
        "framework": frontend.framework,
        "folder": frontend.folder,
        "color": frontend.color,
        "compiles": frontend.compiles,
        "outcome": str(contestant.outcome),
        "reason": contestant.reason,
        "log": f"contestants/{contestant.id}/log.txt",
        "proof": proof
        and {
            "passed": proof.passed,
            "tolerance": proof.tolerance,
            "max_relative_error": proof.max_relative_error,
            "checks": [dataclasses.asdict(check) for check in proof.checks],
        },
        "launches": [dataclasses.asdict(launch) for launch in contestant.launches],
        "sweep": [dataclasses.asdict(point) for point in contestant.sweep],
    }


def problem_facts(path: Path) -> dict[str, Any]:
    """Hash and numbers of a problem file."""
    problem = load_problem(path)
    return {
        "hash": hash_of(load_arrays(path)),
        "steps": problem.steps,
        "learning_rate": problem.learning_rate,
        "terms": problem.terms,
        "flops": problem.flops,
        "bytes": problem.bytes,
        "resident": problem.resident,
    }


def load(path: str | Path, store: str | Path | None = None) -> Run:
    """A run by its folder, or by its id (or the beginning of one, or "latest") in a store, ./results by default."""
    return results.load(path, Path(store) if store is not None else results.default_store())


def results_of(store: str | Path | None = None) -> list[Run]:
    """All readable runs of a store, newest first."""
    found = []
    for folder in results.folders(Path(store) if store is not None else results.default_store()):
        try:
            found.append(results.load(folder))
        except WorkbenchError:
            continue
    return found


def _plain(settings: Settings) -> dict[str, Any]:
    return {**dataclasses.asdict(settings), "device": str(settings.device)}


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
