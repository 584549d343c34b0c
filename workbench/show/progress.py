"""The progress of a session: a live display on a terminal, plain lines otherwise; always on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

FAILED = ("invalid", "error", "timeout", "out-of-memory", "interrupted")


def patient_console() -> Console:
    """A console on stderr that merely falls silent when its reader has gone."""
    from rich.console import Console

    class Patient(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            abandon(sys.stderr)

    return Patient(stderr=True, highlight=False)


@contextlib.contextmanager
def _ignoring_lost_output() -> Iterator[None]:
    """A terminal that has hung up, or a log that cannot be written, must not end a session."""
    try:
        yield
    except (OSError, ValueError):
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null, so that later writes, such as the flush at exit, do not fail."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)


class PlainProgress:
    """One line per contestant and phase, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._last_left_s = 0.0

    def phase(self, contestant: str, phase: str) -> None:
        """Print a line."""
        self._print(f"{contestant}: {phase}")

    def round(self, launch: int, done: int, total: int) -> None:
        """Print a line at the first and the last round."""
        if done in (0, total):
            self._print(f"launch {launch + 1}: {done} of {total} rounds")

    def left(self, seconds: float) -> None:
        """Print the time left, whenever it has shrunk noticeably."""
        if seconds >= 1 and (not self._last_left_s or seconds < 0.7 * self._last_left_s):
            self._last_left_s = seconds
            self._print(f"about {seconds:.0f} s left")

    def _print(self, text: str) -> None:
        elapsed = time.monotonic() - self._started
        with _ignoring_lost_output():
            self._console.print(f"{elapsed:6.1f} s  {text}", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LiveProgress:
    """Every contestant with its phase, and a progress bar of the rounds, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phases: dict[str, str] = {}
        self._rounds = ""
        self._left = ""
        self._started = time.monotonic()
        self._live: Live

    def phase(self, contestant: str, phase: str) -> None:
        """Redraw."""
        self._phases[contestant] = phase
        self._redraw()

    def round(self, launch: int, done: int, total: int) -> None:
        """Redraw."""
        width = 24
        filled = width * done // max(total, 1)
        self._rounds = f"launch {launch + 1}  {'━' * filled}{'╌' * (width - filled)}  round {done} of {total}"
        self._redraw()

    def left(self, seconds: float) -> None:
        """Redraw."""
        self._left = f"   about {seconds:.0f} s left"
        self._redraw()

    def _redraw(self) -> None:
        with _ignoring_lost_output():
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Text:
        from rich.text import Text

        styles = {"ok": "green", "ready": "green", "unsupported": "yellow", "unavailable": "yellow"}
        picture = Text()
        for contestant, phase in self._phases.items():
            style = styles.get(phase, "red" if phase in FAILED else "cyan")
            picture.append(f"  {contestant:<20}").append(f"{phase}\n", style=style)
        elapsed = time.monotonic() - self._started
        return picture.append(f"  {self._rounds or 'starting workers'}   {elapsed:.0f} s{self._left}", style="dim")

    def __enter__(self) -> Self:
        from rich.live import Live

        # redrawn only on events: a display with a timer would disturb the measurement
        self._live = Live(self._picture(), console=self._console, auto_refresh=False, transient=True)
        with _ignoring_lost_output():
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _ignoring_lost_output():
            self._live.stop()


def progress_for(console: Console) -> LiveProgress | PlainProgress:
    """The live display on a terminal, plain lines elsewhere."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
