"""Parts that the pages share: tables, the colours of contestants, and intervals as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.show.charts.kinds import Table
from workbench.show.charts.looks import looks
from workbench.show.units import format_interval

if TYPE_CHECKING:
    from workbench.model.rows import Row
    from workbench.store.results import StoredRun

__all__ = ["Table", "colors", "interval"]


def colors(run: StoredRun) -> dict[str, str]:
    """Each contestant's colour, as in the charts."""
    return {name: look.color for name, look in looks(run.colors).items()}


def interval(row: Row) -> str:
    """The interval of the steady time as text, such as "11.9 µs to 12.4 µs"."""
    return format_interval(row.unit_s_low, row.unit_s_high)
