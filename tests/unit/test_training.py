"""A training driven from outside: steps are counted, losses complete and in order, units whole; and the reference."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.contract import Calls, Problem, State
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.session import reference as reference_module
from workbench.session import training as training_module
from workbench.session.reference import LARGEST_MOVED, Reference, Steps, last_feed, new_feed
from workbench.session.training import Training, read
from workbench.session.verify import FIRST
from workbench.store.codec import decoded
from workbench.wire import exchange, worker
from workbench.wire.exchange import Job

PROBLEM = Problem(
    "planted",
    "",
    0,
    12,
    0.1,
    4,
    1,
    1,
    init={"w": np.array([1.0, 2.0, 3.0])},
    data={"x": np.arange(12.0).reshape(4, 3) / 12, "y": np.arange(4.0)[:, None]},
    rows=np.array([[0, 1], [2, 3], [1, 2]]),
    optimizer={"name": "momentum", "momentum": 0.5},
    dtype="float64",
)


def train(problem):
    """A linear model with momentum, which goes on from the middle if it is asked to."""
    w = problem.init["w"].copy()
    velocity = problem.carried.get("velocity/w", np.zeros_like(w)).copy()
    batches = problem.batches()
    yield lambda: State(parameters={"w": w}, carried={"velocity/w": velocity})
    for x, y in batches:
        error = x @ w - y[:, 0]
        velocity *= problem.optimizer.get("momentum", 0)
        velocity += 2 / len(x) * x.T @ error
        w -= problem.learning_rate * velocity
        yield np.mean(error**2)


def gradients(problem):
    """Losses and gradients of a linear model that is not trained, so that nothing is carried from step to step."""
    gradient = np.zeros(3)
    batches = problem.batches()
    yield lambda: State(gradients={"w": gradient})
    for x, y in batches:
        error = x @ np.array([1.0, 2.0, 3.0]) - y[:, 0]
        gradient[:] = 2 / len(x) * x.T @ error
        yield np.mean(error**2)


def calls(given):
    def many(problem):
        steps = yield Calls(dict, given)
        taken = 0
        while True:
            taken += steps
            steps = yield np.arange(taken - steps, taken, dtype=float)

    return many


class Inside:
    """A worker in this process, asked as one outside is; it must be awake."""

    def __init__(self, train, *, dtype="float64"):
        job = Job({}, "", "planted", "", 0, dtype, None, "", "", "cpu", 1, None)
        self.inside = worker.Worker(job)
        self.inside.content = self.inside.runtime = self
        self.train = train
        self.awake, self.asked = True, []

    dead = False

    def wait(self):
        pass

    def wake(self):
        self.awake = True

    def stop(self):
        self.awake = False

    halt = stop

    def ask(self, do, answer, timeout_s, **arguments):
        assert self.awake, f"asked to {do} while it is stopped"
        self.asked.append(do)
        return decoded(answer, self.inside.do({"do": do, **arguments}))


def begun(scratch, train=train, problem=PROBLEM, **changes) -> Training:
    exchange.save_problem(scratch / "problem.npz", problem)
    found = Training(Inside(train), 1.0, scratch, **changes)
    found.set_up(scratch / "problem.npz")
    return found


@pytest.mark.parametrize(("steps", "period"), [(10_000, 3), (9_999, 10_000), (128, 9_999)])
def test_calls_and_periods_that_hardly_ever_fit_are_refused(tmp_path, steps, period):
    with pytest.raises(WorkerFailedError, match=f"its calls run {steps} steps, and the task repeats after {period}"):
        begun(tmp_path, calls(steps), period=period)


def by_hand(steps: int, problem=PROBLEM) -> np.ndarray:
    training = train(dataclasses.replace(problem))  # whose feed is at its start
    next(training)
    return np.array([next(training) for _ in range(steps)])


# Training


@pytest.mark.parametrize("steps", [1, 5, 999, 1000, 1001, 2500])
def test_a_curve_has_all_losses_in_order_however_long_it_is(tmp_path, steps):
    found = begun(tmp_path)
    assert np.array_equal(found.curve(steps), by_hand(steps))
    assert found.step == steps
    assert found.curve(0).shape == (0,)


@pytest.mark.parametrize(("unit", "steps"), [(7, 2100), (700, 2100), (1500, 3000)])
def test_so_has_that_of_a_style_of_many_steps_per_call(tmp_path, unit, steps):
    """In whole calls; what waits to be fetched stays within bounds where a call allows it."""
    found = begun(tmp_path, calls(unit))
    assert found.curve(steps).tolist() == list(range(steps))


@pytest.mark.parametrize(
    ("per_call", "period", "unit", "many"),
    [(1, 1, 1, False), (1, 6, 6, False), (None, 1, 1, True), (None, 4, 4, True), (50, 1, 50, True), (4, 6, 12, True)],
)
def test_a_unit_is_whole_calls_and_whole_periods(tmp_path, per_call, period, unit, many):
    found = begun(tmp_path, train if per_call == 1 else calls(per_call), period=period)
    assert (found.unit, found.per_call) == (unit, many)
    assert [found.whole(steps) for steps in (1, unit, 2 * unit - 1, 2 * unit)] == [
        unit,
        unit,
        unit,
        2 * unit,
    ]


def test_warm_steps_count_as_steps(tmp_path):
    found = begun(tmp_path)
    found.run(3, warm=2)
    assert found.step == 5
    assert found.curve(1) == by_hand(6)[-1:]


@pytest.mark.parametrize("kept", [[0, 1], [0], [0, 1, 2, 3]])
def test_another_number_of_losses_than_asked_for_is_refused(tmp_path, kept):
    found = begun(tmp_path)
    found.run(4, keep=kept)
    with pytest.raises(WorkerFailedError, match=f"handed over {len(kept)} losses for 3 steps"):
        found.losses(3)


@pytest.mark.parametrize("losses", [np.ones((2, 1)), np.ones(2, "float32"), np.array(["a", "b"])])
def test_so_are_losses_of_another_form(tmp_path, losses, monkeypatch):
    """Such as a worker in another language might write."""
    found = begun(tmp_path)
    found.run(2, keep=[0, 1])
    real = exchange.save_arrays
    monkeypatch.setattr(exchange, "save_arrays", lambda path, _: real(path, {"losses": losses}))
    with pytest.raises(WorkerFailedError, match="losses for 2 steps"):
        found.losses(2)


def test_the_state_is_read_and_its_file_removed_unless_it_is_to_be_kept(tmp_path):
    found = begun(tmp_path)
    before = {file.name for file in tmp_path.iterdir()}
    assert found.state()["parameters/w"].tolist() == [1, 2, 3]
    assert {file.name for file in tmp_path.iterdir()} == before
    first, second = found.save_state(), found.save_state()
    assert first != second
    assert {first, second} <= set(tmp_path.iterdir())
    found.curve(1)
    assert {file.name for file in tmp_path.iterdir()} - before == {first.name, second.name}, "no losses are left behind"


def test_a_training_that_goes_on_from_a_state_takes_the_same_steps(tmp_path):
    found = begun(tmp_path)
    whole = found.curve(20)
    again = begun(tmp_path)
    again.curve(7)
    state = again.save_state()
    other = Training(Inside(train), 1.0, tmp_path)
    other.set_up(tmp_path / "problem.npz", state, 7)
    assert other.step == 7
    assert np.array_equal(other.curve(13), whole[7:])


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_what_cannot_be_read_is_the_workers_fault(tmp_path, content):
    file = tmp_path / "state.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WorkerFailedError, match="what the worker wrote cannot be read") as raised:
        read(file)
    assert raised.value.outcome is Outcome.ERROR


# What nobody could know before


def test_a_new_feed_reorders_every_array_and_draws_new_rows():
    """Each array by itself: who kept the sums of pairs would be told from who adds them up."""
    data = {"x": np.zeros((40, 2)), "y": np.zeros((40, 1))}
    problem = dataclasses.replace(PROBLEM, data=data, rows=np.zeros((100, 8), int))
    order, rows = new_feed(problem, np.random.default_rng(0), 100)
    assert set(order) == {"x", "y"}
    assert all(sorted(each.tolist()) == list(range(40)) for each in order.values())
    assert not np.array_equal(order["x"], order["y"])
    assert rows.shape == (100, 8)
    assert all(len(set(row)) == 8 for row in rows.tolist())
    assert set(rows.ravel().tolist()) == set(range(40))
    other = new_feed(problem, np.random.default_rng(1), 100)
    assert not np.array_equal(order["x"], other[0]["x"])
    assert not np.array_equal(rows, other[1])


def test_a_resident_data_set_is_reordered_and_has_no_rows():
    problem = dataclasses.replace(PROBLEM, rows=None)
    order, rows = new_feed(problem, np.random.default_rng(0), 100)
    assert sorted(order["x"].tolist()) == [0, 1, 2, 3]
    assert rows is None


@pytest.mark.parametrize("feeding", [new_feed, last_feed])
@pytest.mark.parametrize(
    ("moved", "steps", "expected"),
    [(0, 2, 2), (0, 3, 3), (0, 50, 3), (7 * 16, 50, 7), (7 * 16 + 15, 50, 7), (7 * 16, 6, 6), (LARGEST_MOVED, 50, 50)],
)
def test_no_more_rows_are_drawn_than_the_problem_has_or_than_are_read_quickly(
    monkeypatch, feeding, moved, steps, expected
):
    """Each step of a block sees rows of its own, unless that would be very many; a row is of 16 bytes here."""
    monkeypatch.setattr(reference_module, "LARGEST_MOVED", moved)
    _, rows = feeding(PROBLEM, np.random.default_rng(0), steps)
    assert len(rows) == expected
    assert all(0 <= first != second < 4 for first, second in rows.tolist())


def test_just_before_the_clock_starts_the_smallest_resident_array_is_reordered():
    """So nobody knows before which pairs of samples there are, and little has to be moved to the device."""
    data = {"x": np.zeros((40, 2)), "y": np.zeros((40, 1)), "z": np.zeros((40, 3))}
    problem = dataclasses.replace(PROBLEM, data=data, rows=None)
    order, rows = last_feed(problem, np.random.default_rng(0), 100)
    assert (set(order), rows) == ({"y"}, None)
    assert sorted(order["y"].tolist()) == list(range(40))
    assert not np.array_equal(order["y"], last_feed(problem, np.random.default_rng(1), 100)[0]["y"])


@pytest.mark.parametrize(("limit", "changes"), [(40 * 8, {"y"}), (40 * 8 - 1, set())])
def test_an_array_that_takes_long_to_move_keeps_its_order_then(monkeypatch, limit, changes):
    monkeypatch.setattr(reference_module, "LARGEST_MOVED", limit)
    data = {"x": np.zeros((40, 2)), "y": np.zeros((40, 1))}
    problem = dataclasses.replace(PROBLEM, data=data, rows=None)
    assert set(last_feed(problem, np.random.default_rng(0), 100)[0]) == changes


def test_where_rows_are_gathered_it_is_they_that_change_then():
    order, rows = last_feed(PROBLEM, np.random.default_rng(0), 20)
    assert (order, rows.shape) == ({}, (20, 2))
    assert not np.array_equal(rows, last_feed(PROBLEM, np.random.default_rng(1), 20)[1])


@pytest.mark.parametrize("feeding", [new_feed, last_feed])
def test_a_task_without_data_has_nothing_to_change(feeding):
    problem = dataclasses.replace(PROBLEM, data={}, rows=None)
    assert feeding(problem, np.random.default_rng(0), 20) == ({}, None)


# The reference


@pytest.fixture
def reference(tmp_path) -> Reference:
    file, scratch = tmp_path / "float32.npz", tmp_path / "scratch"
    exchange.save_problem(file, PROBLEM.astype("float32"))
    scratch.mkdir()
    return Reference(Inside(train), 1.0, file, scratch)


def test_the_reference_computes_each_result_once(reference):
    first = reference.trained()
    assert np.array_equal(first.losses, by_hand(12, PROBLEM.astype("float32").astype("float64")))
    assert set(first.result) == {"parameters/w", "carried/velocity/w"}
    asked = len(reference.worker.asked)
    assert reference.trained() is first
    assert reference.trained(12) is first
    assert len(reference.worker.asked) == asked
    assert len(reference.trained(30).losses) == 30


def test_the_reference_sleeps_whenever_it_is_not_asked(reference):
    done = Steps(None, 0, reference.scratch / "first.npz", 1, reference.scratch / "last.npz", 1, 2, [0])
    for file in (done.feed, done.then):
        exchange.save_feed(file, {}, None)
    for ask in (
        reference.trained,
        reference.plain_step,
        lambda: reference.beginning("float64", 1),
        lambda: reference.repeat(done, "float64"),
    ):
        reference.worker.stop()
        ask()
        assert not reference.worker.awake


def test_a_plain_step_is_one_of_the_gradient_alone(reference):
    state = reference.plain_step()
    x, y = (PROBLEM.data[name][[0, 1]] for name in ("x", "y"))
    gradient = x.T @ (x @ PROBLEM.init["w"] - y[:, 0])
    assert PROBLEM.init["w"] - state["parameters/w"] == pytest.approx(gradient, rel=1e-5)


@pytest.mark.parametrize("unit", [1, 4, 16])
def test_a_beginning_is_the_first_losses_and_the_state_after_a_unit(reference, unit):
    found = reference.beginning("float64", unit)
    assert np.array_equal(found.losses, reference.trained(FIRST).losses)
    assert np.array_equal(found.after["parameters/w"], reference.trained(unit).result["parameters/w"])
    assert np.array_equal(found.start["parameters/w"], [1, 2, 3])
    single = reference.beginning("float32", unit)
    assert single.after["parameters/w"].dtype == np.float32
    assert single.losses == pytest.approx(found.losses, rel=1e-5)


def test_a_block_is_repeated_from_where_it_started_with_what_it_was_given(reference, tmp_path):
    """Untimed steps, rows and orders that came in between, twice, the place in the training: all of it counts."""
    contestant = begun(tmp_path)
    contestant.curve(5)
    before, step = contestant.save_state(), contestant.step
    feeds = tmp_path / "first.npz", tmp_path / "last.npz"
    for file, feeding in zip(feeds, (new_feed, last_feed), strict=True):
        exchange.save_feed(file, *feeding(PROBLEM, np.random.default_rng(3), 12))
    contestant.feed(feeds[0])
    contestant.run(2)
    contestant.feed(feeds[1])
    contestant.run(6, warm=1, keep=[0, 3, 5])
    losses, state = contestant.losses(3)[0], contestant.state()
    done = Steps(before, step, feeds[0], 2, feeds[1], 1, 6, [0, 3, 5])
    assert contestant.step == step + done.all == 14
    found = reference.repeat(done, "float64")
    assert np.allclose(found.losses, losses, rtol=1e-6, atol=0)  # the problem itself was rounded to float32
    assert np.allclose(found.state["carried/velocity/w"], state["carried/velocity/w"], rtol=1e-6)
    nothing = tmp_path / "nothing.npz"
    exchange.save_feed(nothing, {}, None)
    others = ({"warm": 3}, {"lead": 2}, {"keep": [0, 2, 5]}, {"steps": 7}, {"feed": nothing}, {"then": nothing})
    for changed in others:
        other = reference.repeat(dataclasses.replace(done, **changed), "float64")
        assert not (
            np.allclose(other.losses, losses, rtol=1e-6)
            and np.allclose(other.state["parameters/w"], state["parameters/w"], rtol=1e-6)
        ), changed
    assert reference.before(done)["parameters/w"].tolist() == read(before)["parameters/w"].tolist()


@pytest.fixture
def idle(tmp_path):
    """A reference of a task that carries nothing from step to step, and a contestant; resident or fed."""

    def make(*, fed: bool) -> tuple[Reference, Training]:
        problem = dataclasses.replace(PROBLEM, init={}, learning_rate=0.0, rows=PROBLEM.rows if fed else None)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        contestant = begun(tmp_path, gradients, problem)
        return Reference(Inside(gradients), 1.0, tmp_path / "problem.npz", scratch), contestant

    return make


@pytest.mark.parametrize("fed", [False, True])
def test_where_nothing_is_carried_untimed_steps_are_not_repeated(idle, tmp_path, fed):
    """But what they were given is: whatever is not changed after them stays."""
    reference, contestant = idle(fed=fed)
    feeds = tmp_path / "first.npz", tmp_path / "last.npz"
    for file, feeding in zip(feeds, (new_feed, last_feed), strict=True):
        exchange.save_feed(file, *feeding(reference.problem, np.random.default_rng(3), 12))
    contestant.curve(5)
    contestant.feed(feeds[0])
    contestant.run(200)
    contestant.feed(feeds[1])
    contestant.run(6, warm=1, keep=[0, 3, 5])
    losses, state = contestant.losses(3)[0], contestant.state()
    done = Steps(None, 5, feeds[0], 200, feeds[1], 1, 6, [0, 3, 5])
    found = reference.repeat(done, "float64")
    assert np.array_equal(found.losses, losses)
    assert np.array_equal(found.state["gradients/w"], state["gradients/w"])
    assert reference.worker.inside.problem.feed.step == (7 if fed else 1), "a single one where all are alike"
    for name in ("feed", "then"):
        other = reference.repeat(dataclasses.replace(done, **{name: feeds[name == "feed"]}), "float64")
        assert not np.array_equal(other.losses, losses), name


@pytest.mark.parametrize(("fed", "steps"), [(False, 1), (True, 101)])
def test_repeating_steps_that_are_all_alike_costs_one_of_them(idle, fed, steps):
    reference, _ = idle(fed=fed)
    reference.trained()
    done = Steps(None, 0, reference.scratch, 10, reference.scratch, 1, 90, [])
    assert done.all == 101
    assert reference.affordable(reference.cost_s(done)) == pytest.approx(steps, abs=1)


def test_a_reference_that_diverges_says_at_which_step(tmp_path):
    problem = dataclasses.replace(PROBLEM, learning_rate=1e200)
    exchange.save_problem(tmp_path / "problem.npz", problem)
    made = Reference(Inside(train), 1.0, tmp_path / "problem.npz", tmp_path)
    with (
        np.errstate(all="ignore"),
        pytest.raises(WorkerFailedError, match=r"the reference diverges: its loss at step \d+ is not finite"),
    ):
        made.trained()


def test_what_a_resumed_session_kept_is_not_computed_again(reference):
    kept = reference.trained()
    reference.use(dataclasses.replace(kept, losses=np.zeros(12)))
    assert reference.trained().losses.tolist() == [0] * 12


def test_what_repeating_costs_is_known_from_the_whole_training(reference):
    reference.trained()
    done = Steps(None, 0, reference.scratch, 10, reference.scratch, 1, 89, [])
    assert 0 < reference.cost_s(done) < 60
    assert reference.affordable(reference.cost_s(done)) == pytest.approx(100, abs=1)
    assert reference.affordable(0.0) == 1


def test_most_kept_bounds_what_waits_in_a_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(training_module, "MOST_KEPT", 10)
    found = begun(tmp_path)
    found.curve(25)
    assert found.worker.asked.count("run") == found.worker.asked.count("fetch") == 3
