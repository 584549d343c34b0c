"""What crosses process borders: problems and arrays as npz without objects, messages as JSON lines of one version."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest

from workbench.contract import Problem
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


def as_values(problem: Problem) -> dict:
    """A problem as values that can be compared, arrays with their types and the order of names."""

    def plain(value):
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        return [(name, plain(item)) for name, item in value.items()] if isinstance(value, dict) else value

    return {item.name: plain(getattr(problem, item.name)) for item in dataclasses.fields(problem)}


@pytest.mark.parametrize("without", [(), ("rows",), ("queries",), ("rows", "queries")])
def test_a_problem_comes_back_as_it_was(problem, tmp_path, without):
    sent = dataclasses.replace(problem, **dict.fromkeys(without))
    exchange.save_problem(tmp_path / "p.npz", sent)
    assert as_values(exchange.load_problem(tmp_path / "p.npz")) == as_values(sent)


def test_a_problem_without_data_comes_back(problem, tmp_path):
    sent = dataclasses.replace(problem, data={}, rows=None)
    exchange.save_problem(tmp_path / "p.npz", sent)
    assert as_values(exchange.load_problem(tmp_path / "p.npz")) == as_values(sent)


def test_the_order_of_data_is_kept_because_batches_follow_it(problem, tmp_path):
    exchange.save_problem(tmp_path / "p.npz", problem)
    assert list(exchange.load_problem(tmp_path / "p.npz").data) == ["y", "x"]


def test_a_worker_gets_its_own_device_mode_and_endlessness(problem, tmp_path):
    exchange.save_problem(tmp_path / "p.npz", problem)
    found = exchange.load_problem(tmp_path / "p.npz", device="gpu", mode="jax_jit", endless=True)
    assert (found.device, found.mode, found.endless) == ("gpu", "jax_jit", True)


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
    line = exchange.encode({"do": "block", "text": "two\nlines ü \u2028"})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert exchange.decode(line) == {"v": exchange.VERSION, "do": "block", "text": "two\nlines ü \u2028"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_number_for_is_not_sent(value):
    with pytest.raises(ValueError, match="NaN or infinite"):
        exchange.encode({"did": "block", "seconds": value})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[1]",
        b'"text"',
        b"null",
        b'{"v": 2',
        b'{"v": 2, "s": NaN}',
        b'{"v": 2, "s": -Infinity}',
    ],
)
def test_what_is_no_message_is_refused(line):
    with pytest.raises(ValueError, match=r"not a (version-2 )?message"):
        exchange.decode(line)


@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_another_version_is_refused(version):
    with pytest.raises(ValueError, match="not a version-2 message"):
        exchange.decode(json.dumps({"v": version, "did": "block"}).encode())


def test_a_scalar_of_a_library_crosses_as_the_number_that_it_holds():
    message = exchange.decode(exchange.encode({"did": "observe", "metrics": {"accuracy": np.float32(0.5)}}))
    assert message["metrics"] == {"accuracy": 0.5}
    with pytest.raises(TypeError, match="object is not a number"):
        exchange.encode({"did": object()})
