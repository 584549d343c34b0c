"""File locks. Each is the kernel's: it ends with the process that holds it, so none is ever stale.

``exclusive`` holds a lock file of its own, ``take`` and ``is_taken`` work on a file that serves another purpose too,
such as a run's log, and ``measuring`` is the host's lock: one measuring session at a time, since two would disturb
each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.errors import OptionError, WorkbenchError


def take(descriptor: int) -> None:
    """Lock an open file for this process alone, until it is closed.

    Raises:
        BlockingIOError: when another process holds the lock.
        OSError: when the file system knows no locks.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_taken(path: Path) -> bool:
    """Whether a process holds the lock of a file; not so for a file that does not exist."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def exclusive(path: Path, when_taken: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file that exists for this purpose, and is made where it is missing.

    Args:
        path: the lock file.
        when_taken: called once before waiting for another holder; may raise to give up instead.

    Raises:
        OSError: when the file cannot be made, opened or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            take(descriptor)
        except BlockingIOError:
            when_taken()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def host_lock() -> Path:
    """The host's lock file; one per user, since another user's file could not be opened."""
    return Path(tempfile.gettempdir()) / f"framework-workbench-{os.getuid()}.lock"


@contextlib.contextmanager
def measuring(if_busy: str, say: Callable[[str], None], path: Path | None = None) -> Iterator[None]:
    """Hold the host's lock while measuring.

    Args:
        if_busy: "wait" for the session that holds it, or "refuse".
        say: told once when there is something to wait for.
        path: another lock file, for tests.

    Raises:
        WorkbenchError: when another session measures and ``if_busy`` is "refuse", or the lock cannot be taken.
    """
    file = path or host_lock()

    def wait_or_refuse() -> None:
        if if_busy == "refuse":
            raise OptionError("if_busy", if_busy, "another session is measuring on this host: let it end, or wait")
        say("waiting for another session on this host to end")

    with contextlib.ExitStack() as held:
        try:
            held.enter_context(exclusive(file, wait_or_refuse))
        except OSError as error:
            raise WorkbenchError(f"cannot take the host's lock {file}: {error.strerror}") from None
        yield
