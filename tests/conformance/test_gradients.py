"""The reference's gradients, worked out by hand, against central finite differences of its own first loss."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.catalog import catalog
from workbench.contract import Problem, Result

CATALOG = catalog()
TOO_LARGE = {("graph_gradients", "large")}  # half a minute, for the same lines as its small one
PRESETS = [(task.name, preset) for task in CATALOG.tasks.values() for preset in task.presets]
PRESETS = [pair for pair in PRESETS if pair not in TOO_LARGE]
FIRST_PRESETS = [(task.name, task.default_preset) for task in CATALOG.tasks.values()]
EVERY_ELEMENT_UP_TO = 20
DIRECTIONS = 4
ALLOWED = 1e-6


def one_step(train, problem: Problem) -> tuple[float, Result]:
    """The loss of the first step and what the training ends with after it."""
    training = train(problem.with_steps(1))
    next(training)
    loss = training.send(1)
    with pytest.raises(StopIteration) as end:
        training.send(0)
    return float(loss), end.value.value


def gradients(train, problem: Problem) -> dict[str, np.ndarray]:
    """What the training itself takes for the gradients of its first loss."""
    result = one_step(train, problem)[1]
    if result.gradients:
        return dict(result.gradients)
    start, end = problem.init, result.parameters
    return {name: (start[name] - end[name]) / problem.learning_rate for name in start}


def directions(gradient: np.ndarray) -> list[np.ndarray]:
    """Directions of length 1: along the gradient, and each element's own for a small array or random ones."""
    size = gradient.size
    rng = np.random.default_rng(0)
    others = np.eye(size) if size <= EVERY_ELEMENT_UP_TO else rng.standard_normal((DIRECTIONS, size))
    return [(row / np.linalg.norm(row)).reshape(gradient.shape) for row in (gradient.ravel(), *others)]


def slope(train, problem: Problem, name: str, direction: np.ndarray, width: float = 1e-5) -> float:
    """The central finite difference of the first loss along a direction of one start array."""
    ends = []
    for sign in (1, -1):
        moved = {**problem.init, name: problem.init[name] + sign * width * direction}
        ends.append(one_step(train, dataclasses.replace(problem, init=moved))[0])
    return (ends[0] - ends[1]) / (2 * width)


def worst_difference(train, problem: Problem, claimed: dict[str, np.ndarray]) -> float:
    """The largest difference between claimed and measured slopes, relative to the gradient's length."""
    return max(
        abs(np.sum(claimed[name] * direction) - slope(train, problem, name, direction)) / np.linalg.norm(claimed[name])
        for name in problem.init
        for direction in directions(claimed[name])
    )


@pytest.fixture
def reference(task, preset, content_module):
    """The reference's train and the problem in float64."""
    problem = content_module(f"tasks.{task}").make(preset, 0).astype("float64")
    return content_module(f"frontends.numpy.{task}").train, problem


@pytest.mark.parametrize(("task", "preset"), PRESETS)
def test_the_reference_differentiates_its_own_loss(reference):
    train, problem = reference
    claimed = gradients(train, problem)
    assert set(claimed) == set(problem.init)
    assert worst_difference(train, problem, claimed) < ALLOWED


def scaled(gradient: np.ndarray) -> np.ndarray:
    return 1.0001 * gradient


@pytest.mark.parametrize(("task", "preset"), FIRST_PRESETS)
@pytest.mark.parametrize(
    "wrong", [lambda right: 1.0001 * right, np.flip, np.zeros_like], ids=["scaled", "turned", "no"]
)
def test_a_wrong_gradient_would_be_noticed(reference, wrong):
    train, problem = reference
    right = gradients(train, problem)
    for name, gradient in right.items():
        if not np.array_equal(wrong(gradient), gradient):  # a single number turned is itself
            planted = {**right, name: wrong(gradient)}
            with np.errstate(invalid="ignore", divide="ignore"):
                assert not worst_difference(train, problem, planted) < ALLOWED, name
