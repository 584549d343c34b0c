"""What a notebook or a script uses: run a comparison, load one, list what there is."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench import machine, results, tables
from workbench.catalog import Catalog, Frontend, catalog
from workbench.environment import Device
from workbench.errors import WorkbenchError
from workbench.exchange import hash_of, load_arrays, load_problem
from workbench.launcher import WorkerFailedError
from workbench.results import FORMAT, Run
from workbench.session import Contestant, Progress, Session, Settings, Silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Run", "load", "results_of", "run"]

PRECISIONS = ("float32", "tf32")
DTYPES = ("float32", "float64")


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
    threads: int = 1,
    steps: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
    matmul_precision: str = "float32",
    rounds: int = 10,
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
        threads: CPU threads of every frontend, on as many CPUs.
        steps: instead of the preset's number of steps.
        seed: of start weights, generated data and the order of batches.
        dtype: "float32" or "float64".
        matmul_precision: of float32 products on a GPU: "float32" or "tf32".
        rounds: how often each contestant is measured, one block each time, in shuffled order.
        timeout_s: how long one phase of one contestant may take, in seconds.
        output: the folder that receives the run's folder; ./results when None.
        content: a folder with tasks/ and frontends/ of your own; workbench's own when None.
        progress: who is told how it gets on.

    Raises:
        WorkbenchError: for anything that was asked for wrongly; nothing is written then.
        PlotFailedError: when all is measured and written but for a plot.
    """
    found = catalog(content)
    patterns = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    chosen = found.select([part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()])
    if not chosen:
        raise WorkbenchError("no frontend chosen: --frameworks takes ids, families, globs or all")
    chosen_task = found.task(task)
    _check("--steps", steps, at_least=1)
    _check("--rounds", rounds, at_least=1)
    _check("--seed", seed, at_least=0)
    _check("--timeout", timeout_s, at_least=0.001)
    _choose("--dtype", dtype, DTYPES)
    _choose("--matmul-precision", matmul_precision, PRECISIONS)
    settings = Settings(
        task=task,
        preset=found.preset(chosen_task, preset),
        seed=seed,
        steps=steps,
        dtype=dtype,
        device=Device.parse(device, len(machine.gpus())),
        threads=threads,
        matmul_precision=matmul_precision,
        rounds=rounds,
        timeout_s=timeout_s,
        cpus=_cpus(threads),
    )
    store = Path(output) if output is not None else results.default_store()
    return _run(found, chosen, settings, store, progress or Silence())


def _run(content: Catalog, chosen: Sequence[Frontend], settings: Settings, store: Path, progress: Progress) -> Run:
    started = datetime.datetime.now(datetime.UTC)
    folder = results.new_folder(store, settings.task, settings.preset)
    try:
        session = Session(content, chosen, settings, folder, progress)
        try:
            session.run()
        except WorkerFailedError as failure:
            log = (folder / "reference" / "log.txt").read_text(errors="replace").strip().splitlines()
            raise WorkbenchError(f"the problem could not be made: {failure.reason}; {' '.join(log[-1:])}") from None
        made = _write(folder, session, started)
    except BaseException:
        results.discard(folder)
        raise
    final = results.complete(folder)
    finished = Run(final, made.info, made.contestants)
    try:
        draw(finished)
    except Exception as error:
        raise PlotFailedError(finished, f"{type(error).__name__}: {error}") from error
    return finished


def _write(folder: Path, session: Session, started: datetime.datetime) -> Run:
    for contestant in session.contestants:
        record = contestant_record(contestant)
        results.write_json(session.place(contestant) / "samples.json", record)
    info = {
        "format": FORMAT,
        "workbench": workbench.__version__,
        "command": sys.argv,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": (facts := machine.facts()),
        "machine_key": machine.stable_key(facts),
        "settings": _plain(session.settings),
        "problem": problem_facts(folder / "problem.npz"),
        "tolerance": session.allowed,
    }
    ids = [contestant.id for contestant in session.contestants]
    results.write_json(folder / "run.json", {**info, "contestants": ids})
    final_name = folder.name.removeprefix(".partial-")
    made = Run(folder, info, [contestant_record(contestant) for contestant in session.contestants])
    results.write_json(folder / "summary.json", {**made.summary(), "run": final_name})
    made.losses.to_csv(folder / "losses.csv")
    made.table.drop(columns=["versions", "color"]).to_csv(folder / "summary.csv", index=False)
    (folder / "summary.md").write_text(tables.markdown(made), encoding="utf-8")
    return made


def draw(finished: Run) -> None:
    """Draw the run's pictures into its folder."""
    from workbench import plots

    figure = plots.loss(finished.losses, finished.colors, title=finished.title, tolerance=finished.info["tolerance"])
    plots.save(figure, finished.path / "loss")
    plots.save(plots.time(finished.table, title=finished.title), finished.path / "time")


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
    return {**dataclasses.asdict(settings), "device": str(settings.device), "cpus": list(settings.cpus)}


def _cpus(threads: int) -> tuple[int, ...]:
    _check("--threads", threads, at_least=1)
    try:
        return machine.measuring_cpus(threads)[0]
    except ValueError as error:
        raise WorkbenchError(f"--threads {threads}: {error}") from None


def _check(name: str, value: float | None, at_least: float) -> None:
    if value is not None and not value >= at_least:
        raise WorkbenchError(f"{name} {value}: must be at least {at_least:g}")


def _choose(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise WorkbenchError(f"{name} {value!r}: choose {' or '.join(choices)}")
