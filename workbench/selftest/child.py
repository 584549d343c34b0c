"""What the self-test's workers do otherwise; runs inside worker processes alone.

One more command, ``overhead``, measures blocks of the harness's own loop and of a bare loop in turn. To bring up
hundreds of processes in a bearable time, the trace of the warm-up is cut short and the matrix product, which serve a
run's tables alone, is left out. Everything that is timed is the worker's own.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from workbench.selftest.bare import bare_loop
from workbench.wire import exchange, worker

AGREE = 1e-5


class SelftestWorker(worker.Worker):
    """The worker, with one more command."""

    def do_canary(self, product: int = 0) -> dict[str, Any]:  # noqa: ARG002 - the worker's own signature
        """The canary without the matrix product."""
        return super().do_canary()

    def do_overhead(self, steps: int, pairs: int) -> dict[str, Any]:
        """Time blocks of the harness's loop and of the bare loop in turn, in this process.

        Args:
            steps: of a block, as ``prepare`` calibrated it.
            pairs: how many blocks of each.

        Raises:
            ValueError: when the bare loop does not compute what the frontend computes.
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
        """The bare loop must end in the result that was proven."""
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
                raise ValueError(f"the bare loop computes other {name} than the frontend")


def install() -> None:
    """Let every worker that is served from now on be the self-test's."""
    worker.Worker = SelftestWorker  # type: ignore[misc]
    worker.TRACE_S = 0.01
