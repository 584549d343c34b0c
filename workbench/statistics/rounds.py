"""Rounds of a launch: what each did to all contestants, taken out, and how well ratios are known without it."""

import math

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, shamos_spread


def without_rounds(blocks: ArrayLike) -> Floats:
    """Times of contestants that were measured in turn, with what each round did to all of them taken out.

    Of each two contestants the median of their log ratios, round by round, is taken: drift and slow rounds leave it
    alone, and one disturbed block moves it little. A contestant's time is then its mean over those medians with all
    (itself too), which makes them agree: a to b times b to c is a to c. For two, the ratio is that median itself.

    Sources: Doksum 1967, Robust Procedures for Some Linear Models with One Observation per Cell; Hollander, Wolfe and
    Chicken 2014, Nonparametric Statistical Methods, section 7.4. Taking each round's median out instead (Tukey's
    median polish) draws the ratios of few noisy contestants towards 1: whoever is the median has no residual.

    Args:
        blocks: (rounds, contestants) positive times.

    Returns:
        (contestants,) times in the unit of the blocks.

    Raises:
        ValueError: for anything but a matrix of finite positive times.
    """
    logs = np.log(_matrix(blocks))
    contrasts = np.median(logs[:, :, np.newaxis] - logs[:, np.newaxis, :], axis=0)
    cleaned: Floats = np.exp(contrasts.mean(axis=1) + np.median(logs.mean(axis=1)))
    return cleaned


def ratio_errors(blocks: ArrayLike) -> Floats:
    """Standard errors of what `without_rounds` says of each two contestants' ratio.

    The error of the median of their log ratios, ``1.2533 * spread / sqrt(rounds)``. It is made of how the rounds
    differ among themselves, never of what the ratio is: exchanging the two, or slowing one of them down, leaves it
    as it is. So rounds may go on until it is small, and the signs of the ratios stay as fair as before.

    Args:
        blocks: (rounds, contestants) positive times.

    Returns:
        (contestants, contestants) relative errors, such as 0.01, zeros in the diagonal; inf for fewer than two rounds.

    Raises:
        ValueError: for anything but a matrix of finite positive times.
    """
    logs = np.log(_matrix(blocks))
    rounds, contestants = logs.shape
    errors = np.zeros((contestants, contestants))
    for i in range(contestants):
        for j in range(i):
            spread = shamos_spread(logs[:, i] - logs[:, j]) if rounds > 1 else math.inf
            errors[i, j] = errors[j, i] = math.sqrt(math.pi / 2) * spread / math.sqrt(rounds)
    return errors


def _matrix(blocks: ArrayLike) -> Floats:
    times = np.asarray(blocks, dtype=np.float64)
    if times.ndim != 2 or not times.size or not np.all(np.isfinite(times) & (times > 0)):
        raise ValueError("blocks must be a matrix (rounds, contestants) of finite positive times")
    return times
