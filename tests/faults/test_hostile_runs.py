"""Whatever stands in the files of one run: every other run stays readable, and every command says one sentence."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD, BAD = "20260101-000000-linreg-points-aaaaaa", "20260102-000000-linreg-points-bbbbbb"
FILES = (
    *("run.json", "events.jsonl", "problem.npz", "reference.npz", "summary.json", "losses.csv"),
    *(f"contestants/numpy_manual/{name}" for name in ("samples.json", "proof.npz", "log.txt")),
)
HUGE, DEEP = 10**400, json.loads("[" * 300 + "]" * 300)
MARKUP = "<script>alert(1)</script>[/red]$\\frac{$\x1b[31m\u202e"
# What stands in place of any part of a record.
ODD = (
    *(None, True, 0, -1, 1, 2**62, 2**64, -HUGE, HUGE, 0.5, -1e308, 1e308, 5e-324, float("inf"), float("nan")),
    *("", "x", "2026-01-01", "a\udc80b", MARKUP, "../../outside", "x" * 100_000, [], [[]], {}, {"a": {}}, DEEP),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory, numpy_run):
    """A store with a good run, and one to be damaged; to be made anew by whoever damages it."""
    root = tmp_path_factory.mktemp("hostile")

    def make() -> Path:
        shutil.rmtree(root)
        for name in (GOOD, BAD):
            shutil.copytree(numpy_run.path, root / name, ignore=shutil.ignore_patterns("*.svg", "*.png"))
        return root

    return make


def says_one_sentence(code: int, _: str, said: str) -> None:
    """Either it works, or one line says why not."""
    assert code in (0, 1, 2, 3, 4, 5)
    assert "Traceback" not in said
    if code == 2:
        assert len(said.splitlines()) == 1, said
        assert said.startswith("workbench: ")


def survives(do, root: Path) -> None:
    """The good run is listed and shown; about the bad one, each command says one sentence."""
    code, listed, _ = do("results", "--results", root)
    assert code == 0
    assert GOOD in listed
    code, shown, _ = do("show", GOOD, "--results", root)
    assert code == 0
    assert "numpy_manual" in shown
    for words in (("show", root / BAD), ("show", root / BAD, "--json"), ("rebuild", root / BAD), ("show", root / BAD)):
        says_one_sentence(*do(*words))
    assert do("results", "--results", root, "--json")[0] == 0
    assert do("history", "linreg", "numpy_manual", "--results", root, "--json")[0] in (0, 2)


def record_of(file: Path) -> list:
    """The records of a file: the events of a log, or the one that another JSON file holds."""
    if file.suffix == ".json":
        return [json.loads(file.read_text(encoding="utf-8"))]
    return [json.loads(line.split(" ", 1)[1]) for line in file.read_text(encoding="utf-8").splitlines()]


def write(file: Path, records: list) -> None:
    """Write them back, with checksums that fit."""
    texts = [json.dumps(record).encode("utf-8", "surrogatepass") for record in records]
    if file.suffix == ".json":
        file.write_bytes(texts[0])
    else:
        file.write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in texts))


def places(value: object) -> list[tuple]:
    """The path of every part of a record."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, part in items for path in [(key,), *((key, *rest) for rest in places(part))]]


def replace(records: list, path: tuple, value: object) -> None:
    for key in path[:-1]:
        records = records[key]
    records[path[-1]] = value


def npy(shape: tuple[int, ...], data: bytes = b"", type_: str = "<f8") -> bytes:
    """An array file that claims a shape and a type."""
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": type_, "fortran_order": False, "shape": shape})
    return made.getvalue() + data


