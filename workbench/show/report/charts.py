"""A run's charts in the order of its page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from workbench.errors import WorkbenchError
from workbench.show import charts
from workbench.show.charts.kinds import Chart
from workbench.show.report.parts import colors
from workbench.statistics.rows import sweep_fits, sweep_points

if TYPE_CHECKING:
    from workbench.store.results import StoredRun

MOST_STEPS = 1500  # points of a curve; longer runs are thinned
# Named one by one: Plotly's own list has a button that uploads the chart.
BUTTONS = (("toImage",), ("zoom2d", "pan2d"), ("zoomIn2d", "zoomOut2d", "resetScale2d"))
CONFIG: Final[dict[str, object]] = {"displaylogo": False, "responsive": True, "modeBarButtons": BUTTONS}


def of_run(run: StoredRun) -> list[Chart]:
    """All charts of a run, with a dot of a contestant's colour before its numbers."""
    record, steps, shown = run.record, run.record.problem.steps, _curves(run)
    for stage in run.stages:
        rows = run.rows_of(stage.name)
        shown += [charts.steady(rows, record)] if any(row.timed for row in rows) else []
    if any(row.timed for row in run.rows):
        shown += [charts.phases(run.rows, steps), charts.break_even(run.rows, steps)]
    if points := sweep_points(record):
        shown.append(charts.sweep(points, sweep_fits(points), run.colors))
    shown += [*filter(None, [charts.memory(run.rows)]), *charts.metrics(run.rows)]
    dots = colors(run)
    return [
        dataclasses.replace(chart, numbers=chart.numbers and dataclasses.replace(chart.numbers, colors=dots))
        for chart in shown
    ]


def _curves(run: StoredRun) -> list[Chart]:
    """The loss over the steps, and the deviation from the reference; damaged losses cost these two alone."""
    try:
        losses = run.losses
    except WorkbenchError as error:
        titles = {"loss": "Loss", "deviation": "Deviation from the reference"}
        return [Chart(key=key, title=title, about=f"Not drawn: {error}") for key, title in titles.items()]
    deviation = charts.deviation(losses, run.colors, run.record.tolerance, MOST_STEPS)
    return [charts.loss(losses, run.colors, MOST_STEPS), *filter(None, [deviation])]


def fragment(chart: Chart, identifier: str) -> str:
    """The chart's element of this id and the script that draws it, if there is anything; plotly.js must be loaded."""
    from workbench.show.report import drawing  # Plotly takes its time to import

    figure, options = drawing.figure(chart), {"include_plotlyjs": False, "include_mathjax": False, "config": CONFIG}
    return "" if figure is None else str(figure.to_html(full_html=False, div_id=identifier, **options))
