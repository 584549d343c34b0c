"""Whether launches depend on those before them: then their number overstates what they show, whatever the test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats
from workbench.statistics.verdicts import IDENTICAL

SHUFFLES = 1999
FEWEST = 6  # launches, below which no order is remarkable


def order_p(sides: ArrayLike) -> float:
    """How probable so smooth a course of launches is if any order of them were equally likely.

    The statistic is von Neumann's: squared differences of consecutive launches over squared deviations from the mean,
    of the log ratio of each two sides, summed over these. A permutation test, so it holds for any noise that does not
    depend on the order; launches are shuffled as a whole, because the ratios have sides in common. Drift that all sides
    share is in no ratio.

    Source: von Neumann 1941, Distribution of the Ratio of the Mean Square Successive Difference to the Variance.

    Args:
        sides: log times in the order of the launches, shape (sides, launches), with two sides or more.

    Returns:
        1 where nothing varies, or there are too few launches.
    """
    logs = np.asarray(sides, dtype=np.float64)
    pairs = np.triu_indices(len(logs), k=1)
    ratios = logs[pairs[0]] - logs[pairs[1]]
    ratios = ratios - ratios.mean(axis=1, keepdims=True)
    spread = np.sqrt((ratios**2).mean(axis=1, keepdims=True))
    varies = spread > IDENTICAL
    ratios = (ratios / np.where(varies, spread, 1.0))[varies[:, 0]]
    count = logs.shape[1]
    if not len(ratios) or count < FEWEST:
        return 1.0
    orders = np.random.default_rng(count).permuted(np.tile(np.arange(count), (SHUFFLES, 1)), axis=1)
    here, shuffled = _roughness(ratios[np.newaxis]), _roughness(ratios[:, orders].transpose(1, 0, 2))
    return float((1 + np.count_nonzero(shuffled <= here[0] * (1 + 1e-12))) / (1 + SHUFFLES))


def _roughness(ratios: Floats) -> Floats:
    """Squared differences of neighbours, summed over all but the first axis."""
    found: Floats = (np.diff(ratios, axis=-1) ** 2).sum(axis=(1, 2))
    return found
