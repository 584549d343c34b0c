"""Planted frontends that compute something else: each is found out by a named check and shows no speed."""

from __future__ import annotations

import csv
import io

import pytest
from rich.console import Console

from workbench.show import tables

LOOP = "for x, y in batches:"
SGD_W = "w -= problem.learning_rate * dloss_dw"
SGD_B = "b -= problem.learning_rate * dloss_db"
CARRIED_OUT = f"        {SGD_W}\n        {SGD_B}\n"

# The eight wrong frontends of EXAMPLES.md: what is replaced in the right one, and the check that tells. All are found
# in float64, before anything is timed.
WRONG = {
    "missing_factor_2": ([("(2 / len(x)) * error", "(1 / len(x)) * error")], "check_first_update"),
    "learning_rate_1_percent": ([(SGD_W, f"{SGD_W} * 1.01"), (SGD_B, f"{SGD_B} * 1.01")], "check_first_update"),
    "own_batch_order": (
        [
            ("import numpy as np", "import dataclasses\n\nimport numpy as np"),
            ("problem.batches()", "dataclasses.replace(problem, rows=problem.rows[::-1]).batches()"),
        ],
        "check_first_loss",
    ),
    "own_start_weights": (
        [('problem.init["w"].copy()', '0.1 * np.random.default_rng(7).random(problem.init["w"].shape, problem.dtype)')],
        "check_first_loss",
    ),
    "loss_after_the_update": ([("yield loss", "yield np.mean((x @ w + b - y)**2)")], "check_first_loss"),
    "bias_never_updated": ([(SGD_B, "pass")], "check_first_update"),
    "last_step_skipped": (
        [
            (CARRIED_OUT, f"        last = problem.learning_rate * dloss_dw\n{CARRIED_OUT}"),
            ('{"w": w', '{"w": w + last'),
        ],
        "check_parameters",
    ),
    "half_precision_product": (
        [("error = x @ w + b", "error = (x.astype('float16') @ w.astype('float16')).astype(w.dtype) + b")],
        "check_first_loss",
    ),
}
TIMES = ("import_s", "setup_s", "first_step_s", "step_s", "step_s_low", "step_s_high", "relative_step")


@pytest.fixture(scope="module")
def content(new_content):
    """All eight beside the right one."""
    content = new_content()
    for name, (replacements, _) in WRONG.items():
        content.plant(name, content.changed(*replacements))
    return content


@pytest.fixture(scope="module")
def wrong(content, session):
    return session(content, "--preset=diabetes", "--steps=40")


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_frontend_is_invalid_and_the_check_that_caught_it_is_named(wrong, name):
    row = wrong.rows[name]
    assert row["outcome"] == "invalid"
    assert row["verdict"] == "differs"
    assert row["reason"].startswith(f"in float64, {WRONG[name][1]}: ")
    assert len(row["reason"].splitlines()) == 1


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_frontend_shows_no_time(wrong, name):
    row = wrong.rows[name]
    assert [row[time] for time in TIMES] == [None] * len(TIMES)
    assert row["float64_error"] > row["float64_limit"]


def test_the_right_one_beside_them_is_timed(wrong):
    row = wrong.rows["numpy_manual"]
    assert (row["outcome"], row["verdict"], row["reason"]) == ("ok", "agrees", "")
    assert all(row[time] > 0 for time in TIMES)
    assert row["relative_step"] == 1


def test_the_exit_code_tells(wrong):
    assert wrong.exit_code == 1


def test_no_table_shows_a_time_of_a_wrong_one(wrong):
    run = wrong.run
    timed = [line for line in (run.path / "summary.md").read_text().splitlines() if line.startswith("| ")]
    assert len(timed) == 2  # the headings and the right one
    assert not any(name in line for name in WRONG for line in timed)
    entries = csv.DictReader(io.StringIO((run.path / "summary.csv").read_text()))
    assert {entry["frontend"] for entry in entries if entry["step_s"]} == {"numpy_manual"}
    assert run.table.set_index("frontend")["step_s"].dropna().index.tolist() == ["numpy_manual"]


def test_the_terminal_names_each_wrong_one_with_its_reason(wrong):
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(*tables.terminal(wrong.run), sep="\n")
    lines = console.export_text().splitlines()
    for name, (_, check) in WRONG.items():
        assert any(line.startswith(name) and "invalid" in line and check in line for line in lines), name


# Wrong in the process that is timed alone, from a step on that only the whole curve shows.
WRONG_LATER = f"{SGD_W} * (2 if problem.dtype == 'float32' and problem.feed.step > 20 else 1)"


