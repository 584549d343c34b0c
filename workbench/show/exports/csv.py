"""CSV: a folder with summary.csv, losses.csv, blocks.csv and, if there was a sweep, sweep.csv.

Stages besides the training have their own files, such as summary_infer.csv.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from workbench.show.exports.frames import tables_of

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.store.results import StoredRun

Value = TypeVar("Value")


def write(run: StoredRun, target: Path) -> None:
    """Write one file per table into a folder."""
    for name, frame in tables_of(run).items():
        (target / f"{name}.csv").write_text(frame.map(_harmless).to_csv(index=False), encoding="utf-8")


def _harmless(value: Value) -> Value | str:
    """The value, changed if a spreadsheet would take it for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
