"""Terminal output and signals, for all commands."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from typing import TYPE_CHECKING, TypedDict, Unpack

from workbench.errors import EXIT_INTERRUPTED, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

    from workbench.show.run import Run


class PrintOptions(TypedDict, total=False):
    """Options of Rich's print."""

    style: str
    markup: bool
    highlight: bool
    soft_wrap: bool


class InterruptedEarlyError(Exception):
    """A signal arrived before there was anything to show; typer would swallow a KeyboardInterrupt."""


class CannotPrintError(Exception):
    """Stdout cannot be written: the disk is full, or the terminal has hung up."""


def open_closed_streams() -> None:
    """Open stdin, stdout and stderr if they are closed; otherwise the next files opened would take their places."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


def forget_impossible_widths() -> None:
    """Remove a size of the terminal that is no number from the environment: libraries take whatever looks like one."""
    for name in ("COLUMNS", "LINES"):
        if not re.fullmatch(r"[1-9][0-9]{0,4}", os.environ.get(name, "80"), re.ASCII):
            del os.environ[name]


def replace_what_cannot_be_encoded() -> None:
    """Print a question mark for a character that the encoding of stdout or stderr lacks, such as × in ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def end_quietly_on_broken_pipe() -> None:
    """End silently when the reader of stdout has gone, as in `workbench list | head`.

    Not to be used while measuring, because the pipe of a worker may break as well.
    """
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt a session as Ctrl-C does; a second signal ends the process at once."""
    import signal

    from workbench.host.signals import ENDING

    received: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        if received:
            os._exit(EXIT_INTERRUPTED)  # the log is on disk, and the workers die with this process
        received.append(number)
        raise KeyboardInterrupt

    handled = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, interrupt) for number in handled}
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
    end_quietly_on_broken_pipe()
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


def print_parts(*parts: RenderableType, **options: Unpack[PrintOptions]) -> None:
    """Print Rich renderables, one below the other."""
    with _printing():
        _console().print(*parts, sep="\n", **options)


def print_json(value: object) -> None:
    """Print a value as JSON and nothing else."""
    with _printing():
        escaped = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        sys.stdout.write(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=escaped) + "\n")


def print_text(text: str) -> None:
    """Print a text unchanged and nothing else."""
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


def lost_output() -> str | None:
    """Why not all that was printed has reached stdout; None if it has."""
    try:
        sys.stdout.flush()
    except OSError as error:
        from workbench.show.progress import abandon

        abandon(sys.stdout)
        return error.strerror
    return None


def say(line: str) -> None:
    """Write one line to stderr; if stderr cannot be written, do nothing."""
    write_to_stderr(one_line(line) + "\n")


def write_to_stderr(text: str) -> None:
    """Write a text to stderr unchanged; if stderr cannot be written, do nothing."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        from workbench.show.progress import abandon

        abandon(sys.stderr)
