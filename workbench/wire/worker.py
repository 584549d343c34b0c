"""The worker process: the only place that loads content, runs it and reads the clock.

One worker runs one contestant in one launch. It knows nothing of how measurements are made: it offers primitives, and
the harness decides (PROTOCOL.md describes them for other languages)::

    import         import and configure the framework, then import the content: timed
    set_up         read a problem and start its training: timed
    run            run steps, wait, and say how long that took; losses at given positions are kept
    evaluate       the same for losses alone, without gradients and updates
    wait           wait for everything dispatched so far: timed
    fetch          fetch the kept losses and write them to a file: timed
    scalars        fetch as many finished scalars of the framework: timed
    state          read the training's state and write it to a file
    feed           change what the coming steps are given
    compilations   what the framework has compiled so far, by its own counters
    observe        report what is observed: threads, precision, memory
    finish         end the process

and, in the reference's process alone::

    make           the task makes the problem
    canary         a small constant workload and a matrix product: how fast the machine is right now
    copy           copy a large array: how fast memory is

The module itself does not import NumPy, so that ``import`` times importing NumPy for every frontend.
"""

from __future__ import annotations

import bisect
import collections
import contextlib
import gc
import importlib
import itertools
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from workbench.wire import exchange
from workbench.wire.exchange import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from workbench.contract import Problem, Settings, State

IN_FLIGHT = 64  # losses that nothing depends on are kept so long; JAX computes at most 32 programs at the same time


