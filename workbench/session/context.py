"""What the parts of a session share: its contestants, its settings, and where events are recorded."""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from workbench.host import noise
from workbench.model.contestant import Contestant
from workbench.model.events import ContestantEnded, Record, discard
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.progress import Progress
from workbench.model.records import Round, Settings
from workbench.session.forecast import Forecast
from workbench.session.launcher import WorkerProcess
from workbench.session.reference import Reference
from workbench.session.timed import Timed
from workbench.session.workers import Workers

MIN_FREE_BYTES = 1 << 16
NOT_FORESEEN = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError, RecursionError)

Group: TypeAlias = Sequence[Contestant]
"""Contestants that are alive together."""
Alive: TypeAlias = Mapping[str, WorkerProcess]
"""Their workers, by the contestant's id."""


@dataclass
class Context:
    """The state of one session.

    Attributes:
        rounds: all rounds so far.
        logged_rounds: how many of them have been recorded.
        abandoned: whether the harness is killing its workers, so that their deaths are not outcomes.
        timed: the workers of the current launch that are ready to be timed, by the contestant's id.
        logged: the ids of contestants of which a launch is recorded.
        accuracies: the share of queries that each contestant answers rightly, in tasks that have right answers.
        draw: what nobody can predict: which blocks are judged, and what they are given.
    """

    settings: Settings
    contestants: list[Contestant]
    workers: Workers
    progress: Progress
    forecast: Forecast
    sampler: noise.Sampler
    record: Record = discard
    rounds: list[Round] = field(default_factory=list)
    logged_rounds: int = 0
    abandoned: bool = False
    target: Reference | None = None
    canary: WorkerProcess | None = None
    timed: dict[str, Timed] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)
    accuracies: dict[str, float] = field(default_factory=dict)
    draw: random.Random = field(default_factory=random.SystemRandom)
    order: random.Random = field(default_factory=random.Random)

    @property
    def reference(self) -> Reference:
        """What is right."""
        assert self.target is not None, "the problem is made before anything else"
        return self.target

    @property
    def timeout_s(self) -> float:
        """How long one command of a worker may take."""
        return self.settings.timeout_s

    def shuffled(self, group: Group) -> list[Contestant]:
        """Those that are still running, in a new random order."""
        order = [contestant for contestant in group if contestant.running]
        self.order.shuffle(order)
        return order

    def end(self, contestant: Contestant, outcome: Outcome, reason: str) -> None:
        """Record how a contestant ended; it takes no further part."""
        if contestant.running:
            contestant.fail(WorkerFailedError(outcome, reason))
            self.record(ContestantEnded(contestant.id, outcome, reason, contestant.proof))
            self.forecast.ready(contestant.id)
            self.progress.phase(contestant.id, outcome)

    @contextlib.contextmanager
    def failing_only(self, contestant: Contestant) -> Iterator[None]:
        """Whatever fails in this context ends only this contestant, unless nothing can be written any more."""
        try:
            yield
        except WorkerFailedError as failure:
            self._end_alone(contestant, failure.outcome, failure.reason)
        except OSError as error:
            if error.filename is None:  # of an open file, such as the log of events
                raise
            self._end_alone(contestant, Outcome.ERROR, f"{error.strerror}: {error.filename}")
        except NOT_FORESEEN as error:
            self._end_alone(contestant, Outcome.ERROR, f"its session failed: {type(error).__name__}: {error}")

    def _end_alone(self, contestant: Contestant, outcome: Outcome, reason: str) -> None:
        if not self.abandoned:
            _require_free_space(self.workers.folder)
            self.end(contestant, outcome, reason)


def _require_free_space(folder: Path) -> None:
    """Make sure that a worker did not fail merely because nothing can be written any more.

    Raises:
        OSError: when the disk is full or the folder gone.
    """
    status = os.statvfs(folder)
    if status.f_bavail * status.f_frsize < MIN_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
