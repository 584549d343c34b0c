"""Signals to a session at work: what was measured is written and shown, and resuming measures only what is missing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from workbench.catalog import catalog
from workbench.errors import ProblemError, WorkbenchError
from workbench.session import runner
from workbench.store import eventlog, results
from workbench.store.results import PARTIAL
from workbench.wire import exchange

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def launches(session):
    return [event["launch"]["number"] for event in session.events("launch")]


def until_gone(left_running):
    """The kernel kills a dead harness's workers; that is not instantaneous."""
    deadline = time.monotonic() + 30
    while left_running():
        assert time.monotonic() < deadline, "a worker outlives its harness"
        os.sched_yield()


@pytest.mark.parametrize("number", ENDING, ids=lambda n: n.name)
def test_one_signal_ends_cleanly_with_all_that_was_measured(measure, gate, left_running, temporary, number):
    there = gate("launch", 2)
    session = measure("--json")
    there.wait()
    session.signal(number)
    assert session.end() == 130
    shown = json.loads(session.printed)
    assert shown["interrupted"]
    assert [(row["outcome"], row["launches"]) for row in shown["contestants"]] == [("ok", 1)]
    assert not session.folder.name.startswith(PARTIAL)
    assert launches(session) == [0]
    assert left_running() == []
    assert [path.name for path in temporary.iterdir() if path.suffix != ".lock"] == []


@pytest.mark.parametrize("at", ["exact", "launch"])
def test_an_interrupt_before_anything_was_measured_leaves_a_row_that_says_so(measure, gate, left_running, at):
    there = gate(at, 1)
    session = measure("--json")
    there.wait()
    session.signal(signal.SIGINT)
    assert session.end() == 130
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["step_s"]) == ("interrupted", None)
    assert left_running() == []


def test_an_interrupt_before_the_problem_is_made_leaves_nothing(measure, gate):
    there = gate("reference", 1)
    session = measure()
    there.wait()
    session.signal(signal.SIGINT)
    assert session.end() == 130
    assert session.said.splitlines()[-1] == "workbench: interrupted"
    assert list(session.store.iterdir()) == []


def test_an_interrupt_amid_the_rounds_keeps_those_that_are_whole(measure, gate, content):
    there = gate("block", 4)
    session = measure("--json", launches=1, rounds=6)
    there.wait()
    session.signal(signal.SIGINT)
    there.open()
    assert session.end() == 130
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["blocks"]) == ("ok", 3)


@pytest.mark.parametrize("number", ENDING, ids=lambda n: n.name)
def test_an_interrupt_after_the_last_launch_shows_all_that_was_measured(measure, number):
    """Whether it still ends the launch, or comes while the run is written."""
    session = measure("--json", launches=1)
    session.wait_for("numpy_manual: ok")
    session.signal(number)
    assert session.end() in (0, 130)
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["launches"]) == ("ok", 1)
    assert not session.folder.name.startswith(PARTIAL)
    assert {"summary.json", "summary.md", "losses.csv"} <= {path.name for path in session.folder.iterdir()}


def test_an_interrupt_while_it_is_judged_waits_until_it_is(measure, gate):
    there = gate("compilations", 3)  # twice before the first block, and once after the last
    session = measure("--json", rounds=3)
    there.wait()
    session.signal(signal.SIGINT)
    there.open()
    assert session.end() == 130
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["launches"], row["blocks"] >= 3, row["blocks_judged"] >= 1) == ("ok", 1, True, True)


def test_a_second_signal_while_it_is_judged_leaves_nothing_unproven_on_record(measure, gate, left_running):
    there = gate("compilations", 3)
    session = measure(launches=1, rounds=2)
    there.wait()
    session.signal(signal.SIGINT)
    session.signal(signal.SIGTERM)
    assert session.end() == 130
    assert [event["event"] for event in eventlog.read(session.folder).events] == ["begin", "problem"]
    until_gone(left_running)


