"""Every check of a proof passes on what is right, in any order of summation, and fires on what is planted.

What is planted is trained: a small regression with SGD or Adam, in float64, float32, and with one fault.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from workbench.model.proof import Cause, Check, Proof, Trained
from workbench.session.verify import (
    ACCURACY,
    FIRST,
    OTHER_WORK,
    SANITY,
    UNFLIPPED,
    Beginning,
    Repeated,
    Rules,
    accuracy,
    check_form,
    condition,
    roundoff,
    story,
    tolerance,
    verify_accuracy,
    verify_block,
    verify_curve,
    verify_evaluation,
    verify_exact,
    verify_first,
)

SAMPLES, INPUTS = 32, 6
RNG = np.random.default_rng(0)
X = RNG.standard_normal((SAMPLES, INPUTS))
Y = X @ RNG.standard_normal((INPUTS, 1)) + 0.1 * RNG.standard_normal((SAMPLES, 1))
START = {"parameters/w": 0.1 * RNG.standard_normal((INPUTS, 1)), "parameters/b": np.zeros(1)}
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def tf32(array: np.ndarray) -> np.ndarray:
    """What is left of a float32 in products of tensor cores: 10 bits of its mantissa."""
    return ((array.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def run(steps, dtype="float64", *, state=None, begun=0, rate=0.05, adam=False, fault="") -> tuple[np.ndarray, dict]:
    """Losses of some steps, and the state at their end; from the start, or from a state after ``begun`` steps."""
    state = {name: array.astype(dtype) for name, array in (state or START).items() if name != "predictions"}
    p = {name: state[f"parameters/{name}"] for name in ("w", "b")}
    m = {name: state.get(f"carried/m/{name}", np.zeros_like(p[name])) for name in p}
    v = {name: state.get(f"carried/v/{name}", np.zeros_like(p[name])) for name in p}
    order = slice(None, None, -1) if fault != "own" else slice(None)  # another order of summation is no fault
    x, y, losses = X[order].astype(dtype), Y[order].astype(dtype), []
    for t in range(begun + 1, begun + steps + 1):
        x_, w_ = (tf32(x), tf32(p["w"])) if fault == "tf32" else (x, p["w"])
        error = x_ @ w_ + p["b"] - y
        losses.append(float(np.mean(error**2)) * (1.01 if fault == "loss" else 1))
        g = {"w": x_.T @ error * p["w"].dtype.type(2 / SAMPLES), "b": 2 * error.mean(axis=0)}
        if fault == "gradient":
            g = {name: array * p["w"].dtype.type(1.01) for name, array in g.items()}
        if fault == "no updates" or (fault == "every other" and t % 2):
            continue
        if not adam:
            p = {name: array - p["w"].dtype.type(rate) * g[name] for name, array in p.items()}
            continue
        beta_1, beta_2 = (p["w"].dtype.type(beta) for beta in (BETA_1, BETA_2))
        m = {name: m[name] + (1 - beta_1) * (g[name] - m[name]) for name in p}
        v = {name: v[name] + (1 - beta_2) * (g[name] ** 2 - v[name]) for name in p}
        second, epsilon = 1 - beta_2**t, EPSILON
        if fault == "correction":  # 1 - beta_2 of a double, and 1 - beta_2**t of a float32
            second = (1 - np.float32(BETA_2) ** np.float32(t)) * np.float32((1 - BETA_2) / (1 - np.float32(BETA_2)))
            second = p["w"].dtype.type(second)
        if fault == "epsilon hat":
            epsilon = EPSILON / np.sqrt(second)
        if fault == "no correction":
            second = 1
        p = {
            name: array - p["w"].dtype.type(rate) * (m[name] / (1 - beta_1**t)) / (np.sqrt(v[name] / second) + epsilon)
            for name, array in p.items()
        }
    end = {f"parameters/{name}": array.astype(dtype) for name, array in p.items()}
    if adam:
        end |= {f"carried/m/{name}": array.astype(dtype) for name, array in m.items()}
        end |= {f"carried/v/{name}": array.astype(dtype) for name, array in v.items()}
    end["predictions"] = (X[:5] @ p["w"].astype("float64") + p["b"]).astype(dtype)
    return np.array(losses), end


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def the(name: str, checks: list[Check]) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


# The story of a failure: the number, the limit, the limit that would have passed, and the cause


def test_a_story_tells_the_number_the_limit_what_would_have_passed_and_the_cause():
    told = story(2e-3, 1e-5, 3e-3, Cause.ROUNDING)
    assert told == "off by 0.002, limit 1e-05, 0.003 would have passed: rounding"


STORY = re.compile(r"off by (\S+), limit (\S+), (\S+) would have passed: (.+)$")


def told(check: Check) -> tuple[float, float, float, str]:
    """The numbers of a failed check's story."""
    match = STORY.search(check.detail)
    assert match, check.detail
    off, limit, needed = (float(match[number].rstrip(",")) for number in (1, 2, 3))
    return off, limit, needed, match[4]


