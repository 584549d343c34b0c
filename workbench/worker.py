"""The worker process: the only place that loads content, runs it and reads the clock.

One worker runs one contestant in one launch. It answers commands one by one::

    make     the task makes the problem and writes it to the job's problem file
    import   import the framework and the content: timed
    prove    train exactly the task's steps; write losses and result to the job's proof file.
             Its set-up and its first step are the first in this process, so they are the cold ones: timed
    prepare  set up the training that is clocked, and calibrate how many steps a block lasts
    block    run warming steps, then a block of steps: timed
    finish   what was observed: threads, precision, memory; then the process ends

The module itself imports no NumPy, so that importing NumPy is part of what ``import`` times for all.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from workbench import exchange
from workbench.exchange import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.contract import Array, Result, Settings, Training

READY_BLOCK_S = 0.02
WAITS_PER_BLOCK = 1000
LONGEST_BLOCK_S = 1.0


class Runtime(Protocol):
    """What a frontend's runtime.py offers."""

    def configure(self, settings: Settings) -> None:
        """Set device, threads, type and precision, once."""

    def wait(self) -> None:
        """Block until everything dispatched so far has been computed."""

    def observe(self) -> dict[str, Any]:
        """Versions, device, threads and precision as the framework reports them."""

    def peak_device_bytes(self) -> int | None:
        """Peak memory on the accelerator, or None."""


def serve(job: dict[str, Any], commands: int, answers: int) -> None:
    """Answer commands until ``finish`` or until the harness closes its end."""
    worker = Worker(Job(**job))
    with os.fdopen(commands, "rb") as lines:
        for line in lines:
            message = exchange.decode(line)
            try:
                answer = {"did": message["do"], **worker.do(message)}
            except BaseException as error:  # noqa: BLE001 - whatever content raises costs its own row
                exchange.write_all(answers, exchange.encode(failure(error, message["do"], worker)))
                os._exit(1)
            exchange.write_all(answers, exchange.encode(answer))
            if message["do"] == "finish":
                sys.stdout.flush()
                return


class Worker:
    """One contestant in this process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.runtime: Runtime
        self.content: Any
        self.training: Training
        self.per_call = False  # a style that answers with several losses per call

    def do(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command."""
        command: Callable[..., dict[str, Any]] = getattr(self, f"do_{message['do']}")
        arguments = {name: value for name, value in message.items() if name not in ("v", "do")}
        return command(**arguments)

    def do_make(self) -> dict[str, Any]:
        """Make the problem and write it."""
        task = importlib.import_module(f"tasks.{self.job.task}")
        problem = task.make(self.job.preset, self.job.seed).astype(self.job.dtype)
        if self.job.steps is not None:
            problem = problem.with_steps(self.job.steps)
        exchange.save_problem(Path(self.job.problem), problem)
        return {}

    def do_import(self) -> dict[str, Any]:
        """Import NumPy, the framework and the content, then configure the framework."""
        started = time.perf_counter()
        home = f"frontends.{self.job.folder}"
        self.runtime = cast("Runtime", importlib.import_module(f"{home}.runtime"))
        self.content = importlib.import_module(f"{home}.{self.job.task}")

        from workbench.contract import Settings

        settings = Settings(self.job.device, self.job.threads, self.job.dtype, self.job.matmul_precision)
        self.runtime.configure(settings)
        elapsed = time.perf_counter() - started
        return {"import_s": elapsed, "rss_bytes": resident_bytes(), "versions": self._versions()}

    def do_prove(self) -> dict[str, Any]:
        """Train exactly the task's steps."""
        problem = self._problem(endless=False)
        started = time.perf_counter()
        training = self.content.train(problem)
        next(training)
        self.runtime.wait()
        ready = time.perf_counter()
        first, result = advance(training, 1)
        self.runtime.wait()
        stepped = time.perf_counter()

        rest: list[Any] = []
        if result is None:
            rest, result = advance(training, problem.steps - 1)
        if result is None:
            surplus, result = finish(training)
            rest += surplus
        self._save_proof([*first, *rest], result)
        return {"setup_s": ready - started, "first_step_s": stepped - ready}

    def do_prepare(self, block_s: float = READY_BLOCK_S) -> dict[str, Any]:
        """Set up the endless training and find a number of steps that makes a block long enough."""
        problem = self._problem(endless=True)
        self.training = self.content.train(problem)
        next(self.training)
        value = self.training.send(1)
        self.per_call = is_sequence(value)
        self.runtime.wait()
        waiting = min(timed(self.runtime.wait) for _ in range(5))
        target = min(max(block_s, WAITS_PER_BLOCK * waiting), LONGEST_BLOCK_S)

        steps = 1
        while (elapsed := self._run(steps)) < target and steps < 1 << 24:
            steps = max(2 * steps, min(int(1.2 * steps * target / elapsed), 8 * steps))
        if self.per_call:  # a call has a cost of its own: time the calls that the task asks for
            steps = max(steps, min(problem.steps, int(LONGEST_BLOCK_S * steps / elapsed)))
        return {"block_steps": steps, "wait_s": waiting, "per_call": self.per_call}

    def do_block(self, steps: int, warm: int) -> dict[str, Any]:
        """Warm for some steps, then time a block of steps and the wait at its end."""
        if warm:
            self._run(warm)
        extra = round(steps * self.job.slowdown)
        cpu = time.process_time()
        seconds = self._run(steps + extra)
        return {"seconds": seconds, "cpu_s": time.process_time() - cpu}

    def do_finish(self) -> dict[str, Any]:
        """What was observed of this process."""
        observed = self.runtime.observe()
        return {
            "observed": observed,
            "pool_threads": thread_names(),
            "peak_bytes": peak_resident_bytes(),
            "peak_device_bytes": self.runtime.peak_device_bytes(),
        }

    def _run(self, steps: int) -> float:
        """Run steps, wait for all they produced; seconds from before the first to after the wait."""
        send, wait = self.training.send, self.runtime.wait
        if self.per_call:
            started = time.perf_counter()
            left = steps
            while left:
                left -= len(send(left))
            wait()
            return time.perf_counter() - started
        loop = itertools.repeat(1, steps)
        started = time.perf_counter()
        for step in loop:
            send(step)
        wait()
        return time.perf_counter() - started

    def _problem(self, *, endless: bool) -> Any:
        return exchange.load_problem(
            Path(self.job.problem),
            device=self.job.device,
            mode=self.job.mode,
            endless=endless,
        ).astype(self.job.dtype)

    def _versions(self) -> dict[str, str]:
        versions: dict[str, str] = self.runtime.observe()["versions"]
        return {"python": sys.version.split()[0], **versions}

    def _save_proof(self, values: list[Any], result: Result) -> None:
        import numpy as np

        losses = [loss for value in values for loss in losses_of(value)]
        arrays: dict[str, Array] = {f"result/{name}": array for name, array in result.arrays().items()}
        exchange.save_arrays(Path(self.job.proof), {"losses": np.array(losses, dtype=np.float64), **arrays})
        gc.collect()


