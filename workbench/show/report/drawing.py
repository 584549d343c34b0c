"""What all charts share: looks as in the matplotlib figures, the empty figure, axes, names as literal text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import one_line
from workbench.show.report.parts import Row

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from workbench.store.results import Run

Look = Mapping[str, Any]

LOG_SPAN = 30.0  # from where a range is drawn on a log axis
ROW_PX, HEAD_PX, TALL_PX = 30, 120, 420
SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross"}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
GREY = "#8a8f98"
SECONDS: Final[dict[str, Any]] = {"ticksuffix": "s", "tickformat": "~s", "exponentformat": "SI"}


def looks(run: Run) -> dict[str, Look]:
    """Colour, symbol and dash of each frontend; modes of one framework share the colour."""
    from workbench.show.plots import style

    found: dict[str, Look] = {}
    seen: dict[str, int] = {}
    for name, look in style.looks(run.colors).items():
        mode = seen[look["color"]] = seen.get(look["color"], -1) + 1
        hollow = "-open" if look["markerfacecolor"] == "white" else ""
        symbol = SYMBOLS.get(look["marker"], "star") + hollow
        found[name] = {"color": look["color"], "symbol": symbol, "dash": DASHES[mode % len(DASHES)]}
    return found


def text(name: object) -> str:
    """A name as Plotly's own markup shows it literally."""
    return escape(one_line(str(name)), quote=False)


def figure_of(traces: Iterable[Any], *, height: int = TALL_PX, **layout: Any) -> Figure:
    """A figure without a background of its own; the page's style colours its words and grid, in light and dark."""
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
            xaxis={**axis, **layout.pop("xaxis", {})},
            yaxis={**axis, **layout.pop("yaxis", {})},
            **layout,
        ),
    )


def axis_over(values: Iterable[float], **axis: Any) -> dict[str, Any]:
    """A log axis where positive values span more than a factor of LOG_SPAN, else a linear one from 0."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if known and min(known) > 0 and max(known) > LOG_SPAN * min(known):
        return {"type": "log", "dtick": "D2" if max(known) < 1e3 * min(known) else 1, **axis}
    return {"rangemode": "tozero", **axis}


def rows_axis(timed: Sequence[Row]) -> dict[str, Any]:
    """A row per frontend, the fastest on top."""
    names = [text(entry["frontend"]) for entry in timed]
    return {"tickvals": [*range(len(names))], "ticktext": names, "range": [len(names) - 0.4, -0.6], "showgrid": False}


def height_of(count: int) -> int:
    """Pixels for so many rows."""
    return HEAD_PX + ROW_PX * max(2, count)
