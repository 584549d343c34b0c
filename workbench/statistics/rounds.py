"""Rounds of a launch: removing the effect that each had on all contestants, and the precision of the ratios left."""

import math

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, shamos_spread


def without_rounds(blocks: ArrayLike) -> Floats:
    """Times of contestants that were measured in turn, with the effect that each round had on all of them removed.

    For each two contestants, take the median over rounds of their log ratio: drift and slow rounds do not affect it,
    and one disturbed block hardly does. A contestant's time is then its mean over those medians with all contestants
    (itself included), which makes the ratios consistent: a to b times b to c is a to c. With two contestants, their
    ratio is that median itself.

    Sources: Doksum 1967, Robust Procedures for Some Linear Models with One Observation per Cell; Hollander, Wolfe and
    Chicken 2014, Nonparametric Statistical Methods, section 7.4. Subtracting each round's median instead (Tukey's
    median polish) biases the ratios of a few noisy contestants towards 1: whoever is the median has no residual.

    Args:
        blocks: (rounds, contestants) positive times.

    Returns:
        (contestants,) times in the unit of the blocks.

    Raises:
        ValueError: if the blocks are not a matrix of finite positive times.
    """
    logs = np.log(_matrix(blocks))
    contrasts = np.median(logs[:, :, np.newaxis] - logs[:, np.newaxis, :], axis=0)
    cleaned: Floats = np.exp(contrasts.mean(axis=1) + np.median(logs.mean(axis=1)))
    return cleaned


def ratio_errors(blocks: ArrayLike) -> Floats:
    """Standard errors of the ratios of each two contestants, as `without_rounds` estimates them.

    The error of the median of their log ratios, ``1.2533 * spread / sqrt(rounds)``. It depends on how the rounds
    scatter, never on the ratio itself: swapping the two, or slowing one of them down, does not change it. Rounds may
    therefore be added until it is small without biasing the signs of the ratios.

    Args:
        blocks: (rounds, contestants) positive times.

    Returns:
        (contestants, contestants) relative errors, such as 0.01; zero on the diagonal, inf with fewer than two rounds.

    Raises:
        ValueError: if the blocks are not a matrix of finite positive times.
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
