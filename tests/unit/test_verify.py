"""Every check of a proof passes on what is right and fires on what is planted, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.model.proof import Trained
from workbench.session.verify import array_difference, loss_differences, tolerance, verify

STEPS = 50
LOSSES = np.linspace(4.0, 1.0, STEPS)
REFERENCE = {
    "losses": LOSSES,
    "result/parameters/w": np.linspace(-1, 1, 6).reshape(3, 2),
    "result/predictions": np.linspace(1, 2, 4)[:, None],
    "result/gradients/x": np.linspace(0, 5, 6),
}
ALLOWED = tolerance("float32", 5, STEPS)


def right() -> dict[str, np.ndarray]:
    """A proof that agrees up to float32's rounding."""
    arrays = {name: array.astype("float32") for name, array in REFERENCE.items()}
    return arrays | {"losses": LOSSES * (1 + 1e-7)}


def proven(**changes):
    """The proof's verdict with some arrays replaced; None takes one away."""
    arrays = right() | {name.replace("__", "/"): array for name, array in changes.items()}
    given = {name: array for name, array in arrays.items() if array is not None}
    return verify(Trained.of(given), Trained.of(REFERENCE), STEPS, "float32", ALLOWED)


def losses(step: int, change: float) -> np.ndarray:
    changed = LOSSES.copy()
    changed[step] += change
    return changed


W = REFERENCE["result/parameters/w"].astype("float32")
PREDICTIONS = REFERENCE["result/predictions"].astype("float32")

PLANTED = {
    "a loss too few": ({"losses": LOSSES[:-1]}, "check_loss_count", "49 losses for 50 steps"),
    "a loss too many": ({"losses": np.append(LOSSES, 1.0)}, "check_loss_count", "51 losses"),
    "no losses": ({"losses": LOSSES[:0]}, "check_loss_count", "0 losses"),
    "losses in two axes": ({"losses": LOSSES[:, None]}, "check_loss_count", "50"),
    "a loss that is NaN": ({"losses": losses(7, np.nan)}, "check_losses_finite", "loss of step 7 is nan"),
    "a loss that is infinite": ({"losses": losses(49, np.inf)}, "check_losses_finite", "loss of step 49 is inf"),
    "the first loss": ({"losses": losses(0, 1e-3)}, "check_first_loss", "loss of step 0"),
    "the second loss": ({"losses": losses(1, 1e-3)}, "check_first_update", "loss of step 1"),
    "a late loss": ({"losses": losses(30, 1e-3)}, "check_every_loss", "loss of step 30"),
    "the last loss": ({"losses": losses(49, -1e-3)}, "check_every_loss", "loss of step 49"),
    "a type": ({"result__parameters__w": W.astype("float64")}, "check_dtype", "parameters/w is float64"),
    "a half type": ({"result__predictions": PREDICTIONS.astype("float16")}, "check_dtype", "float16"),
    "a parameter": ({"result__parameters__w": W + np.float32(1e-3)}, "check_parameters", "w has a relative error"),
    "a parameter missing": ({"result__parameters__w": None}, "check_parameters", "w is missing"),
    "a parameter turned": ({"result__parameters__w": W.T}, "check_parameters", r"shape (2, 3), expected (3, 2)"),
    "a parameter that is NaN": ({"result__parameters__w": W * np.float32("nan")}, "check_parameters", "NaN"),
    "a prediction": ({"result__predictions": -PREDICTIONS}, "check_predictions", "predictions has a relative error"),
    "predictions missing": ({"result__predictions": None}, "check_predictions", "missing"),
    "predictions flattened": ({"result__predictions": PREDICTIONS.ravel()}, "check_predictions", "shape (4,)"),
    "a gradient": ({"result__gradients__x": np.zeros(6, "float32")}, "check_gradients", "gradients/x"),
    "an array more": ({"result__parameters__c": W}, "check_result_names", "parameters/c is not in"),
}


def test_what_agrees_up_to_rounding_passes_every_check():
    proof = proven()
    assert proof.passed
    assert proof.reason == ""
    assert 0 < proof.max_relative_error <= ALLOWED
    assert {check.name for check in proof.checks} >= {
        "check_loss_count",
        "check_losses_finite",
        "check_first_loss",
        "check_first_update",
        "check_every_loss",
        "check_dtype",
        "check_parameters",
        "check_predictions",
        "check_gradients",
    }


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_fails_by_its_name(planted):
    changes, check, said = PLANTED[planted]
    proof = proven(**changes)
    assert not proof.passed
    assert proof.reason.startswith(f"{check}: ")
    assert said in proof.reason
    failed = [found.name for found in proof.checks if not found.passed]
    assert failed[0] == check


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_tolerance_is_the_border(factor):
    proof = proven(losses=LOSSES * (1 + factor * ALLOWED))
    assert proof.passed == (factor < 1)


def test_one_step_has_no_second_loss_to_look_at():
    reference = {"losses": LOSSES[:1]}
    assert verify(Trained.of({"losses": LOSSES[:1]}), Trained.of(reference), 1, "float32", ALLOWED).passed


def test_a_loss_that_vanishes_is_judged_at_the_scale_it_came_from():
    reference = np.array([1.0, 1e-6, 0.0])
    rounded = reference + 1e-14
    assert loss_differences(rounded, reference).max() < 1e-6
    assert loss_differences(reference + 1e-3, reference).min() > 1e-4


def test_a_difference_is_nothing_only_for_the_same_array():
    assert array_difference(W, W, 1.0) == 0
    assert array_difference(W * np.float32(1.01), W, float(np.abs(W).max())) == pytest.approx(0.01, rel=0.1)
    assert array_difference(np.zeros_like(W), np.zeros_like(W), 0.0) == 0


@pytest.mark.parametrize(
    ("larger", "smaller"),
    [
        (("float32", 10, 10), ("float64", 10, 10)),
        (("float32", 40, 10), ("float32", 10, 10)),
        (("float32", 1, 4), ("float32", 1, 1)),
    ],
)
def test_the_tolerance_grows_with_rounding_with_sums_and_with_steps(larger, smaller):
    assert tolerance(*larger) > tolerance(*smaller) > 0


def test_the_tolerance_stays_small_enough_to_tell_a_wrong_digit():
    assert tolerance("float32", 1000, 500) < 1e-3
    assert tolerance("float64", 1000, 500) < 1e-12
