"""How a session is getting on: a live display on a terminal, plain lines otherwise. On stderr, always."""

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
    """A console on stderr that falls silent, and no more, when its reader has gone."""
    from rich.console import Console

    class Patient(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            abandon(sys.stderr)

    return Patient(stderr=True, highlight=False)


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """A terminal that has hung up, or a log that cannot be written, must not end a session."""
    try:
        yield
    except (OSError, ValueError):
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Let a stream that leads nowhere end in /dev/null, so that nothing tries it again, not even leaving."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class PlainProgress:
    """One line per contestant and phase that a reader of a log wants to see."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._said = 0.0

    def phase(self, contestant: str, phase: str) -> None:
        """Print a line."""
        self._print(f"{contestant}: {phase}")

    def round(self, launch: int, done: int, total: int) -> None:
        """Print a line at the first and the last round."""
        if done in (0, total):
            self._print(f"launch {launch + 1}: {done} of {total} rounds")

    def left(self, seconds: float) -> None:
        """Print a line now and then."""
        if seconds >= 1 and (not self._said or seconds < 0.7 * self._said):
            self._said = seconds
            self._print(f"about {seconds:.0f} s left")

    def _print(self, text: str) -> None:
        elapsed = time.monotonic() - self._started
        with _unheard():
            self._console.print(f"{elapsed:6.1f} s  {text}", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LiveProgress:
    """All contestants with their phase, redrawn in place, and a bar over the rounds."""

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
        with _unheard():
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Text:
        from rich.text import Text

        styles = {"ok": "green", "ready": "green", "unsupported": "yellow", "unavailable": "yellow"}
        picture = Text()
        for contestant, phase in self._phases.items():
            style = styles.get(phase, "red" if phase in FAILED else "cyan")
            picture.append(f"  {contestant:<20}").append(f"{phase}\n", style=style)
        elapsed = time.monotonic() - self._started
        return picture.append(f"  {self._rounds or 'bringing up'}   {elapsed:.0f} s{self._left}", style="dim")

    def __enter__(self) -> Self:
        from rich.live import Live

        # redrawn on events alone: a display that ticks would disturb what is being measured
        self._live = Live(self._picture(), console=self._console, auto_refresh=False, transient=True)
        with _unheard():
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _unheard():
            self._live.stop()


def progress_for(console: Console) -> LiveProgress | PlainProgress:
    """What suits the console."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
