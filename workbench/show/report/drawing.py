"""Charts drawn by Plotly. The page's style colours words and grid, in light and dark; names are literal text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import one_line
from workbench.show.charts.kinds import Axis, Chart, Curves, Entry, Line, Lines, Mark, Rows
from workbench.show.charts.looks import Look
from workbench.show.units import format_interval, format_seconds
from workbench.statistics.arrays import Floats

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Parts = dict[str, object]
"""Parts of Plotly's own description of a figure."""

ROW_PX, HEAD_PX, TALL_PX = 30, 120, 420
GREY = "#8a8f98"
PATTERNS = ("/", ".", "x", "")  # of a bar's parts, the last one plain
MARKS = 6  # symbols on each curve
TURN_PX = 9  # how long each of coinciding curves shows
MIB = 1 << 20
UNITS: Final[Mapping[str, Parts]] = {
    "s": {"ticksuffix": "s", "tickformat": "~s", "exponentformat": "SI"},
    "FLOP": {"tickformat": "~s"},
    "count": {"tickformat": "~s"},
    "share": {"tickformat": "~%"},
}


def figure(chart: Chart) -> Figure | None:
    """The chart as a figure; None where there is nothing to draw."""
    if isinstance(chart, Curves):
        return None if chart.empty else _curves(chart)
    if isinstance(chart, Rows):
        return _dots(chart) if chart.dots else _bars(chart)
    return _lines(chart) if isinstance(chart, Lines) else None


def text(name: str) -> str:
    """A name as Plotly's own markup shows it literally."""
    return escape(one_line(name), quote=False)


def _figure(traces: Iterable[object], xaxis: Parts, yaxis: Parts, height: int = TALL_PX, **layout: object) -> Figure:
    """A figure without a background of its own."""
    from plotly.graph_objects import Figure, Layout

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
    powers = {"exponentformat": "power"} if axis.low < 1e-4 and not axis.unit else {}
    return {**shown, **powers, "type": "log", "dtick": "D2" if axis.high < 1e3 * axis.low else 1}


def _rows_axis(names: Sequence[str]) -> Parts:
    ticks = {"tickvals": [*range(len(names))], "ticktext": [*map(text, names)]}
    return {**ticks, "range": [len(names) - 0.4, -0.6], "showgrid": False}


def _symbol(look: Look, size: int, edge: float) -> Parts:
    return {"color": look.color, "symbol": look.shape + "-open" * look.hollow, "size": size, "line": {"width": edge}}


def _named(name: str) -> Parts:
    return {"name": text(name), "legendgroup": text(name)}