# Limits


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


def test_an_optimiser_that_divides_by_what_is_left_of_1_magnifies_rounding():
    assert (condition(None), condition(0.999)) == (1.0, pytest.approx(1000))
    sgd, adam = Rules("float64", 100, 500), Rules("float64", 100, 500, condition(0.999), plain=False)
    assert adam.exact == pytest.approx(1000 * sgd.exact)
    assert (sgd.correction, Rules("float32", 100, 500).correction) == (0, 0)
    assert Rules("float32", 100, 500, 1000.0).correction == pytest.approx(1000 * roundoff("float32"))


def test_in_float32_the_first_steps_are_judged_by_numpys_own_deviation_within_what_rounding_explains():
    rules = Rules("float32", 100, 500)
    least, most = rules.first(0.0), rules.first(1.0)
    assert 0 < least < rules.first(5e-7) < most == tolerance("float32", 100, 1)
    assert least < 1e-5, "one wrong digit in the sixth place is seen"
    assert (rules.first(np.nan), rules.block(np.nan, 10)) == (least, least), "what is not finite allows nothing"


def test_in_float64_nothing_is_judged_by_what_was_computed():
    rules = Rules("float64", 100, 500)
    assert rules.first(0.0) == rules.first(1.0) == tolerance("float64", 100, FIRST)
    assert rules.block(0.0, 50) == rules.block(1.0, 50) == tolerance("float64", 100, 50)
    assert rules.curve == rules.exact
    assert Rules("float64", 100, 1).block(0.0, 50) == tolerance("float64", 100, 1), "nothing adds up without updates"
    assert Rules("float32", 100, 500).curve == SANITY


# The training in float64

STEPS = 50
EXACT = Rules("float64", SAMPLES, STEPS).exact
ADAM_EXACT = Rules("float64", SAMPLES, STEPS, condition(BETA_2), plain=False).exact


def exactly(*, adam=False, fault="", reference_fault="own", dtype="float64", limit=None) -> list[Check]:
    trained = Trained(*run(STEPS, dtype, adam=adam, fault=fault))
    reference = Trained(*run(STEPS, adam=adam, fault=reference_fault))
    plain = None
    if adam:
        kept = fault if fault in ("gradient", "no updates") else ""
        plain = run(1, rate=1.0, fault=kept)[1], run(1, rate=1.0, fault="own")[1]
    return verify_exact(trained, reference, limit or (ADAM_EXACT if adam else EXACT), plain)


@pytest.mark.parametrize("adam", [False, True])
def test_what_is_right_in_float64_passes_every_check_with_a_margin(adam):
    checks = exactly(adam=adam)
    assert failed(checks) == []
    assert {check.name for check in checks} >= {
        "check_losses_finite",
        "check_first_loss",
        "check_first_update",
        "check_every_loss",
        "check_dtype",
        "check_parameters",
        "check_predictions",
    }
    assert {"check_plain_step", "check_carried"} <= {check.name for check in checks} or not adam
    found = [check for check in checks if check.difference is not None]
    assert any(check.difference > 0 for check in found), "another order of summation, so not the same bits"
    assert all(check.difference < check.limit / 10 for check in found)


@pytest.mark.parametrize(
    ("fault", "first", "step"),
    [
        ("loss", "check_first_loss", 0),
        ("gradient", "check_first_update", 1),
        ("no updates", "check_first_update", 1),
        ("every other", "check_first_update", 1),
    ],
)
def test_a_wrong_training_in_float64_fails_where_it_goes_wrong(fault, first, step):
    checks = exactly(fault=fault)
    assert failed(checks)[0] == first
    check = the(first, checks)
    assert (check.step, check.cause, check.limit) == (step, Cause.MATHEMATICS, EXACT)
    assert check.detail.startswith(f"loss of step {step} is ")
    off, limit, needed, cause = told(check)
    assert (off, limit) == (pytest.approx(check.difference, rel=0.05), pytest.approx(EXACT, rel=0.05))
    assert (needed, cause) == (pytest.approx(check.difference, rel=0.05), "other mathematics")
    assert failed(exactly(fault=fault, limit=1.01 * max(c.difference or 0 for c in checks))) == []


