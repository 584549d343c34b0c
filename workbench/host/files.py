"""Files that are read safely, and files and folders that are written completely or not at all.

Only regular files are read: a FIFO would block, and a device may never end. What is written gets a temporary name next
to its target, is flushed to disk, and then renamed: a reader sees either all of it or what was there before, even after
the machine has crashed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MARKER = "workbench-export.txt"
LARGEST_BYTES = 1 << 30  # of what is read at once
_NOTICE = "Written by `workbench export` or `site`, which may replace this folder (force) while this file is here.\n"


def executable(folder: Path) -> bool:
    """Whether programs and libraries that lie in a folder can be run; True where the system does not tell."""
    try:
        return not os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0)
    except (OSError, AttributeError):
        return True


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without waiting for a writer if it is a FIFO.

    Raises:
        OSError: when it is absent, unreadable, or not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, largest: int = LARGEST_BYTES) -> bytes:
    """The contents of a regular file of at most ``largest`` bytes.

    Raises:
        OSError: when it is absent, unreadable, not a regular file, or larger.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > largest:
            raise OSError(errno.EFBIG, f"larger than {largest >> 20} MiB", str(path))
        return stream.read(size)


def read_text(path: Path) -> str:
    """The contents of a regular file as UTF-8.

    Raises:
        OSError: as for :func:`read_bytes`.
        ValueError: when it is not UTF-8.
    """
    return read_bytes(path).decode("utf-8")


def check_writable(*paths: Path | None) -> None:
    """Check that files can be written, before minutes of measuring; None stands for none.

    Raises:
        WorkbenchError: when one is a folder, its folder is missing or read-only, or two are the same file.
    """
    real = [os.path.realpath(path) for path in paths if path is not None]
    if len({*real}) < len(real):
        raise WorkbenchError(f"cannot write {real[0]} twice: name two files")
    for path in paths:
        if path is None:
            continue
        if path.name == "-":
            raise WorkbenchError("- is no file to write to: name one, such as summary.md")
        if path.is_dir():
            raise WorkbenchError(f"cannot write {path}: it is a folder; name a file")
        if not path.parent.is_dir():
            raise WorkbenchError(f"cannot write {path}: there is no folder {path.parent}; create it first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise WorkbenchError(f"cannot write {path}: {os.strerror(errno.EACCES)}")


def clear(path: Path, *, folder: bool = False) -> None:
    """Remove what stands where a regular file, or a folder, is to be written, if it is something else.

    Raises:
        OSError: when it cannot be removed.
    """
    if path.is_symlink() or (path.exists() and not (path.is_dir() if folder else path.is_file())):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def make_folder(path: Path) -> None:
    """Make a folder whose parent exists; what is in its way is removed.

    Raises:
        OSError: when it cannot be made.
    """
    clear(path, folder=True)
    path.mkdir(exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, replacing any existing one; as :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def append_text(path: Path, text: str) -> None:
    """Append to a text file, and create it if it is missing.

    Raises:
        OSError: when it cannot be written, or is a FIFO that nobody reads.
    """
    _write_to(path, os.O_APPEND | os.O_CREAT, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, replacing any existing one; of a link, the file that it leads to.

    What is no regular file, such as /dev/stdout, is written to as it is.

    Raises:
        OSError: when the disk is full or gone; the old file is then unchanged.
    """
    if path.exists() and not path.is_file():
        _write_to(path, 0, data)
        return
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _write_to(path: Path, flags: int, data: bytes) -> None:
    """Write to a file as it is; one that nobody reads, such as a FIFO, is an error at once."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, 0o666)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def flush(path: Path) -> None:
    """Flush a file's contents, or a folder's entries, to disk; flushing a file does not cover its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def new_file(target: Path, *, force: bool) -> Iterator[Path]:
    """A temporary file that becomes ``target`` on success and is removed otherwise.

    Raises:
        WorkbenchError: when the target exists and must not be replaced, or cannot be written.
    """
    with _writing(target):
        if target.is_dir():
            raise WorkbenchError(f"{target} is a folder, but this format is a single file: give a file name")
        _refuse_existing(target, force)
        if target.exists() and not target.is_file():
            raise WorkbenchError(f"{target} is no regular file: choose another path")
        target = Path(os.path.realpath(target))  # what a link leads to is replaced, not the link
        temporary = _beside(target)
        try:
            yield temporary
            flush(temporary)
            if force:
                temporary.replace(target)
            else:
                _give_name(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        flush(target.parent)


@contextlib.contextmanager
def new_folder(target: Path, *, force: bool) -> Iterator[Path]:
    """A temporary folder that becomes ``target`` on success and is removed otherwise.

    Raises:
        WorkbenchError: when the target exists and must not be replaced, or cannot be written.
    """
    with _writing(target):
        if target.name in ("", ".."):
            raise WorkbenchError(f"{target} is a folder in use: name a new one")
        _refuse_existing(target, force)
        exists = target.exists() or target.is_symlink()
        if exists and (target.is_symlink() or not (target / MARKER).is_file()):
            raise WorkbenchError(f"{target} was not written by an export: choose another folder, or remove it first")
        temporary = _beside(target)
        try:
            temporary.mkdir()
            yield temporary
            (temporary / MARKER).write_text(_NOTICE, encoding="utf-8")
            for path in [*temporary.rglob("*"), temporary]:
                flush(path)
            if exists:
                _swap(temporary, target)
            else:
                temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        flush(target.parent)


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise WorkbenchError(f"cannot write {target}: {error.strerror or one_line(str(error))}") from None


def _refuse_existing(target: Path, force: bool) -> None:
    if not force and (target.exists() or target.is_symlink()):
        raise _exists(target)


def _exists(target: Path) -> WorkbenchError:
    return WorkbenchError(f"{target} already exists: choose another path, or allow replacing it (force)")


def _beside(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(8)}.partial")


def _give_name(temporary: Path, target: Path) -> None:
    """Rename without replacing a target that has appeared in the meantime, where the file system can."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        temporary.rename(target)


def _swap(temporary: Path, target: Path) -> None:
    old = _beside(target)
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
