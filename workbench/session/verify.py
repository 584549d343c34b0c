"""Proof that a contestant computed the same thing: named checks against a float64 reference.

Pure functions on arrays. Limits are derived from rounding-error analysis, not tuned to pass: with unit roundoff u, a
sum of ``terms`` products has an error of about u * sqrt(terms) (rounding errors are as often positive as negative;
N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 2.8), and ``updates`` steps that
build on each other accumulate such errors as a random walk, sqrt(updates). A factor of 8 allows for constants, for
other orders of summation and for the conditioning of the task.

Three questions are asked. Is the mathematics the same? In float64, over the whole training (:func:`verify_exact`).
Is the arithmetic that of the type asked for? In the timed process, over the first steps (:func:`verify_first`).
Were the clocked steps computed? From the contestant's own state, for blocks that are drawn after they ran
(:func:`verify_block`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.model.proof import CURVE, PREDICTIONS, Cause, Check, Trained
from workbench.statistics.deviation import LARGEST, array_deviation, distance, largest_of, loss_deviations

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

SAFETY = 8.0
UNFLIPPED = 0.98  # of the elements of the first update, which are compared
FIRST = 10  # steps whose losses are compared tightly, before a ReLU that flips can matter
TF32_ROUNDOFF = 2.0**-11  # of TensorFloat-32, with its 10 explicit bits
ROUNDOFFS = 32  # of float32 that are always allowed, as float32 NumPy's own deviation may happen to be tiny
SANITY = 5e-2  # of any loss of a float32 curve; the largest seen of an honest frontend is 1e-2
ACCURACY = 0.03
VISIBLE = 10  # a block proves something if leaving the updates out would exceed its limit so many times
OTHER_WORK = 0.1  # share of what a block changes; whoever is off by more did other work, whatever its rounding


def roundoff(dtype: str) -> float:
    """The unit roundoff of a type."""
    return float(np.finfo(dtype).eps) / 2


def tolerance(dtype: str, terms: int, updates: int) -> float:
    """The largest relative difference that rounding errors explain.

    Args:
        dtype: "float32" or "float64".
        terms: length of the longest sum of one step.
        updates: steps that build on each other; 1 where nothing is updated.
    """
    return SAFETY * roundoff(dtype) * math.sqrt(max(terms, 1) * max(updates, 1))


def condition(beta_2: float | None) -> float:
    """By how much an optimiser magnifies rounding errors: Adam's 1 - beta_2**t loses 1 / (1 - beta_2) of them."""
    return 1.0 if beta_2 is None else 1 / (1 - beta_2)


@dataclass(frozen=True)
class Rules:
    """What the limits of one problem follow from.

    Attributes:
        dtype: of the timed process.
        terms: length of the longest sum of one step.
        updates: steps that build on each other.
        condition: of the optimiser.
        plain: whether the optimiser is plain SGD.
        tf32: whether products of float32 matrices may be rounded as TensorFloat-32 does, because that was asked for.
    """

    dtype: str
    terms: int
    updates: int
    condition: float = 1.0
    plain: bool = True
    tf32: bool = False

    @property
    def roundoff(self) -> float:
        """The unit roundoff of the session's arithmetic."""
        return TF32_ROUNDOFF if self.tf32 else roundoff(self.dtype)

    @property
    def exact(self) -> float:
        """The limit of a whole training in float64."""
        return tolerance("float64", self.terms, self.updates) * self.condition

    @property
    def curve(self) -> float:
        """The limit of any loss of the whole curve, in the session's type."""
        return self.exact if self.dtype == "float64" else SANITY

    def first(self, own: float) -> float:
        """The limit of the first steps, given float32 NumPy's own deviation there."""
        if self.dtype == "float64":
            return tolerance("float64", self.terms, min(self.updates, FIRST)) * self.condition
        whole = SAFETY * self.roundoff * math.sqrt(max(self.terms, 1))
        return whole if self.tf32 else min(whole, self.block(own, 1))

    def block(self, own: float, steps: int) -> float:
        """The limit of a clocked block, given float32 NumPy's own deviation over the same steps."""
        if self.dtype == "float64":
            return tolerance("float64", self.terms, steps if self.updates > 1 else 1) * self.condition
        return max((SAFETY if self.tf32 else ROUNDOFFS) * self.roundoff, SAFETY * own)

    @property
    def running_sum(self) -> float:
        """The limit of a loss that is nothing but one sum of ``terms`` numbers, in a task without updates.

        NumPy adds in pairs, so its own deviation says nothing about adding one number after the other, as compilers do.
        """
        return roundoff(self.dtype) * math.sqrt(max(self.terms, 1)) if self.updates == 1 else 0.0

    @property
    def correction(self) -> float:
        """The share by which steps may be off because 1 - beta**t was computed in the session's type."""
        return self.roundoff * self.condition if self.condition > 1 else 0.0


