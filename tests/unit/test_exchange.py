"""What crosses process borders: problems, feeds and states as npz without objects, messages as JSON lines."""

from __future__ import annotations

import dataclasses
import json
import pickle
import threading

import numpy as np
import pytest

from workbench.contract import Phase, Problem
from workbench.wire import exchange


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(0)
    return Problem(
        task="planted",
        preset="tiny",
        seed=7,
        steps=3,
        learning_rate=0.1,
        terms=4,
        flops=5.5,
        bytes=6.5,
        init={"w": rng.random((2, 1), np.float32), "b": rng.random(1, np.float32)},
        data={"y": rng.random((6, 1), np.float32), "x": rng.random((6, 2), np.float32)},
        rows=np.array([[0, 1], [2, 3], [4, 5]]),
        queries=rng.random((4, 2), np.float32),
    )


@pytest.fixture
def everything(problem) -> Problem:
    """A problem with a value in every field."""
    rng = np.random.default_rng(1)
    adamw = {"name": "adamw", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01, "decayed": ["w"]}
    return dataclasses.replace(
        problem,
        data={**problem.data, "labels": np.arange(6)},
        per_step={"mask": rng.random((3, 2), np.float32), "token": np.arange(5, dtype=np.int32)},
        answers=np.array([1, 0, 2, 1]),
        optimizer=adamw,
        phases=(Phase("head", 1, frozen=("w", "b")), Phase("all", 3)),
        period=2,
        carried={"m/w": rng.random((2, 1), np.float32), "count": np.array([3])},
        start=4,
        device="gpu",
        mode="jax_jit",
    )


def as_values(problem: Problem) -> dict:
    """A problem as values that can be compared, arrays with their types and the order of names."""

    def plain(value):
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        return [(name, plain(item)) for name, item in value.items()] if isinstance(value, dict) else value

    return {item.name: plain(getattr(problem, item.name)) for item in dataclasses.fields(problem) if item.init}


@pytest.mark.parametrize("without", [(), ("rows",), ("queries",), ("rows", "queries")])
def test_a_problem_comes_back_as_it_was(problem, tmp_path, without):
    sent = dataclasses.replace(problem, **dict.fromkeys(without))
    exchange.save_problem(tmp_path / "p.npz", sent)
    assert as_values(exchange.load_problem(tmp_path / "p.npz")) == as_values(sent)


def test_whatever_a_problem_may_have_comes_back(everything, tmp_path):
    default = Problem("", "", 0, 0, 0.0, 0, 0.0, 0.0, {})
    fields = [item.name for item in dataclasses.fields(Problem) if item.init and item.name not in ("seed", "dtype")]
    unset = [name for name in fields if str(getattr(everything, name)) == str(getattr(default, name))]
    assert unset == [], "a field without a value of its own proves nothing here"
    exchange.save_problem(tmp_path / "p.npz", everything)
    found = exchange.load_problem(tmp_path / "p.npz")
    assert as_values(found) == as_values(everything)
    assert found.feed.step == 4
    assert found.optimizer["decayed"] == ["w"]
    assert found.phases[0].frozen == ("w", "b")


def test_labels_that_are_integers_arrive_as_integers(everything, tmp_path):
    exchange.save_problem(tmp_path / "p.npz", everything.astype("float64"))
    found = exchange.load_problem(tmp_path / "p.npz")
    assert (found.data["labels"].dtype, found.per_step["token"].dtype) == (np.int64, np.int32)
    assert (found.data["x"].dtype, found.per_step["mask"].dtype) == (np.float64, np.float64)


def test_a_feed_that_was_changed_is_not_part_of_the_problem(problem, tmp_path):
    problem.feed.change({"x": np.arange(6)[::-1]})
    exchange.save_problem(tmp_path / "p.npz", problem)
    found = exchange.load_problem(tmp_path / "p.npz")
    assert as_values(found) == as_values(problem)
    assert found.feed.changes == 0


@pytest.mark.parametrize("rows", [None, np.array([[0, 5], [3, 1]])])
def test_a_change_of_the_feed_comes_back(tmp_path, rows):
    order = {"x": np.array([2, 0, 1]), "y": np.array([1, 2, 0])}
    exchange.save_feed(tmp_path / "feed.npz", order, rows)
    found, found_rows = exchange.load_feed(tmp_path / "feed.npz")
    assert {name: array.tolist() for name, array in found.items()} == {"x": [2, 0, 1], "y": [1, 2, 0]}
    assert (found_rows is None) if rows is None else np.array_equal(found_rows, rows)


def test_an_array_of_the_data_set_may_be_called_rows(tmp_path):
    exchange.save_feed(tmp_path / "feed.npz", {"rows": np.array([1, 0])}, None)
    found, rows = exchange.load_feed(tmp_path / "feed.npz")
    assert (found["rows"].tolist(), rows) == ([1, 0], None)


