"""Parquet: a folder with summary.parquet, losses.parquet, blocks.parquet and, if there was a sweep, sweep.parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.model.content import DISTRIBUTION
from workbench.show.exports.frames import tables_of

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.store.results import StoredRun


def write(run: StoredRun, target: Path) -> None:
    """Write one file per table into a folder.

    Raises:
        WorkbenchError: when pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401 - pandas needs it for writing
    except ImportError:
        raise WorkbenchError(f"parquet needs pyarrow: pip install '{DISTRIBUTION}[export]'") from None
    for name, frame in tables_of(run).items():
        frame.to_parquet(target / f"{name}.parquet", engine="pyarrow", index=False)
