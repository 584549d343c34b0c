"""Charts drawn by Plotly. The page's style sheet colours texts and grid, light or dark; names are literal text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

import numpy as np
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray
from plotly.graph_objects import Bar, Figure, Layout, Scatter

from workbench.errors import one_line
from workbench.show.charts.kinds import Axis, Chart, Curves, Entry, Line, Lines, Rows
from workbench.show.charts.looks import Look
from workbench.show.units import format_interval, format_seconds

Parts = dict[str, object]
"""A part of Plotly's description of a figure."""

ROW_PX, HEAD_PX, TALL_PX = 30, 120, 420
GREY = "#8a8f98"
PATTERNS = ("/", ".", "x", "")  # of a bar's parts; the last part is plain
MARKERS = 6  # on each curve
DASH_PX = 9  # how long each of several coinciding curves is visible
MIB = 1 << 20
NAMES = ("name", "legendgroup")
UNITS: Final[Mapping[str, Parts]] = {
    "s": {"ticksuffix": "s", "tickformat": "~s", "exponentformat": "SI"},
    "FLOP": {"tickformat": "~s"},
    "count": {"tickformat": "~s"},
    "share": {"tickformat": "~%"},
}


def figure(chart: Chart) -> Figure | None:
    """The chart as a Plotly figure; None if there is nothing to draw."""
    if isinstance(chart, Curves) and not chart.empty:
        return _curves(chart)
    if isinstance(chart, Rows):
        return _rows(chart)
    return _lines(chart) if isinstance(chart, Lines) else None


def text(name: str) -> str:
    """A name, escaped so that Plotly's markup shows it literally."""
    return escape(one_line(name), quote=False)


def _figure(traces: Iterable[object], xaxis: Parts, yaxis: Parts, height: int = TALL_PX, **layout: object) -> Figure:
    """A figure with a transparent background."""
    axis = {"automargin": True, "gridcolor": "#d9dce1", "zeroline": False, "linecolor": GREY}
    return Figure(
        [*traces],
        Layout(
            template="none",
            height=height,
            margin={"l": 10, "r": 16, "t": 34, "b": 10},
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            font={"family": "system-ui, sans-serif", "size": 12, "color": "#59636e"},
            hoverlabel={"bgcolor": "#22272e", "bordercolor": GREY, "font": {"color": "#ffffff", "size": 12}},
            modebar={"bgcolor": "rgba(0,0,0,0)"},
            legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
            xaxis={**axis, **xaxis},
            yaxis={**axis, **yaxis},
            **layout,
        ),
    )


def _axis(axis: Axis) -> Parts:
    title = {"FLOP": f"{axis.title} (FLOP)", "bytes": f"{axis.title} (MiB)"}.get(axis.unit, axis.title)
    shown: Parts = {"title": title, **UNITS.get(axis.unit, {})}
    if not axis.log:
        return {**shown, "rangemode": "tozero"}
    powers: Parts = {"exponentformat": "power"} if axis.low < 1e-4 and not axis.unit else {}
    narrow = axis.high < 1e3 * axis.low
    if narrow and axis.unit == "s":  # Plotly omits the unit between powers of ten
        decades = range(math.floor(math.log10(axis.low)) - 1, math.ceil(math.log10(axis.high)) + 2)
        ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        powers = {"tickvals": ticks, "ticktext": [*map(EngFormatter("s", sep=""), ticks)]}
    return {**shown, "dtick": "D2" if narrow else 1, **powers, "type": "log"}


