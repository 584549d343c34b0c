"""What the harness adds to a step: its own loop over the generator against the bare loop, in one process.

Blocks of both alternate in one worker of the frontend, with the environment, CPU and threads of a run, so they
share the process and the moment; whichever is first in a pair changes. The cheapest task is the worst case.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.catalog import Catalog, Frontend
from workbench.environment import Device, worker_environment
from workbench.exchange import Job
from workbench.launcher import Outcome, WorkerFailedError, WorkerProcess
from workbench.selftest.analysis import FAILS, NOT_JUDGED, OVERHEAD, Figure, Rules
from workbench.selftest.pool import HERE, settings_for
from workbench.statistics import hodges_lehmann, log_ratios, signed_rank_interval
from workbench.units import format_seconds

TIMEOUT_S = 300.0
PART = "overhead of the harness"


@dataclass(frozen=True)
class Overhead:
    """Block times of both loops, pair by pair, and how many steps a block has; or why there are none."""

    frontend: str
    steps: int = 0
    harness_s: tuple[float, ...] = ()
    bare_s: tuple[float, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    outcome: Outcome = Outcome.OK
    reason: str = ""


def overheads(content: Catalog, pairs: int, say: Callable[[str], None]) -> list[Overhead]:
    """Measure every frontend, one after the other."""
    found = []
    for frontend in content.frontends.values():
        say(f"overhead: {frontend.id}")
        found.append(measure(content, frontend, pairs))
    return found


def measure(content: Catalog, frontend: Frontend, pairs: int) -> Overhead:
    """Measure one frontend in a worker of its own."""
    settings = settings_for(launches=1, budget_s=None, seed=0, alive=1)
    with tempfile.TemporaryDirectory(prefix="workbench-selftest-") as folder:
        job = Job(
            content=str(content.root),
            package=str(HERE),
            task=settings.task,
            preset=settings.preset,
            seed=settings.seed,
            dtype=settings.dtype,
            steps=None,
            folder=frontend.folder,
            mode=frontend.id,
            device="cpu",
            threads=settings.threads,
            matmul_precision=settings.matmul_precision,
            problem=str(Path(folder, "problem.npz")),
            proof=str(Path(folder, "proof.npz")),
            cpus=settings.cpus,
            flush_to_zero=True,
        )
        environment = worker_environment(Device("cpu"), settings.threads, Path(folder), frontend.environment)
        worker = WorkerProcess(job, frontend, environment, Path(folder, "log.txt"))
        try:
            worker.ask("make", TIMEOUT_S)
            versions = worker.ask("import", TIMEOUT_S)["versions"]
            worker.ask("prove", TIMEOUT_S)
            steps = int(worker.ask("prepare", TIMEOUT_S)["block_steps"])
            answer = worker.ask("overhead", TIMEOUT_S, steps=steps, pairs=pairs)
        except WorkerFailedError as failure:
            return Overhead(frontend.id, outcome=failure.outcome, reason=failure.reason)
        finally:
            worker.close()
    times = tuple(answer["harness_s"]), tuple(answer["bare_s"])
    return Overhead(frontend.id, steps, *times, versions=tuple(versions.items()))


def figures(found: Sequence[Overhead], rules: Rules) -> list[Figure]:
    """One figure per frontend."""
    return [_figure(overhead, rules) for overhead in found]


def _figure(overhead: Overhead, rules: Rules) -> Figure:
    bound = f"≤ {OVERHEAD:.2f}"
    if overhead.outcome is not Outcome.OK:
        verdict = NOT_JUDGED if overhead.outcome is Outcome.UNAVAILABLE else FAILS
        return Figure(PART, overhead.frontend, f"{overhead.outcome}: {overhead.reason}", bound, verdict)
    ratios = log_ratios(overhead.bare_s, overhead.harness_s)
    estimate = math.exp(hodges_lehmann(ratios))
    low, high = (math.exp(end) for end in signed_rank_interval(ratios, 0.95))
    step = float(np.median(overhead.harness_s)) / overhead.steps
    value = f"{estimate:.4f} [{low:.4f}, {high:.4f}], {format_seconds(step)} a step, {len(ratios)} pairs"
    numbers = {"ratio": estimate, "low": low, "high": high, "step_s": step, "pairs": len(ratios)}
    if rules.full and estimate > OVERHEAD >= low:
        return Figure(PART, overhead.frontend, value, f"{bound} (the interval holds it)", NOT_JUDGED, numbers)
    return Figure(PART, overhead.frontend, value, bound, rules.judge(estimate <= OVERHEAD), numbers)
