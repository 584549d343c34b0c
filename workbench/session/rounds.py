"""Rounds: in shuffled order each worker is woken, warmed up, timed over one block, and stopped again."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.host import noise
from workbench.host.processes import cpu_seconds
from workbench.model.contestant import Contestant
from workbench.model.outcomes import CutShortError, WorkerFailedError
from workbench.model.records import Blocks, Round
from workbench.model.stage import TRAIN, Stage
from workbench.session.context import Alive, Context, Group
from workbench.session.reference import last_feed, new_feed
from workbench.statistics import ratio_errors
from workbench.statistics.disturbance import flagged
from workbench.wire import exchange
from workbench.wire.answers import Canary

MOST_ROUNDS = 4  # times the planned number, where block times vary a lot
MATRIX_SIZE = 768
SETTLE_S = 5.0  # to let an interrupted block finish


class Rounds:
    """Measures a group of live workers in turn, at one stage."""

    def __init__(self, context: Context, stage: Stage = TRAIN) -> None:
        self._context, self._stage = context, stage

    def measure(self, group: Group, launch: int) -> None:
        """The planned rounds of a launch, up to half as many again for disturbed ones, and more until ratios settle."""
        context = self._context
        if not any(contestant.running for contestant in group):
            return
        planned = context.settings.rounds
        for done in range(planned):
            context.progress.round(launch, done, planned)
            began = time.monotonic()
            self._round(group, launch, repeat=False)
            context.forecast.round_done(time.monotonic() - began, planned - done - 1)
            context.progress.left(context.forecast.seconds_left())
        disturbed = sum(bool(entry.flags) for entry in flagged(context.rounds) if entry.launch == launch)
        repeats = min(disturbed, planned // 2)
        for done in range(planned, planned + repeats):
            context.progress.round(launch, done, planned + repeats)
            self._round(group, launch, repeat=True)
        done = planned + repeats
        while done < MOST_ROUNDS * planned and self._uncertain(group):
            context.progress.round(launch, done, MOST_ROUNDS * planned)
            self._round(group, launch, repeat=False)
            done += 1
        context.progress.round(launch, done, done)

    def _uncertain(self, group: Group) -> bool:
        """Whether any ratio of two contestants needs more rounds; depends on its spread, not on its value."""
        allowed = self._context.settings.ratio_error
        blocks = [self._latest(contestant).seconds for contestant in group if contestant.running]
        if allowed is None or len(blocks) < 2:
            return False
        return float(ratio_errors(list(zip(*blocks, strict=True))).max()) > allowed

    def _round(self, group: Group, launch: int, *, repeat: bool) -> None:
        context, canary = self._context, self._context.canary
        assert canary is not None, "it was started with the reference"
        number = len(context.rounds)
        own = self._own_cpu_s(group)
        before = context.sampler.snapshot()
        canary.wake()
        try:
            answer = canary.ask("canary", Canary, context.timeout_s, product=MATRIX_SIZE)
        except WorkerFailedError as failure:
            raise CutShortError(f"the canary's process failed: {failure.reason}") from failure
        canary.stop()
        feeds = self._feeds(group, number)
        for contestant in context.shuffled(group):
            with context.failing_only(contestant):
                self._block(contestant, feeds, number)
        after, used = context.sampler.snapshot(), self._own_cpu_s(group)
        own_ns = None if own is None or used is None else round((used - own) * 1e9)
        covariates = noise.between(before, after, own_cpu_ns=own_ns)
        covariates = dataclasses.replace(covariates, canary_waited_share=answer.waited_share)
        context.rounds.append(Round(launch, number, repeat, answer.canary_s, answer.flops, covariates))

    def _own_cpu_s(self, group: Group) -> float | None:
        """CPU time of all that this session runs on the measured CPUs so far; None where the system does not tell."""
        context, settings = self._context, self._context.settings
        workers = [context.timed[entry.id].training.worker for entry in group if entry.id in context.timed]
        used = [
            cpu_seconds(worker.pid) for worker in [*workers, context.canary] if worker is not None and not worker.dead
        ]
        if set(settings.cpus) & set(settings.harness_cpus):
            used.append(time.process_time())
        known = [seconds for seconds in used if seconds is not None]
        return sum(known) if len(known) == len(used) else None

    def _feeds(self, group: Group, number: int) -> tuple[Path, Path]:
        """What the steps of a round are given, the same for all contestants; drawn now, so nobody could know it."""
        problem, scratch = self._context.reference.problem, self._context.reference.scratch
        rng = np.random.default_rng(self._context.draw.getrandbits(64))
        timed = [self._context.timed[entry.id] for entry in group if entry.running]
        first, last = scratch / f"feed-{number}.npz", scratch / f"feed-{number}-last.npz"
        exchange.save_feed(first, *new_feed(problem, rng, max((entry.warm for entry in timed), default=1)))
        exchange.save_feed(last, *last_feed(problem, rng, max((entry.clocked for entry in timed), default=1)))
        return first, last

    def _block(self, contestant: Contestant, feeds: tuple[Path, Path], number: int) -> None:
        context, blocks = self._context, self._latest(contestant)
        timed = context.timed[contestant.id]
        block = timed.block(*feeds, number, self._energy)
        if block.joules is not None:
            blocks.energy_j.append(block.joules / timed.clocked)
        blocks.seconds.append(block.seconds / blocks.units)
        blocks.rounds.append(number)
        if block.cpu_per_wall is not None:
            blocks.cpu_per_wall = max(block.cpu_per_wall, blocks.cpu_per_wall or 0.0)

    def _energy(self) -> Callable[[], float | None]:
        """Starts to measure energy, where the machine reports it."""
        sampler, on_gpu = self._context.sampler, self._context.settings.device.kind == "gpu"
        before = sampler.snapshot()
        if not (before.gpu and before.gpu.energy_mj if on_gpu else before.cpu_energy_uj):
            return lambda: None

        def joules() -> float | None:
            covariates = noise.between(before, sampler.snapshot())
            return covariates.gpu_joules if on_gpu else covariates.cpu_joules

        return joules

    def keep_complete(self, group: Group, workers: Alive) -> list[Contestant]:
        """After an interrupt: keep only the rounds that all contestants have finished.

        Returns:
            the contestants that have any, and whose worker still answers.
        """
        context = self._context
        complete, kept = len(context.rounds), []
        for contestant in group:
            if contestant.running and complete > context.logged_rounds:
                blocks, worker = self._latest(contestant), workers[contestant.id]
                count = sum(number < complete for number in blocks.rounds)
                del blocks.seconds[count:], blocks.rounds[count:], blocks.energy_j[count:]
                with contextlib.suppress(WorkerFailedError):
                    worker.wake()
                    worker.settle(SETTLE_S)
                    kept.append(contestant)
        return kept

    def _latest(self, contestant: Contestant) -> Blocks:
        """The blocks of the current launch."""
        return contestant.launches[-1].blocks[self._stage.name]