def test_an_interrupt_amid_evaluations_keeps_the_training_and_resuming_makes_up_for_them(
    measure, harness, content, gate
):
    there = gate("evaluate", 9)
    session = measure("--json", "--evaluate", launches=1, rounds=3)
    there.wait()
    session.signal(signal.SIGINT)
    there.open()
    assert session.end() == 130
    shown = json.loads(session.printed)
    (row,) = shown["contestants"]
    assert (row["outcome"], row["launches"], row["blocks"] >= 3) == ("ok", 1, True)
    again = resumed(harness, content, session)
    assert again.end() == 0, again.said
    shown = json.loads(again.printed)
    (row,), (alone,) = shown["contestants"], shown["stages"]["evaluate"]
    assert (row["outcome"], row["launches"], alone["launches"], alone["blocks"] >= 3) == ("ok", 1, 1, True)


def test_one_whose_evaluation_hangs_keeps_its_training_and_is_not_waited_for(measure, gate):
    there = gate("evaluate", 9)
    session = measure("--json", "--evaluate", launches=1, rounds=3)
    there.wait()
    session.signal(signal.SIGINT)
    assert session.end() == 130  # long before its time is up
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["reason"], row["blocks"] >= 3) == ("ok", "", True)


def test_a_second_signal_ends_at_once_with_a_valid_log(measure, gate, left_running):
    there = gate("block", 2)  # the interrupted block is waited for: there the second signal strikes
    session = measure(launches=1, rounds=5)
    there.wait()
    session.signal(signal.SIGINT)
    session.signal(signal.SIGTERM)
    assert session.end() == 130
    events, damaged, _ = eventlog.read(session.folder)
    assert [event["event"] for event in events] == ["begin", "problem"]  # no end: it was not waited for
    assert damaged == 0
    until_gone(left_running)


