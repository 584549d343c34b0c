"""LaTeX: the tables as `workbench show` has them, for the packages booktabs and threeparttable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.show import tables

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.store.results import StoredRun


def write(run: StoredRun, target: Path) -> None:
    r"""Write the tables into a file for ``\input``."""
    target.write_text(tables.latex(run), encoding="utf-8")
