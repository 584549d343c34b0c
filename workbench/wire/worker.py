"""The worker process: the only place that loads content, runs it and reads the clock.

One worker runs one contestant in one launch. It answers commands one by one::

    make     the task makes the problem and writes it to the job's problem file
    import   import the framework and the content: timed
    prove    train exactly the task's steps; write losses and result to the job's proof file.
             Its set-up and first step are the first in this process, so they start cold: timed
    prepare  set up the training to be timed, trace its warm-up, calibrate the number of steps per block,
             and audit that no work is left after the wait
    block    run warm-up steps, then a block of steps: timed
    use      continue with another problem file: for a sweep over sizes
    move     move all threads to other CPUs
    canary   a small constant workload and a matrix product: how fast the machine is right now
    observe  report what is observed: threads, precision, memory
    finish   end the process

The module itself does not import NumPy, so that ``import`` times importing NumPy for every frontend.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import gc
import importlib
import itertools
import math
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from workbench.wire import exchange
from workbench.wire.exchange import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.contract import Array, Problem, Result, Settings, Training

BLOCK_S = 0.02
WAITS_PER_BLOCK = 1000
LONGEST_BLOCK_S = 0.5
CALIBRATIONS = 5  # the quickest counts: other load on the machine can only make a run longer
MARGIN = 1.25  # in case all of them were slow
TRACE_S = 0.3
TRACE_PIECES = 200
TRACE_PIECE_S = 0.001
AUDIT_IDLE_S = 0.01
AUDITED_LOSSES = 16
AUDITS = 4
AUDIT_CALM_S = 0.002


class Runtime(Protocol):
    """What a frontend's runtime.py offers."""

    def configure(self, settings: Settings) -> None:
        """Set device, threads, dtype and precision, once."""

    def wait(self) -> None:
        """Block until everything dispatched so far has been computed."""

    def versions(self) -> dict[str, str]:
        """Versions of the framework's packages, without computing anything."""

    def observe(self) -> dict[str, Any]:
        """Device, threads, precision and the like as observed; called after all measurements."""

    def peak_device_bytes(self) -> int | None:
        """Peak memory on the accelerator, or None."""


def serve(job: dict[str, Any], commands: int, answers: int) -> None:
    """Answer commands until ``finish`` or until the harness closes its end."""
    worker = Worker(Job(**job))
    with os.fdopen(commands, "rb") as lines:
        for line in lines:
            message = exchange.decode(line)
            try:
                answer = exchange.encode({"did": message["do"], **worker.do(message)})
            except BaseException as error:  # noqa: BLE001 - whatever content raises costs its own row
                exchange.write_all(answers, exchange.encode(failure(error, message["do"], worker)))
                os._exit(1)
            exchange.write_all(answers, answer)
            if message["do"] == "finish":
                sys.stdout.flush()
                return


