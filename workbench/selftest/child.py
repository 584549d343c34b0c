"""How the self-test's workers differ from others; runs only inside worker processes.

They have one more command, ``overhead``, which measures blocks of the harness's own loop and of a bare loop in turn. To
start hundreds of processes in a reasonable time, they shorten the trace of the warm-up and skip the matrix product,
which serve only the tables of a run. Everything that is timed is the regular worker's code.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from workbench.selftest.bare import bare_loop
from workbench.wire import exchange, worker

AGREE = 1e-5


class SelftestWorker(worker.Worker):
    """The regular worker with one more command."""

    def do_canary(self, product: int = 0) -> dict[str, Any]:  # noqa: ARG002 - the worker's own signature
        """Run the canary without the matrix product."""
        return super().do_canary()

    def do_overhead(self, steps: int, pairs: int) -> dict[str, Any]:
        """Time blocks of the harness's loop and of the bare loop in turn, in this process.

        Args:
            steps: number of steps of a block, as ``prepare`` calibrated it.
            pairs: number of blocks of each loop.

        Raises:
            ValueError: when the bare loop does not compute the same as the frontend.
        """
        bare = bare_loop(Path(self.content.__file__), vars(self.content))
        self._check_bare(bare)
        harness_s: list[float] = []
        bare_s: list[float] = []
        turns = bare(self._problem(endless=True), itertools.repeat(steps), self.runtime.wait, bare_s)
        next(turns)
        for pair in range(pairs):
            if pair % 2 == 0:
                harness_s.append(self._run(steps))
            next(turns)
            if pair % 2 == 1:
                harness_s.append(self._run(steps))
        turns.close()
        return {"harness_s": harness_s, "bare_s": bare_s[1:]}

    def _check_bare(self, bare: Any) -> None:
        """Check that the bare loop ends in the result that was proven."""
        import numpy as np

        problem = self._problem(endless=False)
        turns = bare(problem, [problem.steps], self.runtime.wait, [])
        next(turns)
        _, result = worker.advance(turns, 1)
        if result is None:
            raise ValueError("the bare loop does not end with the frontend's last step")
        proven = exchange.load_arrays(Path(self.job.proof))
        for name, array in result.arrays().items():
            if not np.allclose(array, proven[f"result/{name}"], rtol=AGREE, atol=AGREE):
                raise ValueError(f"the bare loop and the frontend compute different {name}")


def install() -> None:
    """Make every worker of this process a self-test worker."""
    worker.Worker = SelftestWorker  # type: ignore[misc]
    worker.TRACE_S = 0.01
