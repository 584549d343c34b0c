"""Errors a user can mend, and the exit codes of the command line."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_OK = 0
EXIT_CONTESTANT = 1  # a contestant that was asked for has no valid time
EXIT_USAGE = 2  # nothing was run, nothing was written
EXIT_UNAVAILABLE = 3  # nothing failed, but something asked for is not installed or not possible here
EXIT_PLOT = 4  # everything was measured and written but for a plot
EXIT_UNWRITTEN = 5  # what was measured is shown, but could not all be written: the disk is full or gone
EXIT_INTERRUPTED = 130

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


class WorkbenchError(Exception):
    """One clear line: what was wrong, what was expected, what to do."""


class OptionError(WorkbenchError):
    """What is wrong with the value of one option.

    As a text it is what a notebook shows, ``threads=99: ...``; the command line words it with its flag.

    Args:
        option: its keyword argument, such as "timeout_s".
        value: what was asked for.
        message: what is wrong with it, without naming any option.
    """

    def __init__(self, option: str, value: object, message: str) -> None:
        self.option, self.value, self.message = option, value, message
        shown = os.fspath(value) if isinstance(value, os.PathLike) else value
        super().__init__(f"{option}={shown!r}: {message}")


class ProblemError(WorkbenchError):
    """A task's problem or its reference cannot be made, so nothing can be measured."""


def one_line(text: str) -> str:
    """A text without control and direction characters, so that no name or message can drive a terminal."""
    return (text if text.isprintable() else _UNSEEN.sub(" ", text)).strip()  # most texts are, and there are many


def unknown(kind: str, name: str, known: Iterable[str]) -> WorkbenchError:
    """The error for a name that is not known, with the nearest known one as a suggestion."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}"
    return WorkbenchError(f"unknown {kind} {name!r}: {hint}")
