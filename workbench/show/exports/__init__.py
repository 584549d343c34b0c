"""A run in the formats of other tools: TensorBoard, CSV, Parquet, LaTeX, Markdown, pyperf.

One small module per format, each with ``write(run, target)``. An export contains the same data as the run's own files,
and no time of a contestant that was not proven.
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
    """One format: what it contains, and its file extension; a format without one is a folder of files."""

    about: str
    suffix: str
    write: Callable[[StoredRun, Path], None]

    @property
    def folder(self) -> bool:
        """Whether this format is a folder of files."""
        return not self.suffix


FORMATS = {
    "tensorboard": Format("event files, one run per frontend", "", tensorboard.write),
    "csv": Format("tables of the summary, the losses and every block", "", csv.write),
    "parquet": Format("the same tables, with types", "", parquet.write),
    "latex": Format("the table, for the package booktabs", ".tex", latex.write),
    "markdown": Format("the table", ".md", markdown.write),
    "pyperf": Format("for pyperf stats, hist and compare_to", ".json", pyperf.write),
}


def export(run: StoredRun, format: str, path: str | Path | None = None, *, force: bool = False) -> Path:  # noqa: A002
    """Write a run in another format, atomically: readers see the whole export or none.

    Args:
        run: a finished run.
        format: one of FORMATS.
        path: the file or folder to write; when None, one in the working folder that is named after the run.
        force: replace what an earlier export wrote there.

    Returns:
        The file or folder that was written.

    Raises:
        WorkbenchError: for an unknown format, an existing path, a missing package, a run without the data that the
            format needs, or a disk that cannot be written; nothing is left behind then.
    """
    chosen = format_of(format)
    target = Path(path) if path is not None else Path(_name(run, format) + chosen.suffix)
    writing = files.new_folder if chosen.folder else files.new_file
    with writing(target, force=force) as temporary, run.reading():
        chosen.write(run, temporary)
    return target


def format_of(name: str) -> Format:
    """The format with this name.

    Raises:
        WorkbenchError: when there is no such format.
    """
    if name not in FORMATS:
        raise WorkbenchError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")
    return FORMATS[name]


def text(run: StoredRun, format: str) -> str:  # noqa: A002
    """A run in a format that is a single file, as the text of that file.

    Raises:
        WorkbenchError: for an unknown format, one that is a folder of files, or a run without the data it needs.
    """
    chosen = format_of(format)
    if chosen.folder:
        raise WorkbenchError(f"{format} is a folder of files, not a single text")
    with tempfile.TemporaryDirectory() as folder, run.reading():
        target = Path(folder) / f"export{chosen.suffix}"
        chosen.write(run, target)
        return target.read_text(encoding="utf-8")


def _name(run: StoredRun, format: str) -> str:  # noqa: A002
    """The default name of an export, safe as a file name whatever the run's folder is called."""
    plain = re.sub(r"[^\w.@+-]+", "_", run.path.resolve().name).lstrip(".-_")
    return f"{plain or 'run'}-{format}"
