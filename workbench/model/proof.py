"""Proof that a contestant computed the same thing: its training results, and the findings of each named check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

_RESULT = "result/"


@dataclass(frozen=True)
class Check:
    """One named check: whether it passed, the largest relative difference, and a line of detail if it failed."""

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
        differences = [check.difference for check in self.checks if check.difference is not None]
        return max(differences, default=None)

    @property
    def reason(self) -> str:
        """The first failed check in one line."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if not check.passed), "")


@dataclass(frozen=True)
class Trained:
    """What a training run produced.

    Attributes:
        losses: of each step, shape (steps,), float64.
        result: arrays by name, such as "parameters/w" and "predictions".
    """

    losses: Array
    result: Arrays

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Trained:
        """From the arrays of a worker's proof file.

        Raises:
            ValueError: when there are no losses among them.
        """
        losses = arrays.get("losses")
        if losses is None:
            raise ValueError("it contains no losses")
        result = {name.removeprefix(_RESULT): array for name, array in arrays.items() if name.startswith(_RESULT)}
        return cls(losses, result)
