"""A contestant's worker that is ready to be timed, and the evidence of the blocks that it ran."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.host.processes import allowed_cpus, cpu_seconds
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.session.calibration import positions
from workbench.session.reference import Steps
from workbench.session.training import Training

if TYPE_CHECKING:
    from workbench.contract import Array

WARM_SHARE = 10  # a block is preceded by a tenth of its units, untimed
DRAWN = 3  # blocks of a launch that are judged
IDLE_S = 0.003
UNFINISHED_SHARE = 0.1  # tolerated before the clock starts and after the wait: this share of a block,
UNFINISHED_S = 0.001  # after the wait: or this time
UNCLOCKED_S = 0.003  # before the clock starts: and this time, to read what changes from its file
FETCH_S = {"cpu": 5e-5, "gpu": 5e-4}  # that fetching a finished loss takes at most
SHORTEST_S = 0.004  # that a block which was sized may take, unless it is a single unit
STOPPED_SHARE = 0.1  # of one CPU, tolerated while the process is stopped
LAZY_SHARE = 0.05  # fetching a loss may take longer than fetching a finished scalar by this share of a step,
LAZY_SCALARS = 2.0  # by so many scalars,
LAZY_S = 1e-6  # or by this time
BUSY_SHARE = 0.5  # of one CPU, tolerated after the wait
CPU_SHARE = 1.25  # CPU time over wall time and threads, tolerated
FASTER = 2.0  # times as fast as all judged blocks that no block may be if nobody knows which will be judged
FEWEST = 3


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
    drawn: list[Evidence] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    _before: Path | None = None
    _count: int = 0
    _unfinished: list[float] = field(default_factory=list)
    _lazy: list[float] = field(default_factory=list)
    _busy: list[float] = field(default_factory=list)
    _cpu: list[float] = field(default_factory=list)
    _unclocked: list[float] = field(default_factory=list)
    _stopped: list[float] = field(default_factory=list)
    _stopped_at: tuple[float, float] | None = None

    def begin(self) -> None:
        """Read the state before the first block."""
        if not self.stateless:
            self._before = self.training.save_state()

    @property
    def state_before(self) -> Path | None:
        """The file with the state before the next block; None for a task that carries nothing from step to step."""
        return self._before

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
        self._note_stopped()
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
        per_unit = seconds / self.units * self.training.unit
        tolerated = UNFINISHED_SHARE * seconds + 2 * per_unit * bool(self.lead) + UNCLOCKED_S
        self._unclocked.append((ended - started - seconds) / tolerated)
        time.sleep(IDLE_S)
        worker.halt()
        idle, used_idle = time.perf_counter(), cpu_seconds(worker.pid)
        worker.wake()
        losses, fetch_s = training.losses(len(keep))
        ratio = None
        if used is not None and used_by_end is not None and used_idle is not None:
            ratio = (used_by_end - used) / (ended - started)
            self._cpu.append(ratio)
            self._busy.append((used_idle - used_by_end) / (idle - ended))
        finished_s = len(keep) * min(self.fetch_s, FETCH_S[self.device])
        self._unfinished.append(max(0.0, sum(fetch_s) - finished_s) / seconds)
        allowed = max(LAZY_SHARE * seconds / self.units, LAZY_SCALARS * self.scalar_s, LAZY_S)
        self._lazy.append((statistics.median(fetch_s) - self.scalar_s) / allowed)
        done = Steps(self._before, step, feed, self.warm, last, self.lead, self.units + self._extra, keep)
        self.seconds[number] = seconds
        self._keep(Evidence(number, done, losses, Path(), seconds))
        worker.halt()
        used = cpu_seconds(worker.pid)
        self._stopped_at = None if used is None else (time.perf_counter(), used)
        return Block(seconds, ratio, joules)

    def _note_stopped(self) -> None:
        """How much of a CPU somebody of the process used since the last block, though it was stopped."""
        if self._stopped_at is not None:
            since, used_by_then = self._stopped_at
            now, used = time.perf_counter(), cpu_seconds(self.training.worker.pid)
            if used is not None:
                self._stopped.append((used - used_by_then) / (now - since))

    def check_unjudged(self, judged: Collection[int]) -> None:
        """Check that the blocks that are not judged are not faster than those that are, as if somebody knew.

        Args:
            judged: the rounds of the blocks that were.

        Raises:
            WorkerFailedError: *invalid*, if all of them took less than half the time of any judged one.
        """
        others = [seconds for number, seconds in self.seconds.items() if number not in judged]
        if not judged or len(others) < FEWEST:
            return
        slowest, fastest = max(others), min(self.seconds[number] for number in judged)
        if slowest * (FASTER if len(judged) >= FEWEST else 2 * FASTER) < fastest:
            reason = (
                f"check_unjudged: blocks that were not judged took at most {slowest / fastest:.0%} of the others' time"
            )
            raise WorkerFailedError(Outcome.INVALID, reason)

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
        before, self._before = self._before, None if self.stateless else after
        self._forget(before, *((replaced.after, replaced.steps.before) if replaced else ()))

    def _forget(self, *files: Path | None) -> None:
        """Remove states that no block that may be judged, and no coming one, needs."""
        needed = {self._before, *(entry.after for entry in self.drawn), *(entry.steps.before for entry in self.drawn)}
        for file in files:
            if file is not None and file not in needed:
                file.unlink(missing_ok=True)

    def check_synchronised(self, threads: int, cpus: Collection[int] = ()) -> None:
        """Check that no work was done before the clock started, none left after the wait, and none done elsewhere.

        The median over the blocks of a launch decides: a wait that returns early always does, a busy machine only
        disturbs some blocks.

        Raises:
            WorkerFailedError: *invalid*, and why.
        """
        if not self._unfinished:
            return
        unfinished, lazy = statistics.median(self._unfinished), statistics.median(self._lazy)
        block = self.units * statistics.median(entry.seconds / self.units for entry in self.drawn)
        if unfinished > max(UNFINISHED_SHARE, UNFINISHED_S / block):
            share = unfinished / (1 + unfinished)
            raise _unsynchronised(f"{share:.0%} of a block was unfinished after the wait: times would be too short")
        if lazy > 1:
            text = "fetching a loss takes much longer than fetching a number: it is computed only when it is fetched"
            raise _unsynchronised(text)
        if threads == 1 and self._busy and statistics.median(self._busy) > BUSY_SHARE:  # pools of threads may spin
            raise _unsynchronised("the process was still computing after the wait: times would be too short")
        few = len(self._unclocked) < FEWEST
        if statistics.median(self._unclocked) > (3 if few else 1):
            reason = (
                "check_prepared: the command that runs a block took much longer than the block: steps are computed "
                "before the clock starts, or the clock is slow"
            )
            raise WorkerFailedError(Outcome.INVALID, reason)
        seconds = statistics.median(self.seconds.values())
        shortest = SHORTEST_S * self.units / self.sized if self.sized > self.training.unit else 0.0
        if not self.training.per_call and seconds < shortest:
            reason = (
                f"check_prepared: its blocks take {seconds * 1e3:.2g} ms: its steps were slower while these were sized"
            )
            raise WorkerFailedError(Outcome.INVALID, reason)
        if self._stopped and statistics.median(self._stopped) > STOPPED_SHARE:
            reason = f"check_stopped: it used {statistics.median(self._stopped):.0%} of a CPU while others were timed"
            raise WorkerFailedError(Outcome.INVALID, reason)
        if cpus and (strays := allowed_cpus(self.training.worker.pid) - set(cpus)):
            reason = f"check_threads: it may run on CPU {min(strays)} as well, which it was not given"
            raise WorkerFailedError(Outcome.INVALID, reason)
        if self._cpu and statistics.median(self._cpu) > CPU_SHARE * threads:
            used = statistics.median(self._cpu)
            reason = f"check_threads: it used {used:.2g} CPUs while it was timed, {threads} allowed: it works elsewhere"
            raise WorkerFailedError(Outcome.INVALID, reason)


def _unsynchronised(text: str) -> WorkerFailedError:
    return WorkerFailedError(Outcome.INVALID, f"check_synchronised: {text}")
