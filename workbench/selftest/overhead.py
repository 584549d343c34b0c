"""What the harness adds to a step: its loop over the generator compared with the bare loop, in one process.

Blocks of both alternate in one worker of the frontend, with the environment, CPU and threads of a run, so they share
the process and the moment; which of them comes first alternates as well. The cheapest task is the worst case. Each loop
has compiled objects of its own, whose place in memory differs from process to process; the ratio of one process is
therefore a single sample, and with several processes the estimate is their median and the interval spans theirs.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workbench.catalog import Catalog
from workbench.catalog.roots import package_root
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.selftest.analysis import FAILS, NOT_JUDGED, OVERHEAD, Figure, Rules
from workbench.selftest.pool import settings_for, start_selftest
from workbench.session import calibration
from workbench.session.launcher import WorkerProcess
from workbench.session.reference import make_problem
from workbench.session.training import Training
from workbench.session.workers import Workers
from workbench.show.units import format_seconds
from workbench.statistics import hodges_lehmann, log_ratios, signed_rank_interval
from workbench.wire import exchange
from workbench.wire.answers import Imported

TIMEOUT_S = 300.0
PART = "overhead of the harness"


@dataclass(frozen=True)
class LoopTimes:
    """A worker's answer: seconds of each block of the harness's loop and of the bare loop."""

    harness_s: tuple[float, ...]
    bare_s: tuple[float, ...]


@dataclass(frozen=True)
class Overhead:
    """Block times of both loops, by process and pair, and the steps of a block; or the reason why there are none."""

    frontend: str
    steps: int = 0
    harness_s: tuple[tuple[float, ...], ...] = ()
    bare_s: tuple[tuple[float, ...], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    outcome: Outcome = Outcome.OK
    reason: str = ""


def overheads(content: Catalog, pairs: int, processes: int, say: Callable[[str], None]) -> Iterator[Overhead]:
    """Measure every frontend, one after the other, each in several processes."""
    for frontend in content.frontends.values():
        say(f"overhead: {frontend.id}")
        by_process = [measure(content, frontend, pairs)]
        while by_process[-1].outcome is Outcome.OK and len(by_process) < processes:
            by_process.append(measure(content, frontend, pairs))
        yield merged(by_process)


def merged(by_process: Sequence[Overhead]) -> Overhead:
    """The processes of one frontend merged; if one failed, that one alone."""
    last = by_process[-1]
    if last.outcome is not Outcome.OK:
        return last
    harness_s = tuple(times for entry in by_process for times in entry.harness_s)
    return replace(last, harness_s=harness_s, bare_s=tuple(times for entry in by_process for times in entry.bare_s))


def measure(content: Catalog, frontend: Frontend, pairs: int) -> Overhead:
    """Measure one frontend in a worker of its own."""
    settings = settings_for(launches=1, budget_s=None, seed=0, alive=1)
    with tempfile.TemporaryDirectory(prefix="workbench-selftest-") as folder:
        workers = Workers(content, settings, Path(folder), start_selftest)
        contestant = Contestant(frontend.id, frontend, content.roots, package_root())
        try:
            worker = workers.start(contestant)
            try:
                return _measured(worker, workers, contestant, pairs)
            finally:
                worker.close()
        except WorkerFailedError as failure:
            return Overhead(frontend.id, outcome=failure.outcome, reason=failure.reason)
        finally:
            workers.close()


def _measured(worker: WorkerProcess, workers: Workers, contestant: Contestant, pairs: int) -> Overhead:
    make_problem(worker, workers.problem_file, TIMEOUT_S)
    versions = worker.ask("import", Imported, TIMEOUT_S).versions
    training = Training(worker, TIMEOUT_S, workers.scratch_of(contestant.id))
    training.set_up(workers.problem_file)
    task_steps = exchange.load_problem(workers.problem_file).steps
    training.run(training.whole(task_steps))
    steps = calibration.block_steps(training, calibration.wait_cost(training), task_steps)
    keep = calibration.positions(steps, np.random.default_rng(steps))
    times = worker.ask("overhead", LoopTimes, TIMEOUT_S, steps=steps, pairs=pairs, keep=keep)
    return Overhead(contestant.id, steps, (times.harness_s,), (times.bare_s,), versions=tuple(versions.items()))


def figures(overheads: Sequence[Overhead], rules: Rules) -> list[Figure]:
    """One figure per frontend."""
    return [_figure(overhead, rules) for overhead in overheads]


def _figure(overhead: Overhead, rules: Rules) -> Figure:
    bound = f"≤ {OVERHEAD:.2f}"
    if overhead.outcome is not Outcome.OK:
        verdict = NOT_JUDGED if overhead.outcome is Outcome.UNAVAILABLE else FAILS
        return Figure(PART, overhead.frontend, f"{overhead.outcome}: {overhead.reason}", bound, verdict)
    processes = [log_ratios(bare, harness) for bare, harness in zip(overhead.bare_s, overhead.harness_s, strict=True)]
    estimate = math.exp(float(np.median([hodges_lehmann(ratios) for ratios in processes])))
    intervals = [signed_rank_interval(ratios, 0.95) for ratios in processes]
    low, high = math.exp(min(low for low, _ in intervals)), math.exp(max(high for _, high in intervals))
    step = float(np.median(overhead.harness_s)) / overhead.steps
    count = f"{len(processes)} x {len(processes[0])} pairs"
    value = f"{estimate:.4f} [{low:.4f}, {high:.4f}], {format_seconds(step)} a step, {count}"
    numbers = {"ratio": estimate, "low": low, "high": high, "step_s": step, "processes": len(processes)}
    return Figure(PART, overhead.frontend, value, bound, rules.judge(estimate <= OVERHEAD), numbers)
