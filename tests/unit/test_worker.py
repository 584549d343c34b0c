"""What a worker runs and keeps: exactly the steps asked for, the losses at exactly the positions asked for."""

from __future__ import annotations

import dataclasses
import weakref

import numpy as np
import pytest

from workbench.contract import Calls, Problem, State, Steps
from workbench.wire import exchange, worker
from workbench.wire.exchange import Job


class Planted(worker.Worker):
    """A worker whose content is a generator of the test's own; a loss is the number of its step, from 0."""

    def __init__(self, train=None) -> None:
        super().__init__(Job({}, "", "planted", "", 0, "float32", None, "", "", "cpu", 1, None))
        self.waits = 0
        self.content = self.runtime = self
        self.train = train or self.steps

    def wait(self) -> None:
        self.waits += 1

    def steps(self, problem):
        yield lambda: State(parameters={"count": np.array([float(problem.feed.step)])})
        for count, _ in enumerate(problem.batches()):
            yield np.float32(count)

    def begun(self, folder, problem=None):
        """Set up, as the harness does it."""
        exchange.save_problem(folder / "problem.npz", problem or PROBLEM)
        self.ready = self.do({"do": "set_up", "problem": str(folder / "problem.npz")})
        return self

    def fetched(self, folder) -> list[float]:
        answer = self.do({"do": "fetch", "to": str(folder / "losses.npz")})
        losses = exchange.load_arrays(folder / "losses.npz")["losses"]
        assert losses.dtype == np.float64
        assert len(answer["seconds"]) == len(losses)
        return losses.tolist()


PROBLEM = Problem("planted", "", 0, 3, 0.1, 1, 1, 1, init={"w": np.ones(2)}, data={"x": np.arange(4.0)})


def calls(given: int | None = None, *, lengths=lambda steps: steps, record: list[int] | None = None):
    """A training of many steps per call."""

    def train(problem):
        taken = 0
        steps = yield Calls(lambda: State(parameters={"count": np.array([taken])}), given)
        while True:
            if record is not None:
                record.append(steps)
            losses = np.arange(taken, taken + lengths(steps), dtype=np.float32)
            taken += len(losses)
            steps = yield losses

    return train


