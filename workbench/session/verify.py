"""Proof that a contestant computed the same thing: named checks against a float64 reference.

Pure functions on arrays. ``tolerance`` is derived from rounding-error analysis, not tuned to pass:
with unit roundoff u, a sum of ``terms`` products has an error of about u * sqrt(terms) (rounding errors are as often
positive as negative; N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 2.8), and
``updates`` steps that build on each other accumulate such errors as a random walk, sqrt(updates). A factor of 8
allows for constants, for other orders of summation and for the conditioning of the task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.model.proof import Check, Proof, Trained

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

SAFETY = 8.0
LARGEST = 1e300  # an infinite difference could not be written as JSON


def tolerance(dtype: str, terms: int, updates: int) -> float:
    """The largest relative difference that rounding errors explain.

    Args:
        dtype: "float32" or "float64".
        terms: length of the longest sum of one step.
        updates: steps that build on each other; 1 where nothing is updated.
    """
    roundoff = float(np.finfo(dtype).eps) / 2
    return SAFETY * roundoff * float(np.sqrt(max(terms, 1) * max(updates, 1)))


def loss_differences(losses: Array, reference: Array, dtype: str = "float32") -> Array:
    """Relative difference of each step's loss, shape (steps,), on the scale sqrt(|loss| * largest |loss|).

    A squared error that has shrunk to a millionth of its initial value comes from residuals that are a thousandth of
    the initial ones, and those cannot be more exact than rounding at the initial scale. So the scale is the geometric
    mean of this step's loss and the largest one: the plain relative difference where the loss hardly changes. It never
    falls below eps of ``dtype`` times the largest loss, where residuals are nothing but rounding errors.
    """
    largest = float(np.max(np.abs(reference), initial=0.0))
    scale = np.sqrt(np.abs(reference) * largest)
    floor = max(np.finfo(dtype).eps * largest, np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        return np.asarray(np.minimum(np.abs(losses - reference) / np.maximum(scale, floor), LARGEST))


def array_difference(array: Array, reference: Array, largest: float) -> float:
    """Largest difference of two arrays of the same shape, relative to ``largest``.

    That is the largest element of all the reference's arrays of the same kind, such as all parameters: a bias that
    converges to 0 next to a weight of 2 is only as exact as rounding of numbers of size 2 allows.
    """
    if reference.size == 0:
        return 0.0
    return min(float(np.max(np.abs(array.astype(np.float64) - reference))) / (largest or 1.0), LARGEST)


def verify(trained: Trained, reference: Trained, steps: int, dtype: str, allowed: float) -> Proof:
    """Compare a contestant's training results with the reference's.

    Args:
        trained: the contestant's.
        reference: the reference's, in float64.
        steps: how many losses there must be.
        dtype: the required dtype of the result's arrays.
        allowed: the tolerance.
    """
    checks = [*_check_losses(trained.losses, reference.losses, steps, dtype, allowed)]
    checks.append(_check_dtype(trained.result, dtype))
    checks += _check_result(trained.result, reference.result, allowed)
    return Proof(tuple(checks), allowed)


def _check_losses(losses: Array, reference: Array, steps: int, dtype: str, allowed: float) -> list[Check]:
    if losses.shape != (steps,):
        return [Check("check_loss_count", False, None, f"{losses.size} losses for {steps} steps")]
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        first = int(bad[0])
        return [Check("check_losses_finite", False, None, f"the loss of step {first} is {losses[first]}")]
    differences = loss_differences(losses, reference, dtype)
    groups = {
        "check_first_loss": (differences[:1], "forward pass, start weights or data order"),
        "check_first_update": (differences[1:2], "gradient, learning rate or update, or the second batch"),
        "check_every_loss": (differences, "the losses diverge here"),
    }
    checks = [Check("check_loss_count", True), Check("check_losses_finite", True)]
    for name, (part, cause) in groups.items():
        if part.size:
            checks.append(_check_part(name, part, losses, reference, allowed, cause))
    return checks


def _check_part(name: str, differences: Array, losses: Array, reference: Array, allowed: float, cause: str) -> Check:
    worst = float(np.max(differences))
    wrong = np.flatnonzero(differences > allowed)
    if not wrong.size:
        return Check(name, True, worst)
    step = int(wrong[0]) + (1 if name == "check_first_update" else 0)
    detail = f"loss of step {step} is {losses[step]:.6g}, reference {reference[step]:.6g} ({cause})"
    return Check(name, False, worst, detail)


def _check_dtype(result: Arrays, dtype: str) -> Check:
    wrong = [(name, array.dtype.name) for name, array in result.items() if array.dtype.name != dtype]
    if not wrong:
        return Check("check_dtype", True)
    name, other = wrong[0]
    return Check("check_dtype", False, None, f"{name} is {other}, the task asks for {dtype}")


def _check_result(result: Arrays, expected: Arrays, allowed: float) -> list[Check]:
    kinds: dict[str, list[str]] = {}
    for name in expected:
        kinds.setdefault(name.split("/")[0], []).append(name)
    unexpected = sorted(set(result) - set(expected))
    checks = []
    if unexpected:
        checks.append(Check("check_result_names", False, None, f"{unexpected[0]} is not in the task's result"))
    checks += [_check_arrays(f"check_{kind}", names, result, expected, allowed) for kind, names in kinds.items()]
    return checks


def _check_arrays(check: str, names: list[str], result: Arrays, expected: Arrays, allowed: float) -> Check:
    worst = 0.0
    largest = max(float(np.max(np.abs(expected[name]), initial=0.0)) for name in names)
    for name in names:
        array, reference = result.get(name), expected[name]
        if array is None:
            return Check(check, False, None, f"{name} is missing from the result")
        if array.shape != reference.shape:
            return Check(check, False, None, f"{name} has shape {array.shape}, expected {reference.shape}")
        if not np.all(np.isfinite(array)):
            return Check(check, False, None, f"{name} contains NaN or infinity")
        worst = max(worst, array_difference(array, reference, largest))
        if worst > allowed:
            return Check(check, False, worst, f"{name} has a relative error of {worst:.2g}, allowed {allowed:.2g}")
    return Check(check, True, worst)
