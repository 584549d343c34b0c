"""A store with damage, malice, or several at work in it: one sentence each, nothing executed, nothing left."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import workbench
from workbench import api
from workbench.errors import WorkbenchError
from workbench.host import locks
from workbench.model.contestant import check_id
from workbench.store import eventlog, index, results, upgrade
from workbench.store.codec import plain

DERIVED = ("run.json", "summary.json", "summary.csv", "summary.md", "losses.csv")
DAMAGE = {
    "empty": b"",
    "truncated": b'{"format": 1, "runs": {"x": ',
    "garbage": b"\xff\xfe\x00garbage",
    "another_kind": b"[1, 2]",
    "newer": b'{"format": 99, "runs": {}, "contestants": []}',
}
HOSTILE = {
    "climbs": "../../outside",
    "absolute": "/tmp/outside",
    "dots": "..",
    "hidden": ".x",
    "empty": "",
    "drives_a_terminal": "x\x1b[31m",
    "marks_up_a_page": "<script>alert(1)</script>",
    "marks_up_markdown": "x](javascript:alert(1))",
    "marks_up_a_terminal": "[red]x[/red]",
    "has_two_lines": "x\ny",
    "no_text": 3,
}


@pytest.fixture
def store(tmp_path, numpy_run):
    """A store with one run in it."""
    shutil.copytree(numpy_run.path, tmp_path / "store" / numpy_run.id)
    return tmp_path / "store"


@pytest.fixture
def run(store):
    """The folder of that run."""
    return next(store.iterdir())


def said(done):
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def resume(name, store):
    return api.resume(name, store)


def rewrite(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "another_kind"])
def test_everything_derived_is_made_again_from_the_log(run, store, damage):
    before = {name: (run / name).read_bytes() for name in DERIVED}
    before |= {"samples": (run / "contestants" / "numpy_manual" / "samples.json").read_bytes()}
    pictures = {path.name for path in run.glob("*.png")}
    for name in DERIVED:
        (run / name).write_bytes(DAMAGE[damage])
    (run / "contestants" / "numpy_manual" / "samples.json").unlink()
    for picture in pictures:
        (run / picture).unlink()
    api.rebuild(run.name, store)
    after = {name: (run / name).read_bytes() for name in DERIVED}
    after |= {"samples": (run / "contestants" / "numpy_manual" / "samples.json").read_bytes()}
    assert after == before
    assert {path.name for path in run.glob("*.png")} == pictures


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage"])
def test_a_log_that_is_damaged_from_its_beginning_is_one_sentence(run, store, damage):
    (run / eventlog.NAME).write_bytes(DAMAGE[damage])
    for act in (api.rebuild, resume):
        with pytest.raises(
            WorkbenchError, match=f"run {run.name} is damaged: (its log ends before|the first line of its log)"
        ):
            act(run.name, store)
    assert workbench.load(run).table["outcome"].tolist() == ["ok"]


def test_a_log_of_a_newer_format_is_refused(run, store):
    events = eventlog.read(run).events
    events[0]["format"] = 99
    (run / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events)))
    with pytest.raises(
        WorkbenchError, match=f"format 99, but this workbench reads only up to {upgrade.FORMAT}: use a newer workbench"
    ):
        api.rebuild(run.name, store)


def test_whole_lines_that_make_no_sense_are_one_sentence(run, store):
    events = [
        {"event": "begin", "format": 2, "contestants": [3]},
        {"event": "problem"},
        {"event": "rounds", "rounds": 7},
    ]
    (run / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events)))
    with pytest.raises(WorkbenchError, match=f"run {run.name} is damaged: its log is not valid"):
        api.rebuild(run.name, store)


@pytest.mark.parametrize("name", ["rounds", "settings", "problem", "tolerance"])
def test_values_of_another_kind_are_one_sentence(cli, run, store, name):
    rewrite(run / "run.json", lambda value: value.update({name: {"a": [None]}}))
    done = cli("show", run.name, "--results", store)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert f"run {run.name} is damaged" in done.stderr


# ---------------------------------------------------------------- the index and the list


@pytest.mark.parametrize("damage", [None, *DAMAGE])
def test_a_lost_or_damaged_index_is_made_again(cli, store, run, damage):
    listed = cli("results", "--json", "--results", store).stdout
    whole = (store / index.NAME).read_bytes()
    if damage is None:
        (store / index.NAME).unlink()
    else:
        (store / index.NAME).write_bytes(DAMAGE[damage])
    assert cli("results", "--json", "--results", store).stdout == listed
    assert (store / index.NAME).read_bytes() == whole


def test_the_index_saves_opening_each_run_and_never_outlives_it(store, run, monkeypatch):
    found, _ = index.runs(store)
    monkeypatch.setattr(results, "load", lambda _: pytest.fail("opened"))
    assert index.runs(store) == (found, [])
    monkeypatch.undo()
    rewrite(run / "run.json", lambda value: value["settings"].update(preset="another"))
    assert [found.preset for found in index.runs(store)[0]] == ["another"]
    shutil.rmtree(run)
    assert index.runs(store) == ([], [])


def test_an_index_is_not_believed_what_no_run_would_say(store, run):
    found, _ = index.runs(store)
    rewrite(store / index.NAME, lambda value: value["runs"][run.name]["about"].update(task="\x1b[31m"))
    assert "\x1b" not in index.runs(store)[0][0].task
    for lie in ({"run": "../x"}, {**plain(found[0]), "run": "../x"}, {**plain(found[0]), "contestants": {"x": None}}):
        rewrite(store / index.NAME, lambda value, lie=lie: value["runs"][run.name].update(about=lie))
        assert index.runs(store)[0] == found


def test_a_damaged_run_is_named_beside_the_others(cli, store, run):
    shutil.copytree(run, store / "another")
    (store / "another" / "run.json").write_bytes(b"{")
    done = cli("results", "--results", store)
    assert done.returncode == 0
    assert run.name in done.stdout.replace("\n", "")
    assert "workbench: run another is damaged: run.json" in done.stderr


def test_unfinished_runs_are_listed_with_what_to_do(cli, store, run):
    events = eventlog.read(run).events
    for name, count in (("cut", 4), ("nothing", 1)):
        folder = store / f"{results.PARTIAL}{name}"
        folder.mkdir()
        (folder / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events[:count])))
    log = eventlog.EventLog(store / f"{results.PARTIAL}nothing")
    shown = cli("results", "--results", store).stdout
    log.close()
    sentence = "cut was cut off after 1 finished launch; to resume it: `workbench run --resume cut -r"
    assert sentence in " ".join(shown.split())
    assert "nothing is being measured" in shown
    assert "nothing was cut off before anything was measured" in cli("results", "--results", store).stdout
    listed = json.loads(cli("results", "--json", "--results", store).stdout)
    assert [(entry["run"], entry["launches"]) for entry in listed["unfinished"]] == [("nothing", 0), ("cut", 1)]
    assert [entry["run"] for entry in listed["runs"]] == [run.name]


def test_a_log_without_a_beginning_is_damaged_and_nobody_is_told_to_delete_it(cli, store, run):
    """Whatever lines are left in it: those of launches most of all."""
    lines = (run / eventlog.NAME).read_bytes().splitlines(keepends=True)
    odd = eventlog.encode({"event": "begin", "format": 10**30})
    for name, log in (
        ("first", [lines[0].replace(b"points", b"pointz"), *lines[1:]]),
        ("all", [b"x\n" * 5]),
        ("begin", [odd]),
        ("nul", [bytes(len(b"".join(lines)))]),
        ("joined", [b"".join(lines).replace(b"\n", b" ")]),
        ("carriage", [b"".join(lines).replace(b"\n", b"\r")]),
        ("cut", [b"".join(lines)[40:400]]),
    ):
        folder = store / f"{results.PARTIAL}{name}"
        folder.mkdir()
        (folder / eventlog.NAME).write_bytes(b"".join(log))
        said = " ".join(cli("results", "--results", store).stdout.split())
        assert "deleted" not in said
        assert re.search(
            rf"run .partial-{name} is damaged: |run .partial-{name} has format|{name}.*not a valid format", said
        ), said
        for words in (("rebuild", name), ("run", "--resume", name)):
            done = cli(*words, "--results", store)
            assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
            assert "nothing was measured" not in done.stderr


@pytest.mark.parametrize("words", [("rebuild",), ("run", "--resume")], ids=lambda words: words[-1])
def test_a_run_that_was_killed_before_its_problem_was_made_is_not_called_damaged(cli, store, run, words):
    folder = store / f"{results.PARTIAL}early"
    folder.mkdir()
    (folder / eventlog.NAME).write_bytes((run / eventlog.NAME).read_bytes().splitlines(keepends=True)[0])
    done = cli(*words, "early", "--results", store)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "run early was cut off before anything was measured; its folder can be deleted: " in done.stderr
    assert folder.is_dir()


ODD_SETTINGS = {
    "preset": ("nope", "\n"),
    "task": ("", "nope", "../x"),
    "timeout_s": (1e308, 0, -1),
    "cpus": ([99_999], [-1], [10**18], [0, 0], []),
    "harness_cpus": ([99_999], []),
    "threads": (0, -1, 10**6, 500, None),
    "launches": (0, -1, 10**6),
    "rounds": (0, -5, 10**9),
    "steps": (0, -1, 10**18),
    "seed": (-1, 10**18),
    "max_alive": (0, -1),
    "precision": (0, -1),
    "budget_s": (-1,),
    "sweep": ("odd",),
    "profile": ("odd", "stock"),
    "matmul_precision": ("odd",),
    "dtype": ("int8", "float16"),
    "device": (
        {"kind": "tpu", "index": 0},
        {"kind": "cpu", "index": -5},
        {"kind": "cpu", "index": 3},
        {"kind": "gpu", "index": 7},
    ),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ODD_SETTINGS.items() for value in values]
)
def test_what_a_log_says_is_checked_like_what_is_asked_for(store, run, name, value):
    """Whatever its checksums say: nothing is started, and nothing changes."""
    begin, *others = (line for line in eventlog.read(run).events if line["event"] != "end")
    begin["settings"][name] = value
    folder = run.rename(store / f"{results.PARTIAL}{run.name}")
    log = b"".join(map(eventlog.encode, [begin, *others]))
    (folder / eventlog.NAME).write_bytes(log)
    with pytest.raises(WorkbenchError, match=r"cannot be resumed: |is damaged: ") as error:
        resume(run.name, store)
    assert len(str(error.value).splitlines()) == 1
    assert "package" not in str(error.value)
    assert (folder / eventlog.NAME).read_bytes() == log


def test_a_log_with_the_beginning_of_a_line_says_that_nothing_was_measured(cli, store, run):
    first = (run / eventlog.NAME).read_bytes().splitlines()[0]
    for length in (0, 1, 8, 9, 10, 100, len(first) - 1):
        folder = store / f"{results.PARTIAL}{length}"
        folder.mkdir()
        (folder / eventlog.NAME).write_bytes(first[:length])
    said = " ".join(cli("results", "--results", store).stdout.split())
    assert said.count("was cut off before anything was measured") == 7
    assert "damaged" not in said


@pytest.mark.parametrize("ended", [False, True])
def test_a_run_that_was_finished_meanwhile_is_not_resumed(store, run, ended):
    """As after a copy of a store that was made while the session ended."""
    folder = shutil.copytree(run, store / f"{results.PARTIAL}{run.name}")
    events = [event for event in eventlog.read(run).events if ended or event["event"] != "end"]
    (folder / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events)))
    before = (run / "run.json").read_bytes(), (folder / eventlog.NAME).read_bytes()
    with pytest.raises(WorkbenchError, match=r"a run .* lies beside it; move one of them away") as error:
        resume(folder.name, store)
    assert len(str(error.value).splitlines()) == 1
    assert ((run / "run.json").read_bytes(), (folder / eventlog.NAME).read_bytes()) == before


@pytest.mark.parametrize("end", ["", "Z", "+00:00"])
def test_times_without_an_offset_are_as_good_as_others(cli, store, run, end):
    rewrite(
        run / "run.json",
        lambda value: value.update(started="2026-01-01T00:00:00", finished=f"2026-01-01T00:01:00{end}"),
    )
    for words in (
        ("report", run.name, "-r", store),
        ("results", "-r", store),
        ("site", store, "-o", store.parent / "site"),
    ):
        done = cli(*words)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("times", [0, 2])
def test_a_log_lists_each_contestant_once(store, run, times):
    begin, *others = eventlog.read(run).events
    begin["contestants"] *= times
    (run / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, [begin, *others])))
    before = (run / "run.json").read_bytes()
    with pytest.raises(WorkbenchError, match=r"is damaged: its log lists a contestant twice, or none") as error:
        api.rebuild(run.name, store)
    assert "may repair" not in str(error.value)
    assert (run / "run.json").read_bytes() == before


# ---------------------------------------------------------------- several at once


def test_two_sessions_on_one_store_wait_for_each_other(measure, gate, store):
    there = gate("launch", 1)
    first = measure(launches=1, store=store)
    there.wait()
    second = measure(launches=1, store=store)
    second.wait_for("lock: waiting for another session on this host to end")
    there.open()
    assert (first.end(), second.end()) == (0, 0)
    assert len(results.folders(store)) == 3
    assert results.unfinished_folders(store) == []


def test_a_second_session_refuses_if_that_is_wanted(measure, gate, store):
    there = gate("launch", 1)
    first = measure(launches=1, store=store)
    there.wait()
    second = measure("--if-busy=refuse", launches=1, store=store)
    assert second.end() == 2
    assert "another session is measuring on this host" in second.said
    there.open()
    assert first.end() == 0
    assert len(results.folders(store)) == 2


def test_waiting_for_another_session_can_be_interrupted(measure, gate, store):
    there = gate("launch", 1)
    first = measure(launches=1, store=store)
    there.wait()
    second = measure(launches=1, store=store)
    second.wait_for("lock: waiting")
    second.signal(signal.SIGINT)
    assert second.end() == 130
    there.open()
    assert first.end() == 0


HOLDS_A_LOCK = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
print(1, flush=True)
input()
"""