def _curves(chart: Curves) -> Figure:
    """Every curve as a thin line, over them thick stretches in turn, then symbols at steps of their own.

    Of n curves that coincide, each so shows on an n-th of the length.
    """
    from plotly.graph_objects import Scatter

    hover, x, count = f"%{{y:.{chart.digits}g}}", chart.steps.astype(int), len(chart.curves)
    band, lines, turns, symbols, limit = [], [], [], [], []
    if chart.reference is not None:
        line: Parts = {"color": GREY, "width": 9}
        named = {"name": "reference, float64", "hovertemplate": hover}
        band.append(Scatter(x=x, y=_single(chart.reference), mode="lines", line=line, opacity=0.45, **named))
    for index, curve in enumerate(chart.curves):
        y, color = _single(curve.values), curve.look.color
        aside = {**_named(curve.id), "showlegend": False, "hoverinfo": "skip"}
        line = {"color": color, "dash": curve.look.dash, "width": 1.7}
        lines.append(Scatter(x=x, y=y, mode="lines", line=line, hovertemplate=hover, **_named(curve.id)))
        turn = {"color": color, "width": 3.5, "dash": _turn(index, count)}
        turns.append(Scatter(x=x, y=y, mode="lines", line=turn, **aside))
        stride = max(1, len(x) // (MARKS * count))
        own = slice(index * stride, None, stride * count)
        symbols.append(Scatter(x=x[own], y=y[own], mode="markers", marker=_symbol(curve.look, 9, 1.5), **aside))
    if chart.limit is not None:
        line = {"color": GREY, "dash": "dash", "width": 2}
        ends = {"x": [x[0], max(x[-1], x[0] + 1)], "y": [chart.limit] * 2}
        limit.append(Scatter(**ends, name="tolerance", mode="lines", line=line, hovertemplate=hover))
    low, high = map(math.log10, chart.axis.limits) if chart.axis.log else chart.axis.limits
    yaxis: Parts = {**_axis(chart.axis), "range": [low, high]}
    traces = [*band, *lines, *(turns if count > 1 else []), *symbols, *limit]
    return _figure(traces, {"title": "step"}, yaxis, hovermode="x unified")


def _turn(index: int, count: int) -> str:
    """A dash that leaves, of each period, what the curves before this one still show on."""
    return f"{TURN_PX * (count - index)}px,{TURN_PX * index}px" if index else "solid"


def _single(values: Floats) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _dots(chart: Rows) -> Figure:
    """The values with their intervals, and beneath each its launches."""
    rows = [dot for dot in chart.rows if dot.value is not None]
    traces = [trace for index, dot in enumerate(rows) for trace in (_median(dot, index), _launches(dot, index))]
    height, yaxis = HEAD_PX + ROW_PX * max(2, len(rows)), _rows_axis([dot.id for dot in rows])
    return _figure(traces, _axis(chart.axis), yaxis, height, showlegend=False)


def _median(dot: Entry, index: int) -> object:
    from plotly.graph_objects import Scatter

    value = dot.value or 0.0
    return Scatter(
        x=[value],
        y=[index - 0.1],
        mode="markers",
        name=text(dot.id),
        marker=_symbol(dot.look, 12, 2),
        error_x={"array": [dot.high - value], "arrayminus": [value - dot.low], "thickness": 3, "width": 6},
        customdata=[[format_seconds(value), format_interval(dot.low, dot.high)]],
        hovertemplate="median: %{customdata[0]}<br>%{customdata[1]}<extra>%{fullData.name}</extra>",
    )


def _launches(dot: Entry, index: int) -> object:
    """The launches below the median's symbol, in three lines, so that equal ones do not hide each other."""
    from plotly.graph_objects import Scatter

    return Scatter(
        x=[*dot.launches],
        y=[index + 0.18 + 0.07 * (number % 3) for number in range(len(dot.launches))],
        mode="markers",
        name=text(dot.id),
        marker={"color": dot.look.color, "size": 7, "opacity": 0.65, "symbol": "circle"},
        customdata=[*map(format_seconds, dot.launches)],
        hovertemplate="launch: %{customdata}<extra>%{fullData.name}</extra>",
    )


def _bars(chart: Rows) -> Figure:
    """Complete bars, of parts that differ by their pattern; the colour is the framework's, the legend's keys grey."""
    from plotly.graph_objects import Bar

    rows, scale, traces = (
        [bar for bar in chart.rows if bar.value is not None],
        MIB if chart.axis.unit == "bytes" else 1,
        [],
    )
    for part, name in enumerate(chart.parts):
        shape = PATTERNS[part - len(chart.parts)]
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7}
        group: Parts = {**_named(name), "orientation": "h", "width": 0.66}
        traces.append(Bar(x=[None], y=[None], marker={"color": GREY, "pattern": pattern}, **group))
        for index, bar in enumerate(rows):
            value = bar.parts[part] or 0.0
            marker = {"color": bar.look.color, "pattern": pattern, "line": {"color": "#ffffff", "width": 0.5}}
            hover = f"{text(bar.id)}, {text(name)}: {chart.words(value)}<extra></extra>"
            data = {"x": [value / scale], "y": [index], "hovertemplate": hover, "showlegend": False}
            traces.append(Bar(marker=marker, **data, **group))
    height, yaxis = HEAD_PX + ROW_PX * max(2, len(rows)) + 20, _rows_axis([bar.id for bar in rows])
    return _figure(traces, _axis(chart.axis), yaxis, height, barmode="stack")


def _lines(chart: Lines) -> Figure:
    traces = [trace for line in chart.lines for trace in _line(line)]
    traces += [_mark(line.mark) for line in chart.lines if line.mark]
    unified: Parts = {} if any(line.points for line in chart.lines) else {"hovermode": "x unified"}
    return _figure(traces, _axis(chart.x), _axis(chart.y), TALL_PX, **unified)


def _line(line: Line) -> Iterable[object]:
    """Measured points with their intervals, and the line; where there are points, the line stays behind them."""
    from plotly.graph_objects import Scatter

    if line.points:
        x, y, low, high = np.array(line.points).T
        yield Scatter(
            x=x.tolist(),
            y=y.tolist(),
            mode="markers",
            marker=_symbol(line.look, 9, 1.5),
            error_y={"array": (high - y).tolist(), "arrayminus": (y - low).tolist(), "thickness": 2},
            customdata=[*map(format_seconds, y)],
            hovertemplate="%{x:.3s}FLOP: %{customdata}<extra>%{fullData.name}</extra>",
            **_named(line.id),
        )
    if line.line:
        x, y = np.array(line.line).T
        hover: Parts = {"customdata": [*map(format_seconds, y)], "hovertemplate": "%{customdata}"}
        aside: Parts = {"hoverinfo": "skip", "showlegend": False} if line.points else hover
        drawn = {"color": line.look.color, "dash": line.look.dash, "width": 1.5 if line.points else 2}
        yield Scatter(x=x.tolist(), y=y.tolist(), mode="lines", line=drawn, **aside, **_named(line.id))


def _mark(mark: Mark) -> object:
    """A ring, with the interval of its place."""
    from plotly.graph_objects import Scatter

    return Scatter(
        x=[mark.x],
        y=[mark.y],
        mode="markers",
        name="",
        showlegend=False,
        marker={"symbol": "circle-open", "size": 13, "color": GREY, "line": {"width": 3}},
        error_x={"array": [mark.high - mark.x], "arrayminus": [mark.x - mark.low], "thickness": 2, "color": GREY},
        hovertemplate=mark.about,
    )
