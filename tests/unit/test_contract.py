"""What a frontend is given: batches without end, resident or fed, which the harness may change; steps and types."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest

from workbench.contract import Calls, Phase, Problem, State, shuffled_rows


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


def samples_of(batches, steps: int = 3) -> list[list[float]]:
    """What the first array of the next batches holds."""
    return [batch[0].ravel().tolist() for batch in islice(batches, steps)]


BACKWARDS = np.arange(6)[::-1]


def test_a_resident_problem_shows_every_step_all_samples(resident):
    assert resident.resident
    assert samples_of(resident.batches()) == [[0, 1, 2, 3, 4, 5]] * 3


def test_a_resident_problem_is_put_on_the_device_once_during_set_up(resident):
    put = []
    batches = resident.batches(lambda array: put.append(len(array)) or array)
    assert put == [6, 6]
    first, *others = islice(batches, 4)
    assert all(batch is first for batch in others)
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


def test_batches_never_end_and_rows_are_taken_again_from_the_start(fed, resident):
    assert samples_of(fed.batches(), 5) == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]
    assert len(list(islice(resident.batches(), 100 * resident.steps))) == 100 * resident.steps


def test_a_task_without_data_has_empty_batches(resident):
    assert list(islice(dataclasses.replace(resident, data={}).batches(), 3)) == [(), (), ()]


def test_the_feed_counts_the_steps_that_were_taken(fed, resident):
    for problem in (fed, resident):
        batches = problem.batches()
        assert problem.feed.step == 0
        list(islice(batches, 5))
        assert problem.feed.step == 5


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_resident_data_set_that_is_reordered_is_put_on_the_device_again_once(resident, before):
    """Before the first step, too: batches() has put the first order there already."""
    put = []
    batches = resident.batches(lambda array: put.append(array.ravel().tolist()) or array)
    assert samples_of(batches, before) == [[0, 1, 2, 3, 4, 5]] * before
    put.clear()
    resident.feed.change({"x": BACKWARDS, "y": BACKWARDS})
    assert put == []
    assert samples_of(batches, 2) == [[5, 4, 3, 2, 1, 0]] * 2
    assert put == [[5, 4, 3, 2, 1, 0], [-5, -4, -3, -2, -1, 0]]


@pytest.mark.parametrize("before", [0, 1, 5])
def test_new_rows_are_taken_from_their_start_in_the_coming_step(fed, before):
    """Also where the step that comes is not the first of a period of the old rows."""
    batches = fed.batches()
    list(islice(batches, before))
    fed.feed.change({}, np.array([[5], [3]]))
    assert samples_of(batches, 3) == [[5], [3], [5]]


def test_rows_of_a_reordered_data_set_are_those_of_the_new_order(fed):
    batches = fed.batches()
    fed.feed.change({"x": BACKWARDS, "y": BACKWARDS}, np.array([[0, 1]]))
    x, y = next(batches)
    assert x.ravel().tolist() == [5, 4]
    assert np.array_equal(y, -x)


def test_without_new_rows_the_old_ones_go_on(fed):
    batches = fed.batches()
    next(batches)
    fed.feed.change({"x": BACKWARDS, "y": BACKWARDS})
    assert samples_of(batches, 2) == [[3, 2], [1, 0]]


def test_each_array_has_an_order_of_its_own_and_one_without_stays(resident):
    resident.feed.change({"x": BACKWARDS})
    x, y = next(resident.batches())
    assert x.ravel().tolist() == [5, 4, 3, 2, 1, 0]
    assert y.ravel().tolist() == [0, -1, -2, -3, -4, -5]


def test_an_array_without_an_order_stays_as_it_is_at_present(resident):
    """And not as it was originally: what changes just before the clock starts changes nothing else."""
    batches = resident.batches()
    resident.feed.change({"x": BACKWARDS, "y": BACKWARDS})
    next(batches)
    resident.feed.change({"y": np.arange(6)})
    x, y = next(batches)
    assert x.ravel().tolist() == [5, 4, 3, 2, 1, 0]
    assert y.ravel().tolist() == [0, -1, -2, -3, -4, -5], "while an order is that of the original array"
    resident.feed.change({})
    assert [array.ravel().tolist() for array in next(batches)] == [x.ravel().tolist(), y.ravel().tolist()]


def test_rows_may_change_while_the_data_set_stays_reordered(fed):
    batches = fed.batches()
    fed.feed.change({"x": BACKWARDS, "y": BACKWARDS})
    assert samples_of(batches, 1) == [[5, 4]]
    fed.feed.change({}, np.array([[0, 3]]))
    assert samples_of(batches, 2) == [[5, 2], [5, 2]]


def test_of_a_resident_data_set_only_what_changed_is_put_on_the_device_again(resident):
    put = []
    batches = resident.batches(lambda array: put.append(array.ravel().tolist()) or array)
    before = next(batches)
    for order, moved in (
        [{"y": BACKWARDS}, [[-5, -4, -3, -2, -1, 0]]],
        [{"x": BACKWARDS}, [[5, 4, 3, 2, 1, 0]]],
        [{}, []],
    ):
        put.clear()
        resident.feed.change(order)
        after = next(batches)
        assert put == moved
        assert [new is old for new, old in zip(after, before, strict=True)] == [name not in order for name in "xy"]
        assert next(batches) is after
        assert put == moved
        before = after


def test_what_changed_several_times_between_two_steps_is_put_on_the_device_once(resident):
    put = []
    batches = resident.batches(lambda array: put.append(array.ravel().tolist()) or array)
    next(batches)
    put.clear()
    for order in ({"x": BACKWARDS, "y": BACKWARDS}, {"y": np.arange(6)}, {}):
        resident.feed.change(order)
    x, y = next(batches)
    assert put == [x.ravel().tolist(), y.ravel().tolist()] == [[5, 4, 3, 2, 1, 0], [0, -1, -2, -3, -4, -5]]


def test_every_change_starts_from_the_original_data_set(resident):
    batches = resident.batches()
    for _ in range(2):
        resident.feed.change({"x": BACKWARDS, "y": BACKWARDS})
        assert samples_of(batches, 1) == [[5, 4, 3, 2, 1, 0]]
    assert resident.feed.changes == 2
    assert resident.data["x"].ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_a_changed_copy_of_a_problem_has_a_feed_of_its_own(resident):
    resident.feed.change({"x": BACKWARDS})
    list(islice(resident.batches(), 4))
    copy = resident.with_steps(9)
    assert (copy.feed.step, copy.feed.changes) == (0, 0)
    assert samples_of(copy.batches(), 1) == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("kind", ["resident", "fed"])
def test_what_changes_with_the_step_is_appended_to_its_batch(kind, request):
    given = request.getfixturevalue(kind)
    per_step = {"mask": np.array([[1.0, 0], [0, 1]]), "noise": np.array([7.0, 8, 9])}
    problem = dataclasses.replace(given, per_step=per_step)
    put = []
    batches = list(islice(problem.batches(lambda array: put.append(array.shape) or array), 4))
    assert [len(batch) for batch in batches] == [4] * 4
    assert [batch[2].tolist() for batch in batches] == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert [float(batch[3]) for batch in batches] == [7, 8, 9, 7]
    assert [batch[0].ravel().tolist() for batch in batches] == samples_of(given.batches(), 4)
    assert put.count((2,)) == put.count(()) == 4  # each is moved to the device in its own step


def test_what_changes_with_the_step_goes_on_when_the_data_set_is_reordered(resident):
    problem = dataclasses.replace(resident, per_step={"number": np.arange(5)})
    batches = problem.batches()
    assert [int(batch[-1]) for batch in islice(batches, 2)] == [0, 1]
    problem.feed.change({"x": BACKWARDS})
    x, _, number = next(batches)
    assert (x.ravel().tolist(), int(number)) == ([5, 4, 3, 2, 1, 0], 2)


@pytest.mark.parametrize("kind", ["resident", "fed"])
def test_a_phase_ends_after_its_last_step_and_the_last_one_never(kind, request):
    problem = dataclasses.replace(
        request.getfixturevalue(kind), phases=(Phase("head", 2, frozen=("w",)), Phase("all", 3)), steps=3
    )
    head, everything = problem.phases
    assert len(list(islice(problem.batches(until=head.until), 20))) == 2
    assert problem.feed.step == 2
    rest = samples_of(problem.batches(until=everything.until), 10)
    assert len(rest) == 10
    assert rest[0] == ([4, 5] if kind == "fed" else [0, 1, 2, 3, 4, 5])


def test_a_phase_that_is_over_has_no_batches(fed):
    begun = dataclasses.replace(fed, start=2)
    assert list(islice(begun.batches(until=2), 3)) == []
    assert list(islice(begun.batches(until=1), 3)) == []


def test_a_training_that_starts_in_the_middle_sees_what_its_steps_would_have_seen(fed):
    problem = dataclasses.replace(fed, per_step={"number": np.arange(3)})
    whole = list(islice(problem.batches(), 6))
    begun = dataclasses.replace(problem, start=4, carried={"velocity/w": np.ones((1, 1))})
    assert begun.feed.step == 4
    for found, expected in zip(begun.batches(), whole[4:], strict=False):
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
        if begun.feed.step == 6:
            break


@pytest.mark.parametrize(("steps", "rows"), [(1, [[0, 1]]), (3, [[0, 1], [2, 3], [4, 5]])])
def test_fewer_steps_take_the_first_rows(fed, steps, rows):
    fewer = fed.with_steps(steps)
    assert fewer.steps == len(fewer.rows) == steps
    assert samples_of(fewer.batches(), steps) == rows


def test_more_steps_take_the_rows_again_from_the_start(fed, resident):
    more = fed.with_steps(5)
    assert len(more.rows) == 5
    assert samples_of(more.batches(), 5) == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]
    assert resident.with_steps(7).rows is None


def test_phases_keep_their_shares_and_their_own_rows(fed):
    """Of a training that is cut short or prolonged: a phase never sees what another one learns."""
    rows = np.array([[0, 0], [1, 1], [2, 2], [3, 3], [10, 10], [11, 11]]) % 6
    phases = (Phase("old", 4), Phase("new", 6))
    whole = dataclasses.replace(fed, steps=6, rows=rows, phases=phases)
    assert whole.last_phase == 4
    half, twice, single = (whole.with_steps(steps) for steps in (3, 12, 1))
    assert [phase.until for phase in half.phases] == [2, 3]
    assert half.rows.tolist() == [rows[row].tolist() for row in (0, 1, 4)]
    assert [phase.until for phase in twice.phases] == [8, 12]
    assert twice.rows.tolist() == [rows[row].tolist() for row in (0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 4, 5)]
    assert ([phase.until for phase in single.phases], len(single.rows)) == ([1, 1], 1)
    assert fed.last_phase == fed.with_steps(9).last_phase == 0


def test_another_type_changes_floating_point_arrays_alone(fed):
    labels = np.array([3, 1, 2, 0, 1, 2])
    given = dataclasses.replace(
        fed,
        data={**fed.data, "labels": labels},
        per_step={"mask": np.ones(3), "token": np.arange(3, dtype=np.int32)},
        carried={"m/w": np.ones((1, 1)), "count": np.arange(2)},
        answers=np.array([1, 0]),
    )
    changed = given.astype("float32")
    assert changed.dtype == "float32"
    assert {name: array.dtype.name for name, array in changed.data.items()} == {
        "x": "float32",
        "y": "float32",
        "labels": "int64",
    }
    assert {name: array.dtype.name for name, array in changed.per_step.items()} == {"mask": "float32", "token": "int32"}
    assert {name: array.dtype.name for name, array in changed.carried.items()} == {"m/w": "float32", "count": "int64"}
    assert (changed.init["w"].dtype.name, changed.queries.dtype.name) == ("float32", "float32")
    assert changed.rows is fed.rows
    assert changed.answers is given.answers
    assert [array.dtype.name for array in next(changed.batches())] == [
        "float32",
        "float32",
        "int64",
        "float32",
        "int32",
    ]
    assert dataclasses.replace(fed, queries=None).astype("float32").queries is None


def test_plain_sgd_tells_every_gradient_in_one_step(fed):
    adam = dataclasses.replace(fed, optimizer={"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8})
    plain = adam.with_plain_sgd()
    assert (plain.optimizer, plain.learning_rate) == ({"name": "sgd"}, 1.0)
    assert plain.data is adam.data
    assert plain.rows is adam.rows
    assert (adam.plain, plain.plain, fed.plain) == (False, True, True)
    assert (adam.beta_2, plain.beta_2, fed.beta_2) == (0.999, None, None)


def test_a_task_that_updates_nothing_needs_no_plain_step(fed):
    adam = {"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    assert dataclasses.replace(fed, learning_rate=0.0, optimizer=adam).plain


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


def test_a_state_names_its_arrays():
    state = State(
        parameters={"w": np.ones(2)},
        predictions=np.zeros(3),
        gradients={"x": [1.0]},
        carried={"m/w": np.ones((2, 2)), "hidden": 1.5},
    )
    assert {name: array.shape for name, array in state.arrays().items()} == {
        "parameters/w": (2,),
        "gradients/x": (1,),
        "carried/m/w": (2, 2),
        "carried/hidden": (),
        "predictions": (3,),
    }
    assert State().arrays() == {}


def test_a_call_runs_as_many_steps_as_it_is_asked_for_unless_it_says_how_many():
    assert Calls(State).steps is None
    assert Calls(State, 50).steps == 50
