"""What a task makes is looked at before anything is started with it: the first field that cannot be is named."""

from __future__ import annotations

import dataclasses
import importlib

import numpy as np
import pytest

from workbench.catalog import catalog
from workbench.contract import Phase
from workbench.wire.problems import checked

PAIRS = [(task.name, preset) for task in catalog().tasks.values() for preset in task.presets]


def made(task="two_layer_net", preset="batches"):
    return importlib.import_module(f"tasks.{task}").make(preset, 0)


@pytest.mark.parametrize(("task", "preset"), PAIRS)
def test_every_task_makes_what_can_be_measured(task, preset):
    problem = made(task, preset)
    assert checked(problem) is problem
    assert checked(problem.astype("float64")).dtype == "float64"


NAMES = ("w.npy", "a\0b", "", "../w", "a b", "\n", "ä", "w" * 1000)
ODD = {
    "task": ("other\nx", None, 5),
    "preset": (None, 5),
    "seed": (None, -1, "0", 2**60, 1.0, True),
    "steps": (0, -1, 3.0, "5", None, 10**30),
    "terms": (0, "5", 10**30, float("nan")),
    "period": (0, 1.0, 2**53 - 1, True),
    "learning_rate": (1j, True, "a", float("nan"), float("inf"), -0.1, None),
    "flops": (float("nan"), float("inf"), 10**80, -5, "5", None),
    "bytes": (float("nan"), -5),
    "init": (
        None,
        [],
        {"w": 1.0},
        {"w": np.array([])},
        {1: np.ones(2)},
        {"w": np.array(["a"])},
        *({name: np.ones(2)} for name in NAMES),
        {"w": np.ones(2, complex)},
    ),
    "data": (
        None,
        {"x": np.ones((0, 3))},
        {"x": np.ones(3), "y": np.ones(4)},
        {"x": np.array([None])},
        {"x": np.array(1.0)},
    ),
    "per_step": ({"mask": [1, 2]}, {"mask": np.array(1.0)}),
    "queries": ([[1.0]], np.array(1.0), np.ones((0, 3)), np.array(["a"])),
    "answers": (np.ones(3, int), np.ones(10), [1] * 10),
    "optimizer": (
        None,
        [],
        {},
        {"name": 5},
        {"name": "sgd", "momentum": True},
        {"name": "adam", "epsilon": float("nan")},
        {"name": "adamw", "decayed": [5]},
    ),
    "phases": (
        None,
        [Phase("a", 5)],
        ("a",),
        (Phase("a", 5),),
        (Phase("a", 5), Phase("b", 5), Phase("c", 10**9)),
        (Phase("a", 0.5),),
        (Phase("a\n", 5),),
    ),
    "rows": (
        [[0]],
        np.zeros(3, int),
        np.zeros((0, 2), int),
        np.full((2, 2), -1),
        np.full((2, 2), 10**6),
        np.ones((2, 2)),
    ),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ODD.items() for value in values])
def test_the_field_that_cannot_be_is_named(name, value):
    problem = dataclasses.replace(made(), rows=None) if name == "data" else made()
    object.__setattr__(problem, name, value)
    with pytest.raises(ValueError, match=rf"^Problem\.{name}.*, expected ") as error:
        checked(problem)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("value", [None, {}, 5])
def test_what_is_no_problem_is_told(value):
    with pytest.raises(TypeError, match=r"^make\(\) returned \w+, expected a workbench.contract.Problem"):
        checked(value)


def test_numbers_of_numpy_are_numbers(tmp_path):
    from workbench.wire import exchange

    problem = dataclasses.replace(made(), steps=np.int64(5), flops=np.float64(7), learning_rate=np.float32(0.5))
    exchange.save_problem(tmp_path / "p.npz", checked(problem))
    found = exchange.load_problem(tmp_path / "p.npz")
    assert (found.steps, found.flops, found.learning_rate) == (5, 7.0, 0.5)


def test_a_run_says_so_in_one_line_and_leaves_nothing(cli, content, tmp_path):
    task = content.root / "tasks" / "linreg.py"
    text = task.read_text()
    task.write_text(
        f"{text}\n\nbefore = make\n\n\ndef make(preset, seed, **changes):\n    import dataclasses\n\n"
        '    return dataclasses.replace(before(preset, seed, **changes), flops=float("nan"))\n'
    )
    done = cli("run", "linreg", "-f", "numpy", "--content", content.root, "--output", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert "the problem could not be made: " in last
    assert "Problem.flops = nan, expected a finite number" in last
    assert not list((tmp_path / "out").glob("*"))
