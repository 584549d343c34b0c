"""What a task makes is a problem that can be measured: the first look at it, before anything is started with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.contract import Problem

LARGEST = 2**53  # that every language counts exactly


def checked(problem: object) -> Problem:
    """What ``make`` returned, if it is a problem.

    Raises:
        TypeError: when it is none.
        ValueError: names the first field that cannot be, and what is expected.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"make() returned {type(problem).__name__}, expected a workbench.contract.Problem")
    samples = {len(array) for array in problem.data.values() if np.ndim(array)} if _named(problem.data) else set()
    expectations: list[tuple[str, bool, str]] = [
        *((name, _printable(getattr(problem, name)), "a name in one line") for name in ("task", "preset")),
        *((name, _whole(problem, name, least), f"an integer from {least} on") for name, least in _WHOLE.items()),
        *((name, _real(problem, name), "a finite number, not below 0") for name in ("learning_rate", "flops", "bytes")),
        *((name, _named(getattr(problem, name)), "arrays with values, by name") for name in _GROUPS),
        ("data", len(samples) <= 1, "arrays with as many samples each"),
        ("rows", problem.rows is None or _rows(problem.rows, min(samples, default=0)), "(steps, batch) rows of data"),
    ]
    for name, holds, expected in expectations:
        if not holds:
            value = getattr(problem, name)
            shown = f" = {value!r}" if isinstance(value, str | int | float | None) else ""
            raise ValueError(f"Problem.{name}{shown[:60]}, expected {expected}")
    return problem


_WHOLE = {"seed": 0, "steps": 1, "terms": 1, "period": 1}
_GROUPS = ("init", "data", "per_step", "carried")


def _printable(name: object) -> bool:
    return isinstance(name, str) and name.isprintable()


def _whole(problem: Problem, name: str, least: int) -> bool:
    value = getattr(problem, name)
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(least <= value < LARGEST)


def _real(problem: Problem, name: str) -> bool:
    value = getattr(problem, name)
    return isinstance(value, int | float | np.number) and bool(0 <= value < 1e30)  # not true of nan


def _named(arrays: object) -> bool:
    return isinstance(arrays, Mapping) and all(
        isinstance(name, str) and isinstance(array, np.ndarray) and array.size and array.dtype.kind in "fiub"
        for name, array in arrays.items()
    )


def _rows(rows: object, samples: int) -> bool:
    """Whether rows are indices of samples."""
    return (
        isinstance(rows, np.ndarray)
        and rows.ndim == 2
        and rows.dtype.kind in "iu"
        and bool(rows.size)
        and int(rows.min()) >= 0
        and int(rows.max()) < samples
    )
