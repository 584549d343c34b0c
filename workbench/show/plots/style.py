"""What all figures share: size and title, colours and markers, log axes, and names at the ends of curves."""

import base64
import io
import math
import os
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from workbench.show.charts.kinds import Axis
from workbench.show.charts.looks import SHAPES, Look
from workbench.statistics.arrays import Floats

WIDTH_IN = 7.5  # at 150 dpi 1125 px: in a README of 900 px the smallest text is still 13 px high
SCREEN_DPI = 200  # displayed at half the size: a notebook's column is some 900 px wide
NAME_IN = 0.19  # distance between the names at the ends of curves
INK, GREY, GRID = "#222222", "#6B6B6B", "#E4E4E4"
NUMBERS = "{x:,.8g}"  # format of a tick's label
MARKERS: Final = dict(zip(SHAPES, "os^DvPX*", strict=True))


class Style(TypedDict, total=False):
    """Properties of an artist, as Matplotlib names them."""

    alpha: float
    color: str
    fontsize: float
    label: str
    linewidth: float
    marker: str
    markeredgecolor: str
    markeredgewidth: float
    markerfacecolor: str
    markersize: float
    va: str


SMALL: Final[Style] = {"fontsize": 8, "va": "center_baseline"}
INTERVAL: Final[Style] = {"linewidth": 2.2, "alpha": 0.55, "label": "_interval"}

_SETTINGS: Final[dict[str, object]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "butt",
    "svg.fonttype": "none",
    "svg.hashsalt": "workbench",
    "text.color": INK,
    "text.parse_math": False,  # the reason for a failure may well contain two dollar signs
}


DATE = "SOURCE_DATE_EPOCH"


@contextmanager
def styled() -> Iterator[None]:
    """Use these settings, and none of the user's, within the context."""
    with matplotlib.style.context(["default", _SETTINGS]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a missing glyph is no reason to fail
        date = os.environ.pop(DATE, None)  # which may be odd, and is not wanted in any picture
        try:
            yield
        finally:
            if date is not None:
                os.environ[DATE] = date


def save(figure: Figure, path_without_suffix: str | Path) -> tuple[Path, Path]:
    """Write `path.png` (150 dpi) and `path.svg` (text as text) and return both paths; output is reproducible."""
    base = Path(path_without_suffix)
    base.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (base.with_name(f"{base.name}.{kind}") for kind in ("png", "svg"))
    with styled():
        figure.savefig(png, dpi=150)
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


class Sheet(Figure):
    """A figure that notebooks display without pyplot, and sharply on high-resolution screens."""

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        """The PNG and its display size, drawn with our settings instead of the notebook's."""
        image = io.BytesIO()
        with styled():
            self.savefig(image, dpi=SCREEN_DPI, format="png")
        width, height = (round(inches * SCREEN_DPI / 2) for inches in self.get_size_inches())
        content = {"image/png": base64.b64encode(image.getvalue()).decode()}
        return content, {"image/png": {"width": width, "height": height}}


def sheet(title: str, height_in: float) -> Figure:
    """An empty figure with its title; constrained layout places what is drawn beneath."""
    lines = textwrap.wrap(clean(title), 68) or [""]
    figure = Sheet(figsize=(WIDTH_IN, height_in + 0.3 + 0.17 * len(lines)), layout="constrained")
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def panel(axes: Axes, heading: str = "", aside: str = "") -> None:
    """Add a heading, a pale grid and ticks without lines; set here, because ticks are also created outside `styled`."""
    axes.set_title(heading)
    axes.set_title(aside, loc="right", fontsize=8, color=GREY)
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.tick_params(which="both", length=0, labelsize=8, labelcolor=INK)


def empty(axes: Axes, text: str) -> None:
    """Make this a panel without axes that says why it is empty."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def scale(axes: Axes, which: str, axis: Axis, most: int | None = None) -> None:
    """Set scale, limits and ticks of x or y; a log axis has powers of ten, and ticks between if they are few."""
    shown = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log" if axis.log else "linear", f"{which}lim": axis.limits})
    if axis.log:
        most, decades = most or 5, math.log10(axis.high / axis.low)
        between = (1, 2, 5) if decades < most / 3 else (1, 3) if decades < most / 2 else (1,)
        shown.set_major_locator(LogLocator(subs=between, numticks=most))
        shown.set_minor_locator(NullLocator())
    elif most:
        shown.set_major_locator(MaxNLocator(most))
    units = {"s": EngFormatter(unit="s"), "FLOP": EngFormatter()}
    shown.set_major_formatter(units.get(axis.unit, NUMBERS))


def clean(text: str) -> str:
    """A text as one printable line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[:400]).split())


