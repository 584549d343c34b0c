"""Signals that are held back: one waits or is dropped, a second one does not wait."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from workbench.host.signals import ENDING, deferred_signals, late_signals


@pytest.fixture
def handled(monkeypatch):
    """What a handler of ours was called for; its first call interrupts, as that of a session does."""
    calls = []

    def interrupt(number, _frame):
        calls.append(number)
        if len(calls) == 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    yield calls
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_waits_until_the_end(handled, number):
    within = []

    def judged():
        with deferred_signals():
            send(number)
            within.append(list(handled))

    with pytest.raises(KeyboardInterrupt):
        judged()
    assert (within, handled) == ([[]], [number])


@pytest.mark.parametrize("number", ENDING)
def test_a_late_one_is_dropped(handled, number):
    with late_signals():
        send(number)
    assert handled == []
    with pytest.raises(KeyboardInterrupt):
        send(number)


@pytest.mark.parametrize("context", [deferred_signals, late_signals])
def test_a_second_one_is_handled_as_the_second_at_once(handled, context):
    within = []
    with context():
        send(signal.SIGINT)
        send(signal.SIGTERM)
        within += handled
    assert within == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("context", [deferred_signals, late_signals])
def test_handlers_are_what_they_were(context):
    before = {number: signal.getsignal(number) for number in ENDING}
    with pytest.raises(ValueError, match="planted"), context():
        raise ValueError("planted")
    assert {number: signal.getsignal(number) for number in ENDING} == before


@pytest.mark.parametrize("context", [deferred_signals, late_signals])
def test_another_thread_leaves_signals_alone(context):
    seen = []

    def elsewhere():
        with context():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
