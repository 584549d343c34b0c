"""A frontend whose state is wrong at one moment of its life: that costs its own row, whenever it is, and no other."""

from __future__ import annotations

import pytest

import workbench

# When the state is read in a launch: after the first unit, after the task's last step, before the first block, and at
# the end of every block; once more in the process that trains in float64.
STATE = """    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)
"""
PLANTED = """    read = [0]

    def state():
        read[0] += 1
        parameters = {{"w": w, "b": b}}
        predictions = problem.queries @ w + b
        if read[0] == {moment} and problem.dtype == "{dtype}":
            {fault}
        return State(parameters=parameters, predictions=predictions)
"""
MOMENTS = {
    "in float64": (1, "float64", "in float64, "),
    "after the first step": (1, "float32", ""),
    "after the last step": (2, "float32", ""),
    "before the first block": (3, "float32", "check_block: the state before the block of round 0: "),
    "after the first block": (4, "float32", "check_block: the block of round 0: "),
}
FAULTS = {
    "a parameter less": ('del parameters["b"]', "parameters/b is missing from the state"),
    "a parameter more": ('parameters["c"] = b', "parameters/c is not part of the task's state"),
    "no predictions": ("predictions = None", "predictions is missing from the state"),
    "another shape": ('parameters["w"] = w.T', "parameters/w has shape (1, 10), expected (10, 1)"),
    "another type": ('parameters["w"] = w.astype("float16")', "parameters/w is float16, the task asks for "),
    "no numbers": ('parameters["w"] = w * np.nan', "parameters/w contains NaN or infinity"),
}
# Every fault once, every moment several times.
CASES = [(moment, fault) for place, moment in enumerate(MOMENTS) for fault in list(FAULTS)[place::2]]


@pytest.fixture(scope="module")
def rows(new_content, tmp_path_factory):
    """One session of NumPy and of all that is planted, by the case."""
    content = new_content()
    names = {}
    for place, (moment, fault) in enumerate(CASES):
        number, dtype, _ = MOMENTS[moment]
        planted = PLANTED.format(moment=number, dtype=dtype, fault=FAULTS[fault][0])
        names[moment, fault] = content.plant(f"planted_{place}", content.changed((STATE, planted)))
    frontends = ["numpy_manual", *names.values()]
    settings = {"preset": "diabetes", "steps": 20, "launches": 1, "rounds": 1, "content": content.root}
    run = workbench.run("linreg", frontends, output=tmp_path_factory.mktemp("runs"), **settings)
    found = {row.id: row for row in run.rows}
    return {"right": found["numpy_manual"], **{case: found[name] for case, name in names.items()}}


@pytest.mark.parametrize("case", CASES, ids=" - ".join)
def test_a_state_that_is_wrong_at_one_moment_costs_its_own_row(rows, case):
    moment, fault = case
    _, _, before = MOMENTS[moment]
    assert rows[case].outcome == "invalid"
    assert FAULTS[fault][1] in rows[case].reason
    assert rows[case].reason.startswith(before or "check_")


def test_and_no_other(rows):
    assert (rows["right"].outcome, rows["right"].blocks_proving) == ("ok", 1)


def test_every_fault_is_planted():
    assert {fault for _, fault in CASES} == set(FAULTS)
