"""What a proof says, and what remains of it when more is checked: a failure, or the larger deviation."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.model.proof import CURVE, Cause, Check, Exact, Proof, Trained

EXACT = Exact(3, 3, 1e-15, 1e-11)


def proof(*checks: Check, exact: Exact | None = EXACT) -> Proof:
    return Proof(checks, 0.05, exact)


GOOD, WORSE, BAD = Check("a", True, 1e-7), Check("a", True, 1e-6), Check("a", False, 1e-5, "wrong", 1e-6)


def test_without_a_check_there_is_nothing_to_fail():
    assert (proof().passed, proof().reason, proof().max_relative_error) == (True, "", None)


def test_the_first_failed_check_is_the_reason():
    found = proof(GOOD, Check("b", False, 0.5, "off"), Check("c", False, 0.7, "off, too"))
    assert (found.passed, found.reason) == (False, "b: off")


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        (GOOD, WORSE, WORSE),
        (WORSE, GOOD, WORSE),
        (GOOD, BAD, BAD),
        (BAD, GOOD, BAD),
        (BAD, WORSE, BAD),
        (Check("a", True), GOOD, GOOD),
        (GOOD, Check("a", True), GOOD),
    ],
)
def test_of_two_checks_of_one_name_the_failed_or_the_larger_deviation_stays(old, new, kept):
    assert proof(old).with_checks([new]).checks == (kept,)
    assert proof().with_checks([old, new]).checks == (kept,)
    assert proof(old, new).with_checks([]).checks == (kept,), "those of a first proof may share a name, too"


def test_of_two_failures_the_first_stays_because_it_is_the_reason():
    later = Check("a", False, 0.9, "wronger")
    assert proof(BAD).with_checks([later]).reason == "a: wrong"


def test_other_checks_stay_in_their_order_and_so_does_all_else():
    exact = Exact(3, 5, 1e-15, 1e-11, "why")
    found = Proof((Check("b", True), GOOD), 0.05, exact, judged=2, proving=1).with_checks([Check("c", True), WORSE])
    assert [check.name for check in found.checks] == ["b", "a", "c"]
    assert (found.tolerance, found.exact, found.judged, found.proving) == (0.05, exact, 2, 1)


def test_it_is_off_by_what_the_whole_curve_is_off():
    """Not by what a block of a session with a larger movement was off, nor by the float64 training's."""
    curve = Check(CURVE, True, 1e-6, limit=0.05)
    assert proof(Check("check_block", True, 0.01), curve, GOOD).max_relative_error == 1e-6
    assert proof(curve).with_checks([Check(CURVE, True, 1e-15)]).max_relative_error == 1e-6


def test_of_a_run_that_an_older_version_recorded_it_is_what_it_was():
    """Then all of it was one comparison, of the losses and of the result."""
    checks = Check(CURVE, True, 1e-7), Check("check_parameters", True, 1e-6)
    assert proof(*checks, exact=None).max_relative_error == 1e-6
    assert proof(*checks).max_relative_error == 1e-7


def test_where_no_curve_was_compared_it_is_off_by_the_largest_of_all():
    assert proof(GOOD, Check("b", True, 0.01), Check("c", True)).max_relative_error == 0.01
    assert proof(Check("c", True), Check(CURVE, False, None, "NaN")).max_relative_error is None


def test_what_was_trained_comes_back_from_its_file():
    trained = Trained(np.array([2.0, 1.0]), {"parameters/w": np.ones(2), "predictions": np.zeros(1)})
    arrays = trained.arrays()
    assert set(arrays) == {"losses", "result/parameters/w", "result/predictions"}
    again = Trained.of({**arrays, "plain/parameters/w": np.ones(1), "other": np.ones(1)})
    assert again.losses.tolist() == [2, 1]
    assert {name: array.tolist() for name, array in again.result.items()} == {
        "parameters/w": [1, 1],
        "predictions": [0],
    }


def test_a_file_without_losses_is_no_training():
    with pytest.raises(ValueError, match="there are no losses in it"):
        Trained.of({"result/parameters/w": np.ones(2)})


def test_causes_are_told_in_words():
    assert [str(cause) for cause in Cause] == [
        "",
        "rounding",
        "other mathematics",
        "other work than the steps asked for",
    ]
