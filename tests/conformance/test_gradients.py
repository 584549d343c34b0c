"""The reference's gradients, worked out by hand, against central finite differences of its own first loss.

A step of p <- p - gradient tells every gradient, whatever the task's optimiser.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from workbench.catalog import REFERENCE, catalog
from workbench.catalog.depends import files_of
from workbench.catalog.roots import content_root
from workbench.contract import Problem, State

CATALOG = catalog()
TOO_LARGE = {  # minutes, for the same lines as their small ones
    ("graph_gradients", "large"),
    ("cnn", "epochs"),
    ("cnn", "wide"),
    ("mlp", "wide"),
    ("dynamic_net", "wide"),
    ("lstm", "epochs"),
    ("lstm", "wide"),
    ("transfer", "wide"),
    ("transformer", "carry"),
    ("transformer", "wide"),
}
SMALLER = {("cnn", "normalised"): {"batch": 2}}  # among fewer units, fewer are close to their kink
PRESETS = [(task.name, preset) for task in CATALOG.tasks.values() for preset in task.presets]
PRESETS = [pair for pair in PRESETS if pair not in TOO_LARGE]
FIRST_PRESETS = [(task.name, task.default_preset) for task in CATALOG.tasks.values()]
EVERY_ELEMENT_UP_TO = 20
DIRECTIONS = 4
WIDTHS = (1e-5, 1e-6, 1e-7, 1e-4)  # within one of them no unit of a ReLU changes sides
ALLOWED = 1e-6


def one_step(train, problem: Problem) -> tuple[float, State]:
    """The loss of the first step, and the state after it."""
    training = train(dataclasses.replace(problem))  # whose feed is at its start
    state = next(training).state
    loss = float(next(training))
    return loss, state()


def gradients(train, problem: Problem) -> dict[str, np.ndarray]:
    """What the training itself takes for the gradients of its first loss."""
    plain = problem.with_plain_sgd()
    state = one_step(train, plain)[1]
    return dict(state.gradients) or {name: plain.init[name] - state.parameters[name] for name in plain.init}


def directions(gradient: np.ndarray) -> list[np.ndarray]:
    """Directions of length 1: along the gradient, and each element's own for a small array or random ones."""
    size = gradient.size
    rng = np.random.default_rng(0)
    others = np.eye(size) if size <= EVERY_ELEMENT_UP_TO else rng.standard_normal((DIRECTIONS, size))
    return [(row / length(row)).reshape(gradient.shape) for row in (gradient.ravel(), *others)]


def length(array: np.ndarray) -> float:
    """Of a vector; 1 for the zeros of a parameter that the step does not train."""
    return float(np.linalg.norm(array)) or 1.0


def slope(train, problem: Problem, name: str, direction: np.ndarray, width: float) -> float:
    """The central finite difference of the first loss along a direction of one array that it depends on."""
    group = "init" if problem.init else "data"
    arrays, ends = getattr(problem, group), []
    for sign in (1, -1):
        moved = {**arrays, name: arrays[name] + sign * width * direction}
        ends.append(one_step(train, dataclasses.replace(problem, **{group: moved}))[0])
    return (ends[0] - ends[1]) / (2 * width)


def worst_difference(train, problem: Problem, claimed: dict[str, np.ndarray]) -> float:
    """The largest difference between claimed and measured slopes, relative to the gradient's length."""
    return max(
        smallest_difference(train, problem, name, claimed[name], direction)
        for name in claimed
        for direction in directions(claimed[name])
    )


def smallest_difference(train, problem: Problem, name: str, claimed: np.ndarray, direction: np.ndarray) -> float:
    """Of one direction: at the first width that is good enough, or the best of all."""
    smallest = np.inf
    for width in WIDTHS:
        difference = abs(np.sum(claimed * direction) - slope(train, problem, name, direction, width)) / length(claimed)
        smallest = min(smallest, difference)
        if smallest < ALLOWED / 10:
            break
    return smallest


def chosen(what: str, task: str, preset: str) -> ParameterSet:
    """A problem, left out while nothing that decides its gradients has changed since it passed."""
    root = content_root()
    own = [root / "tasks" / f"{task}.py", *files_of(CATALOG, task, CATALOG.frontends[REFERENCE])]
    files = [*own, root / "workbench" / "contract.py", root / "constraints.txt", Path(__file__)]
    return pytest.param(task, preset, marks=pytest.mark.unless_proven(f"{what} {task} {preset}", files))


@pytest.fixture
def reference(task, preset, content_module):
    """The reference's train and the problem in float64."""
    problem = content_module(f"tasks.{task}").make(preset, 0, **SMALLER.get((task, preset), {})).astype("float64")
    return content_module(f"frontends.numpy.{task}").train, problem


@pytest.mark.parametrize(("task", "preset"), [chosen("differences", *case) for case in PRESETS])
def test_the_reference_differentiates_its_own_loss(reference):
    train, problem = reference
    claimed = gradients(train, problem)
    assert set(claimed) == set(problem.init or problem.data)
    assert worst_difference(train, problem, claimed) < ALLOWED


@pytest.mark.parametrize(("task", "preset"), [chosen("wrong differences", *case) for case in FIRST_PRESETS])
@pytest.mark.parametrize(
    "wrong", [lambda right: 1.0001 * right, np.flip, np.zeros_like], ids=["scaled", "turned", "no"]
)
def test_a_wrong_gradient_would_be_noticed(reference, wrong):
    train, problem = reference
    right = gradients(train, problem)
    for name, gradient in right.items():
        if not np.array_equal(wrong(gradient), gradient):  # a single number turned is itself
            planted = {name: wrong(gradient)}
            with np.errstate(invalid="ignore", divide="ignore"):
                assert not worst_difference(train, problem, planted) < ALLOWED, name


@pytest.mark.parametrize(("task", "preset"), [chosen("wrong differences", *case) for case in FIRST_PRESETS])
def test_the_tasks_own_optimiser_is_given_the_same_gradients(reference):
    """Their first moments tell, or plain SGD's step: what is proven of one optimiser holds for the other."""
    train, problem = reference
    plain, own = gradients(train, problem), one_step(train, problem)[1]
    for name in problem.init:
        if problem.plain:
            step = (problem.init[name] - own.parameters[name]) / problem.learning_rate
            assert step == pytest.approx(plain[name], rel=1e-6, abs=1e-9)
        else:
            adam = "beta_1" in problem.optimizer
            moment = (
                own.carried[f"m/{name}"] / (1 - problem.optimizer["beta_1"])
                if adam
                else own.carried[f"velocity/{name}"]
            )
            assert moment == pytest.approx(plain[name], rel=1e-9, abs=1e-12)
