"""How a session reports its progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a session."""

    def phase(self, contestant: str, phase: str) -> None:
        """A contestant enters a phase: importing, proving, calibrating, or an outcome."""

    def round(self, launch: int, done: int, total: int) -> None:
        """``done`` of ``total`` rounds of a launch are done."""

    def left(self, seconds: float) -> None:
        """An estimated number of seconds is left."""


class Silence:
    """A Progress that ignores everything."""

    def phase(self, contestant: str, phase: str) -> None:
        """Do nothing."""

    def round(self, launch: int, done: int, total: int) -> None:
        """Do nothing."""

    def left(self, seconds: float) -> None:
        """Do nothing."""
