"""Lines on two log axes: the time of a step over the work in it."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.show.charts.kinds import Line, Lines
from workbench.show.plots import style

PANEL_IN = 3.8
NOTE = "flat part: dispatch overhead; slope: throughput; bar: where both take equally long"


def figure(chart: Lines, *, title: str) -> Figure:
    """Measured points with their intervals, the fitted line, and a bar across the line at its mark."""
    height_in = max(PANEL_IN, style.NAME_IN * len(chart.lines) + 0.7)
    with style.styled():
        sheet = style.sheet(title, height_in)
        axes = sheet.subplots()
        style.panel(axes)
        if not any(line.points for line in chart.lines):
            style.empty(axes, "nothing was measured")
            return sheet
        axes.set_title(NOTE, fontsize=8, color=style.GREY)
        axes.set(xlabel=f"{chart.x.title} ({chart.x.unit})", ylabel=chart.y.title)
        style.scale(axes, "x", chart.x, 7)
        style.scale(axes, "y", chart.y, 6)
        names = style.short([style.clean(line.id) for line in chart.lines])
        ends = [_draw(axes, name, line, chart.x.high) for name, line in zip(names, chart.lines, strict=True)]
        style.name_ends(axes, ends, height_in - 0.6)
    return sheet


def _draw(axes: Axes, name: str, line: Line, right: float) -> style.End:
    """Draw one contestant; returns where its line ends."""
    look, color = style.marker(line.look), line.look.color
    if not line.points:
        return style.End(f"{name} (no value)", look, math.nan, reached=False)
    works, steps, lows, highs = zip(*line.points, strict=True)
    axes.plot(works, steps, **look, linestyle="none", zorder=3, label=line.id)
    axes.vlines(works, lows, highs, color=color, **style.INTERVAL)
    end = steps[-1]
    if line.line:
        axes.plot(*zip(*line.line, strict=True), color=color, linewidth=1, zorder=2, label="_fit")
        end = line.line[-1][1] if line.line[-1][1] > 0 else end
    if line.mark:
        bar: style.Style = {"marker": "|", "markersize": 13, "markeredgewidth": 1.5, "color": color}
        axes.plot([line.mark.x], [line.mark.y], **bar, label="_balance")
    return style.End(name, look, end, reached=works[-1] == right)
