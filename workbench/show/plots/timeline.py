"""Times over runs: a panel per series with the level between jumps, and the size of each jump."""

from __future__ import annotations

import datetime
import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from workbench.show.plots import style

if TYPE_CHECKING:
    from workbench.comparison.history import Point, Series

PANEL_IN = 1.9
MOST_PANELS = 6  # of one figure
HEADING_WIDTH = 88  # characters in a line of a heading
MOST_INTERVALS = 150  # runs up to which each is drawn with its interval
DOT, LEVEL, JUMP = "#0072B2", style.INK, "#D55E00"


def history(series: Sequence[Series], *, title: str) -> Figure:
    """Times over runs, in order, with a panel for each of the first six series."""
    shown = series[:MOST_PANELS]
    with style.styled():
        more = f" (and {len(series) - MOST_PANELS} more series)" if len(series) > MOST_PANELS else ""
        figure = style.sheet(title + more, PANEL_IN * max(1, len(shown)))
        panels = figure.subplots(max(1, len(shown)), 1, squeeze=False)[:, 0]
        for axes, runs in zip(panels, shown, strict=False):
            style.panel(axes, textwrap.fill(style.clean(runs.label), HEADING_WIDTH))
            _series(axes, runs.timed)
        if not shown:
            style.empty(panels[0], "no runs")
    return figure


def _series(axes: Axes, points: Sequence[Point]) -> None:
    if not points:
        style.empty(axes, "no run has a time")
        return
    times, count = [point.steady for point in points if point.steady is not None], len(points)
    seconds = [time.seconds for time in times]
    if count <= MOST_INTERVALS:
        lows, highs = [time.low for time in times], [time.high for time in times]
        axes.vlines(range(count), lows, highs, color=DOT, **style.INTERVAL)
        axes.plot(range(count), seconds, "o", color=DOT, markersize=4, label="_steps")
    else:
        size = max(1.0, 60 / count**0.5)
        axes.plot(range(count), seconds, ".", color=DOT, markersize=size, markeredgewidth=0, label="_steps")
    _levels(axes, points)
    axes.set_xlim(-0.5, count - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _day(points, round(at))))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(EngFormatter(unit="s"))


def _levels(axes: Axes, points: Sequence[Point]) -> None:
    """Draw the level from each jump to the next, and the jumps with their size."""
    jumps = {index: point.jump for index, point in enumerate(points) if point.jump is not None}
    for start, end in itertools.pairwise([0, *jumps, len(points)]):
        level = points[start].level_s or 0.0
        axes.hlines(level, start - 0.5, end - 0.5, color=LEVEL, linewidth=1.2, label="_level")
    for index, jump in jumps.items():
        axes.axvline(index - 0.5, color=JUMP, linewidth=1.2, linestyle=(0, (4, 2)), label="_jump")
        where, box = axes.get_xaxis_transform(), {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
        font = {"color": JUMP, "fontsize": 8, "va": "top", "ha": "center"}
        axes.text(index - 0.5, 0.97, f"{jump:+.1%}", font, transform=where, bbox=box)


def _day(points: Sequence[Point], index: int) -> str:
    """The day of the run at a tick."""
    try:
        return datetime.datetime.fromisoformat(points[index].date).date().isoformat() if index >= 0 else ""
    except (IndexError, ValueError):
        return ""