class Worker:
    """One contestant in this process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.runtime: Runtime
        self.content: Any
        self.training: Any = None
        self.per_call = False  # whether the style yields several losses per call

    def do(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command."""
        command: Callable[..., dict[str, Any]] = getattr(self, f"do_{message['do']}")
        arguments = {name: value for name, value in message.items() if name not in ("v", "do")}
        return command(**arguments)

    def do_make(self) -> dict[str, Any]:
        """Make the problem and write it to the job's problem file."""
        task = importlib.import_module(f"tasks.{self.job.task}")
        problem = task.make(self.job.preset, self.job.seed, **self.job.changes).astype(self.job.dtype)
        if self.job.steps is not None:
            problem = problem.with_steps(self.job.steps)
        exchange.save_problem(Path(self.job.problem), problem)
        return {}

    def do_import(self) -> dict[str, Any]:
        """Import NumPy, the framework and the content, then configure the framework."""
        started = time.perf_counter()
        package = f"frontends.{self.job.folder}"
        self.runtime = cast("Runtime", importlib.import_module(f"{package}.runtime"))
        self.content = importlib.import_module(f"{package}.{self.job.task}")

        from workbench.contract import Settings

        settings = Settings(self.job.device, self.job.threads, self.job.dtype, self.job.matmul_precision)
        self.runtime.configure(settings)
        elapsed = time.perf_counter() - started
        return {"import_s": elapsed, "rss_bytes": resident_bytes(), "versions": self._versions()}

    def do_prove(self, dtype: str | None = None) -> dict[str, Any]:
        """Train exactly the task's steps; ``dtype`` overrides the job's, for the reference."""
        problem = self._problem(endless=False).astype(dtype or self.job.dtype)
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

    def do_prepare(self, block_steps: int | None = None) -> dict[str, Any]:
        """Set up the endless training, trace its first steps, size its blocks and audit its wait."""
        problem = self._problem(endless=True)
        self.training = self.content.train(problem)
        next(self.training)
        value = self.training.send(1)
        self.per_call = is_sequence(value)
        self.runtime.wait()
        trace = self._trace()
        wait_s = min(timed(self.runtime.wait) for _ in range(5))
        steps = block_steps or self._block_steps(wait_s, problem.steps)
        self._run(steps)
        return {
            "block_steps": steps,
            "wait_s": wait_s,
            "per_call": self.per_call,
            "trace": trace,
            **self._audit(steps),
        }

    def _trace(self) -> list[float]:
        """Seconds per step from the second step on, in pieces of about TRACE_PIECE_S or of one step."""
        piece = 1
        pieces: list[float] = []
        deadline = time.perf_counter() + TRACE_S
        while time.perf_counter() < deadline and len(pieces) < TRACE_PIECES:
            seconds = self._run(piece)
            pieces.append(seconds / piece)
            if seconds < TRACE_PIECE_S / 2 and not self.per_call:
                piece *= 2
        return pieces

    def _block_steps(self, wait_s: float, task_steps: int) -> int:
        """How many steps make a block of at least 20 ms and 1000 times the cost of waiting.

        A style that runs many steps per call has a cost per call, too, so its block is one call of the task's own
        length: as many steps as the task has, or as last half of LONGEST_BLOCK_S.
        """
        target = min(max(BLOCK_S, WAITS_PER_BLOCK * wait_s), LONGEST_BLOCK_S)
        steps = 1
        run = self._run  # run twice: one preempted run would look long and make all blocks too short
        while ((elapsed := run(steps)) < target or (elapsed := run(steps)) < target) and steps < 1 << 24:
            steps = max(2 * steps, min(int(1.2 * steps * target / elapsed), 8 * steps))
        if self.per_call:  # a few steps may not show the cost of a step behind that of the call
            while steps < task_steps and min(run(steps), run(steps)) < LONGEST_BLOCK_S / 2:
                steps = min(2 * steps, task_steps)
            return steps
        if steps == 1:
            return 1
        quickest = min(run(steps) for _ in range(CALIBRATIONS))
        return math.ceil(MARGIN * steps * target / quickest)  # doubling overshoots by up to twice

    def _audit(self, steps: int) -> dict[str, float]:
        """The best of several audits: a wait that returns early always does, a busy machine only disturbs some."""
        audits = [self._audit_once(steps)]
        while len(audits) < AUDITS and (audits[-1]["audit_fetch_s"] > AUDIT_CALM_S or audits[-1]["audit_busy"] > 0.1):
            audits.append(self._audit_once(steps))
        calmest = min(audits, key=lambda audit: audit["audit_fetch_s"] / audit["audit_block_s"])
        return {**calmest, "audit_busy": min(audit["audit_busy"] for audit in audits)}

    def _audit_once(self, steps: int) -> dict[str, float]:
        """After a block and its wait: how long fetching its last losses takes, and how busy the process still is."""
        started = time.perf_counter()
        last: collections.deque[Any] = collections.deque(maxlen=AUDITED_LOSSES)
        remaining = steps
        while remaining > 0:
            last.append(self.training.send(remaining))
            remaining -= len(last[-1]) if self.per_call else 1
        self.runtime.wait()
        waited = time.perf_counter()
        for value in last:
            losses_of(value)
        fetched = time.perf_counter()
        cpu = time.process_time()
        time.sleep(AUDIT_IDLE_S)
        return {
            "audit_block_s": waited - started,
            "audit_fetch_s": fetched - waited,
            "audit_busy": (time.process_time() - cpu) / AUDIT_IDLE_S,
        }

    def do_block(self, steps: int, warm: int) -> dict[str, Any]:
        """Run some warm-up steps, then time a block of steps and the wait at its end."""
        if warm:
            self._run(warm)
        uncounted = round(steps * self.job.slowdown)
        cpu = time.process_time()
        seconds = self._run(steps + uncounted)
        return {"seconds": seconds, "cpu_s": time.process_time() - cpu}

    def do_use(self, problem: str, proof: str) -> dict[str, Any]:
        """End the timed training and switch to another problem."""
        if self.training is not None:
            self.training.close()
        self.job = dataclasses.replace(self.job, problem=problem, proof=proof)
        return {}

    def do_move(self, cpus: list[int]) -> dict[str, Any]:
        """Move to other CPUs: every thread, since each has its own affinity mask."""
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cpus)
        return {}

    def do_canary(self, product: int = 0) -> dict[str, Any]:
        """Time a constant workload and, unless ``product`` is 0, a matrix product of that size."""
        from workbench.wire import canary

        before, started = canary.waited_ns(), time.perf_counter_ns()
        seconds = canary.canary_ns(3) / 1e9
        flops = matrix_product_flops(product, self.job.dtype) if product else None
        after, elapsed = canary.waited_ns(), time.perf_counter_ns() - started
        waited = None if before is None or after is None else (after - before) / elapsed
        return {"canary_s": seconds, "flops": flops, "waited_share": waited}

    def do_observe(self) -> dict[str, Any]:
        """What is observed of this process; ends the timed training, which may hold a context open."""
        self.training.close()
        return {
            "observed": {**self.runtime.observe(), "allocator": allocator()},
            "pool_threads": thread_names(),
            "peak_bytes": peak_resident_bytes(),
            "peak_device_bytes": self.runtime.peak_device_bytes(),
            "metrics": getattr(self.runtime, "metrics", dict)(),  # optional in a runtime
        }

    def do_finish(self) -> dict[str, Any]:
        """Acknowledge; :func:`serve` then returns."""
        return {}

    def _run(self, steps: int) -> float:
        """Run steps and wait for all they dispatched; seconds from before the first to after the wait."""
        send, wait = self.training.send, self.runtime.wait
        if self.per_call:
            started = time.perf_counter()
            remaining = steps
            while remaining:
                remaining -= len(send(remaining))
            wait()
            return time.perf_counter() - started
        loop = itertools.repeat(1, steps)
        started = time.perf_counter()
        for step in loop:
            send(step)
        wait()
        return time.perf_counter() - started

    def _problem(self, *, endless: bool) -> Problem:
        return exchange.load_problem(
            Path(self.job.problem),
            device=self.job.device,
            mode=self.job.mode,
            endless=endless,
        )

    def _versions(self) -> dict[str, str]:
        return {"python": sys.version.split()[0], **self.runtime.versions()}

    def _save_proof(self, values: list[Any], result: Result) -> None:
        import numpy as np

        if not hasattr(result, "arrays"):
            raise TypeError(f"train() returned {type(result).__name__}, expected a workbench.contract.Result")
        losses = [loss for value in values for loss in losses_of(value)]
        arrays: dict[str, Array] = {f"result/{name}": array for name, array in result.arrays().items()}
        exchange.save_arrays(Path(self.job.proof), {"losses": np.array(losses, dtype=np.float64), **arrays})
        gc.collect()


