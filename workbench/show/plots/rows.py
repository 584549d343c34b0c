"""A row per contestant: dots with their intervals, or stacked bars; a grey note for those without a number."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from workbench.show.charts.kinds import Entry, Rows
from workbench.show.plots import style

ROW_IN = 0.27
MOST_CHARACTERS = 80  # of the reason beside a row
SHADES = (0.28, 0.48, 0.70, 1.0)  # opacity of a bar's parts, from the left


def dots(panels: Sequence[Rows], *, title: str) -> Figure:
    """Panels side by side with the same rows; the reason for a failure appears in the first panel."""
    rows = panels[0].rows
    with style.styled():
        figure = style.sheet(title, ROW_IN * len(rows) + 0.5)
        for axes, chart in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
            style.panel(axes, chart.heading)
            axes.spines.left.set_visible(False)
            _dots(axes, chart)
        for axes in figure.axes[1:]:
            axes.spines.bottom.set_visible(bool(rows))
        _name_rows(figure.axes[0], rows)
    return figure


def bars(chart: Rows, *, title: str) -> Figure:
    """Stacked bars; a part without a number is left out, and the bar's label says so."""
    with style.styled():
        figure = style.sheet(title, ROW_IN * len(chart.rows) + 0.6)
        axes = figure.subplots()
        style.panel(axes)
        axes.grid(visible=False, axis="y")
        axes.spines.left.set_visible(False)
        shades = SHADES[-len(chart.parts) :]
        keys = [
            Patch(color="#444444", alpha=shade, label=part) for shade, part in zip(shades, chart.parts, strict=True)
        ]
        axes.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0, handlelength=1.1)
        _name_rows(axes, chart.rows)
        _bars(axes, chart)
    return figure


def _name_rows(axes: Axes, rows: Sequence[Entry]) -> None:
    """Put names left of the axes and, in the row of a failed contestant, the reason in grey."""
    if not rows:
        style.empty(axes, "nothing was measured")
        return
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), style.short([style.clean(row.id) for row in rows]), fontsize=9)
    axes.set_zorder(1)
    axes.patch.set_visible(False)
    for index, (label, row) in enumerate(zip(axes.get_yticklabels(), rows, strict=True)):
        label.set_color(style.GREY if row.failure else style.INK)
        if row.failure:
            _grey_note(axes, index, style.clean(row.failure))


def _grey_note(axes: Axes, index: int, text: str) -> None:
    text = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS].rstrip()}…"
    at, box = axes.get_yaxis_transform(), {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(0.01, index, text, transform=at, color=style.GREY, bbox=box, in_layout=False, **style.SMALL)


def _value(axes: Axes, right: float, index: int, text: str) -> None:
    """Write the value right of a dot or bar; the layout makes room where it extends beyond the panel."""
    axes.annotate(text, (right, index), (6, 0), textcoords="offset points", **style.SMALL)


def _dots(axes: Axes, chart: Rows) -> None:
    if all(dot.value is None for dot in chart.rows):
        axes.set_xticks([])
    else:
        style.scale(axes, "x", chart.axis, 5 if chart.axis.log else 4)
    for index, dot in enumerate(chart.rows):
        if dot.value is not None:
            axes.hlines(index, dot.low, dot.high, color=dot.look.color, **style.INTERVAL)
            axes.plot([dot.value], [index], **style.marker(dot.look), linestyle="none", zorder=3, label=dot.id)
            _value(axes, dot.high, index, chart.words(dot.value))
        elif not dot.failure:
            _grey_note(axes, index, "not measured")


def _bars(axes: Axes, chart: Rows) -> None:
    rows, starts = range(len(chart.rows)), [0.0] * len(chart.rows)
    colors = [bar.look.color for bar in chart.rows]
    for part, shade in enumerate(SHADES[-len(chart.parts) :]):
        widths = [bar.parts[part] or 0.0 for bar in chart.rows]
        axes.barh(rows, widths, 0.66, starts, color=colors, alpha=shade, linewidth=0)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for index, bar in enumerate(chart.rows):
        missing = [name for name, part in zip(chart.parts, bar.parts, strict=True) if part is None]
        if not bar.failure and len(missing) == len(chart.parts):
            _grey_note(axes, index, "not measured")
        elif not bar.failure:
            without = f" without {', '.join(missing)}" if missing else ""
            _value(axes, bar.measured, index, chart.words(bar.measured) + without)
    if chart.axis.high > 0:
        style.scale(axes, "x", chart.axis)
    else:
        axes.set_xticks([])