def test_the_losses_of_one_that_parts_on_its_way_are_kept_to_be_looked_at(new_content, session):
    content = new_content()
    content.plant("parts", content.changed((SGD_W, WRONG_LATER)))
    parted = session(content, "--preset=diabetes", "--steps=200")
    assert parted.rows["parts"]["reason"].startswith("check_every_loss: loss of step 2")
    losses = parted.run.losses
    assert {"reference", "numpy_manual", "parts"} <= set(losses.columns)
    assert len(losses) == 200
    agrees = (losses["parts"] - losses["reference"]).abs() < 1e-4
    assert agrees[:20].all()
    assert not agrees.all()


LOSS, STATE, READY = (
    "        yield loss",
    "return State(",
    "    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])\n",
)
W, B, PARAMETERS = '"w": w', '"b": b', '{"w": w, "b": b}'
PREDICTIONS = "problem.queries @ w + b"
CALLS = ("import Problem", "import Calls, Problem")
DRIVES_A_TERMINAL = "state_with_a_name_that_drives_a_terminal"
# Answers that are not even of the right form, on the smallest preset.
MALFORMED = {
    "ends": ([(LOOP, "for _, (x, y) in zip(range(20), batches):")], "error", "which never run out"),
    "ends_while_it_is_timed": ([(LOOP, "for _, (x, y) in zip(range(300), batches):")], "error", "which never run out"),
    "two_losses_a_step": ([("yield loss", "yield np.array([loss, loss])")], "error", "'fetch'"),
    "loss_in_a_list_of_one": ([("yield loss", "yield np.array([loss])")], "error", "'fetch'"),
    "loss_in_a_list_of_none": ([("yield loss", "yield np.array([])")], "error", "'fetch'"),
    "loss_in_two_axes": ([("yield loss", "yield np.array([[loss]])")], "error", "'fetch'"),
    "loss_is_a_text": ([("yield loss", "yield 'nonsense'")], "error", "'fetch'"),
    "loss_is_none": ([("yield loss", "yield None")], "error", "'fetch'"),
    "loss_is_too_large": ([("yield loss", "yield 10**400")], "error", "'fetch'"),
    "loss_nan": ([("yield loss", "yield loss * np.nan")], "invalid", "check_losses_finite"),
    "loss_infinite": ([("yield loss", "yield loss + np.inf")], "invalid", "check_losses_finite"),
    "loss_complex": ([("yield loss", "yield np.complex64(loss + 5j)")], "error", "complex64, expected its loss"),
    "bias_gradient_in_float16": (
        [("dloss_db = dloss_dprediction", "dloss_db = dloss_dprediction.astype('float16')")],
        "invalid",
        "check_first_update",
    ),
    "state_float32": ([(B, '"b": b.astype("float32")')], "invalid", "b is float32, the task asks for float64"),
    "state_complex": ([(B, '"b": b.astype("complex64")')], "invalid", "check_dtype"),
    "state_of_texts": ([(B, '"b": b.astype(str)')], "invalid", "check_dtype"),
    "state_of_bytes": ([(B, '"b": b.astype("S")')], "invalid", "check_dtype"),
    "state_of_dates": ([(B, '"b": b.astype("int64").astype("M8[s]")')], "invalid", "check_dtype"),
    "state_of_records": ([(B, '"b": np.zeros(1, [("a", "f4")])')], "invalid", "check_dtype"),
    "state_of_truths": ([(B, '"b": b.astype(bool)')], "invalid", "check_dtype"),
    "state_of_bfloat16": ([(B, '"b": b.view("V2")[:1]')], "invalid", "check_dtype"),
    "state_of_objects": ([(B, '"b": np.array([None])')], "error", "'state'"),
    "state_transposed": ([(B, '"b": b[:, None]')], "invalid", "check_parameters: parameters/b has shape (1, 1)"),
    "state_without_an_axis": ([(B, '"b": b[0]')], "invalid", "check_parameters: parameters/b has shape ()"),
    "state_without_an_element": ([(B, '"b": b[:0]')], "invalid", "check_parameters: parameters/b has shape (0,)"),
    "state_without_bias": ([(PARAMETERS, '{"w": w}')], "invalid", "check_parameters: parameters/b is missing"),
    "state_nan": ([(B, '"b": b * np.nan')], "invalid", "check_parameters: parameters/b contains NaN"),
    "state_with_more": ([(B, '"b": b, "c": b')], "invalid", "check_state_names"),
    "state_with_a_path": ([(B, '"b": b, "../../outside": b')], "invalid", "check_state_names"),
    "state_with_the_name_of_a_file": ([(B, '"b": b, "w.npy": b')], "invalid", "check_state_names"),
    "state_with_an_empty_name": ([(B, '"b": b, "": b')], "invalid", "check_state_names"),
    "state_with_a_name_that_is_no_text": ([(B, '"b": b, "\\udc80": b')], "error", "'state'"),
    DRIVES_A_TERMINAL: ([(B, '"b": b, "\\u202e\\x1b[2Jw": b')], "invalid", "check_state_names"),
    "state_with_a_number_for_a_name": ([(B, '"b": b, 7: b')], "invalid", "check_state_names"),
    "state_with_a_name_without_end": ([(B, '"b": b, "n" * 70_000: b')], "error", "'state'"),
    "state_without_predictions": ([(f", predictions={PREDICTIONS}", "")], "invalid", "check_predictions"),
    "predictions_infinite": ([(PREDICTIONS, f"{PREDICTIONS} + np.inf")], "invalid", "check_predictions"),
    "state_changes_when_it_is_read": ([(STATE, f"w[:] += 1e-3\n        {STATE}")], "invalid", "check_parameters"),
    "state_raises": ([(STATE, f"raise OSError('planted')\n        {STATE}")], "error", "planted (linreg.py, line "),
    "state_is_none": ([(STATE, "State(")], "error", "returned NoneType, expected a workbench.contract.State"),
    "state_is_a_dict": ([(STATE, "return dict(")], "error", "returned dict, expected a workbench.contract.State"),
    "state_of_a_list": ([(f"parameters={PARAMETERS}", "parameters=[w, b]")], "error", "'state'"),
    "yields_a_state": ([(READY, "    yield state()\n")], "error", "expected a function that reads the state"),
    "yields_nothing": ([(READY, "    yield\n")], "error", "expected a function that reads the state"),
    "returns_before_set_up_ends": ([(READY, f"    return\n{READY}")], "error", "'set_up'"),
    "calls_of_no_step": ([CALLS, (READY, "    yield Calls(state, steps=0)\n")], "error", "expected at least 1"),
    "calls_with_one_loss": ([CALLS, (READY, "    yield Calls(state)\n")], "error", "'run'"),
    "calls_with_no_losses": (
        [CALLS, (READY, "    yield Calls(state)\n"), ("yield loss", "yield np.empty(0)")],
        "error",
        "calls answered with [0] losses",
    ),
    "calls_with_too_many": (
        [CALLS, (READY, "    yield Calls(state)\n"), ("yield loss", "yield np.full(1000, loss)")],
        "error",
        "calls answered with [1000] losses, expected 20 each",
    ),
    "calls_of_another_length": (
        [CALLS, (READY, "    yield Calls(state, steps=5)\n"), ("yield loss", "yield np.full(4, loss)")],
        "error",
        "losses, expected 5 each, 20 in all",
    ),
}
# Odd, but right.
RIGHT = {
    "loss_as_a_decimal": [
        ("import numpy as np\n", "import decimal\n\nimport numpy as np\n"),
        ("yield loss", "yield decimal.Decimal(float(loss))"),
    ],
    "state_in_another_byte_order": [(W, '"w": w.astype(w.dtype.newbyteorder(">"))')],
    "state_of_masked_arrays": [(W, '"w": np.ma.masked_array(w, mask=True)')],
    "state_takes_a_while": [(STATE, f"__import__('time').sleep(0.02)\n        {STATE}")],
}


@pytest.fixture(scope="module")
def malformed(new_content, session):
    content = new_content()
    sources = {name: replacements for name, (replacements, _, _) in MALFORMED.items()} | RIGHT
    for name, replacements in sources.items():
        content.plant(name, content.changed(*replacements))
    return session(content, "--preset=points", "--steps=20")


@pytest.mark.parametrize("name", MALFORMED)
def test_an_answer_of_the_wrong_form_is_refused(malformed, name):
    _, outcome, said = MALFORMED[name]
    row = malformed.rows[name]
    assert row["outcome"] == outcome
    assert said in row["reason"]
    assert len(row["reason"].splitlines()) == 1
    assert [row[time] for time in TIMES] == [None] * len(TIMES)


def test_a_name_of_a_state_cannot_drive_a_terminal(malformed):
    assert not {"\x1b", "\u202e"} & set(malformed.rows[DRIVES_A_TERMINAL]["reason"] + malformed.stderr)


@pytest.mark.parametrize("name", ["numpy_manual", *RIGHT])
def test_right_ones_beside_malformed_answers_are_timed(malformed, name):
    row = malformed.rows[name]
    assert (row["outcome"], row["reason"]) == ("ok", "")
    assert row["step_s"] > 0
    assert malformed.exit_code == 1
