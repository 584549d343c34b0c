"""A sweep over sizes: every contestant at every size of the task's SWEEP, proven, then measured in turn."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from workbench.model.content import Sweep
from workbench.model.contestant import Contestant
from workbench.model.events import SweepMeasured
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.records import SweepPoint
from workbench.session import calibration
from workbench.session.context import Alive, Context, Group
from workbench.session.launcher import WorkerProcess
from workbench.session.reference import Reference, make_problem
from workbench.session.timed import WARM_SHARE
from workbench.session.training import Training
from workbench.session.verify import Beginning, verify_first
from workbench.wire.answers import Imported

STEPS = 10
ROUNDS = 7


class Sweeping:
    """Measures live workers at the sizes of a sweep, each proven by its first steps."""

    def __init__(self, context: Context, sweep: Sweep) -> None:
        self._context, self._sweep = context, sweep

    def measure(self, group: Group, workers: Alive) -> None:
        """Measure and record all sizes."""
        context = self._context
        for value in self._sweep.values:
            try:
                self._size(group, workers, value)
            except WorkerFailedError as failure:  # of the reference: what was measured before is kept
                context.progress.phase("sweep", f"{self._sweep.key} = {value} is left out: {failure}")
        for contestant in group:
            if contestant.sweep:
                context.record(SweepMeasured(contestant.id, contestant.sweep))

    def _size(self, group: Group, workers: Alive, value: int) -> None:
        context = self._context
        folder = context.workers.scratch_of("sweep")
        reference = self._reference(value, folder)
        trainings: dict[str, tuple[Training, int]] = {}
        try:
            for contestant in group:
                with context.failing_only(contestant):
                    if contestant.running:
                        context.progress.phase(contestant.id, f"{self._sweep.key} = {value}")
                        trainings[contestant.id] = self._prepared(contestant, workers[contestant.id], reference, folder)
                        problem = reference.problem
                        contestant.sweep.append(SweepPoint(value, problem.flops, problem.bytes))
        finally:
            reference.worker.close()
        for done in range(ROUNDS):
            context.progress.round(0, done, ROUNDS)
            for contestant in context.shuffled(group):
                with context.failing_only(contestant):
                    training, units = trainings[contestant.id]
                    training.worker.wake()
                    seconds = training.run(units, warm=training.whole(max(1, units // WARM_SHARE)))
                    training.worker.stop()
                    contestant.sweep[-1].blocks.append(seconds / units)

    def _reference(self, value: int, folder: Path) -> Reference:
        """The problem of one size and what is right, computed by a separate worker."""
        workers, timeout_s = self._context.workers, self._context.timeout_s
        job = dataclasses.replace(
            workers.reference_job(), preset=self._sweep.preset, changes={self._sweep.key: value}, steps=STEPS
        )
        worker = workers.start_reference(changed=job, on_all_cpus=True)
        try:
            problem = folder / "problem.npz"
            make_problem(worker, problem, timeout_s)
            worker.ask("import", Imported, timeout_s)
            return Reference(worker, timeout_s, problem, folder)
        except BaseException:
            worker.close()
            raise

    def _prepared(
        self, contestant: Contestant, worker: WorkerProcess, reference: Reference, folder: Path
    ) -> tuple[Training, int]:
        """Set a live worker up for another problem, prove its first steps, and size its blocks."""
        own = folder / contestant.id
        own.mkdir()
        worker.wake()
        training = Training(worker, self._context.timeout_s, own, reference.problem.period)
        training.set_up(folder / "problem.npz")
        first = training.curve(training.unit)
        after = training.state()
        rest = training.curve(math.ceil(max(STEPS - training.unit, 0) / training.unit) * training.unit)
        rules = reference.rules
        right, float32 = (reference.beginning(dtype, training.unit) for dtype in ("float64", rules.dtype))
        found = Beginning(np.concatenate([first, rest])[:STEPS], {}, after)
        checks = verify_first(found, right, float32, rules, training.unit)
        for check in checks:
            if not check.passed:
                raise WorkerFailedError(Outcome.INVALID, f"in the sweep: {check.name}: {check.detail}")
        wait_s = calibration.wait_cost(training)
        units = calibration.block_steps(training, wait_s, STEPS)
        worker.stop()
        return training, units