def test_what_nohup_ignores_stays_ignored(measure, gate):
    there = gate("launch", 1)
    session = measure(launches=1, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    there.wait()
    session.signal(signal.SIGHUP)
    there.open()
    assert session.end() == 0, session.printed


@pytest.fixture
def killed(measure, gate, left_running):
    """A session of three launches whose harness was killed in the second."""
    there = gate("launch", 2)
    session = measure(launches=3)
    there.wait()
    session.signal(signal.SIGKILL)
    session.process.wait()
    there.remove()
    until_gone(left_running)
    return session


def resumed(harness, content, session, *words):
    return harness("run", "--resume", session.folder.name, "--content", content.root, "--json", *words)


def test_a_killed_harness_leaves_its_launches_and_no_worker(killed):
    assert killed.folder.name.startswith(PARTIAL)
    assert launches(killed) == [0]


def session_proof(events):
    return next(event["proof"] for event in reversed(events) if event["event"] == "launch")


def worst_of(proof):
    """The largest deviation of any loss in the timed process, as the table shows it."""
    return next(check["difference"] for check in proof["checks"] if check["name"] == "check_every_loss")


def test_resume_measures_only_what_is_missing(killed, harness, content):
    before = eventlog.read(killed.folder).events
    again = resumed(harness, content, killed)
    assert again.end() == 0, again.said
    events = eventlog.read(again.folder).events
    assert events[: len(before)] == before
    assert launches(again) == [0, 1, 2]
    assert [event["event"] for event in events].count("begin") == 1
    (row,) = json.loads(again.printed)["contestants"]
    assert (row["outcome"], row["launches"]) == ("ok", 3)
    assert (row["blocks_judged"], row["rank"]) == (3, 1), "one of each launch, those before the kill included"
    assert row["max_relative_error"] == worst_of(events[-2]["proof"]) == worst_of(session_proof(before))
    assert [path.name for path in again.store.iterdir()] == [killed.folder.name]


@pytest.mark.parametrize("at", ["exact", "launch"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_resume_goes_on_after_what_came_before_all(measure, harness, content, gate, left_running, at, number):
    there = gate(at, 1)
    session = measure()
    there.wait()
    session.signal(number)
    session.process.wait()
    there.remove()
    until_gone(left_running)
    again = resumed(harness, content, session)
    assert again.end() == 0, again.said
    (row,) = json.loads(again.printed)["contestants"]
    assert (row["outcome"], row["launches"], row["blocks_judged"]) == ("ok", 2, 2)


def test_resume_makes_a_launch_anew_that_was_cut_short(measure, harness, content, gate):
    there = gate("block", 2)
    session = measure(launches=1, rounds=3)
    there.wait()
    session.signal(signal.SIGINT)
    there.open()
    assert session.end() == 130
    again = resumed(harness, content, session)
    assert again.end() == 0, again.said
    (row,) = json.loads(again.printed)["contestants"]
    assert (row["launches"], row["blocks"] >= 3) == (1, True)


def refused(session, *words):
    assert session.end() == 2
    last = session.said.splitlines()[-1]
    assert last.startswith("workbench: ")
    for word in words:
        assert word in last


def other_problem(folder, _):
    arrays = exchange.load_arrays(folder / "problem.npz")
    exchange.save_arrays(folder / "problem.npz", {name: array for name, array in arrays.items() if name != "queries"})


CHANGES = {
    "machine": (lambda _, begin: begin.update(machine_key="another"), "the machine changed"),
    "workbench": (lambda _, begin: begin.update(workbench="0.0.1"), "workbench's version changed"),
    "versions": (lambda _, begin: begin["packages"].update(numpy="0.1"), "the installed versions changed"),
    "content": (lambda _, begin: begin.update(content_hash="another"), "tasks or frontends changed"),
    "interpreter": (lambda _, begin: begin["contestants"][0].update(interpreter="else"), "interpreter of numpy_manual"),
    "threads": (lambda _, begin: begin["contestants"][0].update(threads=7), "threads of numpy_manual changed"),
    "frontend": (
        lambda _, begin: begin["contestants"][0].update(id="gone", frontend="gone"),
        "'gone' no longer exists",
    ),
    "settings": (lambda _, begin: begin["settings"].update(device=3), "its log is not valid"),
    "problem": (other_problem, "its problem.npz has changed"),
    "damaged_problem": (lambda folder, _: (folder / "problem.npz").write_bytes(b"PK"), "problem.npz"),
    "no_reference": (lambda folder, _: (folder / "reference.npz").unlink(), "reference.npz"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_resume_refuses_what_has_changed(numpy_run, tmp_path, change):
    """A finished run without its end is one whose harness was killed."""
    folder = tmp_path / f"{PARTIAL}{numpy_run.id}"
    shutil.copytree(numpy_run.path, folder)
    events = [event for event in eventlog.read(folder).events if event["event"] != "end"]
    alter, said = CHANGES[change]
    alter(folder, events[0])
    (folder / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events)))
    with pytest.raises(WorkbenchError, match=f"{said}") as raised:
        runner.resume(numpy_run.id, tmp_path, catalog())
    assert len(str(raised.value).splitlines()) == 1
    assert eventlog.read(folder).events == events


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ProblemError("the problem could not be made")])
def test_one_that_is_stopped_before_it_goes_on_stays_as_it_was(numpy_run, tmp_path, monkeypatch, failure):
    folder = tmp_path / numpy_run.id
    shutil.copytree(numpy_run.path, folder)
    events = eventlog.read(folder).events
    events[-1]["interrupted"] = True
    (folder / eventlog.NAME).write_bytes(b"".join(map(eventlog.encode, events)))

    def stopped(*_):
        assert (tmp_path / f"{PARTIAL}{numpy_run.id}").is_dir()
        raise failure

    monkeypatch.setattr(runner.Session, "run", stopped)
    with pytest.raises((KeyboardInterrupt, WorkbenchError)):
        runner.resume(numpy_run.id, tmp_path, catalog())
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [numpy_run.id]
    assert results.load(numpy_run.id, tmp_path).rows[0].timed


def test_a_complete_run_has_nothing_to_resume(measure, harness, content):
    session = measure(launches=1)
    assert session.end() == 0
    before = sorted(session.folder.rglob("*"))
    refused(resumed(harness, content, session), "is complete", "nothing to resume")
    assert sorted(session.folder.rglob("*")) == before


def test_a_harness_killed_after_the_last_launch_has_only_to_be_finished(measure, harness, content):
    session = measure(launches=1)
    assert session.end() == 0
    session.folder.rename(session.folder.with_name(PARTIAL + session.folder.name))
    before = session.events("launch")
    (session.folder / "run.json").unlink()
    again = resumed(harness, content, session)
    assert again.end() == 0
    assert again.events("launch") == before


def test_a_run_that_is_being_measured_is_not_resumed_by_another(measure, harness, content, gate, tmp_path):
    there = gate("launch", 2)
    session = measure()
    there.wait()
    (tmp_path / "elsewhere").mkdir()  # with another temporary folder the host's lock is another, too
    other = harness(
        "run", "--resume", session.folder.name, "--content", content.root,
        environment={"TMPDIR": str(tmp_path / "elsewhere")},
    )  # fmt: skip
    refused(other, "another session is measuring run")
    there.open()
    assert session.end() == 0


def test_a_budget_that_ends_amid_the_rounds_still_measures_one_launch(harness, content):
    words = ["linreg", "-f", "numpy", "--steps=3", "--rounds=5", "--budget=0.1s", "--content", content.root, "--json"]
    session = harness("run", *words)
    assert session.end() == 0
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["launches"]) == ("ok", 1)
    assert row["blocks"] >= 5