def test_what_was_computed_in_float32_is_no_float64():
    """Even if it is handed over as such."""
    losses, state = run(STEPS, "float32")
    reference = Trained(*run(STEPS, fault="own"))
    assert failed(verify_exact(Trained(losses, state), reference, EXACT, None))[0] == "check_first_loss"
    promoted = {name: array.astype("float64") for name, array in state.items()}
    assert "check_first_loss" in failed(verify_exact(Trained(losses, promoted), reference, EXACT, None))


def test_a_wrong_factor_in_the_gradient_that_adam_hides_is_seen_in_a_plain_step():
    checks = exactly(adam=True, fault="gradient")
    assert max(the("check_every_loss", checks).difference, the("check_first_loss", checks).difference) < 1e-6
    check = the("check_plain_step", checks)
    assert check.difference == pytest.approx(0.01 * 0.7, abs=0.01)
    assert (check.passed, told(check)[-1]) == (False, "other mathematics")


@pytest.mark.parametrize("fault", ["epsilon hat", "no correction", "correction"])
def test_another_formula_of_adam_is_other_mathematics_in_float64(fault):
    """Also one that is within float32's rounding: in float64 there is none that explains it."""
    assert failed(exactly(adam=True, fault=fault))[0] == "check_first_update"


def test_a_moment_that_is_wrong_at_the_end_is_seen_even_if_no_loss_is():
    reference = Trained(*run(STEPS, adam=True))
    state = {**reference.result, "carried/v/w": reference.result["carried/v/w"] * (1 + 1e-6)}
    checks = verify_exact(Trained(reference.losses, state), reference, ADAM_EXACT, None)
    assert failed(checks) == ["check_carried"]
    assert Proof((), 1.0).with_checks(checks).reason.startswith("check_carried: carried/v/w: off by 1e-06")


def test_moments_are_judged_on_a_scale_of_their_own():
    """The squares of small gradients are tiny next to the parameters, or next to the gradients themselves."""
    reference = Trained(*run(STEPS, adam=True))
    wrong = {name: array * (1.5 if name.startswith("carried/v") else 1) for name, array in reference.result.items()}
    check = [c for c in verify_exact(Trained(reference.losses, wrong), reference, ADAM_EXACT, None) if not c.passed]
    assert check[0].difference == pytest.approx(0.5)


def test_a_bias_that_converged_to_nothing_is_judged_beside_the_weights():
    reference = Trained(np.ones(1), {"parameters/w": np.array([2.0]), "parameters/b": np.array([0.0])})
    found = Trained(np.ones(1), {"parameters/w": np.array([2.0]), "parameters/b": np.array([1e-15])})
    assert failed(verify_exact(found, reference, 1e-14, None)) == []
    assert the("check_parameters", verify_exact(found, reference, 1e-14, None)).difference == pytest.approx(5e-16)


W, PREDICTIONS = (run(STEPS)[1][name] for name in ("parameters/w", "predictions"))
LOSSES = run(STEPS)[0]


def losses(step: int, change: float) -> np.ndarray:
    changed = LOSSES.copy()
    changed[step] += change
    return changed


