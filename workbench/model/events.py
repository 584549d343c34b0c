"""What a session reports as it goes: each event is final, and a run is nothing but the sum of its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from workbench.model.outcomes import Outcome
from workbench.model.proof import Proof
from workbench.model.records import (
    Entrant,
    Launch,
    ProblemFacts,
    Round,
    SessionFacts,
    SweepPoint,
)


@dataclass(frozen=True, kw_only=True)
class Begun(SessionFacts):
    """A session begins; these take part."""

    contestants: list[Entrant]


@dataclass(frozen=True)
class ProblemMade:
    """The problem and its proven reference exist."""

    problem: ProblemFacts
    tolerance: float


@dataclass(frozen=True)
class RoundsMeasured:
    """The rounds of a launch, without flags: which were disturbed is computed from all rounds of the run."""

    rounds: list[Round]


@dataclass(frozen=True)
class LaunchMeasured:
    """One contestant's launch is finished."""

    contestant: str
    launch: Launch
    proof: Proof | None = None


@dataclass(frozen=True)
class SweepMeasured:
    """One contestant's size sweep is measured."""

    contestant: str
    points: list[SweepPoint]


@dataclass(frozen=True)
class ContestantEnded:
    """How one contestant ended; an interrupted one may go on when the run is resumed."""

    contestant: str
    outcome: Outcome
    reason: str
    proof: Proof | None = None


@dataclass(frozen=True)
class Ended:
    """The session ended; absent when the harness died. ``cut_short`` says why it could not go on, if it could not."""

    finished: str
    interrupted: bool
    cut_short: str = ""


Event: TypeAlias = Begun | ProblemMade | RoundsMeasured | LaunchMeasured | SweepMeasured | ContestantEnded | Ended

# The name of each event in the log.
NAMES: dict[str, type[Event]] = {
    "begin": Begun,
    "problem": ProblemMade,
    "rounds": RoundsMeasured,
    "launch": LaunchMeasured,
    "sweep": SweepMeasured,
    "outcome": ContestantEnded,
    "end": Ended,
}

Record: TypeAlias = Callable[[Event], None]
"""Records an event; returns once it is durable."""


def discard(event: Event) -> None:
    """Record nothing."""
