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
RETURN = "    return Result(parameters="

# The eight wrong frontends of EXAMPLES.md: what is replaced in the right one, and the check that tells.
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
    "last_step_skipped": ([(RETURN, f"    {SGD_W.replace('-=', '+=')}\n{RETURN}")], "check_parameters"),
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
    assert row["reason"].startswith(f"{WRONG[name][1]}: ")
    assert len(row["reason"].splitlines()) == 1


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_frontend_shows_no_time(wrong, name):
    row = wrong.rows[name]
    assert [row[time] for time in TIMES] == [None] * len(TIMES)
    assert row["max_relative_error"] > row["tolerance"]


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


def test_the_losses_of_a_wrong_one_are_kept_to_be_looked_at(wrong):
    losses = wrong.run.losses
    assert {"reference", "numpy_manual", *WRONG} <= set(losses.columns)
    assert len(losses) == 40


# Answers that are not even of the right form, on the smallest preset.
MALFORMED = {
    "too_few_losses": ([(LOOP, "for _, (x, y) in zip(range(19), batches):")], "invalid", "check_loss_count"),
    "too_many_losses": ([(LOOP, "for x, y in (*batches, *problem.batches()):")], "invalid", "check_loss_count"),
    "no_losses": ([("        yield loss\n", "")], "invalid", "check_loss_count"),
    "two_losses_a_step": ([("yield loss", "yield np.array([loss, loss])")], "invalid", "check_loss_count"),
    "loss_nan": ([("yield loss", "yield loss * np.nan")], "invalid", "check_losses_finite"),
    "loss_infinite": ([("yield loss", "yield loss + np.inf")], "invalid", "check_losses_finite"),
    "result_float64": ([('{"w": w, "b": b}', '{"w": w.astype("float64"), "b": b}')], "invalid", "check_dtype"),
    "result_transposed": ([('{"w": w, "b": b}', '{"w": w, "b": b[:, None]}')], "invalid", "check_parameters"),
    "result_without_bias": ([('{"w": w, "b": b}', '{"w": w}')], "invalid", "check_parameters"),
    "result_nan": ([('{"w": w, "b": b}', '{"w": w, "b": b * np.float32("nan")}')], "invalid", "check_parameters"),
    "result_with_more": ([('{"w": w, "b": b}', '{"w": w, "b": b, "c": b}')], "invalid", "check_result_names"),
    "result_without_predictions": (
        [(", predictions=problem.queries @ w + b", "")],
        "invalid",
        "check_predictions",
    ),
    "result_of_objects": ([('"b": b}', '"b": np.array([None])}')], "error", "'prove'"),
    "result_is_none": ([("    return Result", "    Result")], "error", "'prove'"),
    "result_is_a_dict": ([("    return Result(", "    return dict(")], "error", "'prove'"),
    "loss_is_a_text": ([("yield loss", "yield 'nonsense'")], "error", "'prove'"),
    "goes_on_for_ever": ([("        yield loss", "        while True:\n            yield loss")], "error", "batches()"),
    "returns_before_set_up_ends": ([("    yield\n", "    return Result()\n    yield\n")], "error", "'prove'"),
}


@pytest.fixture(scope="module")
def malformed(new_content, session):
    content = new_content()
    for name, (replacements, _, _) in MALFORMED.items():
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


@pytest.mark.parametrize("name", ["result_is_none", "result_is_a_dict"])
def test_what_should_have_been_returned_is_named(malformed, name):
    assert "Result" in malformed.rows[name]["reason"]


def test_the_right_one_beside_malformed_answers_is_timed(malformed):
    assert malformed.rows["numpy_manual"]["outcome"] == "ok"
    assert malformed.rows["numpy_manual"]["step_s"] > 0
    assert malformed.exit_code == 1
