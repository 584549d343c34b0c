"""`workbench.run` called from wherever programs call functions: threads, event loops, other processes, notebooks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import workbench
from workbench.model.progress import Silence
from workbench.session.session import Session

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"frameworks": "numpy_manual", "steps": 3, "launches": 1, "rounds": 1}


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Measures as little as it can; the outcome, once the run's folder is there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(**changes):
        finished = workbench.run("linreg", output=tmp_path / "store", **{**QUICK, **changes})
        assert finished.path.is_dir()
        return finished.rows[0].outcome

    return run


def in_threads(*functions):
    """What functions return, each in a thread of its own."""
    answers = []
    threads = [threading.Thread(target=lambda each=each: answers.append(each())) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_two_threads_measure_one_after_the_other(go, tmp_path):
    def unpinned():
        before = os.sched_getaffinity(0)  # of this thread
        return go(), os.sched_getaffinity(0) == before

    assert in_threads(unpinned, unpinned) == [("ok", True)] * 2
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_an_event_loop_goes_on_afterwards(go):
    async def main():
        return [await asyncio.to_thread(go), go()]

    assert asyncio.run(main()) == ["ok", "ok"]


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_another_process_measures(tmp_path, how):
    script = tmp_path / "script.py"
    script.write_text(
        f"import multiprocessing, sys\nsys.path.insert(0, {str(ROOT)!r})\nimport workbench\n"
        f"def go():\n"
        f"    finished = workbench.run('linreg', output={str(tmp_path / 'store')!r}, **{QUICK!r})\n"
        f"    assert finished.rows[0].outcome == 'ok'\n"
        f"if __name__ == '__main__':\n"
        f"    child = multiprocessing.get_context({how!r}).Process(target=go, daemon=True)\n"
        f"    child.start(); child.join(); sys.exit(child.exitcode)\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_has_its_tables_after_its_folder_is_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    finished = workbench.load(workbench.run("linreg", output=tmp_path / "store", **QUICK).path)
    shutil.rmtree(tmp_path / "store")
    assert len(finished.table) == len(finished.rows) == 1
    with pytest.raises(workbench.WorkbenchError, match=r"is damaged: reference.npz: FileNotFoundError"):
        finished.losses  # noqa: B018


class Stops(Silence):
    """Progress that does something at the first block of a launch."""

    def __init__(self, act):
        self._act = act

    def round(self, launch, done, of):
        if done == 1:
            self._act()


def test_a_progress_that_fails_ends_the_session_and_is_the_one_that_is_told(go, tmp_path):
    def fail():
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        go(rounds=3, progress=Stops(fail))
    assert list((tmp_path / "store").iterdir()) == []


def test_a_store_that_is_removed_meanwhile_costs_one_sentence(go, tmp_path):
    with pytest.raises((workbench.NotWrittenError, workbench.WorkbenchError), match=r"cannot be written to .*store"):
        go(rounds=3, progress=Stops(lambda: shutil.rmtree(tmp_path / "store")))


def test_an_interrupt_in_a_notebook_returns_what_was_measured(tmp_path, monkeypatch):
    """Jupyter's stop button sends SIGINT to the kernel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = os.sched_getaffinity(0)
    stop = Stops(lambda: os.kill(os.getpid(), signal.SIGINT))
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a kernel, and not as under nohup
    try:
        finished = workbench.run("linreg", output=tmp_path / "store", progress=stop, **{**QUICK, "rounds": 5})
    finally:
        signal.signal(signal.SIGINT, usual)
    assert finished.record.interrupted
    assert [(row.outcome, row.blocks) for row in finished.rows] == [("ok", 1)]
    assert os.sched_getaffinity(0) == before


def test_where_interrupts_are_ignored_they_are_ignored(go):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert go(rounds=3, progress=Stops(lambda: os.kill(os.getpid(), signal.SIGINT))) == "ok"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_of_the_judging_itself_puts_nothing_unproven_on_record(tmp_path, monkeypatch, quick):
    """As the second of two interrupts does in a notebook."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "_judge", interrupted)
    run = workbench.run("linreg", "numpy", steps=5, output=tmp_path, **quick)
    assert [(row.outcome, row.unit_s) for row in run.rows] == [("interrupted", None)]
    assert run.record.interrupted
