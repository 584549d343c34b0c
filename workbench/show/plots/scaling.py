"""The time of a step against the work in it: where overhead ends and throughput begins."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from workbench.show.plots import style
from workbench.show.plots.style import Look

PANEL_IN = 3.8
NOTE = "flat part = dispatch overhead, slope = throughput, bar = where both take equally long"


def sweep(
    points: pd.DataFrame, fits: pd.DataFrame, colors: Mapping[str, str | None], *, title: str, unit: str
) -> Figure:
    """The time of a step against the work in it, and the line overhead + work x seconds per unit; log-log.

    `points`: frontend, work (per step, in `unit`, for example FLOP), step_s, step_s_low, step_s_high.
    `fits`: frontend, overhead_s, seconds_per_unit; NaN where there is no fit. `colors` as for `loss`.

    A line is drawn as far as its points reach; a bar across it marks where arithmetic equals overhead.
    """
    points = _by_frontend(points, ["work", "step_s", "step_s_low", "step_s_high"])
    points = points.where(points > 1e-15)
    measured = points.dropna(subset=["work", "step_s"]).sort_values("work")
    fits = _by_frontend(fits, ["overhead_s", "seconds_per_unit"])
    names = list(dict.fromkeys([*points.index, *fits.index]))
    looks = style.looks({name: colors.get(name) for name in {*names, *colors}})
    height_in = max(PANEL_IN, style.NAME_IN * len(names) + 0.7)
    with style.styled():
        figure = style.sheet(title, height_in)
        axes = figure.subplots()
        style.panel(axes)
        if measured.empty:
            style.empty(axes, "nothing was measured")
            return figure
        axes.set_title(NOTE, fontsize=8, color=style.GREY)
        axes.set(xlabel=f"work per step ({style.clean(unit)})", ylabel="time per step")
        works, steps = measured["work"], measured["step_s"]
        style.log_axis(axes, "x", works.min(), works.max(), EngFormatter(), 7)
        style.log_axis(axes, "y", steps.min(), steps.max(), EngFormatter(unit="s"), 6)
        ends = []
        for name, shown in zip(names, style.short(names), strict=True):
            own = measured[measured.index == name]
            value = _draw(axes, shown, own, fits[fits.index == name], looks[name])
            note = " (no value)" if own.empty else ""
            ends.append(style.End(shown + note, looks[name], value, own["work"].max() == works.max()))
        style.name_ends(axes, ends, height_in - 0.6)
    return figure


def _by_frontend(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    names = frame.reindex(columns=["frontend"])["frontend"]
    return style.numbers(frame, columns).set_axis([style.clean(name) for name in names])


def _draw(axes: Axes, name: str, own: pd.DataFrame, fits: pd.DataFrame, look: Look) -> float:
    """The points with their intervals, and the fitted line if there is one; returns where it ends."""
    if own.empty:
        return math.nan
    color, works = look["color"], own["work"].to_numpy()
    axes.plot(works, own["step_s"], **look, linestyle="none", zorder=3, label=name)
    axes.vlines(works, own["step_s_low"], own["step_s_high"], color=color, **style.INTERVAL)
    end = float(own["step_s"].iloc[-1])
    for overhead, slope in fits.dropna().to_numpy()[:1] if works[0] < works[-1] else ():
        places = np.geomspace(works[0], works[-1], 100)
        line = overhead + slope * places
        axes.plot(places, np.where(line > 0, line, np.nan), color=color, linewidth=1, zorder=2, label="_fit")
        if slope > 0 and works[0] <= overhead / slope <= works[-1]:
            bar = {"marker": "|", "markersize": 13, "markeredgewidth": 1.5, "color": color}
            axes.plot([overhead / slope], [2 * overhead], **bar, label="_balance")
        end = float(line[-1]) if line[-1] > 0 else end
    return end
