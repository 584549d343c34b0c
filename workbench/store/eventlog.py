"""The append-only log of a run: one event per line, each with a checksum and flushed to disk before the next.

A line is eight hexadecimal digits (CRC-32 of the rest), a space, and a JSON object with the key ``event``. Whatever
happens to the harness, every complete line stays readable; a line that was being written when it died is skipped.
"""

from __future__ import annotations

import errno
import json
import os
import re
import zlib
from pathlib import Path
from typing import NamedTuple

from workbench.host import files, locks
from workbench.model.events import Event
from workbench.store.codec import Json
from workbench.store.records import named

NAME = "events.jsonl"


class Events(NamedTuple):
    """The contents of a log: its readable events, how many lines could not be read, and whether it is blank.

    A blank log holds nothing, or the beginning of a line, like that of a session killed while it wrote the first.
    """

    events: list[Json]
    damaged: int
    blank: bool = False


class EventLog:
    """A log open for writing, locked by one session; each event is flushed to disk before :meth:`append` returns.

    Raises:
        BlockingIOError: when another session is writing to it.
        OSError: when it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            locks.take(self._descriptor)
            self._end_a_torn_line()
            for parent in (folder, folder.parent):
                files.flush(parent)
        except OSError:
            os.close(self._descriptor)
            raise

    def append(self, event: Event) -> None:
        """Write one event.

        Raises:
            OSError: when the disk is full or gone; the log stays readable up to the previous event.
        """
        data = encode(named(event))
        if not os.fstat(self._descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "its folder was removed", str(self.path))
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _end_a_torn_line(self) -> None:
        """End a line left incomplete by a crash or a full disk, so that the next event starts a new one."""
        if self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n"):
            os.write(self._descriptor, b"\n")


def in_use(folder: Path) -> bool:
    """Whether a session is writing this log now."""
    return locks.is_taken(folder / NAME)


def encode(event: Json) -> bytes:
    """An event as a line."""
    text = json.dumps(event, allow_nan=False, ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Json | None:
    """The event of a line, or None when the line is damaged."""
    checksum, _, text = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        event = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def read(folder: Path) -> Events:
    """All intact events of a run's log, in order.

    Raises:
        OSError: when there is no log.
    """
    data = files.read_bytes(folder / NAME)
    decoded = [decode(line) for line in data.split(b"\n") if line]
    events = [event for event in decoded if event is not None]
    return Events(events, len(decoded) - len(events), _is_beginning_of_a_line(data))


def _is_beginning_of_a_line(data: bytes) -> bool:
    """Whether it is no whole line, but what one begins with; nothing is."""
    if not re.fullmatch(rb"[0-9a-f]{0,8}|[0-9a-f]{8} (\{[ -~]*)?", data):
        return False
    try:
        json.JSONDecoder().raw_decode(data[9:].decode("ascii"))
    except ValueError:
        return True
    return False
