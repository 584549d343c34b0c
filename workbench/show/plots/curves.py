"""Curves over steps: the loss and, beneath it, each contestant's deviation from the reference."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.show.charts.kinds import Curves
from workbench.show.charts.looks import Look
from workbench.show.plots import style
from workbench.show.plots.style import NUMBERS, End, Style
from workbench.statistics.arrays import Floats

REFERENCE: Style = {"color": "#D9D9D9", "linewidth": 7}
MOST_THICK = 1000  # steps up to which lines are thick
LOSS_IN, DEVIATION_IN = 3.0, 1.9  # heights of the panels including their headings


def figure(loss: Curves, deviation: Curves | None, *, title: str) -> Figure:
    """The loss over the steps and, if there is a reference, the deviation from it beneath.

    So that coinciding curves stay visible, each of n curves is drawn on top in every n-th stretch of the step axis,
    with its marker in the middle.
    """
    charts, ends = [chart for chart in (loss, deviation) if chart is not None], _ends(loss)
    heights_in = [max(LOSS_IN, style.NAME_IN * len(ends) + 0.4), DEVIATION_IN][: len(charts)]
    with style.styled():
        sheet = style.sheet(title, sum(heights_in))
        sheet.subplots(len(charts), 1, sharex=True, height_ratios=heights_in)
        for axes, chart in zip(sheet.axes, charts, strict=True):
            _panel(axes, chart)
        sheet.axes[-1].set_xlabel("step")
        style.name_ends(sheet.axes[0], ends, heights_in[0] - 0.3)
    return sheet


def _ends(chart: Curves) -> list[End]:
    names = style.short([style.clean(curve.id) for curve in chart.curves])
    ends = [
        _end(name, chart.steps, curve.values, style.marker(curve.look))
        for name, curve in zip(names, chart.curves, strict=True)
    ]
    band = chart.reference
    return ends if band is None else [*ends, _end("reference, float64", chart.steps, band, REFERENCE)]


def _end(name: str, steps: Floats, values: Floats, line: Style) -> End:
    present = np.flatnonzero(~np.isnan(values))
    if not len(present):
        return End(f"{name} (no value)", line, math.nan, reached=False)
    last = int(present[-1])
    reached = last == len(values) - 1
    return End(name if reached else f"{name} (to step {steps[last]:,.0f})", line, float(values[last]), reached)


def _panel(axes: Axes, chart: Curves) -> None:
    if chart.empty:
        style.panel(axes, chart.title)
        style.empty(axes, "no finite loss")
        return
    aside = f"each point: largest of {chart.stretch:,} steps" if chart.stretch > 1 else ""
    if chart.limit is None and chart.exact is None and len(chart.curves) > 1:
        aside = "where curves coincide, their colours alternate"
    style.panel(axes, f"{chart.axis.title.capitalize()} ({'log' if chart.axis.log else 'linear'} scale)", aside)
    style.scale(axes, "y", chart.axis)
    axes.margins(x=0.015)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if chart.reference is not None:
        # a wide pale band beneath all curves: a curve outside of it does not compute the same
        axes.plot(*_drawn(chart.steps, chart.reference), zorder=1.5, label="reference", **REFERENCE)
    _draw(axes, chart)
    if chart.exact is not None:
        ticks = [tick for tick in axes.get_yticks() if tick > 3 * chart.exact]
        axes.set_yticks([chart.exact, *ticks], ["exact", *(NUMBERS.format(x=tick) for tick in ticks)])
    if chart.limit is not None:
        axes.axhline(chart.limit, color=style.INK, linewidth=1, linestyle=(0, (4, 3)), zorder=5, label="tolerance")
        text, where = f"tolerance {chart.limit:.2g}", axes.get_yaxis_transform()
        axes.text(1.01, chart.limit, text, transform=where, **style.SMALL)


def _drawn(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The points to draw; a single step is widened to a short horizontal line."""
    return (steps[0] + np.array([-0.5, 0.5]), values.repeat(2)) if len(steps) == 1 else (steps, values)


def _draw(axes: Axes, chart: Curves) -> None:
    """Draw each curve in full and, on top, the stretches that it owns, with a marker in the middle of each.

    Coinciding curves thus become one line of alternating colours; a curve on its own stays a plain line.
    """
    curves = [curve for curve in chart.curves if not np.isnan(curve.values).all()]
    count, (steps, _) = max(1, len(curves)), _drawn(chart.steps, chart.steps)
    edges = np.linspace(steps[0], steps[-1], count * max(2, min(8, 32 // count)) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    grid = np.unique([*steps, *edges, *middles])
    to_axis = axes.yaxis.get_transform()  # between two steps the drawn line is straight on the axis' scale
    width = 1.7 if len(steps) <= MOST_THICK else 1.0
    for index, curve in enumerate(curves):
        line, (_, values) = style.marker(curve.look), _drawn(chart.steps, curve.values)
        spans = zip(edges[index:-1:count], edges[index + 1 :: count], strict=True)
        owned = np.concatenate([[*grid[(grid >= start) & (grid <= stop)], np.nan] for start, stop in spans])
        levels = to_axis.inverted().transform(np.interp(owned, steps, to_axis.transform(values)))
        marked = np.flatnonzero(np.isin(owned, middles[index::count])).tolist()
        axes.plot(steps, values, color=curve.look.color, zorder=2, label=curve.id, linewidth=width)
        axes.plot(owned, levels, **line, linewidth=width, markevery=marked, zorder=3, label="_turns")
        _mark_odd_points(axes, steps, values, curve.look)


def _mark_odd_points(axes: Axes, steps: Floats, values: Floats, look: Look) -> None:
    """Mark single points between missing ones, and put a cross where a curve stops before the last step."""
    missing = np.isnan(np.pad(values, 1, constant_values=np.nan))
    isolated = ~missing[1:-1] & missing[:-2] & missing[2:]
    line: Style = {**style.marker(look), "markersize": 4}
    axes.plot(steps[isolated], values[isolated], **line, linestyle="none", zorder=4, label="_lone")
    if missing[-2]:
        last = np.flatnonzero(~missing[1:-1])[-1:]
        cross: Style = {"color": look.color, "marker": "x", "markersize": 7, "markeredgewidth": 1.8}
        axes.plot(steps[last], values[last], **cross, zorder=4, label="_stop")
