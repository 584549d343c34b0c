"""The reference goes on from any state as if it had never stopped: on that rests the proof of every clocked block."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest

from workbench.catalog import catalog
from workbench.contract import Arrays, Problem
from workbench.session.reference import new_feed
from workbench.wire import exchange

TOO_LARGE = {
    ("graph_gradients", "large"),
    ("linreg", "wide"),
    ("two_layer_net", "wide"),
    ("cnn", "epochs"),
    ("cnn", "wide"),
    ("dynamic_net", "wide"),
    ("lstm", "wide"),
    ("transfer", "wide"),
    ("transformer", "carry"),
    ("transformer", "wide"),
}
PRESETS = [(task.name, preset) for task in catalog().tasks.values() for preset in task.presets]
PRESETS = [pair for pair in PRESETS if pair not in TOO_LARGE]
BEFORE, AFTER = 7, 9

pytestmark = pytest.mark.parametrize(("task", "preset"), PRESETS)


@pytest.fixture
def made(task, preset, content_module) -> Problem:
    return content_module(f"tasks.{task}").make(preset, 0).astype("float64")


@pytest.fixture
def train(task, content_module):
    return content_module(f"frontends.numpy.{task}").train


def stopped(train, made: Problem) -> tuple[Arrays, list[float], Arrays]:
    """The state at which a training stopped, its losses after it was given a new feed, and its state at the end."""
    problem = dataclasses.replace(made)
    training = train(problem)
    state = next(training).state
    list(islice(training, BEFORE))
    before = {name: array.copy() for name, array in state().arrays().items()}
    problem.feed.change(*new_feed(made, np.random.default_rng(1), AFTER))
    losses = [float(loss) for loss in islice(training, AFTER)]
    return before, losses, state().arrays()


def going_on(train, made: Problem, before: Arrays, step: int = BEFORE) -> tuple[list[float], Arrays]:
    """The same from that state on, in another training."""
    problem = exchange.begun_from(made, before, step)
    training = train(problem)
    state = next(training).state
    problem.feed.change(*new_feed(made, np.random.default_rng(1), AFTER))
    losses = [float(loss) for loss in islice(training, AFTER)]
    return losses, state().arrays()


def same(one: Arrays, other: Arrays) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in {*one, *other})


def test_it_takes_the_same_steps_to_the_last_bit(train, made):
    before, losses, after = stopped(train, made)
    again, end = going_on(train, made, before)
    assert again == losses
    assert same(end, after)


def test_a_state_that_it_read_is_not_changed_by_later_steps_of_another_training(train, made):
    started = {name: array.copy() for name, array in made.init.items()}
    before, *_ = stopped(train, made)
    kept = {name: array.copy() for name, array in before.items()}
    going_on(train, made, before)
    assert same(before, kept)
    assert same(made.init, started)


def test_every_array_of_the_state_counts(train, made):
    """What could be left out unnoticed would prove nothing; a task without parameters carries nothing."""
    before, losses, after = stopped(train, made)
    for name in (name for name in before if name.startswith(("parameters/", "carried/"))):
        changed = {**before, name: before[name] + 1e-3}
        again, end = going_on(train, made, changed)
        assert again != losses or not same(end, after), name


def test_so_does_the_number_of_steps_before_where_the_optimiser_or_the_data_count_them(train, made):
    before, losses, after = stopped(train, made)
    again, end = going_on(train, made, before, BEFORE + 1)
    counted = made.beta_2 is not None or bool(made.per_step)
    assert counted != (again == losses and same(end, after))
