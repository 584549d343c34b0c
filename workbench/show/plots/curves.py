"""The loss over the steps, and how far each frontend is from the reference."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.show.plots import style
from workbench.show.plots.style import NUMBERS, End, Look

REFERENCE = "reference"
REFERENCE_LOOK: Look = {"color": "#D9D9D9", "linewidth": 7}
EXACT = 1e-17  # below it a relative deviation of float64 numbers means nothing
FLAT = 1e-4  # a relative range up to which a loss counts as constant
HUGE = 1e100  # larger losses count as infinite, losses below its inverse as 0
ASTRAY = 1e3  # losses beyond this many times the reference's largest do not stretch the axis
MOST_DEVIATIONS = 100
THICK = 1000  # up to so many steps lines are thick
LOSS_IN, DEVIATION_IN = 3.0, 1.9  # heights of the panels with their headings


def loss(
    losses: pd.DataFrame, colors: Mapping[str, str | None], *, title: str, tolerance: float | None = None
) -> Figure:
    """The loss over the steps, and beneath it how far each frontend is from the reference.

    `losses`: index = step, one column per frontend, optionally 'reference'; NaN where there is no value.
    `colors`: frontend id -> hex colour or None. `tolerance`: relative, a dashed line in the lower panel.

    Curves that coincide take turns along the step axis: each owns every n-th stretch, with its marker in the
    middle. The lower panel is there when the reference is; over long runs it shows the largest deviation
    of each stretch of steps. It is relative to the reference's value, or to its largest where that is 0.
    """
    frame = _finite(losses)
    looks = style.looks({name: colors.get(name) for name in {*frame, *colors} - {REFERENCE}})
    ends = _ends(frame, {**looks, REFERENCE: REFERENCE_LOOK})
    heights_in = [max(LOSS_IN, style.NAME_IN * len(ends) + 0.4), DEVIATION_IN][: 1 + (REFERENCE in frame)]
    with style.styled():
        figure = style.sheet(title, sum(heights_in))
        figure.subplots(len(heights_in), 1, sharex=True, height_ratios=heights_in)
        _loss_panel(figure.axes[0], frame, looks)
        if REFERENCE in frame:
            _deviation_panel(figure.axes[1], frame, looks, tolerance)
        figure.axes[-1].set_xlabel("step")
        style.name_ends(figure.axes[0], ends, heights_in[0] - 0.3)
    return figure


def _finite(losses: pd.DataFrame) -> pd.DataFrame:
    """Steps in order, the reference last and only with a value; a single step becomes a level around it."""
    frame = losses.astype(float).sort_index().set_axis([str(name) for name in losses.columns], axis=1)
    frame.index = frame.index.astype(float)
    if len(frame) == 1:
        frame = pd.concat([frame, frame]).set_axis(frame.index[0] + np.array([-0.5, 0.5]))
    size = frame.abs()
    frame = frame.where(size < HUGE).mask(size < 1 / HUGE, 0.0)
    reference = frame[[REFERENCE]].dropna(axis=1, how="all") if REFERENCE in frame else None
    return pd.concat([frame.drop(columns=REFERENCE, errors="ignore"), reference], axis=1)


def _ends(frame: pd.DataFrame, looks: Mapping[str, Look]) -> list[End]:
    ends = []
    names = [str(name) for name in frame]
    for name, shown in zip(names, style.short([style.clean(name) for name in names]), strict=True):
        values = frame[name].dropna()
        value = float(values.iloc[-1]) if len(values) else math.nan
        reached = len(values) > 0 and values.index[-1] == frame.index[-1]
        note = "" if reached else f" (to step {values.index[-1]:,.0f})" if len(values) else " (no value)"
        text = "reference, float64" if name == REFERENCE else shown
        ends.append(End(text + note, looks[name], value, reached))
    return ends


def _loss_panel(axes: Axes, frame: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    if not frame.notna().any(axis=None):
        style.panel(axes, "Loss")
        style.empty(axes, "no finite loss")
        return
    turns = "where curves coincide they take turns" if len(frame.columns) > 1 + (REFERENCE in frame) else ""
    style.panel(axes, f"Loss ({_scale_loss(axes, frame)} scale)", turns)
    axes.margins(x=0.015)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if REFERENCE in frame:
        # a wide pale band beneath everything: a curve that leaves it computes something else
        axes.plot(frame[REFERENCE], zorder=1.5, label=REFERENCE, **REFERENCE_LOOK)
    _draw(axes, frame, looks)


def _scale_loss(axes: Axes, frame: pd.DataFrame) -> str:
    """Choose scale and limits of the loss axis; returns the scale's name."""
    values = frame.to_numpy()
    values = values[np.isfinite(values)]
    if REFERENCE in frame and frame[REFERENCE].any():
        values = values[np.abs(values) <= ASTRAY * frame[REFERENCE].abs().max()]
    low, high = float(values.min()), float(values.max())
    if 0 < low * style.LOG_SPAN < high:
        style.log_axis(axes, "y", low, high, NUMBERS)
    else:
        size = max(abs(low), abs(high))
        # a constant has a tenth of itself on both sides, not its rounding
        pad = 0.05 * (high - low) if high - low > FLAT * size else 0.1 * size or 1.0
        axes.set_ylim(low - pad, high + pad)
        axes.yaxis.set_major_formatter(NUMBERS)
    return axes.get_yscale()