def verify_exact(
    trained: Trained, reference: Trained, limit: float, plain: tuple[Arrays, Arrays] | None
) -> list[Check]:
    """A training in float64 against the reference: every loss, the state at the end, and one plain SGD step.

    Args:
        trained: the contestant's.
        reference: the reference's, over the same number of steps.
        limit: what rounding explains.
        plain: the states after one step p <- p - gradient, of contestant and reference; None where the task's own
            optimiser is plain SGD.
    """
    checks = _check_losses(trained.losses, reference.losses, limit)
    if plain is not None:
        found, expected = ({name: state[name] for name in state if name.startswith("parameters/")} for state in plain)
        form = [check for check in check_form(found, expected, "float64") if not check.passed]
        step = form or _check_state(found, expected, limit)
        checks += [dataclasses.replace(check, name="check_plain_step") for check in step]
    checks += check_form(trained.result, reference.result, "float64")
    return [*checks, *_check_state(trained.result, reference.result, limit)]


def _check_losses(losses: Array, reference: Array, limit: float) -> list[Check]:
    if check := _check_finite(losses):
        return [check]
    deviations = loss_deviations(losses, reference, "float64")
    groups = {
        "check_first_loss": (slice(0, 1), "forward pass, start weights or data order"),
        "check_first_update": (slice(1, 2), "gradient, learning rate or update, or the second batch"),
        CURVE: (slice(0, None), "the losses diverge here"),
    }
    checks = [Check("check_losses_finite", True)]
    for name, (part, hint) in groups.items():
        if deviations[part].size:
            checks.append(_check_part(name, part, deviations, losses, reference, limit, hint, Cause.MATHEMATICS))
    return checks


def _check_finite(losses: Array) -> Check | None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if not bad.size:
        return None
    first = int(bad[0])
    return Check("check_losses_finite", False, None, f"the loss of step {first} is {losses[first]}", step=first)


def _check_part(
    name: str,
    part: slice,
    deviations: Array,
    losses: Array,
    reference: Array,
    limit: float | Array,
    hint: str,
    cause: Cause,
) -> Check:
    """Whether the deviations of a part of the steps lie within a limit, or within one of each step."""
    limits = np.broadcast_to(np.asarray(limit, dtype=np.float64), deviations.shape)
    first = part.start or 0
    deviations = np.nan_to_num(deviations, nan=LARGEST)  # nothing agrees with a reference that is not a number
    worst = float(np.max(deviations[part]))
    wrong = np.flatnonzero(deviations[part] > limits[part])
    if not wrong.size:
        return Check(name, True, worst, limit=float(limits[part].min()))
    step = first + int(wrong[0])
    detail = f"loss of step {step} is {losses[step]:.6g}, reference {reference[step]:.6g} ({hint}); " + story(
        float(deviations[step]), float(limits[step]), worst, cause
    )
    return Check(name, False, worst, detail, float(limits[step]), step, cause)


def story(deviation: float, limit: float, needed: float, cause: Cause) -> str:
    """What a failed check tells in any case: the number, the limit, the limit that would have passed, the cause."""
    return f"off by {deviation:.2g}, limit {limit:.2g}, {needed:.2g} would have passed: {cause}"