# The harness's own processes


@pytest.fixture
def kill_own(left_running):
    """Kills one of the workers that a session has started, by its place in the order in which they were started."""

    def started(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])

    def kill(session, place: int) -> None:
        workers = [pid for pid in sorted(left_running(), key=started) if pid != session.process.pid]
        os.kill(workers[place], signal.SIGKILL)

    return kill


@pytest.mark.parametrize(("place", "who"), [(0, "the reference's process died"), (1, "the canary's process failed")])
def test_a_session_whose_own_process_dies_shows_the_finished_launches(
    measure, gate, left_running, kill_own, content, place, who
):
    there = gate("launch", 2)
    session = measure("--json", launches=3)
    there.wait()
    kill_own(session, place)
    there.open()
    assert session.end() == 1
    shown = json.loads(session.printed)
    assert [(row["outcome"], row["launches"]) for row in shown["contestants"]] == [("ok", 1)]
    assert shown["interrupted"]
    (said,) = [line for line in session.said.splitlines() if line.startswith("workbench: ")]
    assert said.startswith(f"workbench: the run was cut short: {who}: killed in ")
    command = f"workbench run --resume {session.folder.name} -r {session.store} --content {content.root}"
    assert said.endswith(f"finish it with `{command}`")
    assert left_running() == []


def test_a_session_whose_own_process_dies_before_anything_was_measured_blames_no_contestant(measure, gate, kill_own):
    there = gate("launch", 1)
    session = measure("--json", launches=1)
    there.wait()
    kill_own(session, 0)
    there.open()
    assert session.end() == 1
    (row,) = json.loads(session.printed)["contestants"]
    assert (row["outcome"], row["reason"]) == ("interrupted", "interrupted before it was measured")


def test_a_reference_that_dies_while_it_trains_is_a_problem_that_could_not_be_made(measure, gate, kill_own):
    there = gate("reference", 1)
    session = measure()
    there.wait()
    kill_own(session, 0)
    assert session.end() == 2
    assert "workbench: the problem could not be made: the reference's process died: killed in 'set_up'" in session.said
