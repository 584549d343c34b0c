"""Text that a command writes between two markers of somebody's Markdown file, such as a README."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.host import files

Markers = tuple[str, str]  # the lines before and after the text


def splice(path: Path, text: str, markers: Markers) -> None:
    """Replace the text between the markers of a file, and leave all other bytes as they are.

    Raises:
        WorkbenchError: when the file cannot be read or written, or one of its two markers is missing.
    """
    before, newline, after = _around(path, markers)
    begin, end = markers
    lines = [before + begin, *text.splitlines(), end + after]
    try:
        files.write_text(path, newline.join(lines))
    except OSError as error:
        raise WorkbenchError(f"cannot write {path}, which is unchanged: {error.strerror}") from None


def check(path: Path, markers: Markers) -> None:
    """Check, before measuring, that a file has both markers.

    Raises:
        WorkbenchError: when the file cannot be read or written, or one of its two markers is missing.
    """
    files.check_writable(path)
    _around(path, markers)


def _around(path: Path, markers: Markers) -> tuple[str, str, str]:
    """What stands before the first marker of a file, how its line ends, and what stands after the second."""
    begin, end = markers
    try:
        text = files.read_text(path)
    except OSError as error:
        raise WorkbenchError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise WorkbenchError(f"{path}: not UTF-8; expected a Markdown file with the markers") from None
    before, _, rest = text.partition(begin)
    newline = "\r\n" if rest.startswith("\r\n") else "\n"
    _, found, after = rest.partition(end)
    if not rest.startswith(newline) or not found:
        raise WorkbenchError(f"{path}: needs a line {begin} and, after it, a line {end}")
    return before, newline, after
