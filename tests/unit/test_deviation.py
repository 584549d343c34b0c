"""How far a result lies from the reference: relative to what rounding is relative to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.statistics.deviation import (
    LARGEST,
    array_deviation,
    deviations_of,
    distance,
    largest_of,
    loss_deviations,
)

EPS = float(np.finfo("float32").eps)


def test_where_the_loss_hardly_changes_it_is_the_plain_relative_deviation():
    reference = np.full(5, 3.0)
    assert loss_deviations(reference * (1 + 1e-6), reference) == pytest.approx(1e-6)
    assert loss_deviations(reference, reference).tolist() == [0] * 5


def test_a_loss_that_has_shrunk_is_judged_on_the_geometric_mean_with_the_largest():
    reference = np.array([4.0, 1.0, 0.04])
    assert loss_deviations(reference + 0.2, reference) == pytest.approx([0.05, 0.1, 0.5])


def test_a_loss_that_vanishes_is_judged_at_the_scale_that_its_residuals_came_from():
    reference = np.array([1.0, 1e-6, 0.0])
    assert loss_deviations(reference + 1e-14, reference).max() < 1e-6
    assert loss_deviations(reference + 1e-3, reference).min() > 1e-4
    assert loss_deviations(np.array([1.0, 1e-10]), np.array([1.0, 0.0]))[1] == pytest.approx(1e-10 / EPS)


def test_the_floor_is_that_of_the_type():
    """A residual of float64 is rounded much later."""
    losses, reference = np.array([1.0, 1e-12]), np.array([1.0, 0.0])
    assert loss_deviations(losses, reference, "float64")[1] > 1e8 * loss_deviations(losses, reference, "float32")[1]


def test_some_steps_of_a_training_are_judged_on_the_scale_of_its_largest_loss():
    """Without it, the last steps of a training that has converged would be judged on their own tiny scale."""
    losses, reference = np.array([2e-8]), np.array([1e-8])
    assert loss_deviations(losses, reference) == pytest.approx(1.0)
    assert loss_deviations(losses, reference, largest=1.0) == pytest.approx(1e-4)
    assert loss_deviations(losses, reference, largest=1e-9) == pytest.approx(1.0)  # never on a smaller one


@pytest.mark.parametrize("largest", [0.0, 1.0])
def test_a_task_whose_losses_are_all_zero_has_a_deviation(largest):
    assert loss_deviations(np.zeros(2), np.zeros(2), largest=largest).tolist() == [0, 0]
    assert loss_deviations(np.array([0.0, 1e-3]), np.zeros(2), largest=largest)[1] > 1e3


def test_the_sign_of_a_loss_does_not_matter():
    reference = np.array([-4.0, 1.0])
    assert loss_deviations(reference + 0.2, reference) == pytest.approx([0.05, 0.1])


def test_an_infinite_deviation_is_a_number_and_none_is_none():
    found = loss_deviations(np.array([np.inf, -np.inf, np.nan]), np.ones(3))
    assert found[:2].tolist() == [LARGEST, LARGEST]
    assert np.isnan(found[2])


def test_losses_of_any_size_are_told_apart():
    """A product of two losses above 1e154 would be infinite, and every deviation from it nothing."""
    reference = np.array([1e300, 1e299])
    assert loss_deviations(1.01 * reference, reference, "float64") == pytest.approx([0.01, 0.01 / np.sqrt(10)])
    assert loss_deviations(np.array([1e308]), np.array([-1e308])) == [LARGEST]


def test_every_column_is_compared_with_the_reference_and_a_missing_loss_stays_missing():
    losses = pd.DataFrame({"a": [4.0, 2.0], "reference": [4.0, 1.0], "b": [4.4, np.nan]})
    found = deviations_of(losses, "float32")
    assert found.columns.tolist() == ["a", "b"]
    assert found["a"].tolist() == pytest.approx([0, 0.5])
    assert found["b"].tolist() == pytest.approx([0.1, np.nan], nan_ok=True)


W = np.array([[2.0, -0.5], [0.1, 0.0]])


def test_an_array_is_off_by_its_worst_element():
    changed = W.copy()
    changed[1, 1] = 0.01
    assert array_deviation(changed, W, 2.0) == pytest.approx(0.005)
    assert array_deviation(W, W, 2.0) == 0
    assert array_deviation(W.astype("float32"), W, 2.0) < EPS


@pytest.mark.parametrize(("share", "expected"), [(1.0, 0.5), (0.99, 0.4), (0.98, 0.3), (0.981, 0.4), (0.01, 0.0)])
def test_some_of_the_elements_that_are_worst_off_may_be_left_out(share, expected):
    """Whatever their sign and wherever they are."""
    reference = np.zeros((10, 10))
    changed = reference.copy()
    changed[[3, 9, 0], [7, 1, 0]] = 0.5, -0.4, 0.3
    assert array_deviation(changed, reference, 1.0, share) == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 49])
def test_of_few_elements_none_is_left_out(size):
    """Nor does that of a share ever have no element at all."""
    changed = np.zeros(size)
    changed[-1] = 1.0
    assert array_deviation(changed, np.zeros(size), 1.0, 0.98) == 1
    assert array_deviation(np.zeros(0), np.zeros(0), 1.0, 0.98) == 0


def test_a_distance_is_that_of_a_typical_element():
    changed = W.copy()
    changed[1, 1] = 0.01
    assert distance(changed, W, 2.0) == pytest.approx(0.0025)  # one of four
    assert distance(W + 0.01, W, 2.0) == pytest.approx(0.005)
    assert distance(W, W, 2.0) == 0


@pytest.mark.parametrize("measure", [array_deviation, distance])
def test_both_are_numbers_whatever_they_are_given(measure):
    nothing = np.zeros(0)
    assert measure(nothing, nothing, 0.0) == 0
    assert measure(np.zeros(2), np.zeros(2), 0.0) == 0
    assert measure(np.ones(2), np.zeros(2), 0.0) == 1  # relative to nothing, it counts as it is
    assert measure(np.array([np.inf]), np.zeros(1), 1.0) == LARGEST
    assert measure(np.array([1e300], dtype="float64"), np.array([-1e300]), 1e-9) == LARGEST
    assert measure(np.array([2**24 + 1], dtype="int64"), np.array([float(2**24)]), 1.0) == 1  # not through float32


def test_the_largest_element_is_that_of_all_arrays_of_a_kind():
    assert largest_of({"w": W, "b": np.array([-3.0])}) == 3
    assert largest_of({}) == 0
    assert largest_of({"nothing": np.zeros(0)}) == 0
