"""What every command does with the terminal: print, say, show a run, and end when it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, TypedDict, Unpack

from workbench.errors import EXIT_INTERRUPTED, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

    from workbench.show.run import Run


class How(TypedDict, total=False):
    """How Rich is to print."""

    style: str
    markup: bool
    highlight: bool
    soft_wrap: bool


class InterruptedEarlyError(Exception):
    """A signal came before there was anything to show; typer would swallow a KeyboardInterrupt."""


class CannotPrintError(Exception):
    """Stdout leads nowhere: a full disk, a terminal that has hung up."""


def open_what_is_closed() -> None:
    """Started with stdin, stdout or stderr closed, the next file we open would take its place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


def end_quietly_when_nobody_reads() -> None:
    """`workbench list | head`: end as other commands do. Not while measuring: a worker's pipe may break, too."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a session as Ctrl-C does; a second signal ends it at once."""
    import signal

    from workbench.session.launcher import ENDING

    seen: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        if seen:
            os._exit(EXIT_INTERRUPTED)  # the log is on disk, and the workers die with us
        seen.append(number)
        raise KeyboardInterrupt

    ignored = signal.SIG_IGN  # as nohup has it
    heeded = [n for n in ENDING if signal.getsignal(n) != ignored]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedEarlyError from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show_run(finished: Run, as_json: bool, details: bool) -> None:
    """Print a run's table, or its summary as JSON."""
    end_quietly_when_nobody_reads()
    from workbench.show import tables

    if as_json:
        print_json(finished.summary())
        return
    with finished.reading():
        parts = tables.terminal(finished, more=details)
    print_parts(*parts)
    print_parts(one_line(f"{finished.path}"), style="dim", markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def print_parts(*parts: RenderableType, **how: Unpack[How]) -> None:
    """Print what rich can render, one below the other."""
    with _printing():
        _console().print(*parts, sep="\n", **how)


def print_json(value: object) -> None:
    """Print a value as JSON, and nothing else."""
    with _printing():
        sys.stdout.write(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def print_text(text: str) -> None:
    """Print a text as it stands, and nothing else."""
    with _printing():
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        from workbench.show.progress import abandon

        abandon(sys.stdout)
        raise CannotPrintError(error.strerror) from None


def say(line: str) -> None:
    """Write one line to stderr; where nobody listens, that is no error."""
    try:
        sys.stderr.write(one_line(line) + "\n")
        sys.stderr.flush()
    except OSError:
        from workbench.show.progress import abandon

        abandon(sys.stderr)
