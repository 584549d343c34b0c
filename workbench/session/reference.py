"""The reference: NumPy with gradients by hand, whose process makes the problem and proves contestants.

It answers what the right result is: of a whole training in float64, of its first steps, of one plain SGD step, and of
any clocked block, which it repeats from a contestant's own state. Results are kept, so each is computed once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from workbench.contract import shuffled_rows
from workbench.model.outcomes import CutShortError, Outcome, WorkerFailedError, WorkerLostError
from workbench.model.proof import PREDICTIONS, Trained
from workbench.session.launcher import WorkerProcess
from workbench.session.training import Training, read
from workbench.session.verify import FIRST, Beginning, Repeated, Rules, accuracy, condition
from workbench.wire import exchange
from workbench.wire.answers import Copied, Done

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays, Problem


LARGEST_MOVED = 1 << 20  # bytes of what changes just before the clock starts: of a resident array, or of rows
FLOAT32, FLOAT64 = "float32", "float64"
CACHES = 4  # a working set is in memory if it is so many times the last-level cache
LOOKS = 40  # at the accuracy, over a training


@dataclass(frozen=True)
class Steps:
    """Some clocked steps of a contestant, and where they started.

    Attributes:
        before: the file with the state before them; None for a task that carries nothing from step to step.
        step: how many steps had been taken by then.
        feed: the file that says what the untimed steps were given that came first.
        warm: how many these were.
        then: the file that says what changed after them.
        lead: untimed steps after that.
        steps: the timed steps.
        keep: the positions of those whose losses are known.
    """

    before: Path | None
    step: int
    feed: Path
    warm: int
    then: Path
    lead: int
    steps: int
    keep: Sequence[int]

    @property
    def all(self) -> int:
        """How many steps lie between the states before and after."""
        return self.warm + self.lead + self.steps


class Reference:
    """Computes right results in a worker of its own.

    Args:
        worker: of the reference frontend, with the content imported.
        timeout_s: of each command.
        problem: the file with the problem.
        scratch: a folder for files.
        tf32: whether contestants may round products as TensorFloat-32 does.
    """

    def __init__(
        self, worker: WorkerProcess, timeout_s: float, problem: Path, scratch: Path, *, tf32: bool = False
    ) -> None:
        self.worker, self.scratch, self._timeout_s, self._tf32 = worker, scratch, timeout_s, tf32
        self.problem: Problem = exchange.load_problem(problem)
        self.exact_file, self.plain_file = scratch / "float64.npz", scratch / "plain.npz"
        self._files = {self.problem.dtype: problem, FLOAT64: self.exact_file}
        exact = self.problem.astype(FLOAT64)
        exchange.save_problem(self.exact_file, exact)
        exchange.save_problem(self.plain_file, exact.with_plain_sgd())
        self._trained: dict[int, Trained] = {}
        self._beginnings: dict[tuple[str, int], Beginning] = {}
        self._plain: dict[int, Arrays] = {}
        self._bandwidth: float | None = None
        self._step_s = 0.0
        self._lock = threading.RLock()

    @property
    def rules(self) -> Rules:
        """What the limits of the problem follow from."""
        problem = self.problem
        updates = problem.steps if problem.learning_rate else 1
        tf32 = self._tf32 and problem.dtype == FLOAT32
        return Rules(problem.dtype, problem.terms, updates, condition(problem.beta_2), problem.plain, tf32)

    @property
    def stateless(self) -> bool:
        """Whether nothing is carried from step to step."""
        return not self.problem.init

    def trained(self, steps: int | None = None) -> Trained:
        """The training in float64 over some steps; by default all of the task.

        Raises:
            WorkerFailedError: when the reference itself fails or diverges.
        """
        steps = steps or self.problem.steps
        with self._awake():
            if steps not in self._trained:
                training = self._training()
                training.set_up(self.exact_file)
                began = time.monotonic()
                losses = training.curve(steps)
                self._step_s = max(self._step_s, (time.monotonic() - began) / steps)
                bad = np.flatnonzero(~np.isfinite(losses))
                if bad.size:
                    reason = f"the reference diverges: its loss at step {bad[0]} is not finite"
                    raise WorkerFailedError(Outcome.ERROR, reason)
                self._trained[steps] = Trained(losses, training.state())
            return self._trained[steps]

    def steps_to(self, target: float) -> int | None:
        """After how many steps of a training in float64 the accuracy is at least ``target``; None if it never is."""
        problem = self.problem
        with self._awake():
            training = self._training()
            training.set_up(self.exact_file)
            piece = training.whole(problem.steps // LOOKS)
            while problem.answers is not None and training.step + piece <= problem.steps:
                training.run(piece)
                if accuracy(training.state()[PREDICTIONS], problem.answers) >= target:
                    return training.step
        return None

    def use(self, trained: Trained) -> None:
        """Take the whole training from a session that is resumed."""
        self._trained[self.problem.steps] = trained

    def plain_step(self, steps: int = 1) -> Arrays:
        """The state after one step p <- p - gradient, in float64, or after as many as a style takes at a time."""
        with self._awake():
            if steps not in self._plain:
                training = self._training()
                training.set_up(self.plain_file)
                training.curve(steps)
                self._plain[steps] = training.state()
            return self._plain[steps]

    def beginning(self, dtype: str, unit: int) -> Beginning:
        """The first steps in a type, with the state after ``unit`` of them."""
        with self._awake():
            if (dtype, unit) not in self._beginnings:
                training = self._training()
                training.set_up(self._files[dtype])
                first = training.curve(unit)
                after = training.state()
                losses = np.concatenate([first, training.curve(max(FIRST - unit, 0))])[:FIRST]
                start = {f"parameters/{name}": array for name, array in self.problem.init.items()}
                self._beginnings[dtype, unit] = Beginning(losses, start, after)
            return self._beginnings[dtype, unit]

    def repeat(self, done: Steps, dtype: str) -> Repeated:
        """A contestant's steps, computed from its own state in a type."""
        with self._awake():
            training = self._training()
            training.set_up(self._files[dtype], done.before, done.step)
            training.feed(done.feed)
            if not self.stateless:
                training.run(done.warm)
            training.feed(done.then)
            if self._all_alike:
                return Repeated(np.repeat(training.curve(1), len(done.keep)), training.state())
            training.run(done.steps, warm=done.lead, keep=done.keep)
            losses, _ = training.losses(len(done.keep))
            return Repeated(losses, training.state())

    def evaluate(self, done: Steps, positions: Sequence[int], dtype: str) -> Array:
        """The losses of the steps at some positions in a type, each computed as the first step from the same state."""
        (order, rows), file = exchange.load_feed(done.then), self.scratch / "one-step.npz"
        losses = np.empty(len(positions))
        with self._awake():
            for place, position in enumerate(positions):
                training, taken = self._training(), done.lead + position
                training.set_up(self._files[dtype], done.before, done.step + done.warm + taken)
                training.feed(done.feed)
                exchange.save_feed(file, order, None if rows is None else rows[[taken % len(rows)]])
                training.feed(file)
                losses[place] = training.curve(1)[0]
        return losses

    def cost_s(self, done: Steps) -> float:
        """About how long repeating some steps in both types takes, in seconds."""
        return 2 * self._step_s * (1 if self._all_alike else done.all)

    @property
    def _all_alike(self) -> bool:
        """Whether every step is the same one."""
        return self.stateless and self.problem.resident and not self.problem.per_step

    def affordable(self, seconds: float) -> int:
        """About how many steps can be repeated in both types in some seconds."""
        return max(1, int(seconds / (2 * self._step_s or 1e-9)))

    def before(self, done: Steps) -> Arrays:
        """The state before some steps; where none is carried, what the task computes of its unchanged data."""
        return read(done.before) if done.before is not None else self.trained(1).result

    def copy_rate(self, size: int) -> float:
        """Bytes per second at which this machine copies an array of some bytes."""
        if self._bandwidth is None:
            with self._awake():
                self._bandwidth = self.worker.ask("copy", Copied, self._timeout_s, size=size).bytes_per_s
        return self._bandwidth

    @contextlib.contextmanager
    def _awake(self) -> Iterator[None]:
        """The worker, for one caller at a time; stopped again afterwards, so that it disturbs no measurement.

        Raises:
            CutShortError: when its process has died or hangs, whoever's blocks it was to repeat.
        """
        with self._lock:
            self.worker.wake()
            try:
                yield
            except WorkerLostError as failure:
                how = "hangs" if failure.outcome is Outcome.TIMEOUT else "died"
                self.worker.kill()
                raise CutShortError(f"the reference's process {how}: {failure.reason}") from failure
            finally:
                self.worker.stop()

    def _training(self) -> Training:
        return Training(self.worker, self._timeout_s, self.scratch, self.problem.period)


