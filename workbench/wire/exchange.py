"""How values cross process borders: JSON lines over pipes, arrays in npz files. Never a pickle.

A worker communicates over two dedicated pipes. Each message is one line of JSON with the protocol's version; a
command is ``{"v": 4, "do": ...}``, an answer ``{"v": 4, "did": ...}`` or ``{"v": 4, "failed": ...}``. PROTOCOL.md
describes all of it for workers in other languages.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import BinaryIO

    from workbench.contract import Array, Arrays, Problem

# Of messages and Job: tests/unit/test_protocol.py records what each version consists of.
VERSION = 4
LINE_LIMIT = 1 << 20
# NumPy reads the header of an array as Python, and Python 3.11 counts the depth of its syntax trees for all threads at
# once: if another thread parses meanwhile, it raises SystemError ("AST constructor recursion depth mismatch").
PARSING = threading.RLock()

COMPRESSED_BYTES = 1 << 28  # that an npz may be larger unpacked than packed
_GROUPS = ("init", "data", "per_step", "carried")
_SINGLE = ("rows", "queries", "answers")


def encode(message: dict[str, Any]) -> bytes:
    """A message as one line; a NumPy or framework scalar is written as the number that it holds.

    Raises:
        ValueError: when it contains a number that is not finite, or itself.
        TypeError: when it contains something else that JSON cannot represent.
    """
    try:
        text = json.dumps({"v": VERSION, **message}, allow_nan=False, default=_scalar)
    except (ValueError, RecursionError) as error:  # its own text does not say what to do
        if isinstance(error, RecursionError) or "ircular" in str(error):
            raise ValueError("a value contains itself, or is nested too deeply") from None
        raise ValueError("a number is NaN or infinite, expected finite numbers only") from None
    return text.encode() + b"\n"


def _scalar(value: Any) -> Any:
    try:
        return value.item()
    except Exception:  # noqa: BLE001 - whatever a framework's object raises
        raise TypeError(f"{type(value).__name__} is not a number or a text") from None


def decode(line: bytes) -> dict[str, Any]:
    """The message of one line.

    Raises:
        ValueError: when the line is not a message of this protocol version; quotes its beginning.
    """
    try:
        message = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"not a message: {line[:80]!r} ({reason})") from None
    if not isinstance(message, dict) or message.get("v") != VERSION:
        raise ValueError(f"not a version-{VERSION} message: {line[:80]!r}")
    return message


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data`` to a pipe."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def save_problem(path: Path, problem: Problem) -> None:
    """Write a problem as one npz: its arrays under ``group/name`` and all other fields as JSON under ``about``."""
    import numpy as np

    about = {
        item.name: getattr(problem, item.name)
        for item in dataclasses.fields(problem)
        if item.init and item.name not in (*_GROUPS, *_SINGLE)
    }
    about["phases"] = [dataclasses.asdict(phase) for phase in problem.phases]
    about["optimizer"] = dict(problem.optimizer)
    arrays: dict[str, Array] = {"about": np.array(json.dumps(about, default=lambda number: number.item()))}
    for group in _GROUPS:
        arrays |= {f"{group}/{name}": array for name, array in getattr(problem, group).items()}
    arrays |= {name: getattr(problem, name) for name in _SINGLE if getattr(problem, name) is not None}
    save_arrays(path, arrays)


def load_problem(path: Path, **changes: Any) -> Problem:
    """Read a problem back; ``changes`` replace fields such as ``device`` and ``mode``."""
    from workbench.contract import Phase, Problem

    arrays = load_arrays(path)
    fields: dict[str, Any] = json.loads(str(arrays.pop("about")))
    for group in _GROUPS:
        prefix = f"{group}/"
        fields[group] = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    fields |= {name: arrays[name] for name in _SINGLE if name in arrays}
    fields["phases"] = tuple(Phase(**{**phase, "frozen": tuple(phase["frozen"])}) for phase in fields["phases"])
    return Problem(**{**fields, **changes})


def save_feed(path: Path, order: Arrays, rows: Array | None) -> None:
    """Write what changes a feed: for each array of the data set its new order, and the rows of the coming steps."""
    arrays = {f"order/{name}": array for name, array in order.items()}
    save_arrays(path, arrays if rows is None else {**arrays, "rows": rows})


def load_feed(path: Path) -> tuple[dict[str, Array], Array | None]:
    """Read the order of each array, and the rows, back."""
    arrays = load_arrays(path)
    rows = arrays.pop("rows", None)
    return {name.removeprefix("order/"): array for name, array in arrays.items()}, rows


def begun_from(problem: Problem, state: Arrays, step: int) -> Problem:
    """A problem that goes on from a state after ``step`` steps, in the problem's own type."""

    def group(prefix: str) -> dict[str, Array]:
        return {
            name.removeprefix(prefix): array.astype(problem.dtype) if array.dtype.kind == "f" else array
            for name, array in state.items()
            if name.startswith(prefix)
        }

    parameters = group("parameters/")
    init = {name: parameters.get(name, array) for name, array in problem.init.items()}
    return dataclasses.replace(problem, init=init, carried=group("carried/"), start=step)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays as npz, first under a temporary name so that no reader sees a partial file."""
    import numpy as np

    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    temporary.replace(path)


def load_arrays(source: Path | BinaryIO, largest: int | None = None) -> dict[str, Array]:
    """All arrays of an npz, which may hold ``largest`` bytes of them, or little more than its own size.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: when the file is missing, damaged, too large (found before it is
            unpacked), or contains Python objects.
    """
    import numpy as np

    with PARSING, source.open("rb") if isinstance(source, Path) else source as file:
        most = os.fstat(file.fileno()).st_size + COMPRESSED_BYTES if largest is None else largest
        try:
            loaded = np.load(file, allow_pickle=False)
        except ValueError:  # NumPy takes whatever it does not know for a pickle, and says how to load one
            raise ValueError("it is no npz file") from None
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it is no npz file")  # noqa: TRY004 - what stands in a file is a value
        with loaded as archive:
            assert archive.zip is not None
            sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.zip.infolist()}
            if sum(sizes.values()) > most:
                name = max(sizes, key=sizes.__getitem__)
                raise ValueError(
                    f"its arrays have {sum(sizes.values()):,} bytes, {name[:80]!r} alone {sizes[name]:,}; "
                    f"at most {most:,} are expected"
                )
            return {name: archive[name] for name in archive.files}


def hash_of(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and bytes: the same for the same problem on every machine."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything a worker needs to know at its start; written as JSON and read before anything is imported.

    ``content`` maps each package of content (``tasks``, ``frontends``, ``frontends.numpy``, ...) to the folders that
    are searched for its modules; the first folder that has a module wins. ``package`` is the folder of workbench
    itself, ``folder`` the frontend's folder and ``mode`` its mode. ``threads`` and ``matmul_precision`` are None where
    the framework keeps its defaults. ``flush_to_zero`` makes every framework treat denormal numbers as zero, ``cpus``
    are the CPUs to stay on (empty: any), ``changes`` override sizes of the preset, for a sweep. ``command`` starts a
    worker that is not in Python.
    """

    content: dict[str, tuple[str, ...]]
    package: str
    task: str
    preset: str
    seed: int
    dtype: str
    steps: int | None
    folder: str
    mode: str
    device: str
    threads: int | None
    matmul_precision: str | None
    flush_to_zero: bool = False
    cpus: tuple[int, ...] = ()
    changes: dict[str, int] = dataclasses.field(default_factory=dict)
    command: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1))