def _symbol(look: Look, size: int, edge: float) -> Parts:
    return {"color": look.color, "symbol": look.shape + "-open" * look.hollow, "size": size, "line": {"width": edge}}


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """In single precision, which halves the page; what is too large for it becomes infinite, and is not drawn."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _curves(chart: Curves) -> Figure:
    """Every curve as a thin line, over these the same curves as thick dashes, then staggered markers.

    Where n curves coincide, each is visible for one n-th of the length: the dashes of a later curve leave gaps through
    which the earlier ones show.
    """
    hover: Parts = {"hovertemplate": f"%{{y:.{chart.digits}g}}"}
    x, count = chart.steps.astype(int), len(chart.curves)
    band, lines, dashes, markers, limit = [], [], [], [], []
    if chart.reference is not None:
        line: Parts = {"color": GREY, "width": 9}
        y, name = _single(chart.reference), "reference, float64"
        band.append(Scatter(x=x, y=y, name=name, mode="lines", line=line, opacity=0.45, **hover))
    for index, curve in enumerate(chart.curves):
        y, color, named = _single(curve.values), curve.look.color, dict.fromkeys(NAMES, text(curve.id))
        line = {"color": color, "dash": curve.look.dash, "width": 1.7}
        lines.append(Scatter(x=x, y=y, mode="lines", line=line, **hover, **named))
        aside: Parts = {**named, "showlegend": False, "hoverinfo": "skip"}
        dash = f"{DASH_PX * (count - index)}px,{DASH_PX * index}px" if index else "solid"
        dashes.append(Scatter(x=x, y=y, mode="lines", line={"color": color, "width": 3.5, "dash": dash}, **aside))
        stride = max(1, len(x) // (MARKERS * count))
        marked = slice(index * stride, None, stride * count)
        markers.append(Scatter(x=x[marked], y=y[marked], mode="markers", marker=_symbol(curve.look, 9, 1.5), **aside))
    if chart.limit is not None:
        line = {"color": GREY, "dash": "dash", "width": 2}
        ends = [x[0], max(x[-1], x[0] + 1)]
        limit.append(Scatter(x=ends, y=[chart.limit] * 2, name="tolerance", mode="lines", line=line, **hover))
    limits = [math.log10(end) if chart.axis.log else end for end in chart.axis.limits]
    traces = [*band, *lines, *(dashes if count > 1 else []), *markers, *limit]
    return _figure(
        traces, {"title": "step"}, {**_axis(chart.axis), "rangemode": "normal", "range": limits}, hovermode="x unified"
    )


def _rows(chart: Rows) -> Figure:
    """The rows with a value, the first one on top."""
    rows = [entry for entry in chart.rows if entry.value is not None]
    ticks = {"tickvals": [*range(len(rows))], "ticktext": [text(entry.id) for entry in rows]}
    yaxis: Parts = {**ticks, "range": [len(rows) - 0.4, -0.6], "showgrid": False}
    height = HEAD_PX + ROW_PX * max(2, len(rows))
    if chart.dots:
        dots = [dot for index, entry in enumerate(rows) for dot in _dots(entry, index)]
        return _figure(dots, _axis(chart.axis), yaxis, height, showlegend=False)
    return _figure(_bars(chart, rows), _axis(chart.axis), yaxis, height + 20, barmode="stack")


def _dots(entry: Entry, index: int) -> Iterator[object]:
    """The value with its interval and, beneath it, the launches, in three lines to keep equal ones visible."""
    value, hover = entry.value or 0.0, "<extra>%{fullData.name}</extra>"
    yield Scatter(
        x=[value],
        y=[index - 0.1],
        mode="markers",
        name=text(entry.id),
        marker=_symbol(entry.look, 12, 2),
        error_x={"array": [entry.high - value], "arrayminus": [value - entry.low], "thickness": 3, "width": 6},
        customdata=[[format_seconds(value), format_interval(entry.low, entry.high)]],
        hovertemplate="median: %{customdata[0]}<br>%{customdata[1]}" + hover,
    )
    yield Scatter(
        x=[*entry.launches],
        y=[index + 0.18 + 0.07 * (number % 3) for number in range(len(entry.launches))],
        mode="markers",
        name=text(entry.id),
        marker={"color": entry.look.color, "size": 7, "opacity": 0.65, "symbol": "circle"},
        customdata=[*map(format_seconds, entry.launches)],
        hovertemplate="launch: %{customdata}" + hover,
    )


def _bars(chart: Rows, rows: Sequence[Entry]) -> Iterator[object]:
    """Stacked bars whose parts differ in pattern; the colour is the framework's, and the legend is grey."""
    scale = MIB if chart.axis.unit == "bytes" else 1
    for part, (name, shape) in enumerate(zip(chart.parts, PATTERNS[-len(chart.parts) :], strict=True)):
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7}
        group: Parts = {**dict.fromkeys(NAMES, text(name)), "orientation": "h", "width": 0.66}
        yield Bar(x=[None], y=[None], marker={"color": GREY, "pattern": pattern}, **group)
        for index, entry in enumerate(rows):
            value = entry.parts[part] or 0.0
            marker = {"color": entry.look.color, "pattern": pattern, "line": {"color": "#ffffff", "width": 0.5}}
            hover = f"{text(entry.id)}, {text(name)}: {chart.words(value)}<extra></extra>"
            data = {"x": [value / scale], "y": [index], "hovertemplate": hover, "showlegend": False}
            yield Bar(marker=marker, **data, **group)


def _lines(chart: Lines) -> Figure:
    traces = [trace for line in chart.lines for trace in _line(line)]
    for mark in filter(
        None, (line.mark for line in chart.lines)
    ):  # a ring, with an error bar for the interval of its x
        ring = {"symbol": "circle-open", "size": 13, "color": GREY, "line": {"width": 3}}
        error = {"array": [mark.high - mark.x], "arrayminus": [mark.x - mark.low], "thickness": 2, "color": GREY}
        shown: Parts = {"error_x": error, "hovertemplate": text(mark.about), "name": "", "showlegend": False}
        traces.append(Scatter(x=[mark.x], y=[mark.y], mode="markers", marker=ring, **shown))
    measured = any(line.points for line in chart.lines)
    return _figure(traces, _axis(chart.x), _axis(chart.y), hovermode="closest" if measured else "x unified")


def _line(line: Line) -> Iterator[object]:
    """Measured points with their intervals, and the line; next to points, the line is thinner and has no hover text."""
    named = dict.fromkeys(NAMES, text(line.id))
    if line.points:
        x, y, low, high = np.array(line.points).T
        error = {"array": (high - y).tolist(), "arrayminus": (y - low).tolist(), "thickness": 2}
        hover = {"hovertemplate": "%{x:.3s}FLOP: %{customdata}<extra>%{fullData.name}</extra>", "error_y": error}
        words, marker = [*map(format_seconds, y)], _symbol(line.look, 9, 1.5)
        yield Scatter(x=x.tolist(), y=y.tolist(), mode="markers", marker=marker, customdata=words, **hover, **named)
    if line.line:
        x, y = np.array(line.line).T
        stroke = {"color": line.look.color, "dash": line.look.dash, "width": 1.5 if line.points else 2}
        shown: Parts = {"hovertemplate": "%{customdata}", "customdata": [*map(format_seconds, y)]}
        aside: Parts = {"hoverinfo": "skip", "showlegend": False}
        more = {**named, **(aside if line.points else shown)}
        yield Scatter(x=x.tolist(), y=y.tolist(), mode="lines", line=stroke, **more)