def make_problem(worker: WorkerProcess, file: Path, timeout_s: float) -> None:
    """Let a worker make the problem.

    Raises:
        WorkerFailedError: when it fails.
    """
    worker.ask("make", Done, timeout_s, to=str(file))


Feeding: TypeAlias = "tuple[dict[str, Array], Array | None]"
"""The new order of each array, and the rows of the coming steps."""


def new_feed(problem: Problem, rng: np.random.Generator, steps: int) -> Feeding:
    """What nobody could know before: each array of the data set in a new order, and new rows for some steps."""
    return {name: rng.permutation(len(array)) for name, array in problem.data.items()}, _new_rows(problem, rng, steps)


def last_feed(problem: Problem, rng: np.random.Generator, steps: int) -> Feeding:
    """What changes just before the clock starts, cheaply: the order of the smallest array, and the rows.

    Resident arrays of more than LARGEST_MOVED bytes stay, because moving one to the device would take too long.
    """
    rows = _new_rows(problem, rng, steps)
    smallest = min(problem.data, key=lambda name: problem.data[name].nbytes, default=None)
    if rows is not None or smallest is None or problem.data[smallest].nbytes > LARGEST_MOVED:
        return {}, rows
    return {smallest: rng.permutation(len(problem.data[smallest]))}, rows


def _new_rows(problem: Problem, rng: np.random.Generator, steps: int) -> Array | None:
    if problem.rows is None:
        return None
    steps = min(steps, max(len(problem.rows), LARGEST_MOVED // problem.rows[0].nbytes))
    return shuffled_rows(rng, len(next(iter(problem.data.values()))), problem.rows.shape[1], steps)
