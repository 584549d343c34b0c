"""How far a result lies from the reference: one formula for proofs, tables, charts, exports and notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from workbench.contract import Array

REFERENCE = "reference"  # the column of the reference's losses
LARGEST = 1e300  # an infinite deviation could not be written as JSON


def loss_deviations(losses: Array, reference: Array, dtype: str = "float32", largest: float = 0.0) -> Array:
    """Relative deviation of each step's loss, shape (steps,), on the scale sqrt(|loss| * largest |loss|).

    A squared error that has shrunk to a millionth of its initial value comes from residuals that are a thousandth of
    the initial ones, and those cannot be more exact than rounding at the initial scale. So the scale is the geometric
    mean of this step's loss and the largest one: the plain relative deviation where the loss hardly changes. It never
    falls below eps of ``dtype`` times the largest loss, where residuals are nothing but rounding errors.

    Args:
        losses: a contestant's, shape (steps,).
        reference: of the same steps.
        dtype: in which the contestant computed.
        largest: the largest loss of the whole training, where these are only some of its steps.
    """
    losses, reference = np.asarray(losses, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    largest = float(np.nanmax(np.abs(reference), initial=largest))
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.sqrt(np.abs(reference)) * np.sqrt(largest)  # their product may overflow
        floor = max(float(np.finfo(dtype).eps) * largest, float(np.finfo(np.float64).tiny))
        return np.asarray(np.minimum(np.abs(losses - reference) / np.maximum(scale, floor), LARGEST))


def deviations_of(losses: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """The deviation of every column of losses from that of the reference, step by step; NaN where one is missing."""
    reference = losses[REFERENCE].to_numpy()
    others = losses.drop(columns=REFERENCE)
    return others.apply(lambda column: loss_deviations(column.to_numpy(), reference, dtype))


def array_deviation(array: Array, reference: Array, largest: float, share: float = 1.0) -> float:
    """Largest difference of two arrays of the same shape, relative to ``largest``.

    ``largest`` is the largest element of all the reference's arrays of the same kind, such as all parameters: a bias
    that converges to 0 next to a weight of 2 is only as exact as rounding of numbers of size 2 allows.
    With a ``share`` below 1, only that share of the elements counts: those that differ least.
    """
    if reference.size == 0:
        return 0.0
    with np.errstate(over="ignore"):
        differences = np.abs(array.astype(np.float64) - reference).ravel()
        place = math.ceil(share * differences.size) - 1
        return min(float(np.partition(differences, place)[place]) / (largest or 1.0), LARGEST)


def largest_of(arrays: Mapping[str, Array]) -> float:
    """The largest absolute element of some arrays; 0 if there are none."""
    return max((float(np.max(np.abs(array), initial=0.0)) for array in arrays.values()), default=0.0)


def distance(array: Array, reference: Array, largest: float) -> float:
    """The root mean square of the differences of two arrays of the same shape, relative to ``largest``.

    That is as in :func:`array_deviation`. A mean does not depend on the one element that is worst off, such as a weight
    whose gradient is nothing but rounding errors, of which Adam makes a full step.
    """
    if reference.size == 0:
        return 0.0
    with np.errstate(over="ignore"):
        squares = np.square(array.astype(np.float64) - reference)
        return min(float(np.sqrt(np.mean(squares))) / (largest or 1.0), LARGEST)
