"""Errors that a user can fix, and the exit codes of the command line."""

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
EXIT_UNAVAILABLE = 3  # nothing failed, but something that was asked for is not installed or not possible here
EXIT_PLOT = 4  # everything was measured and written except a plot
EXIT_UNWRITTEN = 5  # the measurements are shown but could not all be written: the disk is full or gone
EXIT_INTERRUPTED = 130
FEW = 6  # choices that are named even if one of them is close to what was asked for

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


class WorkbenchError(Exception):
    """One clear line: what was wrong, what was expected, what to do."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class OptionError(WorkbenchError):
    """One option has an invalid value.

    As a string it names the keyword argument, ``threads=99: ...``; the command line names its flag instead.

    Args:
        option: the keyword argument, such as "timeout_s".
        value: the value that was given.
        message: what is wrong with it, without naming any option.
    """

    def __init__(self, option: str, value: object, message: str) -> None:
        self.option, self.value, self.message = option, value, message
        shown = os.fspath(value) if isinstance(value, os.PathLike) else value
        super().__init__(f"{option}={shown!r}: {message}")


class ProblemError(WorkbenchError):
    """A task's problem or its reference cannot be computed, so nothing can be measured."""


def one_line(text: str) -> str:
    """The text without control and bidirectional characters, so that no name or message can control a terminal.

    Nor has it lone surrogates, which no file or stream takes.
    """
    return (text if text.isprintable() else _UNPRINTABLE.sub(" ", text)).strip()  # usually unchanged


def unknown(what: str, name: str, choices: Iterable[str], of: str = "") -> WorkbenchError:
    """The error for an unknown name, with the closest choice as a suggestion; ``of`` says where it was looked for."""
    of = f" {of}" if of else ""
    choices = sorted(choices)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    listed = f"choose from {', '.join(choices)}" if choices else "there is none"
    if not close:
        return WorkbenchError(f"unknown {what} {name!r}{of}: {listed}")
    hint = f"did you mean {close[0]}?" + (f" ({listed})" if len(choices) <= FEW else "")
    return WorkbenchError(f"unknown {what} {name!r}{of}: {hint}")