def advance(training: Training, steps: int) -> tuple[list[Any], Result | None]:
    """Ask for ``steps`` steps; the values yielded, and the result if the training ended meanwhile."""
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
    """Ask a training for no more steps; the values it yields nevertheless, and its result."""
    surplus: list[Any] = []
    for _ in range(1000):
        try:
            surplus.append(training.send(0))
        except StopIteration as end:
            return surplus, end.value
    raise RuntimeError("train() continues after the task's last step: does it loop over problem.batches()?")


def is_sequence(value: Any) -> bool:
    """Whether a yielded value is a 1-d array of losses, one per step, rather than one loss."""
    return len(getattr(value, "shape", ())) == 1


def losses_of(value: Any) -> list[float]:
    """A yielded value as floats, fetched from the device it is on."""
    if is_sequence(value):
        return [float(loss) for loss in value]
    return [float(value)]


def matrix_product_flops(size: int, dtype: str) -> float:
    """Floating-point operations per second of NumPy's product of two square matrices: the best of three."""
    import numpy as np

    a = np.ones((size, size), dtype)
    a @ a
    return 2 * size**3 / min(timed(lambda: a @ a) for _ in range(3))


def timed(action: Callable[[], object]) -> float:
    """Seconds one call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def failure(error: BaseException, phase: str, worker: Worker) -> dict[str, Any]:
    """The message that reports an exception: its class, one line, and the traceback for the log."""
    with contextlib.suppress(OSError, ValueError):  # content may have closed stderr
        traceback.print_exc()
        sys.stderr.flush()
    text = " ".join(str(error).split())
    return {
        "failed": phase,
        "kind": type(error).__name__,
        "text": text[:2000],
        "where": raised_in(error, worker.job.content),
        "missing": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
        "peak_bytes": peak_resident_bytes(),
        "mode": worker.job.mode,
    }


def raised_in(error: BaseException, content: dict[str, tuple[str, ...]]) -> str:
    """File and line of the content that raised an exception, such as ``mlp.py, line 12``; empty if no content did."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    if not frames:
        return ""
    folders = {Path(folder).resolve() for several in content.values() for folder in several}
    file = Path(frames[-1].filename).resolve()
    return f"{file.name}, line {frames[-1].lineno}" if file.parent in folders else ""


def resident_bytes() -> int | None:
    """Current resident memory."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int | None:
    """Peak resident memory of this process.

    VmHWM is this program's own; getrusage's ru_maxrss would start at the parent's value.
    """
    return _status_bytes("VmHWM")


def _status_bytes(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def allocator() -> str:
    """The memory allocator of the process, judged by its mapped libraries."""
    try:
        mappings = Path("/proc/self/maps").read_text()
    except OSError:
        return "malloc"
    return next((name for name in ("jemalloc", "tcmalloc", "mimalloc") if f"lib{name}" in mappings), "malloc")


def thread_names() -> dict[str, int]:
    """How many operating-system threads of each name this process has; trailing digits are stripped from names."""
    counts: dict[str, int] = {}
    try:
        for entry in Path("/proc/self/task").iterdir():
            name = (entry / "comm").read_text().strip().rstrip("0123456789").rstrip("/-_")
            counts[name] = counts.get(name, 0) + 1
    except OSError:
        pass
    return counts
