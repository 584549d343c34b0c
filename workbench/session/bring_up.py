"""Bringing workers up: import, set up, first steps, trace and calibration; one after another where that is timed.

Otherwise in parallel. What a contestant computes meanwhile is compared with the reference at once.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from workbench.host.cgroups import cpu_quota
from workbench.host.processes import move
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import PREDICTIONS, Check, Proof, Trained
from workbench.model.records import Blocks, Launch
from workbench.model.stage import TRAIN
from workbench.session import calibration
from workbench.session.context import Alive, Context, Group
from workbench.session.judging import provable_units
from workbench.session.launcher import WorkerProcess, leave_signals_to_main
from workbench.session.timed import Timed
from workbench.session.training import Training
from workbench.session.verify import (
    FIRST,
    Beginning,
    accuracy,
    check_form,
    verify_accuracy,
    verify_curve,
    verify_first,
)
from workbench.wire import exchange
from workbench.wire.answers import Compilations, Imported

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

AFFORDABLE_S = 10.0  # of repeating one clocked block

Cpus = tuple[int, ...]


class BringUp:
    """Starts the workers of a launch and leaves them stopped, ready to be measured.

    Args:
        context: the session's state.
        purposes: by group, why the plan asked for the launch.
    """

    def __init__(self, context: Context, purposes: Mapping[str, str]) -> None:
        self._context, self._purposes = context, purposes

    @contextlib.contextmanager
    def alive(self, group: Group, number: int) -> Iterator[Alive]:
        """Workers of a group, brought up and stopped; ended on exit."""
        context = self._context
        with contextlib.ExitStack() as stack:
            workers: dict[str, WorkerProcess] = {}
            order = context.shuffled(group)
            for contestant in order:
                with context.failing_only(contestant):
                    workers[contestant.id] = context.workers.start(contestant)
                    stack.callback(workers[contestant.id].close)
            self._all(order, workers, number)
            yield workers

    def _all(self, group: Group, workers: Alive, number: int) -> None:
        """Bring up the first launch one by one on the measuring CPUs, later ones in parallel on all CPUs.

        The order is shuffled: which worker starts first, and on which CPU, affects step times (by half a percent here).
        """
        settings = self._context.settings
        slots = [settings.cpus]
        if number > 0 and settings.cpus:
            slots += slices(settings.harness_cpus, len(settings.cpus), settings.cpus)
        slots = slots[: at_once(len(settings.cpus))]
        free: queue.SimpleQueue[Cpus] = queue.SimpleQueue()
        for cpus in slots:
            free.put(cpus)

        def bring_up(contestant: Contestant) -> None:
            cpus = free.get()
            try:
                with self._context.failing_only(contestant):
                    if contestant.running:
                        self._bring_up(contestant, workers[contestant.id], number, cpus)
            finally:
                free.put(cpus)

        if len(slots) == 1:
            for contestant in group:
                bring_up(contestant)
            return
        # each thread blocks on its worker's pipe
        with ThreadPoolExecutor(len(slots), initializer=leave_signals_to_main) as pool:
            try:
                list(pool.map(bring_up, group))
            except BaseException:
                self._context.abandoned = True
                for worker in workers.values():
                    worker.kill()
                raise

    def _bring_up(self, contestant: Contestant, worker: WorkerProcess, number: int, cpus: Cpus) -> None:
        began, context = time.monotonic(), self._context
        reference, timeout, measuring = context.reference, context.timeout_s, context.settings.cpus
        if cpus != measuring:
            move(worker.pid, cpus)
        context.progress.phase(contestant.id, "importing")
        imported = worker.ask("import", Imported, timeout)
        context.progress.phase(contestant.id, "first steps")
        training = Training(worker, timeout, context.workers.scratch_of(contestant.id), reference.problem.period)
        setup_s = training.set_up(context.workers.problem_file)
        first_s = training.run(training.unit, keep=range(training.unit))
        compiled = self._compiled(worker)
        trace = self._first_steps(contestant, training, whole=number == 0)
        context.progress.phase(contestant.id, "calibrating")
        launch = Launch(
            number,
            timed=number == 0,
            import_s=imported.import_s,
            setup_s=setup_s,
            first_s=first_s,
            purpose=self._purposes.get(contestant.group, ""),
            import_bytes=imported.rss_bytes,
            versions=imported.versions,
        )
        launch.blocks[TRAIN.name] = self._calibrated(contestant, training, trace)
        launch.compiled_before = self._compiled(worker) or compiled
        if cpus != measuring:
            move(worker.pid, measuring)
        worker.stop()
        launch.bring_up_s = time.monotonic() - began
        contestant.launches.append(launch)
        context.progress.phase(contestant.id, "ready")
        context.forecast.ready(contestant.id, launch.bring_up_s)
        context.progress.left(context.forecast.seconds_left())

    def _first_steps(self, contestant: Contestant, training: Training, *, whole: bool) -> list[float]:
        """Trace the warm-up and prove the first steps and, in the first launch, the whole curve of the task.

        Returns:
            seconds per step of the traced pieces.
        """
        reference = self._context.reference
        losses = [training.losses(training.unit)[0]]
        after = training.state()
        wanted = training.whole(reference.problem.steps) if whole else FIRST
        trace, traced = calibration.trace(training, most=max(wanted - training.step, 0))
        losses.append(traced)
        self._check(contestant, self._beginning(np.concatenate(losses), after, training.unit))
        if whole:
            losses.append(training.curve(wanted - training.step))
            self._check(contestant, self._curve(contestant, np.concatenate(losses), training.state()))
        if timed_from := reference.problem.last_phase:
            trace = []  # of another phase than the one that is timed
            if training.step < timed_from:
                training.run(training.whole(timed_from - training.step + training.unit - 1))
        if sum(trace) < calibration.TRACE_S:
            trace += calibration.trace(training)[0]
        return trace or [training.run(training.unit) / training.unit]

    def _beginning(self, losses: Array, after: Arrays, unit: int) -> list[Check]:
        reference, rules = self._context.reference, self._context.reference.rules
        found = Beginning(losses[:FIRST], {}, after)
        right, own = (reference.beginning(dtype, unit) for dtype in ("float64", rules.dtype))
        return verify_first(found, right, own, rules, unit)

    def _curve(self, contestant: Contestant, losses: Array, state: Arrays) -> list[Check]:
        """Check the whole curve, keep it with the state at its end, and measure the accuracy."""
        context, reference = self._context, self._context.reference
        exchange.save_arrays(context.workers.proof_file(contestant), Trained(losses, state).arrays())
        right = reference.trained(len(losses))
        form = check_form(state, right.result, reference.rules.dtype)
        checks = [*verify_curve(losses, right.losses, reference.rules), *form]
        answers = reference.problem.answers
        if answers is not None and all(check.passed for check in form):
            found = accuracy(state[PREDICTIONS], answers)
            context.accuracies[contestant.id] = found
            checks.append(verify_accuracy(found, accuracy(right.result[PREDICTIONS], answers)))
        return checks

    def _check(self, contestant: Contestant, checks: list[Check]) -> None:
        proof = contestant.proof or Proof((), self._context.reference.rules.curve)
        contestant.proof = proof.with_checks(checks)
        if not contestant.proof.passed:
            raise WorkerFailedError(Outcome.INVALID, contestant.proof.reason)

    def _calibrated(self, contestant: Contestant, training: Training, trace: list[float]) -> Blocks:
        """Size the blocks, once for all launches, and read the state before the first one."""
        context, reference = self._context, self._context.reference
        wait_s = calibration.wait_cost(training)
        known = self._known_units(contestant)
        units = known or calibration.block_steps(
            training, wait_s, reference.problem.steps, reference.affordable(AFFORDABLE_S)
        )
        timed = Timed(
            contestant,
            training,
            units,
            fetch_s=calibration.fetch_cost(training),
            scalar_s=calibration.scalar_cost(training),
            stateless=reference.stateless,
            draw=context.draw,
            device=(contestant.device or context.settings.device).kind,
            sized=0 if known else units,
        )
        timed.begin()
        if not known:
            timed.units = provable_units(timed, reference)
        context.timed[contestant.id] = timed
        return Blocks(units=timed.units, wait_s=wait_s, trace_s=trace)

    def _compiled(self, worker: WorkerProcess) -> dict[str, int]:
        return worker.ask("compilations", Compilations, self._context.timeout_s).compilations

    def _known_units(self, contestant: Contestant) -> int | None:
        """The block size of this contestant or, before its first launch, of one it may be compared with.

        Base and head of a comparison use the same block size, because blocks of different lengths are hit differently
        by intermittent disturbances.
        """

        def comparable(other: Contestant) -> bool:
            fields = [(entry.frontend.id, entry.device, entry.threads) for entry in (other, contestant)]
            return fields[0] == fields[1]

        candidates = [contestant, *filter(comparable, self._context.contestants)]
        return next((launch.of().units for other in candidates for launch in other.launches), None)


def slices(cpus: Sequence[int], size: int, excluded: Sequence[int]) -> list[Cpus]:
    """The CPUs that are not excluded, in groups of ``size``."""
    free = [cpu for cpu in cpus if cpu not in excluded]
    return [tuple(free[start : start + size]) for start in range(0, len(free) - size + 1, size)]


def at_once(threads: int) -> int:
    """How many workers of so many threads may compute at once: as many as the container's CPU quota keeps busy."""
    quota = cpu_quota()
    return sys.maxsize if quota is None else max(1, int(quota / max(1, threads)))
