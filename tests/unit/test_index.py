"""A store of many runs: the index is read at once where that is safe, and what is about one run looks at no other."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys

import pytest

import workbench
from workbench.cli import main
from workbench.show import listing
from workbench.store import codec, index, results


@pytest.fixture
def store(tmp_path, numpy_run):
    """A store of five runs."""
    for number in range(1, 6):
        shutil.copytree(numpy_run.path, tmp_path / f"2026010{number}-000000-linreg-points-{number:06d}")
    return tmp_path


@pytest.fixture
def slowly(monkeypatch):
    """Makes the index be read as text that cannot be trusted."""
    return lambda: monkeypatch.setattr(index, "quickly", lambda *_: None)


def test_both_ways_of_reading_the_index_find_the_same(store, slowly):
    index.runs(store)
    text = (store / index.NAME).read_bytes()
    assert codec.quickly(index._Entries, text) is not None
    quick = index._read(store)
    slowly()
    assert index._read(store) == quick
    assert len(quick) == 5


def test_the_same_listing_is_found_either_way_and_written_once(store, slowly):
    found = index.runs(store)
    written = (store / index.NAME).stat().st_mtime_ns
    assert index.runs(store) == found
    slowly()
    assert index.runs(store) == found
    assert (store / index.NAME).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\u001b[31m"}',
        '{"a": "\\n"}',
        '{"a": "\u202e"}',
        '{"a": "\x7f"}',
        '{"a": 1}',
        '{"a": 1e999}',
        '{"a": NaN}',
        '{"b": ',
        "[" * 100_000,
        "",
        "null",
    ],
)
def test_what_may_have_to_be_scrubbed_or_does_not_fit_is_not_read_quickly(text):
    assert codec.quickly(dict[str, str], text.encode()) is None


def test_quotes_and_plain_text_are_read_quickly():
    value = {"a": 'x "y" \\ z', "b": ""}
    assert codec.quickly(dict[str, str], codec.compact(value)) == value


@pytest.mark.parametrize("text", [b"{}", b"{"])
@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_left_as_it_was(text, collecting):
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        codec.quickly(dict[str, str], text)
        assert gc.isenabled() == collecting
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("threads", [-1, 0, 10**30])
def test_an_index_with_impossible_threads_is_not_believed(store, threads):
    found = index.runs(store)
    value = json.loads((store / index.NAME).read_text())
    for entry in value["runs"].values():
        entry["about"]["threads"] = threads
    (store / index.NAME).write_text(json.dumps(value))
    assert index.runs(store) == found


def test_a_folder_whose_name_is_no_text_is_no_run(store, numpy_run):
    odd = os.fsdecode(os.fsencode(store) + b"/20260109-000000-linreg-\xff")
    shutil.copytree(numpy_run.path, odd)
    found, damaged = index.runs(store)
    assert (len(found), damaged) == (5, [])
    assert (store / index.NAME).is_file()


# What is about one run


@pytest.fixture
def looked_into(monkeypatch):
    """The folders that were looked into for a run."""
    folders = []
    real = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: folders.append(path) or real(path))
    return folders


@pytest.mark.parametrize("name", ["latest", "20260105", "20260105-000000-linreg-points-000005"])
def test_finding_one_run_looks_into_one_folder(store, looked_into, name):
    assert workbench.load(name, store).id.startswith("20260105")
    assert len(looked_into) == 1


def test_the_newest_come_first_and_no_more_than_are_asked_for(store, looked_into):
    (store / ".partial-20260104-120000-linreg-points-x").mkdir()
    (store / ".partial-20260104-120000-linreg-points-x" / "events.jsonl").touch()
    (store / ".index.json.123.partial").mkdir()
    names = results.newest_first(store, unfinished=True)
    assert [next(names)[:17] for _ in range(2)] == ["20260105-000000-l", ".partial-20260104"]
    assert len(looked_into) == 2
    assert [name[:8] for name in results.newest_first(store)] == [f"2026010{day}" for day in (5, 4, 3, 2, 1)]


# The list


@pytest.fixture
def listed(monkeypatch, capsys, store):
    """What `workbench results` prints, with room for three runs."""
    monkeypatch.setattr(listing, "LISTED", 3)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", "results", "-r", str(store), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr()

    return call


def test_the_newest_runs_are_listed_and_the_others_counted(listed):
    shown = listed()
    assert [day in shown.out for day in ("20260105", "20260103", "20260102")] == [True, True, False]
    assert shown.err.strip() == "the newest 3 of 5 runs; --all lists every one"


def test_all_are_listed_if_asked_for_and_always_as_json(listed):
    shown = listed("--all")
    assert "20260101" in shown.out
    assert not shown.err
    assert len(json.loads(listed("--json").out)["runs"]) == 5
