"""A session: several contestants on one problem, proven, then measured in turn.

Each contestant gets a fresh worker process per launch, and all workers of a launch are alive together. The first
launch brings them up one after another, each with the machine to itself, because import, set-up and first step are
timed there; later launches bring up as many at once as there are CPUs (``bring_up``). Then come rounds (``rounds``):
a canary (a small constant workload) and the machine's own counters show which of them were disturbed. The harness
runs on other CPUs, where there are any, and blocks while it waits. A failing worker costs only its contestant.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench.catalog import Catalog
from workbench.catalog.roots import package_root
from workbench.host import machine, noise
from workbench.host.signals import deferred_signals, late_signals
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.events import LaunchMeasured, ProblemMade, Record, RoundsMeasured, discard
from workbench.model.metric import ACCURACY
from workbench.model.outcomes import CutShortError, Outcome
from workbench.model.progress import Progress
from workbench.model.records import ProblemFacts, Round, Settings
from workbench.session import problem
from workbench.session.bring_up import BringUp
from workbench.session.context import Alive, Context, Group
from workbench.session.evaluating import Evaluating
from workbench.session.exact import ExactProofs
from workbench.session.forecast import Forecast
from workbench.session.judging import check_plausible, judge_blocks
from workbench.session.launcher import WorkerProcess
from workbench.session.rounds import Rounds
from workbench.session.stopping import DEFAULT_LAUNCHES, Plan, Spent, UntilKnown
from workbench.session.sweep import Sweeping
from workbench.session.workers import WORKER_BYTES, Start, Workers
from workbench.wire.answers import Canary, Compilations, Done, Observed


class Session:
    """Runs contestants on one problem and keeps what they did.

    ``folder`` receives ``problem.npz``, ``reference.npz`` and, per contestant, ``proof.npz`` and ``log.txt``.
    """

    def __init__(
        self,
        catalog: Catalog,
        contestants: Sequence[Contestant],
        settings: Settings,
        folder: Path,
        progress: Progress,
        *,
        previous_bring_up_s: Mapping[str, float] | None = None,
        plan: Plan | None = None,
        start: Start = WorkerProcess,
        rounds: Sequence[Round] = (),
    ) -> None:
        """Prepare a session without starting anything.

        Args:
            catalog: makes the problem and its reference.
            contestants: who is measured.
            settings: of the session.
            folder: the run's.
            progress: where progress is reported.
            previous_bring_up_s: seconds that bringing up each contestant took in an earlier run.
            plan: decides which contestants are launched how often; by default according to ``settings``.
            start: starts worker processes.
            rounds: those already measured, when an interrupted session is resumed.
        """
        self.catalog, self.settings, self.folder = catalog, settings, folder
        self.contestants = list(contestants)
        self.interrupted, self.cut_short = False, ""
        self._plan = plan or UntilKnown(settings)
        self._purposes: Mapping[str, str] = {}
        ids = [contestant.id for contestant in contestants]
        nvml = machine.open_nvml() if settings.device.kind == "gpu" else None
        self._context = Context(
            settings,
            self.contestants,
            Workers(catalog, settings, folder, start),
            progress,
            Forecast(ids, settings.launches or DEFAULT_LAUNCHES, settings.rounds, previous_bring_up_s or {}),
            noise.Sampler(settings.cpus, nvml=nvml, gpu=settings.device.index),
            rounds=list(rounds),
            logged_rounds=len(rounds),
            logged={contestant.id for contestant in contestants if contestant.launches},
            order=random.Random(settings.seed),
        )
        self._rounds = Rounds(self._context)
        self._evaluating = Evaluating(self._context)

    @property
    def rounds(self) -> list[Round]:
        """All rounds so far."""
        return self._context.rounds

    def run(self, record: Record = discard) -> None:
        """Make the problem, prove and measure every contestant.

        Ctrl-C ends the session, and so does the death of a process of the harness; what was measured so far is kept.

        Args:
            record: called with each event as soon as it is final.

        Raises:
            WorkerFailedError: when the problem or the reference cannot be made.
            OSError: when ``record`` cannot write.
        """
        context = self._context
        context.record = record
        started = time.monotonic()
        session = contextlib.ExitStack()
        try:
            session.callback(context.workers.close)
            session.enter_context(_on_cpus(self.settings.harness_cpus))
            try:
                facts = self._make_problem(session)
                self._end_unsupported()
                ExactProofs(context, context.reference, facts.hash).prove(self.contestants)
                self._launch_until_enough(started)
            except (KeyboardInterrupt, CutShortError) as error:
                if context.target is None:
                    raise
                self.interrupted, self.cut_short = True, str(error)
                for contestant in self.contestants:
                    if contestant.id not in context.logged:
                        context.end(contestant, Outcome.INTERRUPTED, "interrupted before it was measured")
        finally:
            with late_signals():
                session.close()

    def _make_problem(self, session: contextlib.ExitStack) -> ProblemFacts:
        """Make the problem, the reference, and the canary: NumPy, with the same threads as the contestants."""
        context = self._context
        context.progress.phase("reference", "training in float64")
        context.target = problem.make(context.workers)
        session.callback(context.target.worker.close)
        context.canary = context.workers.start_reference()
        session.callback(context.canary.close)
        # answered once, so that it is up: a process that is stopped before it has begun would outlive a killed harness
        context.canary.ask("canary", Canary, context.timeout_s)
        context.canary.stop()
        context.progress.phase("reference", "ready")
        facts = problem.facts_of(context.workers, context.target)
        context.record(ProblemMade(facts, context.target.rules.curve))
        return facts

    def _end_unsupported(self) -> None:
        for contestant in self.contestants:
            frontend = contestant.frontend
            device = contestant.device or self.settings.device
            if reason := Catalog(contestant.roots).hole(self.settings.task, frontend):
                self._context.end(contestant, Outcome.UNSUPPORTED, reason)
            elif device.kind not in frontend.devices:
                reason = f"{frontend.framework} runs only on {' and '.join(frontend.devices)}"
                self._context.end(contestant, Outcome.UNSUPPORTED, reason)
            elif reason := self._context.workers.missing(contestant):
                self._context.end(contestant, Outcome.UNAVAILABLE, reason)

    def _launch_until_enough(self, started: float) -> None:
        number, last_launch_s = 0, 0.0
        while self._another_launch(Spent(number, time.monotonic() - started, last_launch_s)):
            began = time.monotonic()
            bring_up = BringUp(self._context, self._purposes)
            for group in self._groups(number):
                self._context.forecast.begin_launch(number, [contestant.id for contestant in group])
                self._context.timed.clear()
                with bring_up.alive(group, number) as workers:
                    self._launch(group, workers, number)
            number, last_launch_s = number + 1, time.monotonic() - began

    def _launch(self, group: Group, workers: Alive, number: int) -> None:
        try:
            self._rounds.measure(group, number)
        except KeyboardInterrupt:
            kept = self._rounds.keep_complete(group, workers)
            self._judge(kept, workers)
            self._observe(kept, workers)
            self._log_launch(kept)
            raise
        judged = False
        try:
            with deferred_signals():
                self._judge(group, workers)
                judged = True
            if self.settings.evaluate:
                self._evaluating.measure(group, workers, number)
        except KeyboardInterrupt:
            if judged:  # nothing else goes on record
                self._observe(self._evaluating.drop(group, workers), workers)
                self._log_launch(group)
            raise
        with deferred_signals():
            self._observe(group, workers)
            self._log_launch(group)
        plan = self.catalog.task(self.settings.task).sweep
        if number == 0 and plan is not None and self.settings.sweep is not None:
            Sweeping(self._context, plan).measure(group, workers)
        self._finish(group, workers)

    def _another_launch(self, spent: Spent) -> bool:
        """Whether any group is launched again."""
        running = [contestant for contestant in self.contestants if contestant.running]
        self._purposes = self._plan.purposes(running, self.rounds, spent) if running else {}
        return bool(self._purposes)

    def _groups(self, number: int) -> list[list[Contestant]]:
        """Contestants that are alive together: of each group all that still need this launch, if memory allows."""
        limit = self.settings.max_alive or max(1, machine.available_bytes() // WORKER_BYTES)
        groups = []
        for name in self._purposes:
            pending = [
                contestant
                for contestant in self.contestants
                if contestant.running
                and contestant.group == name
                and all(launch.number != number for launch in contestant.launches)
            ]
            size = max(limit, len(pending)) if name else limit  # a group that is compared is never split
            groups += [pending[start : start + size] for start in range(0, len(pending), size)]
        return groups

    def _judge(self, group: Group, workers: Alive) -> None:
        """Judge what was timed, now that nothing is timed any more, and count what was compiled for it."""
        context = self._context
        for contestant in group:
            with context.failing_only(contestant):
                if contestant.running and contestant.launches[-1].measured():
                    context.progress.phase(contestant.id, "judging")
                    timed = context.timed[contestant.id]
                    timed.check(contestant.threads or context.workers.threads, self.settings.cpus)
                    timed.check_unjudged(judge_blocks(timed, context.reference))
                    if timed.device == "cpu":
                        check_plausible(contestant, context.reference, context.rounds)
                    worker = workers[contestant.id]
                    worker.wake()
                    compiled = worker.ask("compilations", Compilations, self.settings.timeout_s)
                    contestant.launches[-1].compiled = compiled.compilations
                    worker.stop()

    def _observe(self, group: Group, workers: Alive) -> None:
        for contestant in group:
            with self._context.failing_only(contestant):
                if contestant.running:
                    worker, launch = workers[contestant.id], contestant.launches[-1]
                    worker.wake()
                    answer = worker.ask("observe", Observed, self.settings.timeout_s)
                    worker.stop()
                    launch.observed, launch.pool_threads = answer.observed, answer.pool_threads
                    launch.peak_bytes, launch.peak_device_bytes = answer.peak_bytes, answer.peak_device_bytes
                    launch.metrics = answer.metrics
                    if contestant.id in self._context.accuracies:
                        launch.metrics = {**launch.metrics, ACCURACY.name: self._context.accuracies[contestant.id]}

    def _log_launch(self, group: Group) -> None:
        """Record a finished launch: its rounds, then each contestant's part."""
        context = self._context
        context.record(RoundsMeasured(context.rounds[context.logged_rounds :]))
        context.logged_rounds = len(context.rounds)
        for contestant in group:
            if contestant.running:
                context.record(LaunchMeasured(contestant.id, contestant.launches[-1], contestant.proof))
                context.logged.add(contestant.id)

    def _finish(self, group: Group, workers: Alive) -> None:
        for contestant in group:
            with self._context.failing_only(contestant):
                if contestant.running:
                    workers[contestant.id].wake()
                    workers[contestant.id].ask("finish", Done, self.settings.timeout_s)
                    self._context.progress.phase(contestant.id, "ok")


def contestants_of(catalog: Catalog, frontends: Sequence[Frontend]) -> list[Contestant]:
    """One contestant per frontend, under the frontend's own id."""
    package = package_root()
    return [Contestant(frontend.id, frontend, catalog.roots, package) for frontend in frontends]


@contextlib.contextmanager
def _on_cpus(cpus: tuple[int, ...]) -> Iterator[None]:
    """Pin this process to some CPUs; without any, or where the system cannot, do nothing."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
