"""The reference's gradients, worked out by hand, against central finite differences of its own first loss."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.catalog import catalog
from workbench.contract import Problem, Result

CATALOG = catalog()
PRESETS = [(task.name, preset) for task in CATALOG.tasks.values() for preset in task.presets]
SMALL_BYTES = 10e6
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


def directions(shape: tuple[int, ...]):
    """Each element's own direction for a small array, random ones of length 1 for a large one."""
    size = int(np.prod(shape))
    rng = np.random.default_rng(0)
    many = np.eye(size) if size <= EVERY_ELEMENT_UP_TO else rng.standard_normal((DIRECTIONS, size))
    return [(row / np.linalg.norm(row)).reshape(shape) for row in many]


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
        for direction in directions(problem.init[name].shape)
    )


@pytest.fixture
def reference(task, preset, content_module):
    """The reference's train and the problem in float64."""
    problem = content_module(f"tasks.{task}").make(preset, 0).astype("float64")
    if problem.bytes > SMALL_BYTES:
        problem = None
    return content_module(f"frontends.numpy.{task}").train, problem


def small(pairs):
    """Presets that are small enough to be differentiated here; every task has one."""
    sizes = {"large", "wide"}
    return [(task, preset) for task, preset in pairs if preset not in sizes]


@pytest.mark.parametrize(("task", "preset"), small(PRESETS))
def test_the_reference_differentiates_its_own_loss(reference):
    train, problem = reference
    assert problem is not None, "too large a preset for finite differences"
    claimed = gradients(train, problem)
    assert set(claimed) == set(problem.init)
    assert worst_difference(train, problem, claimed) < ALLOWED


@pytest.mark.parametrize(("task", "preset"), small(PRESETS))
def test_a_gradient_off_by_a_thousandth_would_be_noticed(reference):
    train, problem = reference
    for name, right in gradients(train, problem).items():
        off = {**gradients(train, problem), name: 1.001 * right}
        assert worst_difference(train, problem, off) > ALLOWED, name


def test_every_task_has_a_preset_small_enough():
    assert {task for task, _ in small(PRESETS)} == set(CATALOG.tasks)