def test_the_lock_of_a_killed_holder_is_not_stale(tmp_path):
    path = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    with pytest.raises(WorkbenchError, match="another session"), locks.measuring("refuse", print, path):
        pass
    holder.kill()
    holder.communicate()
    with locks.measuring("refuse", print, path):
        assert path.exists()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(WorkbenchError, match="lock"), locks.measuring("refuse", print, tmp_path / "a.lock"):
        pass
    assert not (tmp_path / "victim").exists()


def test_ten_readers_beside_one_writer_meet_whole_runs_alone(store, quick):
    stop, trouble, seen = threading.Event(), [], []

    def read():
        while not stop.is_set():
            try:
                found, damaged = index.runs(store)
                loaded = workbench.results_of(store)
                seen.append(len(found))
                trouble.extend(damaged)
                assert all(len(run.table) == 1 for run in loaded)
            except Exception as error:  # noqa: BLE001 - any is what this test looks for
                trouble.append(repr(error))

    readers = [threading.Thread(target=read) for _ in range(10)]
    for reader in readers:
        reader.start()
    made = [workbench.run("linreg", "numpy", steps=2, output=store, **quick).id]
    stop.set()
    for reader in readers:
        reader.join()
    assert trouble == []
    assert len(seen) >= 10
    assert {found.run for found in index.runs(store)[0]} > set(made)
    assert [path.name for path in store.iterdir() if path.name.startswith(".")] == []


