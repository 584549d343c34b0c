"""Signals that end a session, held back while what was measured is judged and recorded."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], object]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Let the first signal that would interrupt wait until the end of the context.

    A second one does not wait: it is handled as the second that arrives, as if the first had been handled when it came.
    """
    with _held_back() as first:
        yield
    for handle in first:
        handle()


@contextlib.contextmanager
def late_signals() -> Iterator[None]:
    """Drop the first signal that would interrupt: all is measured, and about to be shown. A second one ends at once."""
    with _held_back():
        yield


@contextlib.contextmanager
def _held_back() -> Iterator[list[Callable[[], object]]]:
    """Yields a list that the first signal's handling is put into.

    Only handlers written in Python are held back, and only in the main thread, which alone may do so.
    """
    first: list[Callable[[], object]] = []
    if threading.current_thread() is not threading.main_thread():
        yield first
        return

    def note(number: int, frame: FrameType | None) -> None:
        if first:
            with contextlib.suppress(KeyboardInterrupt):
                first.pop()()
            before[number](number, frame)
            return
        first.append(functools.partial(before[number], number, frame))

    before: dict[int, Handler] = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, note)
    try:
        yield first
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
