"""A run's charts, each with the same content as words and as a table. Colours are those of the matplotlib figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workbench.errors import one_line
from workbench.show.report import bars, curves, scaling
from workbench.show.report.parts import Chart, split, usable

if TYPE_CHECKING:
    from workbench.store.results import Run

# Named one by one: Plotly's own list has a button that uploads the chart.
BUTTONS = (("toImage",), ("zoom2d", "pan2d"), ("zoomIn2d", "zoomOut2d", "resetScale2d"))
CONFIG: Final[dict[str, Any]] = {"displaylogo": False, "responsive": True, "modeBarButtons": BUTTONS}


def charts(run: Run, prefix: str) -> list[Chart]:
    """All charts of a run, in the order of the page; ids begin with ``prefix``."""
    timed, _ = split(run)
    drawn = [*curves.curves(run)]
    if timed:
        drawn += [bars.time(run, timed), bars.phases(run, timed), scaling.break_even(run, timed)]
    if not run.sweep.empty:
        drawn.append(scaling.sweep(run))
    if any(usable(entry["peak_bytes"]) for entry in timed):
        drawn.append(bars.memory(run, timed))
    return [Chart(f"{prefix}-{c.id}", c.title, one_line(c.about), c.figure, c.table) for c in drawn]


def fragment(chart: Chart) -> str:
    """The chart's element and the script that draws it; plotly.js must have been loaded."""
    if chart.figure is None:
        return ""
    shown: str = chart.figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False, div_id=f"{chart.id}-chart", config=CONFIG
    )
    return shown
