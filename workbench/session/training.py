"""A worker's training, driven through the primitives of the protocol: it counts steps and collects losses."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.host import files
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.session.launcher import WorkerProcess
from workbench.wire import exchange
from workbench.wire.answers import MOST_PER_CALL, Done, Fetched, Ran, Ready, Took

if TYPE_CHECKING:
    from workbench.contract import Array

MOST_BYTES = 1 << 30  # of arrays in a file that a worker wrote
MOST_KEPT = 1000  # losses that wait in a worker's memory to be fetched


class Training:
    """Runs the steps of a worker's training.

    Args:
        worker: has imported its content.
        timeout_s: of each command.
        scratch: a folder for files that the worker writes, used by it alone.

    Attributes:
        step: how many steps have been taken.
        unit: the steps that every run must be a multiple of, by the style's calls and the problem's period.
        per_call: whether a call runs several steps.
        evaluates: whether the losses of steps can be computed alone.
    """

    def __init__(self, worker: WorkerProcess, timeout_s: float, scratch: Path, period: int = 1) -> None:
        self.worker, self.scratch = worker, scratch
        self._timeout_s, self._period = timeout_s, period
        self.step, self.unit, self.per_call, self.evaluates = 0, period, True, False
        self._files = 0
        self._command = "run"

    def set_up(self, problem: Path, state: Path | None = None, step: int = 0) -> float:
        """Start the training of a problem, or go on from a state; seconds of the set-up."""
        begin = None if state is None else str(state)
        ready = self.worker.ask("set_up", Ready, self._timeout_s, problem=str(problem), state=begin, step=step)
        self.step = step
        self.unit = math.lcm(self._period, ready.steps_per_call or 1)
        if self.unit > MOST_PER_CALL:
            raise WorkerFailedError(
                Outcome.ERROR,
                f"its calls run {ready.steps_per_call} steps, and the task repeats after {self._period}: only multiples"
                f" of {self.unit} can be run, expected at most {MOST_PER_CALL}",
            )
        self.per_call, self.evaluates = ready.steps_per_call != 1, ready.evaluates
        return ready.setup_s

    def evaluation(self) -> Training:
        """The same training, of whose further steps nothing but the losses is computed: its state stays as it is."""
        evaluation = copy.copy(self)
        evaluation._command = "evaluate"
        return evaluation

    def run(self, steps: int, warm: int = 0, keep: Sequence[int] = ()) -> float:
        """Run steps, after some that are not timed; seconds including the wait."""
        ran = self.worker.ask(self._command, Ran, self._timeout_s, steps=steps, warm=warm, keep=list(keep))
        self.step += warm + steps
        return ran.seconds

    def wait(self) -> float:
        """Wait for an idle device; seconds."""
        return self.worker.ask("wait", Took, self._timeout_s).seconds

    def curve(self, steps: int) -> Array:
        """Run steps and fetch the losses of all of them: shape (steps,)."""
        parts = [np.empty(0)]
        most = max(self.unit, MOST_KEPT // self.unit * self.unit)
        while steps > 0:
            part = min(steps, most)
            self.run(part, keep=range(part))
            parts.append(self.losses(part)[0])
            steps -= part
        return np.concatenate(parts)

    def losses(self, count: int) -> tuple[Array, list[float]]:
        """Fetch the losses that were kept, and the seconds that each took.

        Raises:
            WorkerFailedError: when there are not ``count`` of them, or they cannot be read.
        """
        file = self.scratch / "losses.npz"
        took = self.worker.ask("fetch", Fetched, self._timeout_s, to=str(file))
        losses = read(file).get("losses", np.empty(0))
        file.unlink(missing_ok=True)
        if losses.shape != (count,) or losses.dtype != np.float64:
            raise WorkerFailedError(Outcome.ERROR, f"the worker handed over {losses.size} losses for {count} steps")
        if len(took.seconds) != count:
            reason = f"the worker handed over {len(took.seconds)} times for {count} losses"
            raise WorkerFailedError(Outcome.ERROR, reason)
        return losses, took.seconds

    def scalars(self, count: int) -> list[float]:
        """Fetch finished scalars; seconds of each.

        Raises:
            WorkerFailedError: when there are not ``count`` of them.
        """
        seconds = self.worker.ask("scalars", Fetched, self._timeout_s, count=count).seconds
        if len(seconds) != count:
            raise WorkerFailedError(Outcome.ERROR, f"the worker handed over {len(seconds)} times for {count} scalars")
        return seconds

    def save_state(self) -> Path:
        """Have the state written to a new file."""
        self._files += 1
        file = self.scratch / f"state-{self._files}.npz"
        self.worker.ask("state", Done, self._timeout_s, to=str(file))
        return file

    def state(self) -> dict[str, Array]:
        """The state as arrays."""
        file = self.save_state()
        arrays = read(file)
        file.unlink(missing_ok=True)
        return arrays

    def feed(self, file: Path) -> None:
        """Change what the coming steps are given."""
        self.worker.ask("feed", Done, self._timeout_s, source=str(file))

    def whole(self, steps: int) -> int:
        """The largest number of steps, up to ``steps`` but at least one unit, that can be run."""
        return max(steps // self.unit, 1) * self.unit


def read(file: Path) -> dict[str, Array]:
    """Arrays that a worker wrote.

    Raises:
        WorkerFailedError: when the file cannot be read.
    """
    try:
        return exchange.load_arrays(files.open_regular(file), MOST_BYTES)
    except Exception as error:  # noqa: BLE001 - a damaged file can fail in many ways, all meaning the same
        reason = f"what the worker wrote cannot be read: {type(error).__name__}: {error}"
        raise WorkerFailedError(Outcome.ERROR, reason) from None
