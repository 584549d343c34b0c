"""A contestant's worker that is ready to be timed, and the evidence of the blocks that it ran."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.host.processes import allowed_cpus, cpu_seconds
from workbench.model.contestant import Contestant
from workbench.session import audit
from workbench.session.audit import Seen
from workbench.session.calibration import positions
from workbench.session.reference import Steps
from workbench.session.training import Training

if TYPE_CHECKING:
    from workbench.contract import Array

WARM_SHARE = 10  # a block is preceded by a tenth of its units, untimed
DRAWN = 3  # blocks of a launch that are judged
IDLE_S = 0.003


@dataclass(frozen=True)
class Evidence:
    """A clocked block: what it was given, the losses that were kept, and its state at the end."""

    round: int
    steps: Steps
    losses: Array
    after: Path
    seconds: float


@dataclass(frozen=True)
class Block:
    """A block has run.

    Attributes:
        seconds: of all its units.
        cpu_per_wall: CPU seconds per second, from the last change of the feed to the wait.
        joules: from the last change of the feed to the wait; None where the machine does not report energy.
    """

    seconds: float
    cpu_per_wall: float | None
    joules: float | None = None


@dataclass
class Timed:
    """Times blocks of one contestant and keeps what a few of them, drawn after they ran, can be judged by.

    Args:
        contestant: whose blocks these are.
        training: of its worker, traced and calibrated.
        units: steps of a block.
        fetch_s: seconds that fetching one loss takes once it is sure to be computed.
        scalar_s: seconds that fetching one finished scalar of the framework takes.
        stateless: whether nothing is carried from step to step, so that a state before a block means nothing.
        draw: decides which blocks are judged.
        device: "cpu" or "gpu".
        sized: the units that this very process was found to need for a block of the proper length; 0: none.
        before: the file with the state before the next block; None for a task that carries nothing from step to step.
    """

    contestant: Contestant
    training: Training
    units: int
    fetch_s: float
    scalar_s: float
    stateless: bool
    draw: random.Random
    device: str = "cpu"
    sized: int = 0
    before: Path | None = None
    drawn: list[Evidence] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    _count: int = 0
    _seen: list[Seen] = field(default_factory=list)
    _stopped_at: tuple[float, float] | None = None

    def begin(self) -> None:
        """Read the state before the first block."""
        if not self.stateless:
            self.before = self.training.save_state()

    @property
    def warm(self) -> int:
        """Untimed steps after the first change of the feed."""
        return self.training.whole(max(1, self.units // WARM_SHARE))

    @property
    def lead(self) -> int:
        """Untimed steps after the last change: a unit, in which data are moved; none where a call moves its own."""
        return 0 if self.training.per_call else self.training.unit

    @property
    def clocked(self) -> int:
        """Steps that are run in one go: the last untimed ones, those of a block, and those that are not counted."""
        return self.lead + self.units + self._extra

    @property
    def _extra(self) -> int:
        return round(self.units * self.contestant.slowdown)  # of the self-test: steps that are run, but not counted

    def block(self, feed: Path, last: Path, number: int, energy: Callable[[], Callable[[], float | None]]) -> Block:
        """Wake the worker, change its feed, warm it up, change the feed once more, time one block, and stop it.

        So nobody knows what the clocked steps are given until just before the clock starts; what is computed then is
        seen from outside.

        Args:
            feed: the file that says what the untimed steps are given.
            last: the file that says what changes for the timed ones.
            number: of the round.
            energy: starts to measure energy, and returns the function that ends it and tells the joules.

        Raises:
            WorkerFailedError: when it fails.
        """
        training, worker = self.training, self.training.worker
        stopped = self._used_while_stopped()
        worker.wake()
        step = training.step
        training.feed(feed)
        training.run(self.warm)
        keep = positions(self.units, np.random.default_rng(self.draw.getrandbits(64)))
        joules_since = energy()
        started, used = time.perf_counter(), cpu_seconds(worker.pid)
        training.feed(last)
        seconds = training.run(self.units + self._extra, self.lead, keep)
        ended, used_by_end = time.perf_counter(), cpu_seconds(worker.pid)
        joules = joules_since()
        time.sleep(IDLE_S)
        worker.halt()
        idle, used_idle = time.perf_counter(), cpu_seconds(worker.pid)
        worker.wake()
        losses, fetch_s = training.losses(len(keep))
        cpu, busy = _rate(used, used_by_end, ended - started), _rate(used_by_end, used_idle, idle - ended)
        computed_s = None if used is None or used_idle is None else used_idle - used
        self._seen.append(Seen(seconds, ended - started, fetch_s, cpu, computed_s, busy, stopped))
        done = Steps(self.before, step, feed, self.warm, last, self.lead, self.units + self._extra, keep)
        self.seconds[number] = seconds
        self._keep(Evidence(number, done, losses, Path(), seconds))
        worker.halt()
        used = cpu_seconds(worker.pid)
        self._stopped_at = None if used is None else (time.perf_counter(), used)
        return Block(seconds, cpu, joules)

    def _used_while_stopped(self) -> float | None:
        """How much of a CPU somebody of the process used since the last block, though it was stopped."""
        if self._stopped_at is None:
            return None
        since, used = self._stopped_at
        return _rate(used, cpu_seconds(self.training.worker.pid), time.perf_counter() - since)

    def _keep(self, evidence: Evidence) -> None:
        """Draw DRAWN of all blocks, each with the same probability, without knowing how many there will be."""
        self._count += 1
        place = len(self.drawn) if len(self.drawn) < DRAWN else self.draw.randrange(self._count)
        if place >= DRAWN and self.stateless:
            return
        after = self.training.save_state()
        replaced = None
        if place < DRAWN:
            kept = Evidence(evidence.round, evidence.steps, evidence.losses, after, evidence.seconds)
            if place < len(self.drawn):
                replaced, self.drawn[place] = self.drawn[place], kept
            else:
                self.drawn.append(kept)
        before, self.before = self.before, None if self.stateless else after
        self._forget(before, *((replaced.after, replaced.steps.before) if replaced else ()))

    def _forget(self, *files: Path | None) -> None:
        """Remove states that no block that may be judged, and no coming one, needs."""
        needed = {self.before, *(entry.after for entry in self.drawn), *(entry.steps.before for entry in self.drawn)}
        for file in files:
            if file is not None and file not in needed:
                file.unlink(missing_ok=True)

    def check(self, threads: int, cpus: Collection[int] = ()) -> None:
        """Check that no work was done before the clock started, none left after the wait, and none done elsewhere.

        Raises:
            WorkerFailedError: *invalid*, with the check that failed.
        """
        if not self._seen:
            return
        training = self.training
        expected = audit.Expected(
            self.units,
            training.unit,
            self.lead,
            training.per_call,
            self.sized,
            self.fetch_s,
            self.scalar_s,
            self.device,
        )
        audit.check_synchronised(self._seen, expected, threads)
        audit.check_prepared(self._seen, expected, threads)
        audit.check_stopped(self._seen)
        audit.check_threads(self._seen, threads, allowed_cpus(training.worker.pid) - set(cpus) if cpus else ())

    def check_unjudged(self, judged: Collection[int]) -> None:
        """Check that nobody knew which blocks would be judged.

        Args:
            judged: the rounds of the blocks that were.

        Raises:
            WorkerFailedError: *invalid*, if the others are much faster.
        """
        others = [seconds for number, seconds in self.seconds.items() if number not in judged]
        audit.check_unjudged([self.seconds[number] for number in judged], others)


@dataclass
class Evaluated(Timed):
    """Times losses alone: the state stays as it was before the first of them, so no block needs one of its own."""

    def _keep(self, evidence: Evidence) -> None:
        """Draw DRAWN of all blocks, each with the same probability."""
        self._count += 1
        if len(self.drawn) < DRAWN:
            self.drawn.append(evidence)
        elif (place := self.draw.randrange(self._count)) < DRAWN:
            self.drawn[place] = evidence


def _rate(before: float | None, after: float | None, seconds: float) -> float | None:
    """CPUs used between two readings of CPU time; None where the system does not tell."""
    return None if before is None or after is None else (after - before) / seconds
