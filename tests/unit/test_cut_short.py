"""What comes of a session whose own processes die or hang: it ends, blames nobody, and every report says so."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench import testing
from workbench.comparison.commits import GateResult
from workbench.comparison.judge import Finding, Judgement
from workbench.model.outcomes import CutShortError, Outcome, WorkerFailedError, WorkerLostError
from workbench.session import bring_up
from workbench.session.bring_up import BringUp
from workbench.session.reference import Reference
from workbench.show import gate as report
from workbench.show.report.verdict import verdict
from workbench.store.results import StoredRun

REASON = "the reference's process died: killed in 'run'"


class Worker:
    """A process that notes what is done to it."""

    def __init__(self):
        self.done = []

    def __getattr__(self, name):
        return lambda: self.done.append(name)


def of(worker) -> Reference:
    made = object.__new__(Reference)
    made.worker, made._lock = worker, threading.RLock()
    return made


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (WorkerLostError(Outcome.OUT_OF_MEMORY, "why"), "died"),
        (WorkerLostError(Outcome.TIMEOUT, "why"), "hangs"),
        (WorkerFailedError(Outcome.ERROR, "why"), None),
    ],
)
def test_a_reference_that_died_or_hangs_ends_the_session_and_one_that_fails_does_not(error, says):
    """What it fails at may be a contestant's state, and is that one's outcome, whether or not it has exited yet."""
    worker = Worker()
    with pytest.raises((CutShortError, WorkerFailedError)) as raised, of(worker)._awake():
        raise error
    if says is None:
        assert isinstance(raised.value, WorkerFailedError)
        assert worker.done == ["wake", "stop"]
    else:
        assert str(raised.value) == f"the reference's process {says}: why"
        assert worker.done == ["wake", "kill", "stop"]


def test_workers_that_are_brought_up_side_by_side_end_together(monkeypatch):
    """None waits for a place that nobody gives back."""
    group = [SimpleNamespace(id=str(number), running=True) for number in range(12)]
    context = SimpleNamespace(
        settings=SimpleNamespace(cpus=(0,), harness_cpus=(1, 2)),
        failing_only=lambda _: contextlib.nullcontext(),
        abandoned=False,
    )
    monkeypatch.setattr(bring_up, "cpu_quota", lambda: None)
    made = BringUp(context, {})

    def dies(*_):
        raise CutShortError(REASON)

    monkeypatch.setattr(made, "_bring_up", dies)
    ended = []

    def bring_all_up():
        with pytest.raises(CutShortError):
            made._all(group, {entry.id: Worker() for entry in group}, 1)
        ended.append(True)

    for _ in range(20):
        thread = threading.Thread(target=bring_all_up, daemon=True)
        thread.start()
        thread.join(10)
        assert ended.pop()


def cut_short_run() -> StoredRun:
    record = testing.record(testing.contestant("numpy_manual", [testing.launch(0, [0.01] * 3)]))
    return StoredRun(Path("run"), dataclasses.replace(record, interrupted=True, cut_short=REASON))


@pytest.mark.parametrize(
    ("finding", "code", "headline"),
    [
        (Finding.SAME, 3, "could not tell"),
        (Finding.INCONCLUSIVE, 3, "could not tell"),
        (Finding.SLOWER, 1, "worse"),
    ],
)
def test_a_gate_that_was_cut_short_is_never_fine_and_says_why(finding, code, headline):
    gate = GateResult("base", "head", [Judgement("linreg", "numpy_manual", finding, "x")], [cut_short_run()], 0.03)
    assert gate.exit_code == code
    assert report.headline(gate) == headline
    assert report.sentence(gate).endswith(f" The session was cut short, because {REASON}.")
    assert dataclasses.replace(gate, strict=True).exit_code == 1


def test_a_report_says_why_a_run_was_cut_short():
    assert f"the run was cut short, because {REASON}" in verdict(cut_short_run())