STATE = {
    "parameters/w": np.array([[1.5], [2.5]]),
    "predictions": np.zeros(4),
    "carried/m/w": np.array([[0.1], [0.2]]),
    "carried/count": np.array([7]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_training_goes_on_from_a_state_in_the_problems_own_type(problem, dtype):
    begun = exchange.begun_from(problem.astype(dtype), STATE, 12)
    assert (begun.start, begun.feed.step) == (12, 12)
    assert begun.init["w"].tolist() == [[1.5], [2.5]]
    assert np.array_equal(begun.init["b"], problem.init["b"])  # the state has none: it is frozen, and as it was
    assert set(begun.carried) == {"m/w", "count"}
    assert {array.dtype.name for array in begun.init.values()} == {dtype}
    assert (begun.carried["m/w"].dtype.name, begun.carried["count"].dtype.name) == (dtype, "int64")
    assert begun.carried["m/w"].tolist() == STATE["carried/m/w"].astype(dtype).tolist()
    assert problem.start == 0


def test_a_state_of_another_problem_adds_no_parameter(problem):
    begun = exchange.begun_from(problem, {"parameters/other": np.ones(1)}, 1)
    assert set(begun.init) == {"w", "b"}


def test_a_problem_without_data_comes_back(problem, tmp_path):
    sent = dataclasses.replace(problem, data={}, rows=None)
    exchange.save_problem(tmp_path / "p.npz", sent)
    assert as_values(exchange.load_problem(tmp_path / "p.npz")) == as_values(sent)


def test_the_order_of_data_is_kept_because_batches_follow_it(problem, tmp_path):
    exchange.save_problem(tmp_path / "p.npz", problem)
    assert list(exchange.load_problem(tmp_path / "p.npz").data) == ["y", "x"]


def test_a_worker_gets_its_own_device_and_mode(problem, tmp_path):
    exchange.save_problem(tmp_path / "p.npz", problem)
    found = exchange.load_problem(tmp_path / "p.npz", device="gpu", mode="jax_jit")
    assert (found.device, found.mode) == ("gpu", "jax_jit")


def test_nothing_but_the_file_is_written(problem, tmp_path):
    exchange.save_problem(tmp_path / "p.npz", problem)
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_objects_are_never_written(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        exchange.save_arrays(tmp_path / "a.npz", {"a": np.array([None])})
    assert not (tmp_path / "a.npz").exists()


def test_objects_are_never_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{"planted": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        exchange.load_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [pickle.dumps([1]), b"", b"garbage", b"PK\x03\x04 half a zip", b"\x80\x04"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(Exception, match=r".+"):
        exchange.load_arrays(tmp_path / "a.npz")


CHANGES = {
    "a bit": lambda arrays: arrays | {"w": arrays["w"] + np.float32(1e-7)},
    "a name": lambda arrays: {"v": arrays["w"], "b": arrays["b"]},
    "a type": lambda arrays: arrays | {"w": arrays["w"].astype("float64")},
    "a shape": lambda arrays: arrays | {"w": arrays["w"].reshape(1, 2)},
    "an array less": lambda arrays: {"w": arrays["w"]},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_tells_every_change(change):
    arrays = {"w": np.ones((2, 1), np.float32), "b": np.zeros(1, np.float32)}
    assert exchange.hash_of(CHANGES[change](arrays)) != exchange.hash_of(arrays)


def test_the_hash_is_of_the_numbers_and_not_of_their_order_in_memory():
    array = np.arange(6.0).reshape(2, 3)
    turned = dict(reversed({"a": np.asfortranarray(array), "b": array}.items()))
    assert exchange.hash_of({"a": array, "b": array}) == exchange.hash_of(turned)


def test_a_message_is_one_line_and_comes_back():
    line = exchange.encode({"do": "run", "text": "two\nlines ü \u2028"})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert exchange.decode(line) == {"v": exchange.VERSION, "do": "run", "text": "two\nlines ü \u2028"}


def test_what_contains_itself_is_not_sent():
    value = {}
    value["x"] = value
    with pytest.raises(ValueError, match="a value contains itself"):
        exchange.encode({"did": "observe", "observed": value})
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        exchange.encode({"did": "observe", "observed": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_number_for_is_not_sent(value):
    with pytest.raises(ValueError, match="NaN or infinite"):
        exchange.encode({"did": "run", "seconds": value})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[1]",
        b'"text"',
        b"null",
        b'{"v": 4',
        b'{"v": 4, "s": NaN}',
        b'{"v": 4, "s": -Infinity}',
    ],
)
def test_what_is_no_message_is_refused(line):
    with pytest.raises(ValueError, match=r"not a (version-4 )?message"):
        exchange.decode(line)


@pytest.mark.parametrize("version", [0, 1, 3, 5, "4", None])
def test_another_version_is_refused(version):
    with pytest.raises(ValueError, match="not a version-4 message"):
        exchange.decode(json.dumps({"v": version, "did": "run"}).encode())


def test_a_scalar_of_a_library_crosses_as_the_number_that_it_holds():
    message = exchange.decode(exchange.encode({"did": "observe", "metrics": {"accuracy": np.float32(0.5)}}))
    assert message["metrics"] == {"accuracy": 0.5}
    with pytest.raises(TypeError, match="object is not a number"):
        exchange.encode({"did": object()})


def test_no_two_threads_parse_the_headers_of_arrays_at_once(tmp_path, monkeypatch):
    """Python 3.11 would raise SystemError, once in some thousand launches."""
    exchange.save_arrays(tmp_path / "a.npz", {"a": np.zeros(3), "b": np.zeros(2)})
    inside, overlaps, load = threading.Lock(), [], np.load

    def alone(*arguments, **options):
        if not inside.acquire(blocking=False):
            overlaps.append(threading.get_ident())
            return load(*arguments, **options)
        try:
            for _ in range(20):
                tmp_path.stat()  # lets other threads run
            return load(*arguments, **options)
        finally:
            inside.release()

    monkeypatch.setattr(np, "load", alone)

    def read_often():
        for _ in range(50):
            exchange.load_arrays(tmp_path / "a.npz")

    threads = [threading.Thread(target=read_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []


@pytest.mark.parametrize("damage", [b"\0" * 100, b"\xef\xbb\xbfPK", b"garbage"])
def test_what_is_no_npz_is_said_without_numpys_advice_to_trust_it(tmp_path, damage):
    path = tmp_path / "arrays.npz"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match=r"^it is no npz file$"):
        exchange.load_arrays(path)
