"""Losses alone that are another computation than that of a step are refused, whatever the training is like."""

from __future__ import annotations

import pytest

import workbench

READY = "    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])\n"
REMEMBERED = """    known = []

    def evaluate():
        known.append(forward(*next(batches))[-1] if not known else known[0])
        return known[0]

    yield Steps(state, evaluate)
"""
UNCHANGED_BATCH = """    batch = next(problem.batches())
    yield Steps(state, evaluate=lambda: forward(*batch)[-1])
"""
HALVED = """    def evaluate():
        x, y = next(batches)
        return forward(x[::2], y[::2])[-1]

    yield Steps(state, evaluate)
"""
CHANGES_THE_STATE = """    times = [0]

    def evaluate():
        times[0] += 1
        if times[0] % 300 == 0:
            b[:] = np.nextafter(b, b + 1)
        return forward(*next(batches))[-1]

    yield Steps(state, evaluate)
"""
CHANGES_AT_FIRST = CHANGES_THE_STATE.replace("% 300 == 0", "== 1")
TRAINS = """    def evaluate():
        x, y = next(batches)
        error, loss = forward(x, y)
        w[:] -= problem.learning_rate * x.T @ error / len(x)
        return loss

    yield Steps(state, evaluate)
"""
LAZY = """    class Loss:
        def __init__(self, batch):
            self.batch = batch

        def __float__(self):
            return float(forward(*self.batch)[-1])

    yield Steps(state, evaluate=lambda: Loss(next(batches)))
"""
WRONG = {
    "remembered": (REMEMBERED, "invalid", "evaluate: check_evaluation"),
    "batch_of_its_own": (UNCHANGED_BATCH, "invalid", "evaluate: check_evaluation"),
    "halved": (HALVED, "invalid", "evaluate: check_evaluation"),
    "off_by_little": (READY.replace("[-1]", "[-1] * (1 + 1e-5)"), "invalid", "evaluate: check_evaluation"),
    "nan": (READY.replace("[-1]", "[-1] * np.nan"), "invalid", "evaluate: check_evaluation"),
    "changes_the_state": (CHANGES_THE_STATE, "invalid", "evaluate: check_unchanged: evaluating changed parameters/b"),
    "changes_at_first": (CHANGES_AT_FIRST, "invalid", "evaluate: check_unchanged: evaluating changed parameters/b"),
    "trains": (TRAINS, "invalid", "evaluate: check_"),
    "lazy": (LAZY, "invalid", "evaluate: check_synchronised"),
    "raises": (READY.replace("forward(", "planted("), "error", "planted"),
    "text": (READY.replace("forward(*next(batches))[-1]", "'1.0'"), "error", "a step yielded str, expected its loss"),
    "nothing": (READY.replace("forward(*next(batches))[-1]", "None"), "error", "TypeError"),
    "no_function": (
        READY.replace("lambda: forward(*next(batches))[-1]", "3"),
        "error",
        "evaluate is int, expected a function",
    ),
}
NONE = READY.replace(", evaluate=lambda: forward(*next(batches))[-1]", "")


@pytest.fixture(scope="module")
def evaluated(new_content, session):
    content = new_content()
    for name, (ready, _, _) in WRONG.items():
        content.plant(name, content.changed((READY, ready)))
    content.plant("none", content.changed((READY, NONE)))
    content.plant("plain", content.changed((READY, "    yield state\n")))
    content.plant("right", content.changed())
    return session(content, "--preset=points", "--steps=20", "--evaluate")


@pytest.mark.parametrize("name", WRONG)
def test_another_computation_is_refused(evaluated, name):
    _, outcome, said = WRONG[name]
    row = evaluated.rows[name]
    assert (row["outcome"], row["step_s"]) == (outcome, None)
    assert said in row["reason"]


@pytest.mark.parametrize("name", ["numpy_manual", "right", "none", "plain"])
def test_those_beside_them_are_timed(evaluated, name):
    row = evaluated.rows[name]
    assert (row["outcome"], row["reason"]) == ("ok", "")


def test_the_second_table_has_those_who_can(evaluated):
    rows = {row.id: row for row in evaluated.run.rows_of("evaluate")}
    assert {name for name, row in rows.items() if row.timed} == {"numpy_manual", "right"}
    assert rows["right"].step_ratio > 0


def test_gradients_that_evaluating_changes_are_noticed_where_nothing_else_is_kept(content, tmp_path, quick):
    loss = "        return np.sum(x * y + z)\n"
    folder = content.root / "frontends" / content.plant("counted", content.changed())
    source = content.changed((loss, f"        dc_dz[:] += 1\n{loss}"), file="graph_gradients.py")
    (folder / "graph_gradients.py").write_text(source)
    options = {"evaluate": True, "content": content.root, "output": tmp_path / "runs"}
    run = workbench.run("graph_gradients", "counted,numpy", **options, **quick)
    rows = {row.id: row for row in run.rows}
    assert (rows["numpy_manual"].outcome, rows["counted"].outcome) == ("ok", "invalid")
    assert "check_unchanged: evaluating changed gradients/" in rows["counted"].reason
