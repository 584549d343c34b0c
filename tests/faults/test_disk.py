"""A disk that is full, read-only or gone, at any write: one sentence, what was measured is shown, all is readable."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from workbench.store import eventlog, results

FULL = 1 << 16


def fill(place):
    """Leave no byte on a small file system; the file to remove when there shall be room again."""
    filler = place / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    for size in (FULL, 1):
        try:
            while True:
                os.write(descriptor, bytes(size))
        except OSError:
            continue
    os.close(descriptor)
    return filler


@pytest.mark.parametrize(("at", "number"), [("launch", 2), ("block", 1)])
def test_a_disk_that_fills_up_amid_a_session_costs_what_was_not_finished_alone(
    measure, harness, gate, small_disk, content, at, number
):
    there, store = gate(at, number), small_disk(2000) / "store"
    session = measure("--json", store=store, launches=2)
    there.wait()
    filler = fill(store.parent)
    there.open()
    assert session.end() == 5
    last = session.said.splitlines()[-1]
    assert "results cannot be written" in last
    assert "No space left on device" in last
    assert "`workbench run --resume" in last
    (row,) = json.loads(session.printed)["contestants"]
    assert row["frontend"] == "numpy_manual"
    finished = session.events("launch")
    assert len(finished) == number - 1
    filler.unlink()
    again = harness("run", "--resume", session.folder.name, "--content", content.root, "--json", store=store)
    assert again.end() == 0, again.said
    assert again.events("launch")[: len(finished)] == finished
    assert len(again.events("launch")) == 2


@pytest.mark.parametrize("kib", [4, 12, 40, 160])
def test_a_disk_too_small_at_any_write(measure, small_disk, kib):
    """Each size is full at another write: the first line, the problem, a proof, the log, a summary, a picture."""
    store = small_disk(kib) / "store"
    session = measure("--json", store=store, launches=1)
    code = session.end()
    assert code in (0, 1, 2, 4, 5), session.said
    assert code == 0 or "space" in session.said + session.printed
    for folder in [*results.folders(store), *results.unfinished_folders(store)]:
        assert eventlog.read(folder).damaged <= 1
    if code in (4, 5):
        (row,) = json.loads(session.printed)["contestants"]
        assert row["outcome"] in ("ok", "error", "interrupted")


def test_a_store_that_can_only_be_read_is_refused_before_anything_runs_and_can_be_read(
    measure, small_disk, numpy_run, cli
):
    disk = small_disk(2000)
    shutil.copytree(numpy_run.path, disk / numpy_run.id)
    done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount read-only here: {done.stderr.strip()}")
    session = measure(store=disk)
    assert session.end() == 2
    assert f"cannot write results to {disk}: Read-only file system; choose another folder" in session.said
    assert numpy_run.id in cli("results", "--json", "--results", disk).stdout
    assert "numpy_manual" in cli("show", "latest", "--results", disk).stdout
    rebuilt = cli("rebuild", "latest", "--results", disk)
    assert rebuilt.returncode == 5
    assert "numpy_manual" in rebuilt.stdout
    assert "Read-only file system" in rebuilt.stderr


@pytest.mark.parametrize("what", ["run", "store"])
def test_a_folder_that_is_removed_while_measuring_stays_removed_and_all_is_shown(measure, gate, left_running, what):
    there = gate("launch", 2)
    session = measure("--json")
    there.wait()
    shutil.rmtree(session.folder if what == "run" else session.store)
    there.open()
    assert session.end() == 5
    (row,) = json.loads(session.printed)["contestants"]
    assert row["launches"] == 1
    assert "cannot be written" in session.said.splitlines()[-1]
    assert not session.store.exists() or list(session.store.iterdir()) == []
    assert left_running() == []


def test_a_store_that_is_missing_is_made(measure, tmp_path):
    session = measure(store=tmp_path / "not" / "yet" / "there", launches=1)
    assert session.end() == 0
    assert session.folder.is_dir()


def test_a_full_folder_of_temporary_files_costs_nothing(measure, small_disk):
    disk = small_disk(4)
    fill(disk)
    assert measure(environment={"TMPDIR": str(disk)}, launches=1).end() == 0


def test_a_log_that_cannot_be_written_does_not_stop_its_reader(tmp_path):
    from workbench.session.launcher import OutputLog

    log = OutputLog(tmp_path / "log.txt")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file.fileno())
    os.close(full)
    reader, writer = os.pipe()
    log.read(reader)
    os.write(writer, b"x" * FULL)
    os.write(writer, b"x" * FULL)  # a pipe holds no more: only a living reader lets this return
    os.close(writer)
    log.close()