ARRAYS = {
    "are_objects": None,
    "claim_a_terabyte": npy((10**11,)),
    "unpack_to_too_much": npy((50_000_000,), bytes(400_000_000)),
    "have_two_dimensions": npy((2, 2), bytes(32)),
    "have_none": npy((), bytes(8)),
    "are_text": npy((1,), b"a\0\0\0", "<U1"),
    "are_dates": npy((4,), bytes(32), "<M8[s]"),
    "are_void": npy((4,), bytes(32), "|V8"),
    "are_complex": npy((4,), bytes(64), "<c16"),
    "are_not_finite": npy((5,), np.array([np.nan, np.inf, -np.inf, 1e308, -1e308]).tobytes()),
    "are_few": npy((2,), bytes(16)),
    "are_none": npy((0,)),
    "are_cut_short": npy((5,), bytes(3)),
}
KINDS = {
    "fifo": os.mkfifo,
    "folder": os.mkdir,
    "endless_device": lambda path: path.symlink_to("/dev/zero"),
    "link_to_itself": lambda path: path.symlink_to(path.name),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("file", ["reference.npz", "contestants/numpy_manual/proof.npz"])
@pytest.mark.parametrize("losses", ARRAYS)
def test_losses_that_are_none_cost_their_own_run(store, do, losses, file):
    root = store()
    target = root / BAD / file
    if ARRAYS[losses] is None:
        np.savez(target, losses=np.array([{}], dtype=object))
    else:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("losses.npy", ARRAYS[losses])
    survives(do, root)
    says_one_sentence(*do("report", root / BAD, "--output", root / "page.html"))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_costs_its_own_run(store, do, kind, file):
    root = store()
    target = root / BAD / file
    target.unlink()
    KINDS[kind](target)
    survives(do, root)
    says_one_sentence(*do("report", root / BAD, "--output", root / "page.html"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_another_kind_costs_nothing(store, do, kind):
    root = store()
    (root / "index.json").unlink(missing_ok=True)
    KINDS[kind](root / "index.json")
    survives(do, root)


@pytest.mark.parametrize("levels", [50, 100, 500, 2_000, 100_000])
@pytest.mark.parametrize("file", ["run.json", "events.jsonl", "contestants/numpy_manual/samples.json", "../index.json"])
def test_what_is_nested_deeply_costs_its_own_run(store, do, file, levels):
    root = store()
    target = root / BAD / file
    text = b'{"format": 2, "event": "begin", "x": ' + b"[" * levels + b"]" * levels + b"}"
    target.write_bytes(b"%08x %s\n" % (zlib.crc32(text), text) if file == "events.jsonl" else text)
    survives(do, root)


def damaged(store, do, file: str, data: st.DataObject) -> None:
    """Any part of a record replaced by something odd."""
    root = store()
    records = record_of(root / BAD / file)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(records)))
        replace(records, place, data.draw(st.sampled_from(ODD)))
        if len(place) == 1 and file != "events.jsonl":
            break
    write(root / BAD / file, records)
    survives(do, root)


def bitten(store, do, file: str, data: st.DataObject) -> None:
    """Any bytes of a file replaced by any others."""
    root = store()
    before = (root / BAD / file).read_bytes()
    start = data.draw(st.integers(0, len(before)))
    length = data.draw(st.integers(0, len(before) - start) | st.integers(0, 3))
    (root / BAD / file).write_bytes(before[:start] + data.draw(st.binary(max_size=20)) + before[start + length :])
    survives(do, root)


QUICK = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LONG = settings(QUICK, max_examples=1000)
JSON_FILES = ("run.json", "events.jsonl", "contestants/numpy_manual/samples.json")


@pytest.mark.parametrize("file", JSON_FILES)
@QUICK
@given(st.data())
def test_any_value_anywhere_costs_its_own_run(store, do, file, data):
    damaged(store, do, file, data)


@pytest.mark.parametrize("file", FILES)
@settings(QUICK, max_examples=6)
@given(st.data())
def test_any_bytes_anywhere_cost_their_own_run(store, do, file, data):
    bitten(store, do, file, data)


@pytest.mark.slow
@pytest.mark.parametrize("file", JSON_FILES)
@LONG
@given(st.data())
def test_a_thousand_values_cost_their_own_run(store, do, file, data):
    damaged(store, do, file, data)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
@settings(LONG, max_examples=300)
@given(st.data())
def test_many_bytes_cost_their_own_run(store, do, file, data):
    bitten(store, do, file, data)