def check_form(result: Arrays, expected: Arrays, dtype: str) -> list[Check]:
    """Whether a state has the names, shapes and types that the reference's has, and finite numbers."""
    for name in sorted(set(result) - set(expected)):
        return [Check("check_state_names", False, None, f"{name[:80]} is not part of the task's state")]
    for name, reference in expected.items():
        array, kind = result.get(name), f"check_{name.split('/')[0]}"
        if array is None:
            return [Check(kind, False, None, f"{name} is missing from the state")]
        if array.shape != reference.shape:
            return [Check(kind, False, None, f"{name} has shape {array.shape}, expected {reference.shape}")]
        if array.dtype.name != dtype and reference.dtype.kind == "f":
            return [Check("check_dtype", False, None, f"{name} is {array.dtype.name}, the task asks for {dtype}")]
        if not np.all(np.isfinite(array)):
            return [Check(kind, False, None, f"{name} contains NaN or infinity")]
    return [Check("check_dtype", True)]


def _kinds(names: Mapping[str, object]) -> dict[str, list[str]]:
    """Names of arrays of one kind: all parameters, or one moment of the optimiser."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/")
        kinds.setdefault("/".join(parts[:2]) if parts[0] == "carried" else parts[0], []).append(name)
    return kinds


def _check_state(result: Arrays, expected: Arrays, limit: float) -> list[Check]:
    checks, cause = [], Cause.MATHEMATICS
    for kind, names in _kinds(expected).items():
        check = f"check_{kind.split('/')[0]}"
        largest = largest_of({each: expected[each] for each in names})
        worst, worst_name = 0.0, ""
        for each in names:
            array, reference = result.get(each), expected[each]
            if array is None or array.shape != reference.shape or array.dtype.kind != reference.dtype.kind:
                continue  # check_form says so
            deviation = array_deviation(array, reference, largest)
            if not deviation <= worst:
                worst, worst_name = deviation, each
        detail = "" if worst <= limit else f"{worst_name}: {story(worst, limit, worst, cause)}"
        checks.append(Check(check, not detail, worst, detail, limit, None, cause if detail else Cause.UNKNOWN))
    return checks


@dataclass(frozen=True)
class Beginning:
    """The first losses of a training, and its state after the first step."""

    losses: Array
    start: Arrays
    after: Arrays


def verify_first(found: Beginning, reference: Beginning, own: Beginning, rules: Rules, steps: int = 1) -> list[Check]:
    """The first losses of the timed process, and its first update, or those of its first call.

    Args:
        found: the contestant's.
        reference: the reference's, in float64.
        own: float32 NumPy's.
        rules: what the limits follow from.
        steps: after which the states are those of the beginnings.
    """
    if check := _check_finite(found.losses):
        return [check]
    count = min(len(found.losses), len(reference.losses))
    losses, expected = found.losses[:count], reference.losses[:count]
    deviations = loss_deviations(losses, expected, rules.dtype)
    own_deviation = float(np.max(loss_deviations(own.losses[:count], expected, rules.dtype)))
    limits = max(rules.first(own_deviation), rules.running_sum) + rules.correction * _moved(expected)
    hint = "arithmetic of lower precision, or another computation, in the process that is timed"
    checks = [
        Check("check_losses_finite", True),
        _check_part("check_first_losses", slice(0, None), deviations, losses, expected, limits, hint, Cause.ROUNDING),
    ]
    form = check_form(found.after, reference.after, rules.dtype)
    if not all(check.passed for check in form):
        return checks + form
    return [*checks, *form, _check_first_step(found.after, reference, own.after, rules, steps)]


def _moved(losses: Array) -> Array:
    """How far each loss is from the first one, on the scale of deviations."""
    return loss_deviations(np.full_like(losses, losses[0]), losses, "float64")


def _check_first_step(after: Arrays, reference: Beginning, own: Arrays, rules: Rules, steps: int) -> Check:
    """The first update: the movement of the parameters or, for another optimiser than plain SGD, its moments.

    Adam divides a gradient by its own size: the update of a parameter whose gradient is nothing but rounding noise is a
    full step in a random direction, while the moments are as exact as the gradient.

    Of a million units whose input is close to 0, some are on in one frontend and off in another from the first step on,
    each with all of its weights: so UNFLIPPED of the elements are compared. Lower precision changes all of them.
    """
    moments = [name for name in reference.after if name.startswith("carried/")] if not rules.plain else []
    names = moments or [name for name in reference.after if name.startswith(("parameters/", "gradients/"))]

    def changes(arrays: Arrays) -> dict[str, Array]:
        return {name: np.asarray(arrays[name], np.float64) - reference.start.get(name, 0.0) for name in names}

    expected = changes(reference.after)
    worst, worst_name, worst_limit = 0.0, "", rules.first(0.0)
    for group in _kinds(expected).values():
        largest = largest_of({name: expected[name] for name in group})
        size = largest_of({name: reference.after[name] for name in group})
        rounded = 2 * rules.roundoff * size / largest if largest else 0.0
        own_changes, found_changes = changes(own), changes(after)
        own_deviation = max(array_deviation(own_changes[name], expected[name], largest, UNFLIPPED) for name in group)
        # the moment of squares is as exact as 1 - beta_2, which is small
        explained = rules.first(own_deviation) if steps == 1 else rules.block(own_deviation, steps)
        limit = explained + rounded + (rules.correction if group[0].startswith("carried/v/") else 0.0)
        for name in group:
            deviation = array_deviation(found_changes[name], expected[name], largest, UNFLIPPED)
            if deviation / limit > worst / worst_limit:
                worst, worst_name, worst_limit = deviation, name, limit
    passed = worst <= worst_limit
    detail = (
        "" if passed else f"{worst_name} after step {steps - 1}: {story(worst, worst_limit, worst, Cause.ROUNDING)}"
    )
    cause = Cause.UNKNOWN if passed else Cause.ROUNDING
    return Check("check_first_step", passed, worst, detail, worst_limit, None if passed else 0, cause)


def verify_curve(losses: Array, reference: Array, rules: Rules) -> list[Check]:
    """Every loss of the timed process, within the sanity band of float32 or the limit of float64."""
    if check := _check_finite(losses):
        return [check]
    deviations = loss_deviations(losses, reference, rules.dtype)
    hint = "the losses diverge here"
    cause = Cause.MATHEMATICS
    return [_check_part(CURVE, slice(0, None), deviations, losses, reference, rules.curve, hint, cause)]


def accuracy(predictions: Array, answers: Array) -> float:
    """The share of the queries whose largest prediction is that of the right class; of all places, if several."""
    right = np.argmax(predictions, axis=-1) == answers
    return float(np.mean(right.reshape(len(right), -1).all(axis=1)))


def verify_accuracy(found: float, reference: float) -> Check:
    """Whether the trained model classifies about as well as the reference's."""
    passed = abs(found - reference) <= ACCURACY
    detail = "" if passed else f"{found:.1%} of the queries are right, of the reference's {reference:.1%}"
    return Check("check_accuracy", passed, None, detail)