class Runtime(Protocol):
    """What a frontend's runtime.py offers; it may offer ``metrics``, ``compilations`` and ``scalar``, too."""

    def configure(self, settings: Settings) -> None:
        """Set device, threads, dtype and precision, once; called before the content is imported."""

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
        self.problem: Problem
        self.training: Any = None
        self.evaluation: Any = None  # a generator of losses like the training; None where content offers none
        self.read_state: Callable[[], State]
        self.run_steps = self._run_steps  # or _run_calls
        self.per_call: int | None = 1  # steps per call: 1, a fixed number, or None for as many as asked for
        self.kept: list[tuple[Any, int | None]] = []  # a yielded value, and which of its losses if it has several

    def do(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command."""
        command: Callable[..., dict[str, Any]] = getattr(self, f"do_{message['do']}")
        arguments = {name: value for name, value in message.items() if name not in ("v", "do")}
        return command(**arguments)

    def do_make(self, to: str) -> dict[str, Any]:
        """Make the problem and write it to a file."""
        from workbench.wire.problems import checked

        task = importlib.import_module(f"tasks.{self.job.task}")
        made = task.make(self.job.preset, self.job.seed, **self.job.changes)
        problem = checked(made).astype(self.job.dtype)
        if self.job.steps is not None:
            problem = problem.with_steps(self.job.steps)
        exchange.save_problem(Path(to), problem)
        return {}

    def do_import(self) -> dict[str, Any]:
        """Import NumPy and the framework, configure the framework, import the content."""
        started = time.perf_counter()
        package = f"frontends.{self.job.folder}"
        self.runtime = cast("Runtime", importlib.import_module(f"{package}.runtime"))

        from workbench.contract import Settings

        settings = Settings(self.job.device, self.job.threads, self.job.dtype, self.job.matmul_precision)
        self.runtime.configure(settings)
        self.content = importlib.import_module(f"{package}.{self.job.task}")
        elapsed = time.perf_counter() - started
        return {"import_s": elapsed, "rss_bytes": resident_bytes(), "versions": self._versions()}

    def do_set_up(self, problem: str, state: str | None = None, step: int = 0) -> dict[str, Any]:
        """Start the training of a problem; with a state, go on from there after ``step`` steps."""
        if self.training is not None:
            self.training.close()
            self.kept.clear()
            gc.collect()
        loaded = exchange.load_problem(Path(problem), device=self.job.device, mode=self.job.mode)
        if state is not None:
            loaded = exchange.begun_from(loaded, exchange.load_arrays(Path(state)), step)
        self.problem = loaded
        started = time.perf_counter()
        self.training = self.content.train(loaded)
        ready = next(self.training)
        self.runtime.wait()
        elapsed = time.perf_counter() - started
        self._accept(ready)
        return {"setup_s": elapsed, "steps_per_call": self.per_call, "evaluates": self.evaluation is not None}

    def _accept(self, ready: Any) -> None:
        from workbench.contract import Calls, Steps

        self.read_state, self.per_call, self.run_steps = ready, 1, self._run_steps
        evaluate: Any = None
        generator: Any = losses_of
        self.evaluation = None
        if isinstance(ready, Steps):
            self.read_state = ready.state
            evaluate, generator = ready.evaluate, losses_of
        elif isinstance(ready, Calls):
            self.read_state, self.per_call, self.run_steps = ready.state, ready.steps, self._run_calls
            evaluate, generator = ready.evaluate, calls_of
        if evaluate is not None:
            if not callable(evaluate):
                raise TypeError(f"evaluate is {type(evaluate).__name__}, expected a function")
            self.evaluation = generator(evaluate)
            next(self.evaluation)
        if not callable(self.read_state):
            raise TypeError(f"train() first yields {type(ready).__name__}, expected a function that reads the state")
        if self.per_call is not None and self.per_call < 1:
            raise ValueError(f"Calls.steps = {str(self.per_call)[:80]}, expected at least 1")

    def do_run(self, steps: int, warm: int = 0, keep: Sequence[int] = ()) -> dict[str, Any]:
        """Run ``warm`` steps, then time ``steps`` steps and the wait; keep the losses at some positions of these."""
        if warm:
            self.run_steps(warm, ())
        return {"seconds": self.run_steps(steps, keep)}

    def do_evaluate(self, steps: int, warm: int = 0, keep: Sequence[int] = ()) -> dict[str, Any]:
        """Compute the losses of ``warm`` batches, then time those of ``steps`` batches and the wait, as in ``run``."""
        if warm:
            self.run_steps(warm, (), self.evaluation)
        return {"seconds": self.run_steps(steps, keep, self.evaluation)}

    def _run_steps(self, steps: int, keep: Sequence[int], what: Any = None) -> float:
        send, wait, kept, repeat = (what or self.training).send, self.runtime.wait, self.kept, itertools.repeat
        parts = [(here - before - 1) for before, here in itertools.pairwise((-1, *keep))]
        rest = steps - 1 - (keep[-1] if keep else -1)
        try:
            started = time.perf_counter()
            for part in parts:
                for step in repeat(1, part):
                    send(step)
                kept.append((send(1), None))
            for step in repeat(1, rest):
                send(step)
            wait()
            return time.perf_counter() - started
        except StopIteration:
            raise RuntimeError("train() ended: its loop is over problem.batches(), which never run out") from None

    def _run_calls(self, steps: int, keep: Sequence[int], what: Any = None) -> float:
        send, wait = (what or self.training).send, self.runtime.wait
        calls: list[Any] = []
        lengths: list[int] = []
        per_call, remaining = self.per_call, steps
        try:
            started = time.perf_counter()
            while remaining > 0:
                losses = send(per_call or remaining)
                calls.append(losses)
                lengths.append(len(losses))
                remaining -= lengths[-1] or steps + 1
            wait()
            elapsed = time.perf_counter() - started
        except StopIteration:
            raise RuntimeError("train() ended, expected it to run steps for as long as it is asked to") from None
        if remaining or (per_call and set(lengths) != {per_call}):
            raise ValueError(f"calls answered with {lengths} losses, expected {per_call or steps} each, {steps} in all")
        ends = list(itertools.accumulate(lengths))  # each call's last position, and one more
        for position in keep:
            call = bisect.bisect_right(ends, position)
            self.kept.append((calls[call], position - ends[call] + lengths[call]))
        return elapsed

    def do_wait(self) -> dict[str, Any]:
        """Wait for what was dispatched."""
        return {"seconds": timed(self.runtime.wait)}

    def do_fetch(self, to: str) -> dict[str, Any]:
        """Fetch the kept losses from the device, write them to a file, and forget them."""
        import numpy as np

        kept, self.kept = self.kept, []
        losses, seconds = [], []
        for value, place in kept:
            if place is not None and not hasattr(value, "dtype"):
                raise TypeError(f"a call answered with a {type(value).__name__}, expected an array of its losses")
            if no_number(value):
                kind = getattr(value, "dtype", type(value).__name__)
                raise TypeError(f"a step yielded {kind}, expected its loss")
            started = time.perf_counter()
            losses.append(float(value) if place is None else float(np.asarray(value)[place]))
            seconds.append(time.perf_counter() - started)
        exchange.save_arrays(Path(to), {"losses": np.array(losses, dtype=np.float64)})
        return {"seconds": seconds}

    def do_scalars(self, count: int) -> dict[str, Any]:
        """Fetch finished scalars, made for the purpose: what fetching a loss costs if nothing is left to compute."""
        scalar = getattr(self.runtime, "scalar", float)
        scalars = [scalar() for _ in range(count)]
        self.runtime.wait()
        seconds = []
        for value in scalars:
            started = time.perf_counter()
            float(value)
            seconds.append(time.perf_counter() - started)
        return {"seconds": seconds}

    def do_state(self, to: str) -> dict[str, Any]:
        """Read the state and write it to a file."""
        state = self.read_state()
        if not hasattr(state, "arrays"):
            raise TypeError(f"state() returned {type(state).__name__}, expected a workbench.contract.State")
        exchange.save_arrays(Path(to), state.arrays())
        return {}

    def do_feed(self, source: str) -> dict[str, Any]:
        """From the next step on, reorder the data set and use other rows, as a file says."""
        self.problem.feed.change(*exchange.load_feed(Path(source)))
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

    def do_copy(self, size: int) -> dict[str, Any]:
        """Copy an array of ``size`` bytes a few times."""
        import numpy as np

        source = np.ones(size // 8)
        target = np.empty_like(source)
        seconds = min(timed(lambda: np.copyto(target, source)) for _ in range(4))
        return {"bytes_per_s": 2 * source.nbytes / seconds}

    def do_compilations(self) -> dict[str, Any]:
        """What the framework has compiled so far; empty where it does not say."""
        return {"compilations": getattr(self.runtime, "compilations", dict)()}

    def do_observe(self) -> dict[str, Any]:
        """What is observed of this process; ends the timed training, which may hold a context open.

        What it made lives on meanwhile: TensorFlow forgets how a function was compiled along with the function.
        """
        made = dict(self.training.gi_frame.f_locals) if getattr(self.training, "gi_frame", None) else {}
        self.training.close()
        found = {
            "observed": {**self.runtime.observe(), "allocator": allocator()},
            "pool_threads": thread_names(),
            "peak_bytes": peak_resident_bytes(),
            "peak_device_bytes": self.runtime.peak_device_bytes(),
            "metrics": getattr(self.runtime, "metrics", dict)(),
        }
        made.clear()
        return found

    def do_finish(self) -> dict[str, Any]:
        """Acknowledge; :func:`serve` then returns."""
        return {}

    def _versions(self) -> dict[str, str]:
        versions = self.runtime.versions()
        found = versions.items() if isinstance(versions, dict) else [(versions, None)]
        if odd := [part for pair in found for part in pair if not isinstance(part, str)]:
            raise TypeError(f"runtime.versions() returned {type(odd[0]).__name__}, expected a dict of names and texts")
        return {"python": sys.version.split()[0], **versions}


def no_number(loss: Any) -> bool:
    """Whether a loss is a text, a complex number or the like, which would become a number all the same."""
    kind = getattr(getattr(loss, "dtype", None), "kind", "f")
    return isinstance(loss, str | bytes | bytearray | bool | complex) or kind in list("cSUbOMm")


def losses_of(evaluate: Callable[[], Any]) -> Generator[Any, int, None]:
    """Advanced by ``send`` like a training: yields nothing, then loss after loss.

    The latest losses are kept: no later one depends on them, and a runtime may wait only for what is still needed.
    """
    latest: collections.deque[Any] = collections.deque(maxlen=IN_FLIGHT)
    loss = None
    while True:
        yield loss
        try:
            loss = evaluate()
        except StopIteration:
            raise RuntimeError("evaluate() found no more batches; those of problem.batches() never run out") from None
        latest.append(loss)


def calls_of(evaluate: Callable[[int], Any]) -> Generator[Any, int, None]:
    """The same for calls that compute as many losses as they are asked for."""
    losses = None
    while True:
        steps = yield losses
        losses = evaluate(steps)


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
    with contextlib.suppress(Exception):  # content may have closed stderr, or its exception cannot be shown
        traceback.print_exc()
        sys.stderr.flush()
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - content may define what its exceptions say
        text = "it does not say what is wrong"
    return {
        "failed": phase,
        "kind": type(error).__name__,
        "text": text[:2000],
        "where": raised_in(error, worker.job.content),
        "missing": error.name if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str) else None,
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
        lines = Path("/proc/self/status").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def allocator() -> str:
    """The memory allocator of the process, judged by its mapped libraries."""
    try:
        mappings = Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return "malloc"
    return next((name for name in ("jemalloc", "tcmalloc", "mimalloc") if f"lib{name}" in mappings), "malloc")


def thread_names() -> dict[str, int]:
    """How many operating-system threads of each name this process has; trailing digits are stripped from names."""
    counts: dict[str, int] = {}
    try:
        for entry in Path("/proc/self/task").iterdir():
            name = (entry / "comm").read_text(errors="replace").strip().rstrip("0123456789").rstrip("/-_")
            counts[name] = counts.get(name, 0) + 1
    except OSError:
        pass
    return counts
