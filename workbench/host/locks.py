"""File locks. The kernel holds them and releases them when their process ends, so none is ever stale.

``exclusive`` uses a dedicated lock file, ``take`` and ``is_taken`` lock a file that also serves another purpose, such
as a run's log, and ``measuring`` is the host's lock: one measuring session at a time, since two would disturb each
other.
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
    """Lock an open file exclusively, until it is closed.

    Raises:
        BlockingIOError: when another process holds the lock.
        OSError: when the file system does not support locks.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_taken(path: Path) -> bool:
    """Whether a process holds the lock of a file; False for a file that does not exist."""
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
    """Hold the lock of a dedicated file.

    Args:
        path: the lock file; created if missing.
        when_taken: called once before waiting for another holder; may raise to give up instead.

    Raises:
        OSError: when the file cannot be created, opened or locked.
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
    """The host's lock file; one per user, since another user's could not be opened."""
    return Path(tempfile.gettempdir()) / f"framework-workbench-{os.getuid()}.lock"


@contextlib.contextmanager
def measuring(if_busy: str, say: Callable[[str], None], path: Path | None = None) -> Iterator[None]:
    """Hold the host's lock while measuring.

    Args:
        if_busy: "wait" for the session that holds it, or "refuse".
        say: called once with a message before waiting.
        path: another lock file, for tests.

    Raises:
        WorkbenchError: when another session is measuring and ``if_busy`` is "refuse", or the lock cannot be taken.
    """
    file = path or host_lock()

    def wait_or_refuse() -> None:
        if if_busy == "refuse":
            raise OptionError("if_busy", if_busy, "another session is measuring on this host: try later, or wait")
        say("waiting for another session on this host to end")

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive(file, wait_or_refuse))
        except OSError as error:
            raise WorkbenchError(f"cannot acquire the host's lock {file}: {error.strerror}") from None
        yield
