"""Warm-up: how the block times of one launch develop."""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, as_times
from workbench.statistics.segments import partition, without_outliers


class WarmupClass(StrEnum):
    """How the block times of one launch develop over time."""

    flat = "flat"
    warming = "warming"
    slowing = "slowing"
    unsteady = "unsteady"


class Warmup(NamedTuple):
    """Class of a launch, and the index of the block from which it is steady; None if it never is."""

    kind: WarmupClass
    steady_from: int | None


def _phases(values: Floats, starts: list[int], tolerance: float, brief: float) -> tuple[list[int], Floats]:
    """Merge segments into phases; return the phases' starts and medians.

    Neighbours whose medians differ by less than the tolerance are merged, the closest first. An interlude of fewer
    than ``brief`` blocks is merged with the phases around it if those are at one level.
    """
    starts = list(starts)
    while True:
        medians = np.array([np.median(part) for part in np.split(values, starts[1:])])
        steps = np.abs(np.diff(medians))
        if len(steps) and steps.min() < tolerance:
            del starts[int(np.argmin(steps)) + 1]
            continue
        same_level = np.abs(medians[2:] - medians[:-2]) < tolerance
        interludes = np.flatnonzero(same_level & (np.diff(starts)[1:] < brief))
        if not len(interludes):
            return starts, medians
        del starts[interludes[0] + 1 : interludes[0] + 3]


def warmup_class(block_times: ArrayLike, tolerance: float = 0.02) -> Warmup:
    """Class of one launch's sequence of block times, and where it becomes steady.

    Change points of the log times are found by optimal partitioning with squared error and a penalty of
    ``4 s**2 log n``. The noise s comes from the median absolute first difference (scaled up by 1 + 4 / n, because
    few differences underestimate it) and is at least a quarter of the tolerance. Outliers, including the very first
    block, are filtered out beforehand. Neighbouring phases whose medians differ by less than the tolerance are
    merged, and an interlude shorter than a twentieth of the launch is ignored. Then:

    - flat: one phase;
    - unsteady: the last phase is shorter than a tenth of the launch or than three blocks, or the level changes
      direction (up after down, down after up) more than once;
    - warming: the last phase is the fastest, within the tolerance; slowing: it is not.

    Source: Barrett et al. 2017, Virtual Machine Warmup Blows Hot and Cold.

    Args:
        block_times: positive times in the order they were measured, shape (n,). Fewer than four count as flat.
        tolerance: relative difference below which two phases count as one.

    Raises:
        ValueError: if a time is not positive and finite, or the tolerance is not positive.

    """
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, not {tolerance}")
    logs = np.log(as_times(block_times, "block times"))
    n, log_tolerance = len(logs), math.log1p(tolerance)
    if n < 4:
        return Warmup(WarmupClass.flat, 0)
    logs -= np.median(logs)
    differences = np.diff(logs)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)
    noise = max(noise * (1 + 4 / n), log_tolerance / 4)
    cleaned = without_outliers(logs, 3 * noise)
    segments = partition(cleaned, 4 * noise**2 * math.log(n))
    starts, medians = _phases(cleaned, segments, log_tolerance, brief=max(3, n / 20))
    turns = int(np.count_nonzero(np.diff(np.sign(np.diff(medians)))))
    if len(starts) == 1:
        return Warmup(WarmupClass.flat, 0)
    if turns > 1 or n - starts[-1] < max(3, n / 10):
        return Warmup(WarmupClass.unsteady, None)
    fastest = medians[-1] - medians.min() < log_tolerance
    return Warmup(WarmupClass.warming if fastest else WarmupClass.slowing, starts[-1])
