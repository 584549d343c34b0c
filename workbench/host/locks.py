"""File locks. The kernel holds them and releases them when their process ends, so none is ever stale.

Where the file system has no locks (some Lustre and FUSE mounts), nothing is locked: whoever takes one is told so.

``exclusive`` uses a dedicated lock file, ``take`` and ``is_taken`` lock a file that also serves another purpose, such
as a run's log, and ``measuring`` is the host's lock: one measuring session at a time, since two would disturb each
other.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.errors import OptionError, WorkbenchError

UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def take(descriptor: int) -> bool:
    """Lock an open file exclusively, until it is closed; False where the file system does not support locks.

    Raises:
        BlockingIOError: when another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def is_taken(path: Path) -> bool:
    """Whether a process holds the lock of a file; False for a file that does not exist, or that cannot be locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def exclusive(path: Path, when_taken: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock of a dedicated file; False where the file system does not support locks.

    Args:
        path: the lock file; created if missing.
        when_taken: called once before waiting for another holder; may raise to give up instead.

    Raises:
        OSError: when the file cannot be created or opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            taken = take(descriptor)
        except BlockingIOError:
            when_taken()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            taken = True
        yield taken
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
            if not stack.enter_context(exclusive(file, wait_or_refuse)):
                say(f"{file.parent} has no file locks: make sure that no other session measures on this host")
        except OSError as error:
            raise WorkbenchError(f"cannot acquire the host's lock {file}: {error.strerror}") from None
        yield