PLANTED = {
    "a loss that is NaN": ({"losses": losses(7, np.nan)}, "check_losses_finite", "loss of step 7 is nan"),
    "a loss that is infinite": ({"losses": losses(49, np.inf)}, "check_losses_finite", "loss of step 49 is inf"),
    "the first loss": ({"losses": losses(0, 1e-9)}, "check_first_loss", "loss of step 0"),
    "the second loss": ({"losses": losses(1, 1e-9)}, "check_first_update", "loss of step 1"),
    "a late loss": ({"losses": losses(30, 1e-9)}, "check_every_loss", "loss of step 30"),
    "the last loss": ({"losses": losses(49, -1e-9)}, "check_every_loss", "loss of step 49"),
    "a type": (
        {"parameters/w": W.astype("float32")},
        "check_dtype",
        "parameters/w is float32, the task asks for float64",
    ),
    "a half type": ({"predictions": PREDICTIONS.astype("float16")}, "check_dtype", "float16"),
    "a parameter": ({"parameters/w": W + 1e-9}, "check_parameters", "parameters/w: off by "),
    "a parameter missing": ({"parameters/w": None}, "check_parameters", "w is missing from the state"),
    "a parameter turned": ({"parameters/w": W.T}, "check_parameters", "shape (1, 6), expected (6, 1)"),
    "a parameter that is NaN": ({"parameters/w": W * np.nan}, "check_parameters", "contains NaN or infinity"),
    "a prediction": ({"predictions": -PREDICTIONS}, "check_predictions", "predictions: off by "),
    "predictions missing": ({"predictions": None}, "check_predictions", "missing"),
    "predictions flattened": ({"predictions": PREDICTIONS.ravel()}, "check_predictions", "shape (5,)"),
    "an array more": ({"parameters/c": W}, "check_state_names", "parameters/c is not part of the task's state"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_fails_by_its_name(planted):
    changes, name, said = PLANTED[planted]
    losses, state = run(STEPS)
    arrays = {**state, "losses": losses, **changes}
    given = Trained(arrays.pop("losses"), {name: array for name, array in arrays.items() if array is not None})
    checks = verify_exact(given, Trained(*run(STEPS)), EXACT, None)
    assert failed(checks)[0] == name
    assert said in the(name, [check for check in checks if not check.passed][:1]).detail


def test_one_step_has_no_second_loss_to_look_at():
    trained = Trained(*run(1))
    checks = verify_exact(trained, trained, EXACT, None)
    assert failed(checks) == []
    assert "check_first_update" not in {check.name for check in checks}


@pytest.mark.parametrize("planted", [{}, {"parameters/w": np.zeros((2, 2)), "parameters/b": np.zeros(1)}])
def test_a_plain_step_must_have_all_parameters(planted):
    """Or else whoever hands over none of them has proven every gradient."""
    trained = Trained(*run(STEPS, adam=True))
    checks = verify_exact(trained, trained, ADAM_EXACT, (planted, run(1, rate=1.0)[1]))
    assert failed(checks) == ["check_plain_step"]


def test_losses_that_the_reference_does_not_have_prove_nothing():
    """A reference that is not finite is no measure; nothing may agree with it."""
    found, reference = run(STEPS), run(STEPS)
    reference[0][20] = np.nan
    assert failed(verify_exact(Trained(*found), Trained(*reference), EXACT, None)) == ["check_every_loss"]
    checks = verify_curve(found[0], reference[0], Rules("float32", SAMPLES, STEPS))
    assert failed(checks) == ["check_every_loss"]
    assert np.isfinite(checks[0].difference), "or it could not be recorded"


# The first steps of the timed process

RULES = Rules("float32", SAMPLES, STEPS)
ADAM = Rules("float32", SAMPLES, STEPS, condition(BETA_2), plain=False)


def beginning(dtype="float64", **options) -> Beginning:
    return Beginning(run(FIRST, dtype, **options)[0], START, run(1, dtype, **options)[1])


def first(fault="", *, adam=False, dtype="float32", rules=None, **changes) -> list[Check]:
    found = dataclasses.replace(beginning(dtype, adam=adam, fault=fault), **changes)
    right, own = (beginning(dtype_, adam=adam, fault="own") for dtype_ in ("float64", dtype))
    return verify_first(found, right, own, rules or dataclasses.replace(ADAM if adam else RULES, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("adam", [False, True])
def test_honest_first_steps_pass(adam, dtype):
    checks = first(adam=adam, dtype=dtype)
    assert failed(checks) == []
    assert [check.name for check in checks] == [
        "check_losses_finite",
        "check_first_losses",
        "check_dtype",
        "check_first_step",
    ]


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("fault", ["tf32", "loss"])
def test_arithmetic_of_lower_precision_is_seen_in_the_first_losses(fault, adam):
    checks = first(fault, adam=adam)
    check = the("check_first_losses", checks)
    assert (check.passed, check.step, check.cause) == (False, 0, Cause.ROUNDING)
    assert "loss of step 0" in check.detail
    assert told(check)[-1] == "rounding"
    assert told(check)[0] > told(check)[1]


@pytest.mark.parametrize("adam", [False, True])
def test_a_wrong_gradient_is_seen_after_the_first_step(adam):
    """By the movement of the parameters or, where Adam hides it there, by its moments."""
    checks = first("gradient", adam=adam)
    check = the("check_first_step", checks)
    assert (check.passed, check.step, check.difference) == (False, 0, pytest.approx(0.01, rel=1.1))
    assert check.detail.startswith("carried/m/w after step 0" if adam else "parameters/")


@pytest.mark.parametrize("fault", ["no updates", "every other"])
def test_an_update_that_was_left_out_is_seen_after_the_first_step(fault):
    assert failed(first(fault)) == ["check_first_losses", "check_first_step"]


def test_the_movement_of_the_parameters_counts_and_not_their_size():
    """A movement that is a thousandth of the weights is judged on its own scale."""
    large = {"parameters/w": START["parameters/w"] + 1000, "parameters/b": START["parameters/b"]}
    right = Beginning(np.ones(1), large, {name: array + 1.0 for name, array in large.items()})
    off = {name: (array + 1.1).astype("float32") for name, array in large.items()}
    own = {name: array.astype("float32") for name, array in right.after.items()}
    rules = Rules("float32", SAMPLES, STEPS)
    found, honest = (Beginning(np.ones(1), {}, after) for after in (off, own))
    assert failed(verify_first(honest, right, honest, rules)) == []
    assert failed(verify_first(found, right, honest, rules)) == ["check_first_step"]


def test_a_weight_whose_gradient_is_rounding_noise_may_go_either_way_under_adam():
    """Its first step has the full length, whatever the noise; its moments say that it was noise."""
    right, own = (beginning(dtype, adam=True, fault="own") for dtype in ("float64", "float32"))
    after = {**beginning("float32", adam=True).after}
    after["parameters/w"] = after["parameters/w"].copy()
    after["parameters/w"][0] += 0.1
    found = Beginning(own.losses, {}, after)
    assert failed(verify_first(found, right, own, ADAM)) == []
    assert failed(verify_first(found, right, own, dataclasses.replace(ADAM, plain=True))) == ["check_first_step"]


def test_what_adam_corrects_in_float32_is_allowed_as_a_share_of_what_it_moves():
    """Honest frontends compute 1 - beta_2**t in float32; a step is then off by 6e-6 of its length, and no more."""
    strict = dataclasses.replace(ADAM, condition=1.0)
    assert "check_first_losses" in failed(first("correction", adam=True, rules=strict))
    assert failed(first("correction", adam=True)) == []
    assert "check_first_losses" in failed(first("no correction", adam=True))


def test_the_first_loss_of_all_gets_no_such_allowance_because_nothing_has_moved():
    losses, own = run(FIRST, "float32", adam=True)[0], beginning("float32", adam=True, fault="own")
    off = losses.copy()
    off[0] *= 1 + 1e-5
    right = beginning(adam=True, fault="own")
    assert ADAM.correction > 1e-5
    assert failed(verify_first(Beginning(off, {}, own.after), right, own, ADAM)) == ["check_first_losses"]
    late = losses.copy()
    late[-1] *= 1 + 1e-5
    assert failed(verify_first(Beginning(late, {}, own.after), right, own, ADAM)) == []


def test_gradients_of_a_task_without_updates_are_judged_as_they_are():
    right = Beginning(np.ones(FIRST), {}, {"gradients/x": np.linspace(0, 1, 5)})
    own = Beginning(np.ones(FIRST), {}, {"gradients/x": np.linspace(0, 1, 5).astype("float32")})
    wrong = Beginning(np.ones(FIRST), {}, {"gradients/x": np.linspace(0, 1, 5).astype("float32") * np.float32(1.001)})
    rules = Rules("float32", SAMPLES, 1)
    assert failed(verify_first(own, right, own, rules)) == []
    checks = verify_first(wrong, right, own, rules)
    assert failed(checks) == ["check_first_step"]
    assert the("check_first_step", checks).detail.startswith("gradients/x after step 0: off by 0.001")


def test_a_long_sum_may_be_added_up_in_any_order_where_nothing_is_updated():
    """NumPy adds in pairs; a compiler that adds one number after the other is honest, and off by far more."""
    numbers = np.random.default_rng(0).random(4_000_000)
    exact, single = numbers.sum(), numbers.astype("float32")
    sums = {"pairs": single.sum(), "one by one": np.cumsum(single)[-1], "a thousandth left out": exact * 0.999}
    rules = Rules("float32", len(numbers), 1)

    def found(loss: float) -> tuple[list[str], bool]:
        here, right, own = (Beginning(np.array([value]), {}, {}) for value in (loss, exact, sums["pairs"]))
        first = failed(verify_first(here, right, own, rules))
        blocks = (Repeated(entry.losses, {}) for entry in (here, right, own))
        judged = verify_block(*blocks, {}, steps=1, largest=exact, rules=rules, round_number=0)
        return first, judged.rounding.passed

    assert abs(sums["one by one"] / exact - 1) > 32 * roundoff("float32"), "or else it would show nothing"
    assert {name: found(float(loss)) for name, loss in sums.items()} == {
        "pairs": ([], True),
        "one by one": ([], True),
        "a thousandth left out": (["check_first_losses"], False),
    }
    assert Rules("float32", len(numbers), 500).running_sum == 0, "what a training computes are means over batches"


@pytest.mark.parametrize("kind", ["parameters", "carried/m"])
@pytest.mark.parametrize(
    ("flipped", "said"), [(0, []), (4, []), (5, ["check_first_step"]), (200, ["check_first_step"])]
)
def test_a_few_units_that_flip_in_the_first_step_refuse_nobody(kind, flipped, said):
    """Two of a hundred weights may be off by as much as they like, and no more."""
    assert UNFLIPPED == 0.98
    gradient = np.linspace(0.5, 1, 200).reshape(10, 20)
    start = {"parameters/w": np.zeros((10, 20))}
    right = Beginning(np.ones(FIRST), start, {f"{kind}/w": gradient, "parameters/w": gradient})
    single = {name: array.astype("float32") for name, array in right.after.items()}
    changed = single[f"{kind}/w"].copy()
    changed.ravel()[7 : 7 + flipped] = 0
    found, own = (Beginning(np.ones(FIRST), {}, after) for after in ({**single, f"{kind}/w": changed}, single))
    rules = RULES if kind == "parameters" else ADAM
    assert failed(verify_first(found, right, own, rules)) == said
    # units that flip in float32 NumPy allow no more than those that flip in a contestant
    assert failed(verify_first(own, right, found, rules)) == []
    if flipped <= 4:
        low = {**single, f"{kind}/w": single[f"{kind}/w"] * np.float32(1 + 1e-5)}
        lower = verify_first(Beginning(np.ones(FIRST), {}, low), right, found, dataclasses.replace(rules, terms=10000))
        assert failed(lower) == ["check_first_step"], "which changes all of them"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"losses": np.array([1.0, np.nan])}, "check_losses_finite"),
        ({"after": {}}, "check_parameters"),
        ({"after": run(1)[1]}, "check_dtype"),
        ({"after": {**run(1, "float32")[1], "parameters/c": np.ones(1)}}, "check_state_names"),
    ],
)
def test_first_steps_of_another_form_are_refused_by_name(changes, name):
    assert failed(first(**changes)) == [name]