def test_a_log_has_one_writer(tmp_path):
    log = eventlog.EventLog(tmp_path)
    assert eventlog.in_use(tmp_path)
    with pytest.raises(BlockingIOError):
        eventlog.EventLog(tmp_path)
    log.close()
    assert not eventlog.in_use(tmp_path)
    with (tmp_path / eventlog.NAME).open() as file:  # a reader that holds a shared lock is no writer
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not eventlog.in_use(tmp_path)


# ---------------------------------------------------------------- malice


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_contestant(name):
    with pytest.raises(WorkbenchError, match="not a valid contestant id"):
        check_id(HOSTILE[name])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_results_is_neither_followed_nor_shown(run, store, name):
    outside = store.parent / "outside"
    shutil.copytree(run / "contestants" / "numpy_manual", outside)
    rewrite(outside / "samples.json", lambda value: value.update(id=HOSTILE[name]))
    rewrite(run / "run.json", lambda value: value.update(contestants=[HOSTILE[name]]))
    with pytest.raises(WorkbenchError, match=f"run {run.name} is damaged: .* not a valid contestant id") as raised:
        workbench.load(run)
    assert str(raised.value).isprintable()


def test_a_hostile_name_in_a_log_makes_no_folder_outside(run, store):
    events = eventlog.read(run).events
    for event in events:
        if event["event"] == "begin":
            event["contestants"][0]["id"] = "../../../outside"
        elif "contestant" in event:
            event["contestant"] = "../../../outside"
    (run / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events)))
    with pytest.raises(WorkbenchError, match="not a valid contestant id"):
        api.rebuild(run.name, store)
    assert not (store.parent / "outside").exists()


