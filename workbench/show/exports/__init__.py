"""A run in the formats of other tools: TensorBoard, CSV, Parquet, LaTeX, Markdown, pyperf.

One small module per format; each has ``write(run, target)``. What they write holds what the run's own files hold,
and shows no time of a contestant that was not proven.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.host import files
from workbench.show.exports import csv, latex, markdown, parquet, pyperf, tensorboard

if TYPE_CHECKING:
    from workbench.store.results import StoredRun

__all__ = ["FORMATS", "Format", "export", "format_of", "text"]


@dataclass(frozen=True)
class Format:
    """One format: what it is for, and the ending of its file; a format of several files is a folder."""

    about: str
    suffix: str
    write: Callable[[StoredRun, Path], None]

    @property
    def folder(self) -> bool:
        """Whether it is a folder of files."""
        return not self.suffix


FORMATS = {
    "tensorboard": Format("event files, a run per frontend", "", tensorboard.write),
    "csv": Format("summary, losses and every block as tables", "", csv.write),
    "parquet": Format("the same tables, typed", "", parquet.write),
    "latex": Format("the table, for booktabs", ".tex", latex.write),
    "markdown": Format("the table", ".md", markdown.write),
    "pyperf": Format("for pyperf stats, hist and compare_to", ".json", pyperf.write),
}


def export(run: StoredRun, format: str, path: str | Path | None = None, *, force: bool = False) -> Path:  # noqa: A002
    """Write a run in another format; readers meet all of it or nothing.

    Args:
        run: a finished run.
        format: one of FORMATS.
        path: the file or folder to make; in the working folder, named after the run, when None.
        force: replace what an earlier export wrote there.

    Returns:
        The file or folder that was written.

    Raises:
        WorkbenchError: for an unknown format, a path that exists, a package that is missing, a run without what the
            format needs, or a disk that cannot be written. Nothing is left behind then.
    """
    chosen = format_of(format)
    target = Path(path) if path is not None else Path(_name(run, format) + chosen.suffix)
    writing = files.new_folder if chosen.folder else files.new_file
    with writing(target, force=force) as temporary, run.reading():
        chosen.write(run, temporary)
    return target


def format_of(name: str) -> Format:
    """The format of a name.

    Raises:
        WorkbenchError: when there is none.
    """
    if name not in FORMATS:
        raise WorkbenchError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")
    return FORMATS[name]


def text(run: StoredRun, format: str) -> str:  # noqa: A002
    """A run in a format that is one file, as the text of that file.

    Raises:
        WorkbenchError: for an unknown format, one that is a folder of files, or a run without what it needs.
    """
    chosen = format_of(format)
    if chosen.folder:
        raise WorkbenchError(f"{format} is a folder of files, not one text")
    with tempfile.TemporaryDirectory() as folder, run.reading():
        target = Path(folder) / f"export{chosen.suffix}"
        chosen.write(run, target)
        return target.read_text(encoding="utf-8")


def _name(run: StoredRun, format: str) -> str:  # noqa: A002
    """A run's id as the beginning of a file name, whatever its folder is called."""
    plain = re.sub(r"[^\w.@+-]+", "_", run.path.resolve().name).lstrip(".-_")
    return f"{plain or 'run'}-{format}"
