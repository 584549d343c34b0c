"""Proof that a contestant computed the same thing: its training results, and the findings of each named check."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

_RESULT = "result/"
CURVE = "check_every_loss"
PREDICTIONS = "predictions"
_LOSSES = "losses"


class Cause(StrEnum):
    """What a failed check points to."""

    UNKNOWN = ""
    ROUNDING = "rounding"
    MATHEMATICS = "other mathematics"
    WORK = "other work than the steps asked for"


@dataclass(frozen=True)
class Check:
    """One named check.

    Attributes:
        name: what was checked.
        passed: whether it passed.
        difference: the largest deviation.
        detail: in one line, why it failed.
        limit: what the deviation was compared with.
        step: the step at which it failed, counted from 0.
        cause: what the failure points to.
    """

    name: str
    passed: bool
    difference: float | None = None
    detail: str = ""
    limit: float | None = None
    step: int | None = None
    cause: Cause = Cause.UNKNOWN


@dataclass(frozen=True)
class Exact:
    """The training in float64: ``steps`` of the task's ``of`` steps, off by at most ``difference``.

    ``limit`` is what was allowed; ``reason`` says why a pair has a limit of its own, or no float64 at all (then
    ``difference`` is None).
    """

    steps: int
    of: int
    difference: float | None
    limit: float | None
    reason: str = ""


@dataclass(frozen=True)
class Proof:
    """All checks of one contestant.

    Attributes:
        checks: those made so far.
        tolerance: the largest deviation of any loss that is allowed over the whole curve.
        exact: the training in float64; None if it was not run, such as in runs of older versions.
        judged: clocked blocks that the reference repeated.
        proving: those of them in which leaving the updates out would have been seen.
        exceeding: those of them that exceeded the rounding limit.
    """

    checks: tuple[Check, ...]
    tolerance: float
    exact: Exact | None = None
    judged: int = 0
    proving: int = 0
    exceeding: int = 0

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def max_relative_error(self) -> float | None:
        """The largest deviation of any loss from the reference, in the process that was timed.

        Of runs that older versions recorded, and where the whole curve was not compared, that of any check.
        """
        by_name = {check.name: check.difference for check in self.checks if check.difference is not None}
        largest = max(by_name.values(), default=None)
        return largest if self.exact is None else by_name.get(CURVE, largest)

    @property
    def reason(self) -> str:
        """The first failed check in one line."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if not check.passed), "")

    def with_checks(self, checks: Iterable[Check]) -> Proof:
        """The same proof with more checks; of two with the same name, one that failed or the larger deviation stays."""
        merged: dict[str, Check] = {}
        for check in (*self.checks, *checks):
            old = merged.get(check.name)
            if old is None or (old.passed and (not check.passed or (check.difference or 0) >= (old.difference or 0))):
                merged[check.name] = check
        return dataclasses.replace(self, checks=tuple(merged.values()))


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
        """From the arrays of a proof file.

        Raises:
            ValueError: when there are no losses among them, or they are no list of numbers.
        """
        if _LOSSES not in arrays:
            raise ValueError("there are no losses in it")
        losses = arrays[_LOSSES]
        if losses.ndim != 1 or losses.dtype != "float64":
            raise ValueError(f"its losses have the shape {losses.shape} and the type {losses.dtype}")
        result = {name.removeprefix(_RESULT): array for name, array in arrays.items() if name.startswith(_RESULT)}
        return cls(arrays[_LOSSES], result)

    def arrays(self) -> dict[str, Array]:
        """As the arrays of a proof file."""
        return {_LOSSES: self.losses, **{f"{_RESULT}{name}": array for name, array in self.result.items()}}
