"""A small constant workload: if its time changes from round to round, the machine has changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from workbench.contract import Array


def canary_ns(repeats: int = 3) -> int:
    """The fastest of `repeats` runs, in ns, of a constant workload of one or two milliseconds.

    Half of it is interpreted arithmetic, half a product of matrices small enough that BLAS stays on one thread.
    To be run pinned to the measuring CPU.

    Raises ValueError below 1 repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats = {repeats}: a canary needs at least 1")
    matrix = np.full((48, 48), 1 / 48)
    product = np.empty_like(matrix)
    return min(_canary_once(matrix, product) for _ in range(repeats))


def waited_ns() -> int | None:
    """How long this process's threads were runnable but waited for a CPU, in ns (Linux; else None)."""
    try:
        tasks = [(thread / "schedstat").read_text().split() for thread in Path("/proc/self/task").iterdir()]
        return sum(int(waited) for _, waited, _ in tasks)
    except (OSError, ValueError):
        return None


def _canary_once(matrix: Array, product: Array) -> int:
    start_ns = time.perf_counter_ns()
    value = 1
    for step in range(10_000):
        value = (value * 31 + step) & 0xFFFF
    for _ in range(100):
        np.matmul(matrix, matrix, out=product)
    return time.perf_counter_ns() - start_ns
