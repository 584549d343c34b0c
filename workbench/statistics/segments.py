"""Change points: cutting a series into segments of one level each."""

import numpy as np

from workbench.statistics.arrays import Floats


def without_outliers(values: Floats, limit: float) -> Floats:
    """Replace values farther than limit from the median of the seven around them (Hampel filter) by that median."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 3, mode="symmetric"), 7)
    local: Floats = np.median(windows, axis=1)
    return np.where(np.abs(values - local) > limit, local, values)


def partition(values: Floats, penalty: float, shortest: int = 2) -> list[int]:
    """Starts of the segments that minimise the squared error plus a penalty per segment (optimal partitioning).

    O(n^2) in time, O(n) in memory. Source: Jackson et al. 2005, An Algorithm for Optimal Partitioning of
    Data on an Interval.
    """
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    best = np.full(n + 1, np.inf)
    best[0] = 0.0
    previous = np.zeros(n + 1, dtype=np.int64)
    for end in range(shortest, n + 1):
        starts = np.arange(end - shortest + 1)
        error = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        costs = best[starts] + error + penalty
        previous[end] = int(np.argmin(costs))
        best[end] = costs[previous[end]]
    segments: list[int] = []
    end = n
    while end > 0:
        end = int(previous[end])
        segments.insert(0, end)
    return segments