def test_fewer_first_losses_than_the_reference_has_are_compared_as_far_as_they_go():
    assert failed(first(losses=beginning("float32").losses[:3])) == []


def test_a_state_may_have_integers_of_another_width():
    """Labels, counters: their type is the framework's business, their form is not."""
    expected = {"carried/count": np.array([3])}
    assert failed([*check_form({"carried/count": np.array([3], "int32")}, expected, "float32")]) == []
    assert failed(check_form({"carried/count": np.array(3)}, expected, "float32")) == ["check_carried"]


# The whole curve of the timed process


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_in_float32_a_curve_may_drift_within_a_band(factor):
    losses = LOSSES * (1 + factor * SANITY * (np.arange(STEPS) == 0))
    assert failed(verify_curve(losses, LOSSES, RULES)) == ([] if factor < 1 else ["check_every_loss"])


def test_a_curve_that_leaves_the_band_says_where():
    losses = LOSSES.copy()
    losses[30:] = LOSSES[0]
    check = the("check_every_loss", verify_curve(losses, LOSSES, RULES))
    assert (check.step, check.cause, check.limit) == (30, Cause.MATHEMATICS, SANITY)
    off, limit, needed, _ = told(check)
    assert off <= needed
    assert limit == SANITY


@pytest.mark.parametrize("fault", ["no updates", "every other"])
def test_a_training_that_leaves_updates_out_leaves_the_band(fault):
    assert failed(verify_curve(run(STEPS, "float32", fault=fault)[0], LOSSES, RULES)) == ["check_every_loss"]


