"""Bringing workers up: import, prove, prepare; one after another where that is timed, otherwise in parallel."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.records import Blocks, Launch
from workbench.model.stage import TRAIN
from workbench.session.context import Alive, Context, Group
from workbench.session.launcher import WorkerProcess, leave_signals_to_main
from workbench.wire.answers import Done, Imported, Prepared, Proven

UNFINISHED_SHARE = 0.1  # tolerated after the wait: this share of a block, or this time
UNFINISHED_S = 0.004
BUSY_SHARE = 0.5  # of one CPU, tolerated after the wait

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
            slots += _slices(settings.harness_cpus, len(settings.cpus), settings.cpus)
        free: queue.SimpleQueue[Cpus] = queue.SimpleQueue()
        for cpus in slots:
            free.put(cpus)

        def bring_up(contestant: Contestant) -> None:
            cpus = free.get()
            with self._context.failing_only(contestant):
                if contestant.running:
                    self._bring_up(contestant, workers[contestant.id], number, cpus)
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
        """Import, prove and prepare; leave the worker stopped on the measuring CPUs."""
        context, began = self._context, time.monotonic()
        measuring = context.settings.cpus
        if cpus != measuring:
            worker.ask("move", Done, context.timeout_s, cpus=cpus)
        context.progress.phase(contestant.id, "importing")
        imported = worker.ask("import", Imported, context.timeout_s)
        context.progress.phase(contestant.id, "proving")
        proven = worker.ask("prove", Proven, context.timeout_s)
        self._verify(contestant)
        context.progress.phase(contestant.id, "calibrating")
        launch = Launch(
            number,
            timed=number == 0,
            import_s=imported.import_s,
            setup_s=proven.setup_s,
            first_s=proven.first_step_s,
            purpose=self._purposes.get(contestant.group, ""),
            import_bytes=imported.rss_bytes,
            versions=imported.versions,
            blocks={TRAIN.name: self._prepared(worker, self._known_units(contestant))},
        )
        if cpus != measuring:
            worker.ask("move", Done, context.timeout_s, cpus=measuring)
        worker.stop()
        launch.bring_up_s = time.monotonic() - began
        contestant.launches.append(launch)
        context.progress.phase(contestant.id, "ready")
        context.forecast.ready(contestant.id, launch.bring_up_s)
        context.progress.left(context.forecast.seconds_left())

    def _verify(self, contestant: Contestant) -> None:
        target = self._context.target
        assert target is not None, "the problem is made before any worker is brought up"
        contestant.proof = target.verify(self._context.workers.proof_file(contestant))
        if not contestant.proof.passed:
            raise WorkerFailedError(Outcome.INVALID, contestant.proof.reason)

    def _prepared(self, worker: WorkerProcess, units: int | None) -> Blocks:
        """Set up the timed training; the block size is calibrated once and kept for all launches."""
        context = self._context
        prepared = worker.ask("prepare", Prepared, context.timeout_s, block_steps=units)
        audit(prepared, context.workers.threads)
        return Blocks(units=prepared.block_steps, wait_s=prepared.wait_s, trace_s=prepared.trace)

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


def audit(prepared: Prepared, threads: int) -> None:
    """Check that no work was left after the wait; otherwise the clock was read too early.

    Raises:
        WorkerFailedError: *invalid*, when fetching the last losses took long, or the process was still computing.
    """
    block, fetch = prepared.audit_block_s, prepared.audit_fetch_s
    if fetch > max(UNFINISHED_SHARE * block, UNFINISHED_S):
        share = fetch / (fetch + block)
        reason = f"check_synchronised: {share:.0%} of a block was unfinished after the wait: times would be too short"
        raise WorkerFailedError(Outcome.INVALID, reason)
    if threads == 1 and prepared.audit_busy > BUSY_SHARE:  # idle threads of a pool may spin for a while
        reason = "check_synchronised: the process was still computing after the wait: times would be too short"
        raise WorkerFailedError(Outcome.INVALID, reason)


def _slices(cpus: Sequence[int], size: int, excluded: Sequence[int]) -> list[Cpus]:
    """The CPUs that are not excluded, in groups of ``size``."""
    free = [cpu for cpu in cpus if cpu not in excluded]
    return [tuple(free[start : start + size]) for start in range(0, len(free) - size + 1, size)]