@dataclass(frozen=True)
class Repeated:
    """A clocked block, as a contestant ran it or as the reference repeated it.

    ``losses`` are those at the kept positions, ``state`` is the one at its end.
    """

    losses: Array
    state: Arrays


@dataclass(frozen=True)
class BlockFinding:
    """What repeating a block showed.

    Attributes:
        proves: whether leaving the updates out would have been seen.
        rounding: the check of the rounding limit, which a ReLU that flips may exceed in an honest block.
        work: the check whether the steps were computed at all.
    """

    proves: bool
    rounding: Check
    work: Check


def verify_block(
    found: Repeated,
    reference: Repeated,
    own: Repeated,
    before: Arrays,
    *,
    steps: int,
    largest: float,
    rules: Rules,
    round_number: int,
) -> BlockFinding:
    """Compare a clocked block with the reference's repetition of it.

    Args:
        found: the contestant's.
        reference: the reference's in float64, from the contestant's state before the block.
        own: float32 NumPy's, from the same state.
        before: that state; what the end would be without updates.
        steps: how many steps lie between the two.
        largest: the largest loss of the whole training, on whose scale residuals are rounded.
        rules: what the limits follow from.
        round_number: for the text.
    """
    where = f"the block of round {round_number}"
    names = [name for name in reference.state if name != PREDICTIONS]
    repeated = (reference, own)  # float32 NumPy's limits mean nothing, either, if it overflows
    finite = all(np.all(np.isfinite(array)) for entry in repeated for array in (entry.losses, *entry.state.values()))
    wrong = [_check_finite(found.losses), *check_form(found.state, reference.state, rules.dtype)]
    details = [check.detail for check in wrong if check is not None and not check.passed]
    if not finite:  # a state of NaN would prove whatever follows
        details.append("the reference, going on from its state, does not stay finite")
    if details:
        failed = Check("check_block", False, None, f"{where}: {details[0]}", cause=Cause.WORK)
        return BlockFinding(True, Check("check_block_rounding", True), failed)

    worst, worst_work, proves = (0.0, "", 1.0), (0.0, "", 1.0), False
    scales = _scales(reference.state, before)
    for name in names:
        expected, scale = reference.state[name], scales[name]
        changed = distance(before[name], expected, scale)
        limit = rules.block(distance(own.state[name], expected, scale), steps) + rules.correction * changed
        deviation = distance(found.state[name], expected, scale)
        visible = changed >= VISIBLE * limit
        proves = proves or visible
        worst = max(worst, (deviation / limit, name, limit))
        if visible:
            worst_work = max(worst_work, (deviation / (OTHER_WORK * changed), name, OTHER_WORK * changed))
    deviations, own_deviations = (
        loss_deviations(losses, reference.losses, rules.dtype, largest) for losses in (found.losses, own.losses)
    )
    limit = max(rules.block(float(np.max(own_deviations)), steps), rules.running_sum)
    limits = limit + rules.correction * _moved(reference.losses)
    place = int(np.argmax(deviations / limits))
    worst = max(worst, (float(deviations[place] / limits[place]), f"loss {place} of those kept", float(limits[place])))
    return BlockFinding(
        proves,
        _check_ratio("check_block_rounding", where, worst, Cause.ROUNDING),
        _check_ratio("check_block", where, worst_work, Cause.WORK),
    )