def test_in_float64_a_curve_has_the_limit_of_the_exact_proof():
    rules = Rules("float64", SAMPLES, STEPS)
    assert failed(verify_curve(LOSSES * (1 + 0.9 * rules.exact), LOSSES, rules)) == []
    assert failed(verify_curve(LOSSES * (1 + 1.1 * rules.exact), LOSSES, rules)) == ["check_every_loss"]


def test_a_curve_that_ends_in_nan_is_refused_as_such():
    losses = LOSSES.copy()
    losses[-1] = np.nan
    assert failed(verify_curve(losses, LOSSES, RULES)) == ["check_losses_finite"]


# Accuracy


def test_an_accuracy_is_the_share_of_right_classes():
    logits = np.array([[0.1, 0.9], [5.0, -5.0], [0.0, 1.0], [2.0, 1.0]])
    assert accuracy(logits, np.array([1, 0, 0, 0])) == 0.75
    assert accuracy(-logits, np.array([1, 0, 0, 0])) == 0.25


def test_a_query_of_several_places_is_right_if_all_of_them_are():
    logits = np.eye(4)[[[0, 1], [2, 3], [0, 0]]]
    assert accuracy(logits, np.array([[0, 1], [2, 3], [0, 0]])) == 1.0
    assert accuracy(logits, np.array([[0, 1], [2, 0], [1, 1]])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("found", [0.9 - ACCURACY - 0.001, 0.9 + ACCURACY + 0.001])
def test_another_accuracy_than_the_references_is_refused_in_both_directions(found):
    """Whoever knows the answers is better than the reference."""
    check = verify_accuracy(found, 0.9)
    assert (check.name, check.passed) == ("check_accuracy", False)
    assert f"{found:.1%} of the queries are right, of the reference's 90.0%" in check.detail
    assert verify_accuracy(0.9 + 0.99 * ACCURACY, 0.9).passed


# Clocked blocks

BEFORE_STEPS, BLOCK_STEPS = 20, 30


def block(fault="", *, adam=False, dtype="float32", rate=0.05, **changes):
    """What is found of a block of which the contestant computed what ``fault`` says."""
    options = {"adam": adam, "rate": rate}
    before = run(BEFORE_STEPS, dtype, **options)[1]
    going = {"state": before, "begun": BEFORE_STEPS, **options}
    found, right, own = (
        Repeated(*run(BLOCK_STEPS, kind, fault=what, **going))
        for kind, what in ((dtype, fault), ("float64", "own"), (dtype, "own"))
    )
    rules = dataclasses.replace(ADAM if adam else RULES, dtype=dtype)
    found = dataclasses.replace(found, **changes)
    largest = float(LOSSES.max())
    return verify_block(found, right, own, before, steps=BLOCK_STEPS, largest=largest, rules=rules, round_number=4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("adam", [False, True])
def test_an_honest_block_passes_and_proves_that_it_was_computed(adam, dtype):
    finding = block(adam=adam, dtype=dtype)
    assert (finding.proves, finding.work.passed, finding.rounding.passed) == (True, True, True)
    assert 0 <= finding.work.difference < finding.work.limit / 1000
    assert finding.rounding.difference > 0


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("fault", ["no updates", "every other"])
def test_updates_that_were_left_out_are_other_work(fault, adam):
    finding = block(fault, adam=adam)
    assert (finding.proves, finding.work.passed, finding.work.cause) == (True, False, Cause.WORK)
    assert finding.work.detail.startswith("the block of round 4: ")
    off, limit, needed, cause = told(finding.work)
    assert off == needed > limit
    assert cause == "other work than the steps asked for"
    assert off / limit > 0.3 / OTHER_WORK


def test_a_state_that_was_not_moved_at_all_is_off_by_all_that_the_block_changes():
    finding = block("no updates")
    assert finding.work.difference / finding.work.limit == pytest.approx(1 / OTHER_WORK, rel=1e-3)


@pytest.mark.parametrize("adam", [False, True])
def test_arithmetic_of_lower_precision_is_no_other_work_but_exceeds_what_rounding_explains(adam):
    finding = block("tf32", adam=adam)
    assert (finding.proves, finding.work.passed, finding.rounding.passed) == (True, True, False)
    assert (finding.rounding.name, finding.rounding.cause) == ("check_block_rounding", Cause.ROUNDING)
    assert told(finding.rounding)[-1] == "rounding"


def test_losses_that_were_not_computed_are_seen_even_if_the_state_is_right():
    finding = block(losses=np.full(BLOCK_STEPS, 0.5))
    assert (finding.work.passed, finding.rounding.passed) == (True, False)
    assert "of those kept" in finding.rounding.detail


@pytest.mark.parametrize("rate", [0.0, 1e-9])
def test_a_block_that_changes_nothing_proves_nothing(rate):
    """Whether it was computed cannot be seen, so nothing is claimed."""
    finding = block("no updates", rate=rate)
    assert (finding.proves, finding.work.passed) == (False, True)
    assert block(rate=rate).work.passed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"losses": np.full(BLOCK_STEPS, np.nan)}, "the loss of step 0 is nan"),
        ({"state": {}}, "is missing from the state"),
        ({"state": run(1)[1]}, "float64, the task asks for float32"),
        ({"state": {**run(1, "float32")[1], "parameters/b": np.full(1, np.nan, "float32")}}, "NaN or infinity"),
    ],
)
def test_a_block_that_ends_in_another_form_is_other_work(changes, said):
    finding = block(**changes)
    assert (finding.proves, finding.work.passed, finding.work.cause) == (True, False, Cause.WORK)
    assert said in finding.work.detail


