"""Signals that end a session, held back while what was measured is judged and recorded."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], object]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Let the first signal that would interrupt wait until the end of the context; a second one does not wait.

    A second one is then handled as the second that arrives, as if the first had been handled when it came.
    Only handlers written in Python are held back, and only in the main thread, which alone may do so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            with contextlib.suppress(KeyboardInterrupt):
                before[received[0]](received[0], frame)
            before[number](number, frame)

    before: dict[int, Handler] = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        before[received[0]](received[0], None)
