"""One measuring session at a time on a host: two would disturb each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.errors import OptionError, WorkbenchError


def lock_path() -> Path:
    """The host's lock file; one per user, since another user's file could not be opened."""
    return Path(tempfile.gettempdir()) / f"framework-workbench-{os.getuid()}.lock"


@contextlib.contextmanager
def measuring(if_busy: str, say: Callable[[str], None], path: Path | None = None) -> Iterator[None]:
    """Hold the host's lock while measuring. It is the kernel's, so it ends with its holder and is never stale.

    Args:
        if_busy: "wait" for the session that holds it, or "refuse".
        say: told once when there is something to wait for.
        path: another lock file, for tests.

    Raises:
        WorkbenchError: when another session measures and ``if_busy`` is "refuse", or there is no place for the lock.
    """
    place = path or lock_path()
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise WorkbenchError(f"cannot take the host's lock {place}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if if_busy == "refuse":
                reason = "another session is measuring on this host: let it end, or wait for it"
                raise OptionError("if_busy", if_busy, reason) from None
            say("waiting for another session on this host to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
