"""Programs and their processes: where they are found, and their CPU time to the nanosecond, seen from outside."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_EXPANDED = re.compile(r"\$\{(\w+):-(.+)\}")
_PROC = Path("/proc")
_SCHED = 2  # CPUCLOCK_SCHED of <linux/posix-timers.h>: what a process has run, its ended threads included
_CHILDREN = (13, 14)  # cutime and cstime, counted after the name, in ticks


def cpu_seconds(pid: int) -> float | None:
    """CPU time that a process and its descendants have used, ended ones included; None if it cannot be read.

    A descendant stays one for ever if the process is a child subreaper (prctl(2)), even after its parent has ended.
    """
    try:
        total = _own(pid) + _of_ended_children(pid)
    except (OSError, OverflowError):
        return None
    for child in descendants(pid):
        with contextlib.suppress(OSError, OverflowError):
            total += _own(child) + _of_ended_children(child)
    return total


def find_command(command: Sequence[str], folders: Sequence[Path], path: str | None) -> tuple[str, ...] | None:
    """A command with absolute paths, or None if there is no such program.

    A word that names a file of the folders means that file. The program is such a file, an absolute path, or found on
    the search path; never one that happens to lie in the current directory.
    """
    words = [next((str(file) for folder in folders if (file := folder / word).is_file()), word) for word in command]
    elsewhere = os.sep in words[0] and not Path(words[0]).is_absolute()
    program = None if elsewhere else shutil.which(words[0], path=path)
    return None if program is None else (program, *words[1:])


def missing_program(programs: Mapping[str, str], variables: Mapping[str, str]) -> str | None:
    """What to do about the first program that cannot be found; None if all can.

    Args:
        programs: what to do without it, by name; "${CXX:-g++}" is the one that a variable names, and g++ if none does.
        variables: of the environment in which they run.
    """
    for name, remedy in programs.items():
        given = _EXPANDED.fullmatch(name)
        program = (variables.get(given[1]) or given[2]) if given else name
        if shutil.which(program, path=variables.get("PATH")) is None:
            return f"cannot find {program}: {remedy}"
    return None


def move(pid: int, cpus: Sequence[int]) -> None:
    """Move a process to other CPUs: every thread, since each has its own affinity mask, and all that it started."""
    for process in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(process) / "task").iterdir():
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(thread.name), cpus)


def allowed_cpus(pid: int) -> set[int]:
    """The CPUs on which any thread of a process, or of what it started, may run; empty if that cannot be read."""
    found: set[int] = set()
    for process in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(process) / "task").iterdir():
                with contextlib.suppress(OSError):
                    found |= os.sched_getaffinity(int(thread.name))
    return found


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    found, pending = [], [pid]
    while pending:
        current = pending.pop()
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(current) / "task").iterdir():
                children = [int(child) for child in (thread / "children").read_text().split()]
                found += children
                pending += children
    return found


def _own(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | _SCHED)


def _of_ended_children(pid: int) -> float:
    text = (_PROC / str(pid) / "stat").read_text(errors="replace")  # it holds the process's name, whatever bytes
    fields = text.rpartition(")")[2].split()
    return sum(int(fields[field]) for field in _CHILDREN) / os.sysconf("SC_CLK_TCK")
