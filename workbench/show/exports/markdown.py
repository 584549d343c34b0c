"""Markdown: the table as `workbench show` has it, with its notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.show import tables

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.store.results import StoredRun


def write(run: StoredRun, target: Path) -> None:
    """Write the table into a file."""
    target.write_text(tables.markdown(run), encoding="utf-8")