def _draw(axes: Axes, frame: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Each curve whole, then over them the stretches that each owns, with a marker in their middle.

    Coinciding curves so become one line in alternating colours, and a curve alone stays a plain line.
    """
    frame = frame.drop(columns=REFERENCE, errors="ignore").dropna(axis=1, how="all")
    steps = frame.index.to_numpy(dtype=float)
    count = max(1, len(frame.columns))
    edges = np.linspace(steps[0], steps[-1], count * max(2, min(8, 32 // count)) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    grid = np.unique([*steps, *edges, *middles])
    bend = axes.yaxis.get_transform()  # between two steps the drawn line is straight on the axis' scale
    width = 1.7 if len(steps) <= THICK else 1.0
    for place, name in enumerate(map(str, frame)):
        spans = zip(edges[place:-1:count], edges[place + 1 :: count], strict=True)
        own = np.concatenate([[*grid[(grid >= start) & (grid <= stop)], np.nan] for start, stop in spans])
        levels = np.interp(own, steps, bend.transform(frame[name].to_numpy()))
        amid = np.flatnonzero(np.isin(own, middles[place::count])).tolist()
        axes.plot(frame[name], color=looks[name]["color"], zorder=2, label=name, linewidth=width)
        line = bend.inverted().transform(levels)
        axes.plot(own, line, **looks[name], linewidth=width, markevery=amid, zorder=3, label="_turns")
        _mark_odd_points(axes, frame[name], looks[name])


def _mark_odd_points(axes: Axes, values: "pd.Series[float]", look: Look) -> None:
    """Points that no line reaches, and a cross where a curve stops before the end."""
    lone = values[values.notna() & values.shift().isna() & values.shift(-1).isna()]
    axes.plot(lone, **{**look, "markersize": 4}, linestyle="none", zorder=4, label="_lone")
    last = values.dropna().tail(1)
    if last.index[0] != values.index[-1]:
        axes.plot(last, color=look["color"], marker="x", markersize=7, markeredgewidth=1.8, zorder=4, label="_stop")


def _deviation_panel(axes: Axes, frame: pd.DataFrame, looks: Mapping[str, Look], tolerance: float | None) -> None:
    stride = math.ceil(len(frame) / MOST_DEVIATIONS)
    aside = f"largest of each {stride:,} steps" if stride > 1 else ""
    style.panel(axes, "Relative deviation from the reference (log scale)", aside)
    deviations = _deviations(frame, stride)
    bound = tolerance if tolerance and 0 < tolerance < math.inf else None
    floor = _scale_deviations(axes, deviations, bound)
    _draw(axes, deviations.clip(lower=floor), looks)
    if bound:
        axes.axhline(bound, color=style.INK, linewidth=1, linestyle=(0, (4, 3)), zorder=5, label="tolerance")
        axes.text(1.01, bound, f"tolerance {bound:.2g}", transform=axes.get_yaxis_transform(), **style.SMALL)


def _deviations(frame: pd.DataFrame, stride: int) -> pd.DataFrame:
    """|loss - reference| / |reference|, of each `stride` steps the largest."""
    size = frame[REFERENCE].abs()
    off = frame.drop(columns=REFERENCE).sub(frame[REFERENCE], axis=0).abs()
    relative = off.div(size.where(size > 0, size.max() or 1.0), axis=0)
    return relative.groupby(np.arange(len(relative)) // stride).max().set_axis(relative.index[::stride])


def _scale_deviations(axes: Axes, deviations: pd.DataFrame, bound: float | None) -> float:
    """Limits and ticks; returns where exact agreement stands, a decade beneath the smallest deviation."""
    values = deviations.to_numpy()
    inexact, exact = values[values > 0], bool((values == 0).any())
    smallest = max(EXACT, float(inexact.min(initial=1.0 if len(inexact) else EXACT)))
    floor = max(EXACT, 10.0 ** math.floor(math.log10(smallest) - 1)) if exact else smallest
    high = min(max(float(inexact.max(initial=0.0)), bound or 0.0, 100 * floor), 100 * max(1.0, floor))
    style.log_axis(axes, "y", min(floor, bound or floor), high, NUMBERS)
    if exact:
        ticks = [tick for tick in axes.get_yticks() if tick > 3 * floor]
        axes.set_yticks([floor, *ticks], ["exact", *(NUMBERS.format(x=tick) for tick in ticks)])
    return floor
