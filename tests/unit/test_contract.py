"""What a frontend is given: batches, resident or fed, once or without end; steps; rows; types."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest

from workbench.contract import Problem, Result, shuffled_rows


@pytest.fixture
def resident() -> Problem:
    return Problem(
        task="planted",
        preset="tiny",
        seed=0,
        steps=3,
        learning_rate=0.1,
        terms=1,
        flops=1,
        bytes=1,
        init={"w": np.zeros((1, 1))},
        data={"x": np.arange(6.0)[:, None], "y": -np.arange(6.0)[:, None]},
        queries=np.ones((2, 1)),
    )


@pytest.fixture
def fed(resident) -> Problem:
    return dataclasses.replace(resident, rows=np.array([[0, 1], [2, 3], [4, 5]]))


def samples_of(batches) -> list[list[float]]:
    return [x.ravel().tolist() for x, _ in batches]


def test_a_resident_problem_shows_every_step_all_samples(resident):
    assert resident.resident
    assert samples_of(resident.batches()) == [[0, 1, 2, 3, 4, 5]] * 3


def test_a_resident_problem_is_put_on_the_device_once_during_set_up(resident):
    put = []
    batches = resident.batches(lambda array: put.append(len(array)) or array)
    assert put == [6, 6]
    assert len(list(batches)) == 3
    assert put == [6, 6]


def test_a_fed_problem_shows_each_step_its_rows(fed):
    assert not fed.resident
    assert samples_of(fed.batches()) == [[0, 1], [2, 3], [4, 5]]
    x, y = next(fed.batches())
    assert np.array_equal(y, -x)


def test_a_fed_problem_is_put_on_the_device_at_each_step(fed):
    put = []
    batches = fed.batches(lambda array: put.append(len(array)) or array)
    assert put == []
    next(batches)
    assert put == [2, 2]
    next(batches)
    assert put == [2, 2, 2, 2]


def test_endless_batches_go_on_from_the_start(fed, resident):
    endless = dataclasses.replace(fed, endless=True)
    assert samples_of(islice(endless.batches(), 5)) == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]
    assert len(list(islice(dataclasses.replace(resident, endless=True).batches(), 100))) == 100


def test_a_task_without_data_has_empty_batches(resident):
    assert list(dataclasses.replace(resident, data={}).batches()) == [(), (), ()]


@pytest.mark.parametrize(("steps", "rows"), [(1, [[0, 1]]), (3, [[0, 1], [2, 3], [4, 5]])])
def test_fewer_steps_take_the_first_rows(fed, steps, rows):
    fewer = fed.with_steps(steps)
    assert fewer.steps == steps
    assert samples_of(fewer.batches()) == rows


def test_more_steps_take_the_rows_again_from_the_start(fed, resident):
    assert samples_of(fed.with_steps(5).batches()) == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]
    assert len(list(resident.with_steps(7).batches())) == 7


def test_another_type_changes_floating_point_arrays_and_no_rows(fed):
    changed = fed.astype("float32")
    assert changed.dtype == "float32"
    assert {array.dtype.name for array in (*changed.init.values(), *changed.data.values(), changed.queries)} == {
        "float32"
    }
    assert changed.rows is fed.rows
    assert dataclasses.replace(fed, queries=None).astype("float32").queries is None


def test_a_problem_cannot_be_changed_by_who_gets_it(fed):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fed.steps = 5


@pytest.mark.parametrize(("samples", "batch", "steps"), [(10, 3, 7), (12, 4, 3), (5, 5, 4), (442, 34, 520), (3, 1, 1)])
def test_every_epoch_is_a_new_permutation(samples, batch, steps):
    rows = shuffled_rows(np.random.default_rng(0), samples, batch, steps)
    per_epoch = samples // batch
    assert rows.shape == (steps, batch)
    assert 0 <= rows.min() <= rows.max() < samples
    epochs = [rows[start : start + per_epoch].ravel().tolist() for start in range(0, steps, per_epoch)]
    assert all(len(set(epoch)) == len(epoch) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == len(epochs)


@pytest.mark.parametrize("batch", [0, -1, 11])
def test_a_batch_that_does_not_fit_is_refused(batch):
    with pytest.raises(ValueError, match=f"a batch of {batch} does not fit into 10 samples"):
        shuffled_rows(np.random.default_rng(0), 10, batch, 3)


def test_rows_depend_on_the_generator_alone():
    first, again, other = (shuffled_rows(np.random.default_rng(seed), 10, 3, 7) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_result_names_its_arrays():
    result = Result(parameters={"w": np.ones(2)}, predictions=np.zeros(3), gradients={"x": [1.0]})
    assert {name: array.shape for name, array in result.arrays().items()} == {
        "parameters/w": (2,),
        "gradients/x": (1,),
        "predictions": (3,),
    }
    assert Result().arrays() == {}