def verify_evaluation(
    losses: Array, reference: Array, own: Array, largest: float, rules: Rules, round_number: int
) -> Check:
    """Losses that were computed alone against those of the reference's next step from the same state.

    Args:
        losses: the contestant's.
        reference: the reference's, in float64.
        own: NumPy's in the contestant's type.
        largest: the largest loss of the training.
        rules: what the limits follow from.
        round_number: of the block.
    """
    deviations, own_deviations = (
        np.nan_to_num(loss_deviations(found, reference, rules.dtype, largest), nan=LARGEST) for found in (losses, own)
    )
    limit = max(rules.block(float(np.max(own_deviations)), 1), rules.running_sum)
    place = int(np.argmax(deviations))
    worst = float(deviations[place])
    if worst <= limit:
        return Check("check_evaluation", True, worst, limit=limit)
    if not np.all(np.isfinite(losses)):
        return Check("check_evaluation", False, None, f"a loss is {losses[~np.isfinite(losses)][0]}")
    cause = Cause.WORK
    detail = (
        f"block of round {round_number}: a loss is {losses[place]:.6g}, reference {reference[place]:.6g}; "
        f"{story(worst, limit, worst, cause)}"
    )
    return Check("check_evaluation", False, worst, detail, limit, None, cause)


def _scales(state: Arrays, before: Arrays) -> dict[str, float]:
    """The largest element, by the name of each array, of all arrays of its kind, at the end or at the start."""
    scales: dict[str, float] = {}
    for group in _kinds(state).values():
        largest = max(
            largest_of({name: arrays[name] for name in group if name in arrays}) for arrays in (state, before)
        )
        scales |= dict.fromkeys(group, largest)
    return scales


def _check_ratio(check: str, where: str, worst: tuple[float, str, float], cause: Cause) -> Check:
    ratio, name, limit = worst
    deviation = ratio * limit
    if ratio <= 1:
        return Check(check, True, deviation, limit=limit)
    detail = f"{where}: {name}: {story(deviation, limit, deviation, cause)}"
    return Check(check, False, deviation, detail, limit, None, cause)
