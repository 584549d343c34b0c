"""A sweep over sizes: every contestant at every size of the task's SWEEP, proven, then measured in turn."""

from __future__ import annotations

import dataclasses

from workbench.model.content import Sweep
from workbench.model.events import SweepMeasured
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.records import SweepPoint
from workbench.session.context import Alive, Context, Group
from workbench.session.launcher import WorkerProcess
from workbench.session.problem import Target, prove_reference, target_of
from workbench.session.rounds import timed_block
from workbench.wire.answers import Done, Prepared, Proven

STEPS = 5
ROUNDS = 7
PROBLEM, REFERENCE = "sweep-problem.npz", "sweep-reference.npz"


class Sweeping:
    """Measures live workers at the sizes of a sweep."""

    def __init__(self, context: Context, sweep: Sweep) -> None:
        self._context, self._sweep = context, sweep

    def measure(self, group: Group, workers: Alive) -> None:
        """Measure and record all sizes."""
        context = self._context
        for value in self._sweep.values:
            self._size(group, workers, value)
        for name in (PROBLEM, REFERENCE):
            (context.workers.folder / name).unlink(missing_ok=True)
        for contestant in group:
            if contestant.sweep:
                context.record(SweepMeasured(contestant.id, contestant.sweep))

    def _size(self, group: Group, workers: Alive, value: int) -> None:
        context, target = self._context, self._target(value)
        steps: dict[str, int] = {}
        for contestant in group:
            with context.failing_only(contestant):
                if contestant.running:
                    context.progress.phase(contestant.id, f"{self._sweep.key} = {value}")
                    steps[contestant.id] = self._prepared(workers[contestant.id], target)
                    contestant.sweep.append(SweepPoint(value, target.flops, target.bytes))
        for done in range(ROUNDS):
            context.progress.round(0, done, ROUNDS)
            for contestant in context.shuffled(group):
                with context.failing_only(contestant):
                    block = timed_block(workers[contestant.id], steps[contestant.id], context.timeout_s)
                    contestant.sweep[-1].blocks.append(block.seconds / steps[contestant.id])

    def _target(self, value: int) -> Target:
        """The problem of one size, made and proven by a separate worker."""
        workers = self._context.workers
        job = dataclasses.replace(
            workers.reference_job(), preset=self._sweep.preset, changes={self._sweep.key: value}, steps=STEPS
        )
        reference = workers.start_reference(PROBLEM, REFERENCE, changed=job)
        try:
            prove_reference(reference, self._context.timeout_s)
        finally:
            reference.close()
        return target_of(workers.folder, self._context.settings.dtype, PROBLEM, REFERENCE)

    def _prepared(self, worker: WorkerProcess, target: Target) -> int:
        """Switch a live worker to another problem, prove and prepare it; returns its steps per block."""
        timeout, folder = self._context.timeout_s, self._context.workers.folder
        proof_file = folder / "sweep-proof.npz"
        worker.wake()
        worker.ask("use", Done, timeout, problem=str(folder / PROBLEM), proof=str(proof_file))
        worker.ask("prove", Proven, timeout)
        proof = target.verify(proof_file)
        proof_file.unlink()
        if not proof.passed:
            raise WorkerFailedError(Outcome.INVALID, f"in the sweep: {proof.reason}")
        steps = worker.ask("prepare", Prepared, timeout).block_steps
        worker.stop()
        return steps