HOSTILE_TEXT = "\x1b]0;owned\x07\x9b31m<script>alert(1)</script>[red]x[/red]\u202e"


def test_hostile_texts_in_results_drive_nothing(cli, run, store):
    def change(value):
        value["settings"] |= {
            "task": HOSTILE_TEXT,
            "preset": HOSTILE_TEXT,
            "device": {"kind": HOSTILE_TEXT, "index": 0},
        }
        value["command"] = [HOSTILE_TEXT]

    rewrite(run / "run.json", change)
    rewrite(
        run / "contestants" / "numpy_manual" / "samples.json",
        lambda value: value.update(title=HOSTILE_TEXT, reason=HOSTILE_TEXT, outcome="error", log="../../../etc/passwd"),
    )
    for words in (["show", run.name], ["show", run.name, "--json"], ["results"], ["results", "--json"]):
        shown = said(cli(*words, "--results", store))
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown), words
        assert "passwd" not in shown
    loaded = workbench.load(run)
    assert "<script>" not in loaded._repr_html_()
    from workbench.show import tables

    assert "<script>" not in tables.markdown(loaded).replace("\\<", "")


def test_a_folder_with_a_hostile_name_drives_nothing(cli, run, store):
    hostile = store / "\x1b[31m[red]x"
    run.rename(hostile)
    (hostile / "run.json").write_bytes(b"{")
    shutil.copytree(hostile, store / "[bold]\x1b]0;y\x07")
    for words in (["results"], ["show", "latest"]):
        assert not {"\x1b", "\x07"} & set(said(cli(*words, "--results", store)))


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("file", ["reference.npz", "problem.npz", "contestants/numpy_manual/proof.npz"])
@pytest.mark.parametrize("form", ["pickle", "objects"])
def test_loading_results_executes_nothing(run, store, tmp_path, file, form):
    trap = tmp_path / "sprung"
    if form == "pickle":
        (run / file).write_bytes(pickle.dumps(Trap(trap)))
    else:
        np.savez(run / file, losses=np.array([Trap(trap)], dtype=object))
    found = workbench.load(run)
    assert len(found.table) == 1
    index.runs(store)
    for act in (api.rebuild, resume):
        with contextlib.suppress(WorkbenchError, api.NotWrittenError):
            act(run.name, store)
    if "problem" not in file:
        with pytest.raises(WorkbenchError, match="is damaged"):
            assert found.losses.empty
    assert not trap.exists()


def test_no_module_can_read_a_pickle_or_run_a_text():
    called, imported = set(), set()
    modules = set(Path(workbench.__file__).parent.rglob("*.py"))
    content_of_a_worker = {path for path in modules if path.parts[-2:] == ("selftest", "bare.py")}
    for path in modules - content_of_a_worker:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called.add(node.func.id)
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", path
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "np.load":
                assert path.name == "exchange.py"
    assert not {"eval", "exec", "compile", "__import__"} & called
    assert not {"pickle", "marshal", "shelve", "joblib", "dill", "yaml"} & imported