def advance(training: Training, steps: int) -> tuple[list[Any], Result | None]:
    """Ask for ``steps`` steps; the values that came, and the result if the training ended meanwhile."""
    values: list[Any] = []
    while steps > 0:
        try:
            value = training.send(steps)
        except StopIteration as end:
            return values, end.value
        values.append(value)
        steps -= len(value) if is_sequence(value) else 1
    return values, None


def finish(training: Training) -> tuple[list[Any], Result]:
    """Tell a training that no more steps are wanted; values it yields all the same, and its result."""
    surplus: list[Any] = []
    for _ in range(1000):
        try:
            surplus.append(training.send(0))
        except StopIteration as end:
            return surplus, end.value
    raise RuntimeError("train() goes on after the task's last step: does it loop over problem.batches()?")


def is_sequence(value: Any) -> bool:
    """Whether a yielded value is a 1-d array of losses, one per step, rather than one loss."""
    return len(getattr(value, "shape", ())) == 1


def losses_of(value: Any) -> list[float]:
    """A yielded value as floats, fetched from wherever it is."""
    if is_sequence(value):
        return [float(loss) for loss in value]
    return [float(value)]


def timed(action: Callable[[], None]) -> float:
    """Seconds one call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def failure(error: BaseException, phase: str, worker: Worker) -> dict[str, Any]:
    """The message that reports an exception: its class, one line, and the traceback for the log."""
    traceback.print_exc()
    sys.stderr.flush()
    text = " ".join(str(error).split())
    return {
        "failed": phase,
        "kind": type(error).__name__,
        "text": text[:2000],
        "missing": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
        "peak_bytes": peak_resident_bytes(),
        "mode": worker.job.mode,
    }


def resident_bytes() -> int | None:
    """Resident memory now."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int | None:
    """The most resident memory this process had.

    VmHWM belongs to this program alone; getrusage's ru_maxrss would start from the parent's.
    """
    return _status_bytes("VmHWM")


def _status_bytes(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def thread_names() -> dict[str, int]:
    """How many operating-system threads of each name this process has, digits and pool numbers left out."""
    counts: dict[str, int] = {}
    try:
        for entry in Path("/proc/self/task").iterdir():
            name = (entry / "comm").read_text().strip().rstrip("0123456789").rstrip("/-_")
            counts[name] = counts.get(name, 0) + 1
    except OSError:
        pass
    return counts
