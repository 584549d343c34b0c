"""Step times over runs: a panel per series, the level between jumps, and the jumps with their size."""

import itertools
import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from workbench.show.plots import style

PANEL_IN = 1.9
MOST = 6  # panels in one figure
LABEL = 88  # characters of a heading's line
FEW = 150  # runs up to which each has a dot and an interval of its own
NUMBERS = ["step_s", "step_s_low", "step_s_high", "level_s", "jump"]
DOT, LEVEL, JUMP = "#0072B2", style.INK, "#D55E00"


def history(rows: pd.DataFrame, labels: Sequence[str], *, title: str) -> Figure:
    """Steps over runs in their order, a panel for each of the first six series.

    `rows`: one per run with series (counted from 0), date, step_s with its interval step_s_low to step_s_high,
    level_s and jump (relative, NaN where there is none); `labels`: a heading per series.
    """
    shown = labels[:MOST]
    with style.styled():
        more = f" (and {len(labels) - MOST} more series)" if len(labels) > MOST else ""
        figure = style.sheet(title + more, PANEL_IN * max(1, len(shown)))
        panels = figure.subplots(max(1, len(shown)), 1, squeeze=False)[:, 0]
        for number, (axes, label) in enumerate(zip(panels, shown, strict=False)):
            style.panel(axes, textwrap.fill(style.clean(label), LABEL))
            _series(axes, rows[rows["series"] == number].reset_index(drop=True))
        if not shown:
            style.empty(panels[0], "no runs")
    return figure


def _series(axes: Axes, rows: pd.DataFrame) -> None:
    steps = style.numbers(rows, NUMBERS)
    kept = steps["step_s"] > 0
    steps, dates = steps[kept].reset_index(drop=True), rows["date"][kept].reset_index(drop=True)
    if steps.empty:
        style.empty(axes, "no run has a time")
        return
    place = np.arange(len(steps))
    if len(steps) <= FEW:
        axes.vlines(place, steps["step_s_low"], steps["step_s_high"], color=DOT, **style.INTERVAL)
        axes.plot(place, steps["step_s"], "o", color=DOT, markersize=4, label="_steps")
    else:
        size = max(1.0, 60 / len(steps) ** 0.5)
        axes.plot(place, steps["step_s"], ".", color=DOT, markersize=size, markeredgewidth=0, label="_steps")
    _levels(axes, steps)
    axes.set_xlim(-0.5, len(steps) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _date(dates, at)))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(EngFormatter(unit="s"))


def _levels(axes: Axes, steps: pd.DataFrame) -> None:
    """The level from each jump to the next, and the jumps."""
    edges = [0, *np.flatnonzero(steps["jump"].notna()), len(steps)]
    for start, end in itertools.pairwise(edges):
        axes.hlines(steps["level_s"][start], start - 0.5, end - 0.5, color=LEVEL, linewidth=1.2, label="_level")
    for at in edges[1:-1]:
        axes.axvline(at - 0.5, color=JUMP, linewidth=1.2, linestyle=(0, (4, 2)), label="_jump")
        text = f"{steps['jump'][at]:+.1%}"
        where = axes.get_xaxis_transform()
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
        axes.text(at - 0.5, 0.97, text, transform=where, color=JUMP, fontsize=8, va="top", ha="center", bbox=box)


def _date(dates: pd.Series, at: float) -> str:
    """The day of the run at a tick."""
    place = round(at)
    if not 0 <= place < len(dates) or pd.isna(dates[place]):
        return ""
    return f"{pd.Timestamp(dates[place]):%Y-%m-%d}"
