"""The stage `evaluate`: the loss of a batch without gradients, timed and proven after the rounds of the training.

The trainings of a launch stay as they are meanwhile, so each loss is that which the reference's next step would have,
if it went on from the contestant's state with that batch.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import numpy as np

from workbench.host.signals import deferred_signals
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import PREDICTIONS, Check
from workbench.model.records import Blocks
from workbench.model.stage import EVALUATE
from workbench.session import calibration
from workbench.session.context import Alive, Context, Group
from workbench.session.reference import Reference
from workbench.session.rounds import SETTLE_S, Rounds
from workbench.session.timed import Evaluated, Timed
from workbench.session.training import read
from workbench.session.verify import verify_evaluation

if TYPE_CHECKING:
    from workbench.contract import Array

LONGEST_S = 1.0  # of repeating the losses of a launch; at least one per block is repeated, however long it takes


class Evaluating:
    """Measures losses alone, with the live workers of a launch whose training has been measured."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rounds = Rounds(context, EVALUATE)

    def measure(self, group: Group, workers: Alive, launch: int) -> None:
        """Prepare, measure in turn, and judge those who can."""
        context = self._context
        able: list[Contestant] = []
        for contestant in group:
            with context.failing_only(contestant):
                if contestant.running and context.timed[contestant.id].training.evaluates:
                    context.progress.phase(contestant.id, "preparing to evaluate")
                    self._prepare(contestant)
                    able.append(contestant)
        self._rounds.measure(able, launch)
        with deferred_signals():
            self._judge(able, workers)
        for contestant in group:
            if contestant.running:
                contestant.launches[-1].evaluated = True

    def _judge(self, able: Group, workers: Alive) -> None:
        context = self._context
        for contestant in able:
            with context.failing_only(contestant):
                if contestant.running:
                    context.progress.phase(contestant.id, "judging")
                    timed = context.timed[contestant.id]
                    try:
                        workers[contestant.id].wake()
                        timed.check(contestant.threads or context.workers.threads, context.settings.cpus)
                        timed.check_unjudged(judge_evaluations(timed, context.reference))
                        workers[contestant.id].stop()
                    except WorkerFailedError as failure:
                        raise WorkerFailedError(failure.outcome, f"evaluate: {failure.reason}") from None

    def drop(self, group: Group, workers: Alive) -> list[Contestant]:
        """After an interrupt: forget what this launch has measured of it.

        Returns:
            the contestants whose worker still answers.
        """
        answering = []
        for contestant in group:
            if contestant.running:
                contestant.launches[-1].blocks.pop(EVALUATE.name, None)
                with contextlib.suppress(WorkerFailedError):
                    workers[contestant.id].wake()
                    workers[contestant.id].settle(SETTLE_S)
                    answering.append(contestant)
        return answering

    def _prepare(self, contestant: Contestant) -> None:
        """Evaluate for the first time, trace the warm-up, and size the blocks, once for all launches."""
        trained = self._context.timed[contestant.id]
        training, reference = trained.training.evaluation(), self._context.reference
        training.worker.wake()
        before = training.save_state()
        trace = [training.run(training.unit) / training.unit, *calibration.trace(training)[0]]
        wait_s = calibration.wait_cost(training)
        known = next(
            (entry.of(EVALUATE.name).units for entry in contestant.launches if entry.measured(EVALUATE.name)), 0
        )
        units = known or calibration.block_steps(training, wait_s, reference.problem.steps)
        timed = Evaluated(
            contestant,
            training,
            units,
            fetch_s=calibration.fetch_cost(training),
            scalar_s=trained.scalar_s,
            stateless=reference.stateless,
            draw=self._context.draw,
            device=trained.device,
            sized=0 if known else units,
            before=before,
        )
        training.worker.stop()
        self._context.timed[contestant.id] = timed
        contestant.launches[-1].blocks[EVALUATE.name] = Blocks(units=units, wait_s=wait_s, trace_s=trace)


def judge_evaluations(timed: Timed, reference: Reference) -> set[int]:
    """Judge the drawn blocks of a launch and add what was found to the contestant's proof; their rounds.

    Raises:
        WorkerFailedError: *invalid*, with the check that failed.
    """
    contestant, rules = timed.contestant, reference.rules
    assert contestant.proof is not None, "a contestant is proven in float64 before it is timed"
    largest = float(np.max(np.abs(reference.trained().losses)))
    checks: list[Check] = []
    deadline = time.monotonic() + LONGEST_S
    for evidence in timed.drawn:
        for place in timed.draw.sample(range(len(evidence.losses)), len(evidence.losses)):
            position = [evidence.steps.keep[place]]
            right = reference.evaluate(evidence.steps, position, "float64")
            own = right if rules.dtype == "float64" else reference.evaluate(evidence.steps, position, rules.dtype)
            checks.append(verify_evaluation(evidence.losses[[place]], right, own, largest, rules, evidence.round))
            if time.monotonic() > deadline:
                break
    checks.append(_check_unchanged(timed))
    contestant.proof = contestant.proof.with_checks(checks)
    if not contestant.proof.passed:
        raise WorkerFailedError(Outcome.INVALID, contestant.proof.reason)
    return {evidence.round for evidence in timed.drawn}


def _check_unchanged(timed: Timed) -> Check:
    """That evaluating has left the state as it was, bit for bit."""
    assert timed.before is not None
    before, after = read(timed.before), timed.training.state()
    changed = [
        name for name in sorted({*before, *after} - {PREDICTIONS}) if not _same(before.get(name), after.get(name))
    ]
    detail = f"evaluating changed {changed[0]}" if changed else ""
    return Check("check_unchanged", not changed, None, detail)


def _same(before: Array | None, after: Array | None) -> bool:
    """Whether two arrays are the same, bit for bit."""
    if before is None or after is None:
        return False
    return (before.dtype, before.shape, before.tobytes()) == (after.dtype, after.shape, after.tobytes())
