"""Proof that a contestant computed the same thing: what each named check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One named check: whether it passed, the largest relative difference it saw, and a line if it failed."""

    name: str
    passed: bool
    difference: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Proof:
    """All checks of one contestant."""

    checks: tuple[Check, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def max_relative_error(self) -> float | None:
        """The largest relative difference over all checks; None when nothing could be compared."""
        seen = [check.difference for check in self.checks if check.difference is not None]
        return max(seen, default=None)

    @property
    def reason(self) -> str:
        """The first failed check in one line."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if not check.passed), "")
