"""CSV: a folder with summary.csv, losses.csv, blocks.csv, and sweep.csv where there was a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.show.exports.frames import frames

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.store.results import Run


def write(run: Run, target: Path) -> None:
    """Write a file per table into a folder."""
    for name, frame in frames(run).items():
        (target / f"{name}.csv").write_text(frame.map(_harmless).to_csv(index=False), encoding="utf-8")


def _harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
