"""Files in which a Linux kernel tells about the machine. What cannot be read is None, never an exception.

Every reader takes the root of the file system, so that a test can pass a simulated machine.
"""

from pathlib import Path

ROOT = Path("/")


def read_text(path: Path) -> str | None:
    """The file's text without surrounding whitespace; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """The integer in the file; None when there is no such file or no integer in it."""
    try:
        return int(read_text(path) or "")
    except ValueError:
        return None