def short(names: Sequence[str], most: int = 26) -> list[str]:
    """The names, long ones without their middle or, where that makes them look alike, without their common start."""
    shown = [name if len(name) <= most else f"{name[: most - 10]}…{name[-9:]}" for name in names]
    alike = [name for name, cut in zip(names, shown, strict=True) if shown.count(cut) > 1 and len(name) > most]
    start = next((index for index, chars in enumerate(zip(*alike, strict=False)) if len({*chars}) > 1), 0)
    return [f"…{name[start:][: most - 1]}" if name in alike else cut for name, cut in zip(names, shown, strict=True)]


def marker(look: Look) -> Style:
    """A contestant's colour and marker as Matplotlib properties."""
    return {
        "color": look.color,
        "marker": MARKERS[look.shape],
        "markeredgecolor": look.color if look.hollow else "white",
        "markeredgewidth": 1.0,
        "markerfacecolor": "white" if look.hollow else look.color,
        "markersize": 5.5 if look.hollow else 6.5,
    }


@dataclass(frozen=True)
class End:
    """The end of a curve: its name and its last value (NaN if none); `reached` if it is at the right edge."""

    name: str
    style: Style
    value: float
    reached: bool = True


def name_ends(axes: Axes, ends: Sequence[End], height_in: float) -> None:
    """Put names right of the axes, `height_in` high, as near to the ends of the curves as space allows."""
    scaled, right = axes.transScale + axes.transLimits, axes.get_xlim()[1]
    wanted = [float(np.clip(np.nan_to_num(scaled.transform((right, end.value))[1]), 0, 1)) for end in ends]
    # ends that look equal are listed in the given order, not in the order of their rounding errors
    order = sorted(range(len(ends)), key=lambda index: (round(wanted[index] * 100), -index))
    offsets = NAME_IN / height_in * np.arange(len(ends))
    if ends:
        levels = never_falling(np.array([wanted[index] for index in order]) - offsets)
        heights = np.clip(levels, 0, max(0.0, 1 - offsets[-1])) + offsets
        for index, height in zip(order, heights, strict=True):
            _name_end(axes, ends[index], wanted[index], float(height))


def never_falling(values: Floats) -> Floats:
    """The non-decreasing values nearest to these in least squares (isotonic regression): shape (n,), for small n.

    By the max-min formula (Barlow et al. 1972, Statistical Inference under Order Restrictions), O(n^3); SciPy's
    isotonic_regression costs the harness 40 MiB to import.
    """
    indices = range(len(values))
    means = [[values[min(i, j) : j + 1].mean() for j in indices] for i in indices]
    return np.array([max(min(means[i][k:]) for i in indices[: k + 1]) for k in indices])


def _name_end(axes: Axes, end: End, start: float, height: float) -> None:
    """Write the name at `height`, with a sample of its curve and a leader line from the curve's end."""
    where, has_value = axes.transAxes, math.isfinite(end.value)
    lines = []
    if has_value:
        lines += axes.plot(
            [1.04, 1.07, 1.10], [height] * 3, markevery=[1], label="_sample", transform=where, **end.style
        )
    if has_value and end.reached:
        lines += axes.plot(
            [1.005, 1.03], [start, height], color="#BBBBBB", linewidth=0.6, label="_leader", transform=where
        )
    for line in lines:
        line.set_clip_on(False)
    axes.text(1.115, height, end.name, color=INK if has_value else GREY, va="center_baseline", transform=where)