def test_a_block_from_a_state_that_explodes_in_the_reference_is_not_let_through():
    """A state of NaN would otherwise agree with whatever follows from it."""
    nowhere = {name: np.full_like(array, np.nan) for name, array in run(1, "float32")[1].items()}
    end = Repeated(np.full(3, np.nan), {name: array.astype("float64") for name, array in nowhere.items()})
    found = Repeated(np.ones(3), run(1, "float32")[1])
    finding = verify_block(found, end, end, nowhere, steps=3, largest=1.0, rules=RULES, round_number=0)
    assert not finding.work.passed


@pytest.mark.parametrize("part", ["losses", "state"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nor_is_one_that_overflows_in_numpys_float32_alone(part, value):
    """Whose own deviation would allow anything."""
    before = run(BEFORE_STEPS, "float32")[1]
    going = {"state": before, "begun": BEFORE_STEPS}
    right, own = (Repeated(*run(BLOCK_STEPS, kind, fault="own", **going)) for kind in ("float64", "float32"))
    name = "parameters/b"
    broken = {
        "losses": dataclasses.replace(own, losses=np.where(np.arange(BLOCK_STEPS) == 7, value, own.losses)),
        "state": dataclasses.replace(own, state={**own.state, name: np.full_like(own.state[name], value)}),
    }[part]
    skipped = Repeated(own.losses, before)
    for found in (skipped, own):
        finding = verify_block(
            found, right, broken, before, steps=BLOCK_STEPS, largest=1.0, rules=RULES, round_number=4
        )
        assert (finding.proves, finding.work.passed, finding.work.cause) == (True, False, Cause.WORK)
        assert finding.work.detail == (
            "the block of round 4: the reference, going on from its state, does not stay finite"
        )


def test_a_gradient_task_proves_by_the_gradients_of_its_reordered_data():
    before = {"gradients/x": np.linspace(0, 1, 8)}
    after = {"gradients/x": np.linspace(1, 0, 8)}
    single = {name: array.astype("float32") for name, array in after.items()}
    losses = np.ones(3)
    rules = Rules("float32", SAMPLES, 1)

    def judged(state):
        found, right, own = Repeated(losses, state), Repeated(losses, after), Repeated(losses, single)
        return verify_block(found, right, own, before, steps=10, largest=1.0, rules=rules, round_number=0)

    assert (judged(single).proves, judged(single).work.passed) == (True, True)
    stale = {name: array.astype("float32") for name, array in before.items()}
    assert not judged(stale).work.passed


@pytest.mark.parametrize(
    ("losses", "passes"),
    [([1.0, 2.0], True), ([1.0, 2.0 + 1e-6], True), ([1.0, 2.0 + 1e-4], False), ([1.0, 1.0], False)],
)
def test_losses_alone_are_judged_by_rounding(losses, passes):
    right, rules = np.array([1.0, 2.0]), Rules("float32", 10, 100)
    check = verify_evaluation(np.array(losses), right, right * (1 + 1e-8), 2.0, rules, 3)
    assert check.passed == passes
    assert passes or ("round 3" in check.detail and f"{losses[1]:.6g}, reference 2" in check.detail)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_alone_that_is_not_finite_is_refused_as_such(loss):
    check = verify_evaluation(np.array([loss]), np.ones(1), np.ones(1), 1.0, Rules("float32", 10, 100), 0)
    assert (check.passed, check.detail) == (False, f"a loss is {loss}")


def test_the_first_call_of_many_steps_is_judged_by_how_far_numpy_parts_over_as_many():
    start, right = {"parameters/w": np.zeros(4)}, {"parameters/w": np.ones(4)}
    off = {"parameters/w": np.ones(4, np.float32) * np.float32(1 + 3e-6)}
    own = {"parameters/w": np.ones(4, np.float32) * np.float32(1 + 2e-6)}
    losses, rules = np.array([1.0, 0.5]), Rules("float32", 1, 3000)
    found = [
        the(
            "check_first_step",
            verify_first(*(Beginning(losses, start, state) for state in (off, right, own)), rules, n),
        )
        for n in (1, 3000)
    ]
    assert [check.passed for check in found] == [False, True]
    assert "after step 0" in found[0].detail
