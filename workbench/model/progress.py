"""Who is told how a session is getting on."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Whoever wants to know how a session is getting on."""

    def phase(self, contestant: str, phase: str) -> None:
        """A contestant enters a phase: importing, proving, calibrating, or an outcome."""

    def round(self, launch: int, done: int, total: int) -> None:
        """So many rounds of a launch are done."""

    def left(self, seconds: float) -> None:
        """So many seconds are left, as far as can be told."""


class Silence:
    """A Progress that says nothing."""

    def phase(self, contestant: str, phase: str) -> None:
        """Say nothing."""

    def round(self, launch: int, done: int, total: int) -> None:
        """Say nothing."""

    def left(self, seconds: float) -> None:
        """Say nothing."""
