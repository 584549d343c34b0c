"""A run's charts, in the order of the page."""

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

MOST_STEPS = 1500  # points of a curve; longer runs are thinned out
# An explicit list, because Plotly's default one has a button that uploads the chart.
BUTTONS = (("toImage",), ("zoom2d", "pan2d"), ("zoomIn2d", "zoomOut2d", "resetScale2d"))
CONFIG: Final[dict[str, object]] = {"displaylogo": False, "responsive": True, "modeBarButtons": BUTTONS}


def of_run(run: StoredRun) -> list[Chart]:
    """All charts of a run; in their tables, a dot in its colour marks each contestant."""
    record, steps, shown = run.record, run.record.problem.steps, _curves(run)
    for stage in run.stages:
        rows = run.rows_of(stage.name)
        shown += [charts.steady(rows, record)] if any(row.timed for row in rows) else []
        shown += [charts.step_ratio(rows)] if any(row.step_ratio is not None for row in rows) else []
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
    """The loss over the steps, and the deviation from the reference; damaged losses affect no other chart."""
    try:
        losses = run.losses
    except WorkbenchError as error:
        titles = {"loss": "Loss", "deviation": "Deviation from the reference"}
        return [Chart(key=key, title=title, about=f"Cannot be drawn: {error}") for key, title in titles.items()]
    deviation = charts.deviation(losses, run.colors, run.record.tolerance, MOST_STEPS, run.record.settings.dtype)
    return [charts.loss(losses, run.colors, MOST_STEPS), *filter(None, [deviation])]


def fragment(chart: Chart, identifier: str) -> str:
    """The chart's HTML element with this id, and its script; empty if nothing is drawn. Needs plotly.js on the page."""
    from workbench.show.report import drawing  # importing Plotly is slow

    figure, options = drawing.figure(chart), {"include_plotlyjs": False, "include_mathjax": False, "config": CONFIG}
    return "" if figure is None else str(figure.to_html(full_html=False, div_id=identifier, **options))
