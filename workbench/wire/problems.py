"""What a task makes is a problem that can be measured: the first look at it, before anything is started with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from workbench.contract import Phase, Problem

LARGEST = 2**53  # that every language counts exactly


def checked(problem: object) -> Problem:
    """What ``make`` returned, if it is a problem.

    Raises:
        TypeError: when it is none.
        ValueError: names the first field that cannot be, and what is expected.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"make() returned {type(problem).__name__}, expected a workbench.contract.Problem")
    samples = {len(array) for array in problem.data.values()} if _sampled(problem.data) else set()
    expectations: list[tuple[str, bool, str]] = [
        *((name, _printable(getattr(problem, name)), "a name in one line") for name in ("task", "preset")),
        *(
            (name, _whole(problem, name, least), f"an integer from {least} to {_MOST.get(name, LARGEST)}")
            for name, least in _WHOLE.items()
        ),
        *((name, _real(problem, name), "a finite number, not below 0") for name in ("learning_rate", "flops", "bytes")),
        *((name, _named(getattr(problem, name)), "arrays with values, by name") for name in ("init", "carried")),
        *((name, _sampled(getattr(problem, name)), "arrays of samples, by name") for name in ("data", "per_step")),
        ("data", len(samples) <= 1, "arrays with as many samples each"),
        ("rows", problem.rows is None or _rows(problem.rows, min(samples, default=0)), "(steps, batch) rows of data"),
        ("queries", problem.queries is None or _samples(problem.queries), "an array of samples, or None"),
        (
            "answers",
            problem.answers is None or _answers(problem),
            "the right class of each query, as integers, or None",
        ),
        ("optimizer", _optimizer(problem.optimizer), "its name, and numbers by name"),
        ("phases", _phases(problem.phases, problem.steps), "Phases, each of which ends later than the one before"),
    ]
    for name, holds, expected in expectations:
        if not holds:
            value = getattr(problem, name)
            shown = f" = {value!r}" if isinstance(value, str | int | float | None) else ""
            raise ValueError(f"Problem.{name}{shown[:60]}, expected {expected}")
    return problem


_MOST = {"period": 10_000, "steps": 10**9}
_WHOLE = {"seed": 0, "steps": 1, "terms": 1, "period": 1}
_NAME = re.compile(r"[\w/-]{1,100}\Z", re.ASCII)  # of an array: it becomes that of a file in an archive


def _printable(name: object) -> bool:
    return isinstance(name, str) and name.isprintable()


def _whole(problem: Problem, name: str, least: int) -> bool:
    value = getattr(problem, name)
    return (
        isinstance(value, int | np.integer)
        and not isinstance(value, bool)
        and bool(least <= value <= _MOST.get(name, LARGEST))
    )


def _real(problem: Problem, name: str) -> bool:
    value = getattr(problem, name)
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and bool(0 <= value < 1e30)  # not true of nan


def _array(value: object) -> bool:
    return isinstance(value, np.ndarray) and bool(value.size) and value.dtype.kind in "fiub"


def _samples(value: object) -> bool:
    return isinstance(value, np.ndarray) and _array(value) and value.ndim > 0


def _named(arrays: object) -> bool:
    return isinstance(arrays, Mapping) and all(
        isinstance(name, str) and _NAME.match(name) and _array(array) for name, array in arrays.items()
    )


def _sampled(arrays: object) -> bool:
    return _named(arrays) and isinstance(arrays, Mapping) and all(map(_samples, arrays.values()))


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


def _answers(problem: Problem) -> bool:
    answers, queries = problem.answers, problem.queries
    if not isinstance(answers, np.ndarray) or not isinstance(queries, np.ndarray):
        return False
    return _samples(answers) and answers.dtype.kind in "iu" and len(answers) == len(queries)


def _optimizer(value: object) -> bool:
    """Whether it is a name, numbers, and names of parameters."""
    if not isinstance(value, Mapping) or not _printable(value.get("name")):
        return False
    return all(
        isinstance(entry, str)
        or (isinstance(entry, int | float) and not isinstance(entry, bool) and abs(entry) < 1e30)
        or (isinstance(entry, list | tuple) and all(isinstance(name, str) for name in entry))
        for entry in (*value, *value.values())
    )


def _phases(value: object, steps: int) -> bool:
    if not isinstance(value, tuple) or not all(isinstance(phase, Phase) and _printable(phase.name) for phase in value):
        return False
    ends = [0, *(phase.until for phase in value)]
    return all(isinstance(end, int) for end in ends) and ends == sorted({*ends}) and (not value or ends[-1] == steps)