POSITIONS = [[], [0], [4], [0, 4], [1, 2], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize("keep", POSITIONS)
def test_losses_are_kept_at_the_positions_asked_for_after_the_warm_steps(tmp_path, keep):
    """Twice: what was kept of one block must not be found again in the next."""
    planted = Planted().begun(tmp_path)
    for start in (0, 8):
        assert planted.do({"do": "run", "steps": 5, "warm": 3, "keep": keep})["seconds"] > 0
        assert planted.fetched(tmp_path) == [start + 3 + position for position in keep]
        assert planted.problem.feed.step == start + 8
    assert planted.fetched(tmp_path) == []


@pytest.mark.parametrize("keep", POSITIONS)
@pytest.mark.parametrize("given", [None, 1, 5])
def test_so_are_those_of_a_style_of_many_steps_per_call(tmp_path, given, keep):
    planted = Planted(calls(given)).begun(tmp_path)
    assert planted.ready["steps_per_call"] == given
    for start in (0, 10):
        planted.do({"do": "run", "steps": 5, "warm": 5, "keep": keep})
        assert planted.fetched(tmp_path) == [start + 5 + position for position in keep]


def test_losses_are_kept_over_several_runs_until_they_are_fetched(tmp_path):
    planted = Planted().begun(tmp_path)
    planted.do({"do": "run", "steps": 2, "keep": [0]})
    planted.do({"do": "run", "steps": 2, "keep": [1]})
    assert planted.fetched(tmp_path) == [0, 3]


@pytest.mark.parametrize(("given", "most", "asked"), [(None, 8, [8]), (None, 5, [8, 3]), (4, 8, [4, 4])])
def test_a_call_is_asked_for_what_is_left_or_for_what_it_always_runs(tmp_path, given, most, asked):
    record = []
    planted = Planted(calls(given, lengths=lambda steps: min(steps, most), record=record)).begun(tmp_path)
    planted.do({"do": "run", "steps": 8, "keep": [0, 6]})
    assert record == asked
    assert planted.fetched(tmp_path) == [0, 6]


@pytest.mark.parametrize(
    ("given", "lengths", "said"),
    [
        (None, lambda steps: steps + 1, r"calls answered with \[6\] losses, expected 5 each, 5 in all"),
        (None, lambda _: 0, r"calls answered with \[0\] losses, expected 5 each"),
        (5, lambda _: 4, r"calls answered with \[4, 4\] losses, expected 5 each"),
        (5, lambda _: 1, r"calls answered with \[1, 1, 1, 1, 1\] losses, expected 5 each"),
        (5, lambda _: 0, r"calls answered with \[0\] losses"),
        (2, lambda _: 2, r"calls answered with \[2, 2, 2\] losses, expected 2 each, 5 in all"),
    ],
)
def test_a_call_that_answers_with_another_number_of_losses_is_refused(tmp_path, given, lengths, said):
    planted = Planted(calls(given, lengths=lengths)).begun(tmp_path)
    with pytest.raises(ValueError, match=said):
        planted.do({"do": "run", "steps": 5})


def test_a_training_that_ends_is_told_that_batches_never_do(tmp_path):
    def train(problem):
        yield State
        for _ in range(problem.steps):
            yield 1.0

    planted = Planted(train).begun(tmp_path)
    planted.do({"do": "run", "steps": 3})
    with pytest.raises(
        RuntimeError, match=r"train\(\) ended: its loop is over problem.batches\(\), which never run out"
    ):
        planted.do({"do": "run", "steps": 1})


def test_so_is_one_of_many_steps_per_call(tmp_path):
    def train(problem):
        steps = yield Calls(State)
        yield np.ones(steps)

    planted = Planted(train).begun(tmp_path)
    planted.do({"do": "run", "steps": 3})
    with pytest.raises(RuntimeError, match=r"train\(\) ended, expected it to run steps for as long as it is asked to"):
        planted.do({"do": "run", "steps": 1})


@pytest.mark.parametrize(
    ("yielded", "said"),
    [
        (None, "train() first yields NoneType, expected a function that reads the state"),
        (State(), "train() first yields State, expected a function"),
        (Calls(State()), "train() first yields Calls, expected a function"),
        (Calls(State, 0), "Calls.steps = 0, expected at least 1"),
    ],
)
def test_a_set_up_that_does_not_end_with_the_state_is_refused(tmp_path, yielded, said):
    def train(problem):
        yield yielded
        yield 1.0

    with pytest.raises((TypeError, ValueError)) as raised:
        Planted(train).begun(tmp_path)
    assert str(raised.value).startswith(said)


def test_losses_alone_are_asked_for_as_steps_are(tmp_path):
    """The batches that they see are those of the coming steps."""
    weight = [0]

    def train(problem):
        batches = enumerate(problem.batches())
        yield Steps(lambda: State(parameters={"w": np.array(weight)}), lambda: -next(batches)[0])
        for count, _ in batches:
            weight[0] += 1
            yield count

    planted = Planted(train).begun(tmp_path)
    assert planted.ready["evaluates"]
    planted.do({"do": "run", "steps": 2})
    for start in (2, 7):
        assert planted.do({"do": "evaluate", "steps": 3, "warm": 2, "keep": [0, 2]})["seconds"] > 0
        assert planted.fetched(tmp_path) == [-start - 2, -start - 4]
    assert (planted.problem.feed.step, weight) == (12, [2])
    planted.do({"do": "run", "steps": 1, "keep": [0]})
    assert planted.fetched(tmp_path) == [12]


def test_calls_are_asked_for_losses_alone_likewise(tmp_path):
    def train(problem):
        steps = yield Calls(State, evaluate=lambda steps: -np.arange(float(steps)))
        while True:
            steps = yield np.zeros(steps)

    planted = Planted(train).begun(tmp_path)
    assert planted.ready == {**planted.ready, "evaluates": True, "steps_per_call": None}
    planted.do({"do": "evaluate", "steps": 5, "warm": 2, "keep": [1, 4]})
    assert planted.fetched(tmp_path) == [-1, -4]


@pytest.mark.parametrize("ends", [State, Steps(State), Calls(State)])
def test_a_style_need_not_compute_losses_alone(tmp_path, ends):
    def train(problem):
        yield ends
        yield 1.0

    assert Planted(train).begun(tmp_path).ready["evaluates"] is False


def test_the_latest_losses_are_kept_until_the_wait_and_not_all(tmp_path):
    """No later one depends on them, so a runtime that waits for what is alive would not wait for them."""
    made = []

    class Loss:
        pass

    def evaluate():
        loss = Loss()
        made.append(weakref.ref(loss))
        return loss

    class Waiting(Planted):
        def wait(self):
            self.alive = [place for place, loss in enumerate(made) if loss() is not None]

    def train(problem):
        yield Steps(State, evaluate)
        yield 1.0

    planted = Waiting(train).begun(tmp_path)
    planted.do({"do": "evaluate", "steps": 200})
    assert planted.alive[-1] == 199
    assert worker.IN_FLIGHT <= len(planted.alive) <= worker.IN_FLIGHT + 1


@pytest.mark.parametrize("evaluate", [0, False, "", 3, np.zeros(2)])
@pytest.mark.parametrize("ends", [Steps, Calls])
def test_an_evaluate_that_is_no_function_is_refused(tmp_path, ends, evaluate):
    def train(problem):
        yield ends(State, evaluate=evaluate)
        yield 1.0

    with pytest.raises(TypeError, match=f"evaluate is {type(evaluate).__name__}, expected a function"):
        Planted(train).begun(tmp_path)


def test_an_evaluate_without_batches_is_told_that_there_are_always_some(tmp_path):
    def train(problem):
        ended = iter(())
        yield Steps(State, lambda: next(ended))
        yield 1.0

    planted = Planted(train).begun(tmp_path)
    with pytest.raises(RuntimeError, match="evaluate\\(\\) found no more batches"):
        planted.do({"do": "evaluate", "steps": 1})


NO_NUMBERS = {
    "complex": np.zeros(3, complex),
    "texts": np.array(["1", "2", "3"]),
    "bytes": np.array([b"1", b"2", b"3"]),
    "truths": np.zeros(3, bool),
    "objects": np.array([1.0, 2.0, 3.0], object),
    "a list": [1.0, 2.0, 3.0],
    "a tuple": (1.0, 2.0, 3.0),
}


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_a_call_that_answers_with_other_things_than_an_array_of_numbers_is_refused(tmp_path, name):
    def train(problem):
        yield Calls(State)
        while True:
            yield NO_NUMBERS[name]

    planted = Planted(train).begun(tmp_path)
    planted.do({"do": "run", "steps": 3, "keep": [1]})
    with pytest.raises(TypeError, match=r"expected (its loss|an array of its losses)"):
        planted.fetched(tmp_path)


@pytest.mark.parametrize("loss", [np.array("1"), np.array(1j), np.complex64(1), np.bool_(1), np.str_("1"), 1j, "1"])
def test_a_step_that_yields_no_number_is_refused(tmp_path, loss):
    def train(problem):
        yield State
        while True:
            yield loss

    planted = Planted(train).begun(tmp_path)
    planted.do({"do": "run", "steps": 1, "keep": [0]})
    with pytest.raises(TypeError, match=r"a step yielded .*, expected its loss"):
        planted.fetched(tmp_path)


def test_a_state_that_is_none_is_refused(tmp_path):
    def train(problem):
        yield lambda: {"w": 1}
        yield 1.0

    planted = Planted(train).begun(tmp_path)
    with pytest.raises(TypeError, match=r"state\(\) returned dict, expected a workbench.contract.State"):
        planted.do({"do": "state", "to": str(tmp_path / "state.npz")})


def test_the_state_is_that_of_the_moment_at_which_it_is_read(tmp_path):
    planted = Planted().begun(tmp_path)
    for steps in (0, 3, 4):
        if steps:
            planted.do({"do": "run", "steps": steps})
        planted.do({"do": "state", "to": str(tmp_path / "state.npz")})
        assert exchange.load_arrays(tmp_path / "state.npz")["parameters/count"] == [planted.problem.feed.step]


def test_what_the_harness_waits_for_is_waited_for_once_per_part(tmp_path):
    """After the set-up, after the warm steps, so that none of their work is timed, and after the timed ones."""
    planted = Planted().begun(tmp_path)
    assert planted.waits == 1
    planted.do({"do": "run", "steps": 2, "warm": 2})
    assert planted.waits == 3
    planted.do({"do": "run", "steps": 2})
    assert planted.waits == 4
    planted.do({"do": "wait"})
    assert planted.waits == 5


def test_a_training_can_be_set_up_again_from_a_state_and_forgets_what_it_kept(tmp_path):
    ended = []

    def train(problem):
        try:
            yield lambda: State(parameters=problem.init)
            for _ in problem.batches():
                yield problem.init["w"][0] * problem.start
        finally:
            ended.append(problem.start)

    planted = Planted(train).begun(tmp_path)
    planted.do({"do": "run", "steps": 2, "keep": [0, 1]})
    exchange.save_arrays(tmp_path / "state.npz", {"parameters/w": np.array([5.0, 6.0])})
    words = {"problem": str(tmp_path / "problem.npz"), "state": str(tmp_path / "state.npz"), "step": 7}
    planted.do({"do": "set_up", **words})
    assert ended == [0]
    planted.do({"do": "run", "steps": 1, "keep": [0]})
    assert planted.fetched(tmp_path) == [35.0]


def test_a_changed_feed_is_what_the_coming_step_sees(tmp_path):
    def train(problem):
        batches = problem.batches()
        yield State
        for (x,) in batches:
            yield x[0]

    planted = Planted(train).begun(tmp_path)
    planted.do({"do": "run", "steps": 2, "keep": [1]})
    exchange.save_feed(tmp_path / "feed.npz", {"x": np.array([3, 2, 1, 0])}, None)
    planted.do({"do": "feed", "source": str(tmp_path / "feed.npz")})
    planted.do({"do": "run", "steps": 1, "keep": [0]})
    assert planted.fetched(tmp_path) == [0, 3]


def test_what_a_training_made_lives_until_it_was_observed(tmp_path):
    """TensorFlow forgets how a function was compiled along with the function."""

    class Compiled:
        pass

    def train(problem):
        made = Compiled()
        seen.append(weakref.ref(made))
        yield State
        for _ in problem.batches():
            yield 0.0

    seen: list[weakref.ref] = []
    planted = Planted(train).begun(tmp_path)
    planted.observe = lambda: {"alive": seen[0]() is not None}
    planted.peak_device_bytes = lambda: None
    assert planted.do({"do": "observe"})["observed"]["alive"]
    assert planted.training.gi_frame is None
    assert seen[0]() is None


def test_scalars_are_of_the_frameworks_own_kind_and_complete(tmp_path):
    class Scalar:
        fetched = 0

        def __float__(self):
            Scalar.fetched += 1
            return 1.0

    planted = Planted().begun(tmp_path)
    planted.scalar = Scalar
    assert len(planted.do({"do": "scalars", "count": 16})["seconds"]) == 16
    assert (Scalar.fetched, planted.waits) == (16, 2)
    del planted.scalar
    assert len(planted.do({"do": "scalars", "count": 3})["seconds"]) == 3  # a runtime need not offer any


def test_what_the_framework_compiled_is_its_own_count_and_nothing_where_it_has_none(tmp_path):
    planted = Planted()
    assert planted.do({"do": "compilations"}) == {"compilations": {}}
    planted.compilations = lambda: {"compiled": 3}
    assert planted.do({"do": "compilations"}) == {"compilations": {"compiled": 3}}


def test_a_task_makes_its_problem_in_the_type_and_for_the_steps_asked_for(tmp_path, content, monkeypatch):
    monkeypatch.syspath_prepend(str(content.root))
    monkeypatch.setattr(worker, "importlib", Importing(content.root / "tasks" / "linreg.py"))
    job = dataclasses.replace(Planted().job, task="linreg", preset="diabetes", dtype="float64", steps=7)
    worker.Worker(job).do({"do": "make", "to": str(tmp_path / "problem.npz")})
    made = exchange.load_problem(tmp_path / "problem.npz")
    assert (made.task, made.preset, made.steps, made.dtype, len(made.rows)) == ("linreg", "diabetes", 7, "float64", 7)
    assert made.data["x"].dtype == np.float64


class Importing:
    """Imports a task from a file, under no name that another test could find again."""

    def __init__(self, file):
        self.file = file

    def import_module(self, name):
        import importlib.util

        assert name == "tasks.linreg"
        spec = importlib.util.spec_from_file_location("planted_linreg", self.file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.mark.parametrize("loss", ["1.0", b"1.0", True, 1j, np.complex64(1)])
def test_a_loss_is_a_number_and_no_text(tmp_path, loss):
    def train(problem):
        yield State
        for _ in problem.batches():
            yield loss

    begun = Planted(train).begun(tmp_path)
    begun.do({"do": "run", "steps": 3, "keep": [0]})
    with pytest.raises(TypeError, match=r"^a step yielded \w+, expected its loss"):
        begun.fetched(tmp_path)


class SilentError(Exception):
    def __str__(self):
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [SilentError(), ModuleNotFoundError(name=5), ValueError("a\n b")])
def test_whatever_an_exception_says_it_is_reported_in_one_line(error):
    found = worker.failure(error, "run", Planted())
    assert found["kind"] == type(error).__name__
    assert len(found["text"].splitlines()) <= 1
    assert found["missing"] is None
