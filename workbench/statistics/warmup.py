"""Warm-up: how the block times of one launch develop."""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, as_times
from workbench.statistics.segments import partition, without_outliers


class WarmupClass(StrEnum):
    """How the block times of one launch develop."""

    flat = "flat"
    warming = "warming"
    slowing = "slowing"
    unsteady = "unsteady"


class Warmup(NamedTuple):
    """Class of a launch and the index of the block from which it is steady (None if it never is)."""

    kind: WarmupClass
    steady_from: int | None


def _phases(values: Floats, starts: list[int], tolerance: float, brief: float) -> tuple[list[int], Floats]:
    """Merge segments into phases: (their starts, their medians).

    Neighbours whose medians differ by less than the tolerance merge, the closest first; so does an
    interlude of fewer than brief blocks with what surrounds it, if that is one level on both sides.
    """
    starts = list(starts)
    while True:
        medians = np.array([np.median(part) for part in np.split(values, starts[1:])])
        steps = np.abs(np.diff(medians))
        if len(steps) and steps.min() < tolerance:
            del starts[int(np.argmin(steps)) + 1]
            continue
        around = np.abs(medians[2:] - medians[:-2]) < tolerance
        interludes = np.flatnonzero(around & (np.diff(starts)[1:] < brief))
        if not len(interludes):
            return starts, medians
        del starts[interludes[0] + 1 : interludes[0] + 3]


def warmup_class(block_times: ArrayLike, tolerance: float = 0.02) -> Warmup:
    """Class of one launch's sequence of block times, and where it becomes steady.

    Change points of the log times are found by optimal partitioning with squared error and a penalty of
    ``4 s**2 log n``. The noise s comes from the median absolute first difference (raised by 4 / n, as few
    differences tell it low) and is at least a quarter of the tolerance. A stray block, also the very
    first, is filtered out before. Neighbouring phases whose medians differ by less than the tolerance
    are one, and an interlude shorter than a twentieth of the launch is none. Then:

    - flat: one phase;
    - unsteady: the last phase is shorter than a tenth of the launch or three blocks, or the level turns
      (up after down, down after up) more than once;
    - warming: the last phase is the fastest, within the tolerance; slowing: it is not.

    Source: Barrett et al. 2017, Virtual Machine Warmup Blows Hot and Cold.

    Args:
        block_times: positive times in the order they were measured, shape (n,). Fewer than four are flat.
        tolerance: relative difference below which two phases count as one.

    Raises:
        ValueError: if a time is not positive and finite, or the tolerance is not positive.

    """
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, not {tolerance}")
    logs = np.log(as_times(block_times, "block times"))
    n, same = len(logs), math.log1p(tolerance)
    if n < 4:
        return Warmup(WarmupClass.flat, 0)
    logs -= np.median(logs)
    differences = np.diff(logs)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)
    noise = max(noise * (1 + 4 / n), same / 4)
    cleaned = without_outliers(logs, 3 * noise)
    segments = partition(cleaned, 4 * noise**2 * math.log(n))
    starts, medians = _phases(cleaned, segments, same, brief=max(3, n / 20))
    turns = int(np.count_nonzero(np.diff(np.sign(np.diff(medians)))))
    if len(starts) == 1:
        return Warmup(WarmupClass.flat, 0)
    if turns > 1 or n - starts[-1] < max(3, n / 10):
        return Warmup(WarmupClass.unsteady, None)
    fastest = medians[-1] - medians.min() < same
    return Warmup(WarmupClass.warming if fastest else WarmupClass.slowing, starts[-1])
