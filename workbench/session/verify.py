"""Proof that a contestant computed the same thing: named checks against a float64 reference.

Pure functions on arrays. ``tolerance`` is derived from rounding-error analysis, not tuned to pass:
with unit roundoff u, a sum of ``terms`` products is off by about u * sqrt(terms) (rounding errors are as often
up as down; N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 2.8), and
``updates`` steps that build on each other carry such errors on as a random walk, sqrt(updates). A factor of 8
allows for constants, for other orders of summation and for what the conditioning of the task adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.model.proof import Check, Proof, Trained

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

SAFETY = 8.0
LARGEST = 1e300  # a difference that is not finite would be no JSON number


def tolerance(dtype: str, terms: int, updates: int) -> float:
    """The largest relative difference that rounding explains.

    Args:
        dtype: "float32" or "float64".
        terms: length of the longest sum of one step.
        updates: steps that build on each other; 1 where nothing is updated.
    """
    roundoff = float(np.finfo(dtype).eps) / 2
    return SAFETY * roundoff * float(np.sqrt(max(terms, 1) * max(updates, 1)))


def loss_differences(losses: Array, reference: Array, dtype: str = "float32") -> Array:
    """Relative difference of each step's loss, (steps,) each, on the scale sqrt(|loss| * largest |loss|).

    A squared error that has shrunk to a millionth of its start comes from residuals that are a thousandth of
    the start, and those cannot be more exact than rounding at the start's scale. So the scale is the geometric
    mean of this step's loss and the largest one: plain relative difference where the loss stays of one size.
    The scale ends where residuals are at rounding itself, at eps of ``dtype`` times the largest loss.
    """
    largest = float(np.max(np.abs(reference), initial=0.0))
    scale = np.sqrt(np.abs(reference) * largest)
    floor = max(np.finfo(dtype).eps * largest, np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        return np.asarray(np.minimum(np.abs(losses - reference) / np.maximum(scale, floor), LARGEST))


def array_difference(array: Array, reference: Array, largest: float) -> float:
    """Largest difference of two arrays of one shape, relative to ``largest``.

    That is the largest element of all the reference's arrays of one kind: a bias that converges to 0 beside a weight
    of 2 is as exact as rounding of numbers of size 2 allows.
    """
    if reference.size == 0:
        return 0.0
    return min(float(np.max(np.abs(array.astype(np.float64) - reference))) / (largest or 1.0), LARGEST)


def verify(trained: Trained, reference: Trained, steps: int, dtype: str, allowed: float) -> Proof:
    """Compare what a contestant trained with the reference.

    Args:
        trained: what the contestant trained.
        reference: the same in float64.
        steps: how many losses there must be.
        dtype: what the result's arrays must have been computed in.
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
    off = loss_differences(losses, reference, dtype)
    groups = {
        "check_first_loss": (off[:1], "forward pass, start weights or data order"),
        "check_first_update": (off[1:2], "gradient, learning rate or update, or the second batch"),
        "check_every_loss": (off, "the frontends part here"),
    }
    checks = [Check("check_loss_count", True), Check("check_losses_finite", True)]
    for name, (part, meaning) in groups.items():
        if part.size:
            checks.append(_check_part(name, part, losses, reference, allowed, meaning))
    return checks


def _check_part(name: str, off: Array, losses: Array, reference: Array, allowed: float, meaning: str) -> Check:
    worst = float(np.max(off))
    wrong = np.flatnonzero(off > allowed)
    if not wrong.size:
        return Check(name, True, worst)
    step = int(wrong[0]) + (1 if name == "check_first_update" else 0)
    detail = f"loss of step {step} is {losses[step]:.6g}, reference {reference[step]:.6g} ({meaning})"
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
    surplus = sorted(set(result) - set(expected))
    checks = []
    if surplus:
        checks.append(Check("check_result_names", False, None, f"{surplus[0]} is not in the task's result"))
    checks += [_check_arrays(f"check_{kind}", names, result, expected, allowed) for kind, names in kinds.items()]
    return checks


def _check_arrays(check: str, names: list[str], result: Arrays, expected: Arrays, allowed: float) -> Check:
    worst = 0.0
    largest = max(float(np.max(np.abs(expected[name]), initial=0.0)) for name in names)
    for name in names:
        array, wanted = result.get(name), expected[name]
        if array is None:
            return Check(check, False, None, f"{name} is missing from the result")
        if array.shape != wanted.shape:
            return Check(check, False, None, f"{name} has shape {array.shape}, expected {wanted.shape}")
        if not np.all(np.isfinite(array)):
            return Check(check, False, None, f"{name} holds NaN or infinity")
        worst = max(worst, array_difference(array, wanted, largest))
        if worst > allowed:
            return Check(check, False, worst, f"{name} is off by {worst:.2g} relative, allowed {allowed:.2g}")
    return Check(check, True, worst)
