"""Shared by the other modules of statistics: checks of arrays and significance levels, and a robust spread."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def as_floats(values: ArrayLike, name: str = "values") -> Floats:
    """Turn values into a 1-d array of finite float64, or raise ValueError."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers")
    return array


def as_times(values: ArrayLike, name: str) -> Floats:
    """Turn values into a 1-d array of positive finite times, or raise ValueError."""
    times = as_floats(values, name)
    if not (times > 0).all():
        raise ValueError(f"{name} must be positive times")
    return times


def check_level(name: str, value: float) -> None:
    """Raise ValueError unless the value lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, not {value}")


def saturating_exp(value: float) -> float:
    """``exp`` that saturates instead of overflowing."""
    return math.exp(min(max(value, -700.0), 700.0))


def t_quantile(probability: float, degrees_of_freedom: int) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, probability))


def shamos_spread(values: Floats) -> float:
    """Robust standard deviation, which outliers barely move: 1.0483 times the median distance between two values.

    Source: Shamos 1976, Geometry and Statistics: Problems at the Interface.
    """
    i, j = np.triu_indices(len(values), k=1)
    distances = np.abs(values[i] - values[j])
    return 1.0483 * float(np.median(distances)) if len(distances) else 0.0
