"""The mathematics of every pair, in float64: all tasks of a mode in one process, which imports its framework once.

Whole sessions, with clocks and all other checks, are test_pairs.py's; they take a minute each.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from workbench.catalog import REFERENCE, catalog
from workbench.catalog.depends import files_of
from workbench.catalog.roots import content_root
from workbench.model.content import Frontend
from workbench.model.proof import Trained
from workbench.session.verify import condition, tolerance, verify_exact
from workbench.statistics.deviation import loss_deviations
from workbench.wire import exchange

CATALOG = catalog()
STEPS = 40  # whole schedules of dynamic_net
PRESETS = {"cnn": ("digits", "normalised"), "linreg": ("points", "diabetes"), "transfer": ("frozen", "fine_tuned")}
CASES = [
    (task.name, name) for task in CATALOG.tasks.values() for name in PRESETS.get(task.name, (task.default_preset,))
]
SLOW = ("pytorch_compiled",)  # half a minute a problem
KERAS = ("lstm", "transformer", ("cnn", "normalised"))  # evaluate moves h and c on, drops nothing, normalises otherwise
NOT_ALONE = {  # whose loss alone is another than that of a step, or changes the state
    "jax_scan": tuple(CATALOG.tasks),
    **dict.fromkeys(("tf2_keras", "keras_jax", "keras_torch"), KERAS),
    **dict.fromkeys(("tf2_eager", "tf2_function", "tf2_xla", "pytorch_eager", "pytorch_compiled"), (KERAS[-1],)),
}
TRAIN_ALL = Path(__file__).with_name("train_all.py")


@pytest.fixture(scope="module")
def problems(content_module, tmp_path_factory):
    """Each case's problem in float64, as a file; and one with plain SGD where the optimiser is another."""
    folder, found = tmp_path_factory.mktemp("problems"), {}
    for task, preset in CASES:
        problem = content_module(f"tasks.{task}").make(preset, 0).astype("float32").astype("float64").with_steps(STEPS)
        found[task, preset] = problem
        exchange.save_problem(folder / f"{task}-{preset}.npz", problem)
        if not problem.plain:
            exchange.save_problem(folder / f"{task}-{preset}-plain.npz", problem.with_plain_sgd())
    return folder, found


@pytest.fixture(scope="module")
def reference(problems, content_module):
    """What NumPy computes, in this process: of a case, the training, or some plain SGD steps; and the next loss."""
    done = {}

    def trained(problem, steps):
        training = content_module(f"frontends.numpy.{problem.task}").train(problem)
        state = next(training).state
        losses = np.array([next(training) for _ in range(steps)], np.float64)
        arrays = {name: array.copy() for name, array in state().arrays().items()}
        return Trained(losses, arrays), float(next(training))

    def of(case, plain_steps=None):
        if (case, plain_steps) not in done:
            problem = problems[1][case]
            own = dataclasses.replace(problem) if plain_steps is None else problem.with_plain_sgd()
            done[case, plain_steps] = trained(own, plain_steps or STEPS)
        return done[case, plain_steps]

    return of


@pytest.fixture(scope="module")
def computed(problems, tmp_path_factory):
    """What a mode computes: all cases in one process, run once."""
    folder, _ = problems
    started = set()

    def of(mode, case):
        if missing := [name for name in mode.packages if not _installed(name)]:
            pytest.skip(f"{', '.join(missing)} not installed")
        files = {path.stem: path for path in sorted(folder.glob("*-*.npz")) if path.suffixes == [".npz"]}
        if mode.id not in started:
            started.add(mode.id)
            wanted = [file for file in files.values() if CATALOG.hole(file.stem.partition("-")[0], mode) is None]
            environment = {**os.environ, **mode.environment, "PYTHONPATH": str(content_root()), "JAX_PLATFORMS": "cpu"}
            words = [sys.executable, str(TRAIN_ALL), mode.folder, mode.id, "float64", str(STEPS), *map(str, wanted)]
            subprocess.run(words, env=environment, capture_output=True, check=True, timeout=900)

        def result(name):
            file = files[name]
            if (failed := file.with_suffix(f".{mode.id}.txt")).is_file():
                return failed.read_text(encoding="utf-8")
            arrays = exchange.load_arrays(file.with_suffix(f".{mode.id}.npz"))
            state = {key.removeprefix("state/"): array for key, array in arrays.items() if key.startswith("state/")}
            return Trained(arrays["losses"], state), arrays.get("evaluated")

        name = "-".join(case)
        return result(name), result(f"{name}-plain") if f"{name}-plain" in files else None

    return of


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def chosen(mode: Frontend, case: tuple[str, str]) -> ParameterSet:
    """A pair, left out while nothing that decides what it computes has changed since it passed."""
    task, preset = case
    own = [content_root() / "tasks" / f"{task}.py", *files_of(CATALOG, task, mode)]
    reference = files_of(CATALOG, task, CATALOG.frontends[REFERENCE])
    others = [
        content_root() / "workbench" / "contract.py",
        content_root() / "constraints.txt",
        Path(__file__),
        TRAIN_ALL,
    ]
    proof = pytest.mark.unless_proven(f"alone {task}-{preset} {mode.id}", [*own, *reference, *others])
    slow = [pytest.mark.slow] if mode.id in SLOW else []
    return pytest.param(mode, case, marks=[proof, *slow], id=f"{mode.id}-{task}-{preset}")


@pytest.mark.parametrize(
    ("mode", "case"), [chosen(mode, case) for mode in CATALOG.frontends.values() for case in CASES]
)
def test_every_pair_computes_what_numpy_does_by_hand(mode, case, problems, reference, computed):
    if CATALOG.hole(case[0], mode):
        pytest.skip("a hole, which test_pairs.py and test_holes.py look at")
    result, plain = computed(mode, case)
    assert isinstance(result, tuple), result
    (found, alone), problem = result, problems[1][case]
    right, next_loss = reference(case)
    limit = tolerance("float64", problem.terms, STEPS if problem.learning_rate else 1) * condition(problem.beta_2)
    states = plain and (plain[0].result, reference(case, len(plain[0].losses))[0].result)
    checks = verify_exact(found, right, limit, states)
    assert [f"{check.name}: {check.detail}" for check in checks if not check.passed] == []
    assert {check.name for check in checks} >= {"check_every_loss", "check_dtype"}
    assert (alone is None) == (case in NOT_ALONE.get(mode.id, ()) or case[0] in NOT_ALONE.get(mode.id, ()))
    if alone is not None:  # what the next step would lose
        assert float(loss_deviations(alone[np.newaxis], np.array([next_loss]), largest=right.losses.max())[0]) <= limit


def test_every_pair_takes_part():
    assert {task for task, _ in CASES} == set(CATALOG.tasks)
    assert all(preset in CATALOG.tasks[task].presets for task, preset in CASES)
