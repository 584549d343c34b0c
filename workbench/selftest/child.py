"""How the self-test's workers differ from others; runs only inside worker processes.

They have one more command, ``overhead``, which measures blocks of the harness's own loop and of a bare loop in turn.
For the drift, a block goes on with steps of a second training. To start hundreds of processes in a reasonable time,
they skip the matrix product, which serves only the tables of a run. Everything that is timed is the regular worker's
code.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.selftest.bare import bare_loop
from workbench.wire import exchange, worker
from workbench.wire.exchange import Job

if TYPE_CHECKING:
    from workbench.contract import Problem, State

AGREE = 1e-5
WARM = 2  # pairs of blocks


class SelftestWorker(worker.Worker):
    """The regular worker with one more command, and steps beside those of a block."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.problem_file = Path()
        self.twin: SelftestWorker | None = None

    def do_canary(self, product: int = 0) -> dict[str, Any]:  # noqa: ARG002 - the worker's own signature
        """Run the canary without the matrix product."""
        return super().do_canary()

    def do_set_up(self, problem: str, state: str | None = None, step: int = 0) -> dict[str, Any]:
        """Start the training of a problem, and remember which."""
        self.problem_file, self.twin = Path(problem), None
        return super().do_set_up(problem, state, step)

    def do_run(self, steps: int, warm: int = 0, keep: Sequence[int] = (), beside: int = 0) -> dict[str, Any]:
        """Run steps, then others of a second training of the same problem, which the harness need not know of.

        Returns:
            the seconds of all of them.
        """
        if not beside:
            return super().do_run(steps, warm, keep)
        if self.twin is None:
            self.twin = SelftestWorker(self.job)
            self.twin.runtime, self.twin.content = self.runtime, self.content
            self.twin.do_set_up(str(self.problem_file))
        parts = super().do_run(steps, warm, keep), self.twin.do_run(beside)
        return {"seconds": sum(part["seconds"] for part in parts)}

    def do_overhead(self, steps: int, pairs: int, keep: Sequence[int]) -> dict[str, Any]:
        """Time blocks of the harness's loop and of the bare loop in turn, in this process.

        Args:
            steps: number of steps of a block, as the harness calibrates it.
            pairs: number of blocks of each loop.
            keep: the steps whose losses the harness's loop keeps.

        Raises:
            ValueError: when the bare loop does not compute the same as the frontend.
        """
        bare = bare_loop(Path(self.content.__file__), vars(self.content))
        self._check_bare(bare)
        harness_s: list[float] = []
        bare_s: list[float] = []
        self.do_set_up(str(self.problem_file))
        harness, run = self.training, self.run_steps
        turns = bare(self._problem(), itertools.repeat(self._passes(steps)), self.runtime.wait, bare_s)
        next(turns)
        for pair in range(-WARM, pairs):
            for self.training in (harness, turns) if pair % 2 else (turns, harness):
                if self.training is harness:
                    harness_s.append(run(steps, keep))
                    self.kept.clear()
                else:
                    self._run_steps(1, ())  # a turn, from the call depth of a step
        turns.close()
        return {"harness_s": harness_s[WARM:], "bare_s": bare_s[WARM:]}

    def _check_bare(self, bare: Callable[..., Any]) -> None:
        """Check that the bare loop ends in the same state as the frontend, in trainings of their own."""
        self.do_set_up(str(self.problem_file))
        problem = self._problem()  # begun after the frontend's and closed before it: sessions of TF1 are nested
        turns = bare(problem, [self._passes(problem.steps)], self.runtime.wait, [])
        ready = next(turns)
        self.run_steps(problem.steps, ())
        next(turns)
        check_same(self.read_state, getattr(ready, "state", ready))
        turns.close()

    def _passes(self, steps: int) -> int:
        """How often the bare loop goes round for some steps; a loop that is told how many steps to run counts them."""
        return steps // (self.per_call or 1)

    def _problem(self) -> Problem:
        return exchange.load_problem(self.problem_file, device=self.job.device, mode=self.job.mode)


def check_same(frontend: Callable[[], State], bare: Callable[[], State]) -> None:
    """Check that frontend and bare loop are in the same state, after the same steps.

    Raises:
        ValueError: naming what differs.
    """
    import numpy as np

    right, found = frontend().arrays(), bare().arrays()
    for name in {**right, **found}:
        if name not in right or name not in found or not np.allclose(found[name], right[name], rtol=AGREE, atol=AGREE):
            raise ValueError(f"the bare loop and the frontend compute different {name}")


def install() -> None:
    """Make every worker of this process a self-test worker."""
    worker.Worker = SelftestWorker  # type: ignore[misc]
