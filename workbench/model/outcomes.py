"""How a contestant ends: in exactly one outcome, and the error that carries it to the contestant's row."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a contestant ended."""

    OK = "ok"
    INVALID = "invalid"
    IMPLAUSIBLE = "implausible"  # faster than this machine can be
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    INTERRUPTED = "interrupted"


class WorkerFailedError(Exception):
    """A worker will not answer any more: the contestant's outcome, and the reason in one line."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class WorkerLostError(WorkerFailedError):
    """It has died or hangs, and did not itself say why."""


class CutShortError(Exception):
    """The session cannot go on, through no fault of a contestant: a process of the harness itself has died."""
