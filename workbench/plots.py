"""Figures from frames: loss curves, step times and the time to N steps. No pyplot, no I/O but `save`.

A colour is a framework, the same in every figure; modes of one framework share it and differ in marker and
dashes. Nothing here raises for what a run may hold: what has no number is written out in grey.
"""

import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import is_color_like, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import TextToPath
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

__all__ = ["format_seconds", "loss", "phases", "save", "time"]

Floats = npt.NDArray[np.float64]

WIDTH_IN = 7.5  # at 150 dpi 1125 px: in a README of 900 px the smallest text is still 13 px high
SIZE_PT = 9.0
SMALL_PT = 8.0
INK, GREY, GRID, BAND = "#222222", "#6B6B6B", "#E4E4E4", "#D9D9D9"
FALLBACK = "#56B4E9"  # the Okabe-Ito hue that no framework of ours has
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
REFERENCE = "reference"
TIMES_SIGN = "\N{MULTIPLICATION SIGN}"
EXACT = 1e-17  # below it a relative deviation of float64 numbers means nothing
LOG_SPAN = 30.0  # from where a range is drawn on a log axis
FLAT = 1e-4  # a relative range up to which a loss counts as constant
HUGE = 1e100  # larger losses count as infinite, losses below its inverse as 0
ASTRAY = 1e3  # losses beyond this many times the reference's largest do not stretch the axis
MOST_POINTS = 1000  # buckets of one drawn curve; each keeps its lowest and highest point
MOST_DEVIATIONS = 100
MOST_NAMES = 15  # beside the loss panel; more go into a legend
RIGHT_IN = 0.28  # half a tick label
LOSS_IN, DEVIATION_IN = 3.0, 1.9  # heights of the panels with their headings
BEAD_PT = 13.0  # along the step axis, from one marker to the next
PHASES = (("import_s", 0.28), ("setup_s", 0.48), ("first_step_s", 0.70), ("step_s", 1.0))
TIMES = ("import_s", "setup_s", "first_step_s", "step_s", "step_s_low", "step_s_high")

_STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": "white",
    "axes.formatter.use_mathtext": False,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": SIZE_PT,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "figure.edgecolor": "white",
    "figure.facecolor": "white",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": SIZE_PT,
    "font.weight": "normal",
    "grid.color": GRID,
    "grid.linestyle": "-",
    "grid.linewidth": 0.7,
    "legend.fontsize": SIZE_PT,
    "legend.frameon": False,
    "path.sketch": None,
    "svg.fonttype": "none",
    "svg.hashsalt": "workbench",
    "savefig.bbox": None,
    "savefig.facecolor": "auto",
    "savefig.transparent": False,
    "text.color": INK,
    "text.parse_math": False,  # a reason may well hold two dollar signs
    "text.usetex": False,
}


def format_seconds(s: float) -> str:
    """`s` seconds with three significant digits in ns, µs, ms or s: '12.3 µs'; a dash when not finite."""
    if not math.isfinite(s):
        return "\N{EN DASH}"
    if s == 0:
        return "0 s"
    rounded = float(f"{s:.2e}")
    factor, unit = _unit(abs(rounded))
    value = rounded / factor
    decimals = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
    return f"{value:.{decimals}f} {unit}"


def loss(
    losses: pd.DataFrame,
    colors: Mapping[str, str | None],
    *,
    title: str,
    tolerance: float | None = None,
) -> Figure:
    """The loss over the steps, and beneath it how far each frontend is from the reference.

    `losses`: index = step, one column per frontend, optionally 'reference'; NaN where there is no value.
    `colors`: frontend id -> hex colour or None. `tolerance`: relative, a dashed line in the lower panel.

    Curves that coincide take turns along the step axis: each owns every n-th stretch, with its marker in the
    middle. The lower panel is there when the reference is; over long runs it shows the largest deviation
    of each stretch of steps. It is relative to the reference's value, or to its largest where that is 0.
    """
    with mpl.rc_context(_STYLE):
        curves, reference = _curves(losses, colors)
        labels = _end_labels(curves, reference)
        deviations, stride = _deviations(curves, reference)
        names_in, legend_in = _name_space_in(labels)
        body_in = (LOSS_IN + DEVIATION_IN if deviations else LOSS_IN) + legend_in
        sheet = _Sheet(title, body_in=body_in, foot_in=0.45)
        width_in = WIDTH_IN - 0.72 - names_in
        axes = sheet.axes(0.72, width_in, 0.2, LOSS_IN - 0.2)
        _loss_panel(axes, curves, reference)
        if deviations:
            lower = sheet.axes(0.72, width_in, LOSS_IN + 0.45, DEVIATION_IN - 0.45)
            _deviation_panel(lower, deviations, stride, tolerance, beside=not legend_in)
            _scale_steps(lower, curves[0].steps)
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")
        if legend_in:
            _legend(sheet.figure, labels)
        else:
            _place_labels(axes, labels, LOSS_IN - 0.2)
        return sheet.figure


def time(summary: pd.DataFrame, *, title: str) -> Figure:
    """Steady step and first step of each contestant, fastest first; those without a time beneath, in grey.

    `summary`: one row per contestant with frontend, title, color, outcome, reason and times in seconds
    (step_s with its interval step_s_low to step_s_high, first_step_s); columns that lack count as empty.
    A row is named by its frontend, or by its contestant or title where that frontend comes more than once.
    """
    with mpl.rc_context(_STYLE):
        rows = _ordered(_rows(summary), lambda row: row.seconds["step_s"])
        left_in = _label_room_in(rows)
        width_in = (WIDTH_IN - left_in - 0.3 - RIGHT_IN) / 2
        sheet, height_in = _row_sheet(title, rows, head_in=0.25)
        steady = sheet.axes(left_in, width_in, 0.25, height_in)
        first = sheet.axes(left_in + width_in + 0.3, width_in, 0.25, height_in)
        _name_rows(steady, rows)
        _name_rows(first, rows, names=False)
        intervals = any(row.interval for row in rows)
        _dots(steady, rows, "step_s", "Steady step, with its interval" if intervals else "Steady step")
        _dots(first, rows, "first_step_s", "First step")
        _notes(steady, rows, 2 * width_in + 0.3)
        return sheet.figure


def phases(summary: pd.DataFrame, *, title: str, steps: int) -> Figure:
    """Time to `steps` steady steps, as a stacked bar: import, set-up, first step, then `steps` times step_s.

    `summary` is the frame of `time`, with import_s and setup_s. A phase without a number is left out of its
    bar, and the bar's label says so.
    """
    with mpl.rc_context(_STYLE):
        rows = _ordered(_rows(summary), lambda row: sum(_parts(row, steps)))
        left_in = _label_room_in(rows)
        width_in = WIDTH_IN - left_in - RIGHT_IN
        sheet, height_in = _row_sheet(title, rows, head_in=0.3)
        axes = sheet.axes(left_in, width_in, 0.3, height_in)
        _name_rows(axes, rows)
        _bars(axes, rows, steps, width_in)
        _notes(axes, rows, width_in)
        names = ("import", "set-up", "first step", f"{steps:,} steady steps")
        tints = [_tint("#444444", share) for _, share in PHASES]
        handles = [Patch(facecolor=tint, label=name) for tint, name in zip(tints, names, strict=True)]
        sheet.legend(handles, left_in)
        return sheet.figure


def save(figure: Figure, path_without_suffix: str | Path) -> tuple[Path, Path]:
    """Write `path.png` (150 dpi) and `path.svg` (text as text); the same figure gives the same bytes.

    The folder is made if it is not there. Returns both paths.
    """
    base = Path(path_without_suffix)
    base.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (base.with_name(f"{base.name}.{kind}") for kind in ("png", "svg"))
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # an empty box is no reason to fail
        figure.savefig(png, dpi=150)
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


# --- words and numbers -------------------------------------------------------------------------------


def _unit(seconds: float) -> tuple[float, str]:
    """(seconds per unit, unit) for a duration of this size."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return factor, unit
    return 1e-9, "ns"


def _seconds_tick(seconds: float) -> str:
    factor, unit = _unit(seconds * (1 + 1e-9))
    return f"{_plain(seconds / factor)} {unit}"


def _seconds_ticks(ticks: Sequence[float]) -> list[str]:
    """Labels of evenly spaced ticks, all in the unit of the largest; 0 needs none."""
    factor, unit = _unit(max(ticks) * (1 + 1e-9))
    labels = _even([tick / factor for tick in ticks])
    return [f"{label} {unit}" if tick else "0" for tick, label in zip(ticks, labels, strict=True)]


def _even(ticks: Sequence[float]) -> list[str]:
    """Labels of evenly spaced ticks: one power of ten and one number of decimals for all."""
    size = max((abs(tick) for tick in ticks), default=0.0)
    power = 0 if size == 0 or 1e-3 <= size < 1e6 else math.floor(math.log10(size) + 1e-9)
    short = [float(f"{tick / 10.0**power:.10g}") for tick in ticks]
    decimals = max((len(f"{tick:.9f}".rstrip("0").split(".")[1]) for tick in short), default=0)
    scale = f"{TIMES_SIGN}{_power(power)}" if power else ""
    return [f"{tick:,.{decimals}f}{scale}" if tick else "0" for tick in short]


def _log_labels(ticks: Sequence[float]) -> list[str]:
    """Labels of ticks on a log axis: plain, or below 1 as powers of ten where the axis goes far down."""
    deep = min(ticks, default=1.0) < 0.999e-3
    return [_scientific(tick) if deep and tick < 1 else _plain(tick) for tick in ticks]


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _plain(value: float) -> str:
    """A number as people write it: 0.01, 25, 100,000, then a power of ten; never an offset."""
    value = float(f"{value:.8g}")
    if value and not 1e-4 < abs(value) < 1e6:
        return _scientific(value)
    return f"{value:,.10f}".rstrip("0").rstrip(".")


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.7e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = _power(int(exponent))
    return power if mantissa == "1" else f"{mantissa}{TIMES_SIGN}{power}"


def _clean(text: object, most: int = 400) -> str:
    """One printable line; '' for None and NaN."""
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return ""
    line = "".join(char if char.isprintable() else " " for char in str(text)[:most])
    return " ".join(line.split())


@lru_cache(maxsize=1024)
def _width_pt(text: str, size_pt: float = SIZE_PT) -> float:
    prop = FontProperties(family="DejaVu Sans", size=size_pt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        width_pt = float(TextToPath().get_text_width_height_descent(text, prop, False)[0])
    return 1.05 * width_pt  # on screen a glyph is rounded to whole pixels


def _fit(text: str, room_pt: float, size_pt: float = SIZE_PT, *, middle: bool = True) -> str:
    """The text, shortened in its middle or at its end until it is no wider than the room."""
    keep = len(text)
    shown = text
    while _width_pt(shown, size_pt) > room_pt and keep > 1:
        keep = max(1, min(keep - 1, int(keep * room_pt / _width_pt(shown, size_pt)) + 1))
        tail = keep // 2 if middle else 0
        shown = f"{text[: keep - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"
    return shown


def _short(names: Sequence[str], room_pt: float) -> list[str]:
    """The names, the long ones without their middle, or, should two look alike, without what they share."""
    shown = [_fit(name, room_pt) for name in names]
    if len(set(shown)) == len(set(names)):
        return shown
    long = [name for name in names if _width_pt(name) > room_pt]
    alike = [len(set(chars)) == 1 for chars in zip(*long, strict=False)]
    head = alike.index(False) if False in alike else len(alike)
    return [_fit(f"…{name[head:]}", room_pt, middle=False) if name in long else name for name in names]


# --- styles ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Style:
    color: str = FALLBACK
    mode: int = 0

    @property
    def marker(self) -> str:
        return MARKERS[self.mode % len(MARKERS)]

    @property
    def dashes(self) -> str | tuple[float, tuple[float, ...]]:
        return ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1.5, 1.2)))[self.mode % 4]

    @property
    def marking(self) -> dict[str, Any]:
        """The keyword arguments of a marker: filled for the first mode, hollow and filled in turn after."""
        face, edge = (self.color, "white") if self.mode % 2 == 0 else ("white", self.color)
        return {
            "color": self.color,
            "linestyle": "none",
            "marker": self.marker,
            "markeredgecolor": edge,
            "markeredgewidth": 1.2 if edge != "white" else 0.7,
            "markerfacecolor": face,
            "markersize": 6.5 if edge == "white" else 5.5,
        }


def _styles(colors: Mapping[str, object]) -> dict[str, _Style]:
    """One style per frontend: frontends of one colour are modes, numbered in the order of their ids."""
    known = {
        name: to_hex(color) if isinstance(color, str) and is_color_like(color) else FALLBACK
        for name, color in colors.items()
    }
    counts: dict[str, int] = {}
    styles = {}
    for name in sorted(known):
        color = known[name]
        styles[name] = _Style(color, counts.setdefault(color, 0))
        counts[color] += 1
    return styles


def _tint(color: str, share: float) -> str:
    """The colour mixed with white; share 1 is the pure colour."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(color))
    return to_hex((red, green, blue))


# --- the sheet ---------------------------------------------------------------------------------------


class _Sheet:
    """A figure measured in inches from its top left corner, with the title above."""

    def __init__(self, title: str, *, body_in: float, foot_in: float) -> None:
        lines = textwrap.wrap(_clean(title), 68) or [""]
        self.head_in = 0.17 + 0.19 * len(lines)
        self.height_in = self.head_in + body_in + foot_in
        self.figure = Figure(figsize=(WIDTH_IN, self.height_in), dpi=100)
        self.figure.text(
            0.12 / WIDTH_IN,
            1 - 0.1 / self.height_in,
            "\n".join(lines),
            fontsize=11,
            fontweight="bold",
            ha="left",
            va="top",
        )

    def axes(self, left_in: float, width_in: float, top_in: float, height_in: float) -> Axes:
        bottom_in = self.height_in - self.head_in - top_in - height_in
        axes = self.figure.add_axes(
            (
                left_in / WIDTH_IN,
                bottom_in / self.height_in,
                width_in / WIDTH_IN,
                height_in / self.height_in,
            )
        )
        axes.grid(visible=True, color=GRID, linewidth=0.7)
        axes.tick_params(length=0, labelsize=SMALL_PT, labelcolor=INK)
        axes.tick_params(which="minor", length=0)
        return axes

    def legend(self, handles: Sequence[Patch], left_in: float) -> None:
        """One line of patches right under the title."""
        self.figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(left_in / WIDTH_IN, 1 - (self.head_in - 0.01) / self.height_in),
            ncols=len(handles),
            borderaxespad=0,
            borderpad=0,
            handlelength=1.1,
            columnspacing=1.4,
        )


def _heading(axes: Axes, text: str, aside: str = "") -> None:
    axes.set_title(text, loc="left", fontsize=SIZE_PT, color=INK, pad=5)
    if aside:
        axes.set_title(aside, loc="right", fontsize=SMALL_PT, color=GREY, pad=5)


def _empty(axes: Axes, text: str) -> None:
    """An axes that says why it is empty."""
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _set_ticks(axis: Axis, ticks: Sequence[float], labels: Sequence[str]) -> None:
    """These ticks with these labels and no others; an offset can so never appear."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())


def _evenly(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round, evenly spaced tick positions in [low, high]."""
    ticks = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def _decades(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 tick positions in [low, high]: powers of ten, with 3s or 2s and 5s when few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = np.array([float(f"1e{power}") for power in range(first, last + 1)])
    slack = 1 + 1e-9

    def inside(steps: Sequence[float]) -> list[float]:
        ticks = np.sort(np.outer(powers, steps).ravel())
        return [float(tick) for tick in ticks if low / slack <= tick <= high * slack]

    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        ticks = inside(steps)
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


# --- loss --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Curve:
    """steps, levels: (points,); levels are losses or deviations, finite or NaN."""

    name: str
    style: _Style
    steps: Floats
    levels: Floats

    @property
    def last(self) -> int | None:
        """The place of the last finite value."""
        finite = np.flatnonzero(np.isfinite(self.levels))
        return int(finite[-1]) if len(finite) else None


@dataclass(frozen=True)
class _Label:
    """A name for the end of a curve, at height `value`; `whole` when that is the last step's."""

    text: str
    style: _Style | None
    value: float | None
    whole: bool = True
    single: bool = False


def _curves(losses: pd.DataFrame, colors: Mapping[str, str | None]) -> tuple[list[_Curve], _Curve | None]:
    """All columns as curves, and the reference apart."""
    names = [str(name) for name in losses.columns]
    styles = _styles({name: colors.get(name) for name in {*names, *colors} - {REFERENCE}})
    losses = losses.sort_index()
    steps = losses.index.to_numpy(dtype=float)
    curves, reference = [], None
    for place, name in enumerate(names):
        values = losses.iloc[:, place].to_numpy(dtype=float, na_value=np.nan)
        values = np.where(np.abs(values) < HUGE, values, np.nan)
        values = np.where(np.abs(values) < 1 / HUGE, 0.0, values)
        curve = _Curve(name, styles.get(name, _Style()), steps, values)
        if name != REFERENCE:
            curves.append(curve)
        elif curve.last is not None:
            reference = curve
    return curves, reference


def _end_labels(curves: Sequence[_Curve], reference: _Curve | None) -> list[_Label]:
    labels = []
    names = _short([_clean(curve.name) for curve in curves], 130)
    for name, curve in zip(names, curves, strict=True):
        note, value, whole = " (no value)", None, False
        single = len(curve.steps) == 1
        if curve.last is not None:
            value = float(curve.levels[curve.last])
            whole = curve.last == len(curve.steps) - 1
            note = "" if whole else f" (to step {_plain(curve.steps[curve.last])})"
        labels.append(_Label(name + note, curve.style, value, whole, single))
    if reference is not None and reference.last is not None:
        labels.append(_Label("reference, float64", None, float(reference.levels[reference.last])))
    return labels


def _loss_panel(axes: Axes, curves: Sequence[_Curve], reference: _Curve | None) -> None:
    drawn = [curve for curve in curves if curve.last is not None]
    everything = [*drawn, *([reference] if reference else [])]
    if not everything:
        _empty(axes, "no finite loss")
        _heading(axes, "Loss")
        return
    scale = _scale_loss(axes, everything, reference)
    _scale_steps(axes, everything[0].steps)
    if reference:
        _draw_reference(axes, reference)
    _draw(axes, drawn)
    aside = "where curves coincide they take turns" if len(drawn) > 1 and len(drawn[0].steps) > 1 else ""
    _heading(axes, f"Loss ({scale})", aside)


def _scale_loss(axes: Axes, curves: Sequence[_Curve], reference: _Curve | None) -> str:
    """Choose scale, limits and ticks of the loss axis; returns its name."""
    values = np.concatenate([curve.levels for curve in curves])
    values = values[np.isfinite(values)]
    if reference is not None and (largest := np.nanmax(np.abs(reference.levels))) > 0:
        values = values[np.abs(values) <= ASTRAY * largest]
    low, high = float(values.min()), float(values.max())
    smallest = float(np.min(values, where=values > 0, initial=np.inf))
    wide = low >= 0 and high > LOG_SPAN * smallest
    if wide and low > 0:
        pad = (high / low) ** 0.05
        axes.set_yscale("log")
        _set_log_ticks(axes, low / pad, high * pad)
        return "log scale"
    if wide:
        smallest = max(smallest, high * 1e-9)
        axes.set_yscale("symlog", linthresh=smallest)
        axes.set_ylim(-0.3 * smallest, high * (high / smallest) ** 0.05)
        ticks = [0.0, *_decades(smallest, high, 5)]
        _set_ticks(axes.yaxis, ticks, ["0", *_log_labels(ticks[1:])])
        return "log scale down to 0"
    axes.set_ylim(*_linear_limits(low, high))
    ticks = _evenly(*axes.get_ylim(), 6)
    _set_ticks(axes.yaxis, ticks, _even(ticks))
    return "linear scale"


def _set_log_ticks(axes: Axes, low: float, high: float) -> None:
    axes.set_ylim(low, high)
    ticks = _decades(low, high, 6)
    _set_ticks(axes.yaxis, ticks, _log_labels(ticks))


def _linear_limits(low: float, high: float) -> tuple[float, float]:
    """A little more than the range; a constant has a tenth of itself on both sides, not its rounding."""
    size = max(abs(low), abs(high))
    if high - low > FLAT * size:
        return low - 0.05 * (high - low), high + 0.05 * (high - low)
    return (low - 0.1 * size, high + 0.1 * size) if size else (-1.0, 1.0)


def _scale_steps(axes: Axes, steps: Floats) -> None:
    axes.set_xlabel("step", fontsize=SIZE_PT)
    low, high = float(steps[0]), float(steps[-1])
    pad = 0.015 * (high - low) or 0.5
    axes.set_xlim(low - pad, high + pad)
    ticks = MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]).tick_values(low, high) if low < high else [low]
    inside = [float(tick) for tick in ticks if low <= tick <= high + pad]
    _set_ticks(axes.xaxis, inside, [_plain(tick) for tick in inside])


def _draw_reference(axes: Axes, reference: _Curve) -> None:
    """A wide pale band beneath everything: a curve that leaves it computes something else."""
    steps, values = _thin(reference.steps, reference.levels)
    if len(steps) == 1:
        steps, values = np.array(axes.get_xlim()), np.repeat(values, 2)
    axes.plot(steps, values, color=BAND, linewidth=7, solid_capstyle="butt", zorder=1.5, label=REFERENCE)


def _draw(axes: Axes, curves: Sequence[_Curve]) -> None:
    """Each curve whole, then over them the stretches that each owns, then the markers.

    Coinciding curves so become one line in alternating colours, and a curve alone stays a plain line.
    """
    if not curves:
        return
    if len(curves[0].steps) == 1:
        _draw_single(axes, curves)
        return
    steps = curves[0].steps
    width_pt = axes.get_position().width * WIDTH_IN * 72
    beads = max(2, min(8, int(width_pt / BEAD_PT / len(curves))))
    edges = np.linspace(steps[0], steps[-1], beads * len(curves) + 1)
    line_pt = 1.7 if len(steps) <= MOST_DEVIATIONS else 1.3 if len(steps) <= MOST_POINTS else 0.9
    for place, curve in enumerate(curves):
        line, stretches, centres = _own_stretches(axes, curve, edges, place, len(curves))
        look: dict[str, Any] = {"color": curve.style.color, "linewidth": line_pt, "solid_capstyle": "butt"}
        axes.plot(*line, **look, linestyle=curve.style.dashes, zorder=2, label=curve.name)
        if len(curves) > 1:
            axes.plot(*stretches, **look, linestyle=curve.style.dashes, zorder=3, label="_stretches")
        axes.plot(*centres, **curve.style.marking, zorder=4, label="_markers")
        _mark_odd_points(axes, curve)


def _draw_single(axes: Axes, curves: Sequence[_Curve]) -> None:
    """One step: the markers stand side by side."""
    centre = curves[0].steps[0]
    spread = np.linspace(-0.35, 0.35, len(curves)) if len(curves) > 1 else np.zeros(1)
    for offset, curve in zip(spread, curves, strict=True):
        axes.plot([centre + offset], curve.levels, **curve.style.marking, zorder=4, label=curve.name)


Line = tuple[Floats, Floats]


def _own_stretches(axes: Axes, curve: _Curve, edges: Floats, place: int, count: int) -> tuple[Line, Line, Line]:
    """(the whole line, its own stretches with NaN between, the markers amid them)."""
    steps, values = _thin(curve.steps, curve.levels)
    centres = (edges[:-1] + edges[1:]) / 2
    grid = np.union1d(np.union1d(steps, edges), centres)
    bend = axes.yaxis.get_transform()  # between two steps the drawn line is straight on the axis' scale
    line = bend.inverted().transform(np.interp(grid, steps, bend.transform(values)))
    line[np.searchsorted(grid, steps)] = values
    owner = np.searchsorted(edges, grid, side="right") - 1
    own = (owner % count == place) | (np.isin(grid, edges) & ((owner - 1) % count == place))
    mine = np.isin(grid, centres[place::count])
    return (grid, line), (grid, np.where(own, line, np.nan)), (grid[mine], line[mine])


def _mark_odd_points(axes: Axes, curve: _Curve) -> None:
    """Points that no line reaches, and a cross where a curve stops before the end."""
    finite = np.concatenate([[False], np.isfinite(curve.levels), [False]])
    lone = finite[1:-1] & ~finite[:-2] & ~finite[2:]
    marking = {**curve.style.marking, "markersize": 4, "zorder": 4}
    if lone.any():
        axes.plot(curve.steps[lone], curve.levels[lone], **marking, label="_lone")
    last = curve.last
    if last is not None and last < len(curve.steps) - 1:
        marking = {
            **marking,
            "marker": "x",
            "markersize": 7,
            "markeredgewidth": 1.8,
            "markeredgecolor": curve.style.color,
        }
        axes.plot(curve.steps[[last]], curve.levels[[last]], **marking, label="_stop")


def _thin(steps: Floats, values: Floats) -> Line:
    """At most 2 x MOST_POINTS + 2 points: of each bucket the lowest and the highest, and both ends."""
    if len(steps) <= 2 * MOST_POINTS:
        return steps, values
    keep = {0, len(steps) - 1}
    for bucket in np.array_split(np.arange(len(steps)), MOST_POINTS):
        part = values[bucket]
        some = bool(np.isfinite(part).any())
        keep.update(bucket[[np.nanargmin(part), np.nanargmax(part)]].tolist() if some else [bucket[0]])
    kept = np.array(sorted(keep))
    return steps[kept], values[kept]


# --- labels at the ends ------------------------------------------------------------------------------


def _name_space_in(labels: Sequence[_Label]) -> tuple[float, float]:
    """(width of the column of names beside the panels, height of the legend instead, else 0)."""
    if len(labels) > MOST_NAMES:
        return 0.2, 0.2 + 0.17 * math.ceil(len(labels) / 3)
    return 0.62 + max([60.0, *(_width_pt(label.text) for label in labels)]) / 72, 0.0


def _place_labels(axes: Axes, labels: Sequence[_Label], height_in: float) -> None:
    """A column of names right of the axes, each as near to its curve's end as the others allow."""
    wanted = [_height(axes, label.value) for label in labels]
    # ends closer than the eye can tell stand in the order of the columns, not in that of rounding errors
    order = sorted(range(len(labels)), key=lambda place: (round(wanted[place] * 100), -place))
    heights = _spread([wanted[place] for place in order], 13 / (72 * height_in))
    point = 1 / (axes.get_position().width * WIDTH_IN * 72)
    for place, height in zip(order, heights, strict=True):
        _place_label(axes, labels[place], wanted[place], height, point)


def _place_label(axes: Axes, label: _Label, end: float, height: float, point: float) -> None:
    """One name at `height`, with a sample of its curve and a leader from its end."""
    at: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "label": "_name"}
    if label.value is not None:
        for look in _sample(label.style, single=label.single):
            middle = look.get("linestyle") == "none"
            places = [1 + 23 * point] if middle else [1 + 13 * point, 1 + 33 * point]
            axes.plot(places, [height] * len(places), **look, **at)
    if label.value is not None and label.whole:
        axes.plot([1 + point, 1 + 11 * point], [end, height], color="#BBBBBB", linewidth=0.6, **at)
    axes.text(
        1 + 38 * point,
        height,
        label.text,
        color=INK if label.value is not None else GREY,
        fontsize=SIZE_PT,
        va="center_baseline",
        transform=axes.transAxes,
    )


def _sample(style: _Style | None, *, single: bool = False) -> list[dict[str, Any]]:
    """The looks that together show what the curve of this style is like: its line, its marker."""
    if style is None:
        return [{"color": BAND, "linewidth": 7, "solid_capstyle": "butt"}]
    line = {"color": style.color, "linestyle": style.dashes, "linewidth": 1.7}
    return [style.marking] if single else [line, style.marking]


def _height(axes: Axes, value: float | None) -> float:
    """Where a value stands on the y axis, 0 to 1."""
    if value is None:
        return 0.0
    bend = axes.yaxis.get_transform()
    low, at, high = bend.transform(np.array([axes.get_ylim()[0], value, axes.get_ylim()[1]]))
    return float(np.clip((at - low) / (high - low), 0, 1))


def _spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Ascending heights in [0, 1], `gap` apart, with the least squared shift: pooled means of neighbours."""
    blocks: list[list[float]] = []
    for place, height in enumerate(wanted):
        blocks.append([height - place * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = np.concatenate([[np.mean(block)] * len(block) for block in blocks]) if blocks else np.zeros(0)
    free = max(0.0, 1 - (len(wanted) - 1) * gap)
    return [float(height) for height in np.clip(level, 0, free) + gap * np.arange(len(wanted))]


def _legend(figure: Figure, labels: Sequence[_Label]) -> None:
    """For more names than stand beside the axes: a legend at the foot."""
    handles = []
    for label in labels:
        line, *marker = _sample(label.style)
        look = {**marker[0], **line} if marker else line
        handles.append(Line2D([], [], label=label.text, **look))
    figure.legend(handles=handles, loc="lower left", ncols=3, fontsize=SMALL_PT, handlelength=2.2)


# --- deviation ---------------------------------------------------------------------------------------


def _deviations(curves: Sequence[_Curve], reference: _Curve | None) -> tuple[list[_Curve], int]:
    """|loss - reference| / |reference| of each curve, and of how many steps each point is the largest."""
    if reference is None:
        return [], 1
    size = np.abs(reference.levels)
    largest = float(np.nanmax(size)) or 1.0
    size = np.where(size > 0, size, largest)
    stride = max(1, math.ceil(len(size) / MOST_DEVIATIONS))
    deviations = []
    for curve in curves:
        values = np.abs(curve.levels - reference.levels) / size
        deviation = _Curve(curve.name, curve.style, *_largest(curve.steps, values, stride))
        if deviation.last is not None:
            deviations.append(deviation)
    return deviations, stride


def _largest(steps: Floats, values: Floats, stride: int) -> Line:
    """Of each `stride` values the largest, at the middle of their steps; (points,) to (points / stride,)."""
    if stride == 1:
        return steps, values
    missing = -len(values) % stride
    padded = np.pad(values, (0, missing), constant_values=np.nan).reshape(-1, stride)
    places = np.pad(steps, (0, missing), mode="edge").reshape(-1, stride)
    largest = np.max(padded, axis=1, where=np.isfinite(padded), initial=-1.0)
    return places[:, [0, -1]].mean(axis=1), np.where(largest < 0, np.nan, largest)


def _deviation_panel(
    axes: Axes, curves: Sequence[_Curve], stride: int, tolerance: float | None, *, beside: bool
) -> None:
    bound = tolerance if tolerance and 0 < tolerance < math.inf else None
    floor = _scale_deviations(axes, np.concatenate([curve.levels for curve in curves]), bound)
    _draw(axes, [replace(curve, levels=np.maximum(curve.levels, floor)) for curve in curves])
    if bound:
        _draw_tolerance(axes, bound, beside=beside)
    aside = f"largest of each {stride:,} steps" if stride > 1 else ""
    _heading(axes, "Relative deviation from the reference (log scale)", aside)


def _scale_deviations(axes: Axes, values: Floats, bound: float | None) -> float:
    """Limits and ticks; returns where exact agreement stands, a decade beneath the smallest deviation."""
    inexact = values[values > 0]
    exact = bool(np.any(values == 0))
    floor = max(EXACT, float(inexact.min(initial=1.0 if len(inexact) else EXACT)))
    if exact:
        floor = max(EXACT, 10.0 ** math.floor(math.log10(floor) - 1))
    high = max(float(inexact.max(initial=0.0)), bound or 0.0, 100 * floor)
    axes.set_yscale("log")
    axes.set_ylim(min(floor, bound or floor) / 2, 4 * min(high, 100.0 * max(1.0, floor)))
    ticks = _decades(*axes.get_ylim(), 4)
    if exact:
        ticks = [tick for tick in ticks if tick > 3 * floor]
    labels = _log_labels(ticks)
    _set_ticks(axes.yaxis, [floor] * exact + ticks, ["exact"] * exact + labels)
    return floor


def _draw_tolerance(axes: Axes, bound: float, *, beside: bool) -> None:
    """A dashed line, named beside the axes or, without room there, on the line."""
    axes.axhline(bound, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=5, label="tolerance")
    axes.text(
        1.01 if beside else 0.99,
        bound,
        f"tolerance {_plain(bound)}",
        transform=axes.get_yaxis_transform(),
        fontsize=SMALL_PT,
        ha="left" if beside else "right",
        va="center",
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )


# --- rows --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """One contestant; what cannot be a time in seconds (negative, 0, infinite) is NaN."""

    label: str
    style: _Style
    ok: bool
    note: str
    seconds: Mapping[str, float]

    @property
    def interval(self) -> tuple[float, float] | None:
        low, high = self.seconds["step_s_low"], self.seconds["step_s_high"]
        return (low, high) if low <= high and self.ok else None


def _rows(summary: pd.DataFrame) -> list[_Row]:
    """The frame's rows in its order; named by frontend, or longer where a frontend comes twice."""
    frame = summary.reindex(columns=["frontend", "contestant", "title", "color", "outcome", "reason", *TIMES])
    for column in TIMES:
        times = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        frame[column] = np.where((times > 1e-15) & (times < 1e12), times, np.nan)
    ids = [_clean(name) for name in frame["frontend"]]
    styles = _styles(dict(zip(ids, frame["color"], strict=True)))
    records = frame.to_dict("records")
    longer = [_clean(row["contestant"]) or _clean(row["title"]) or name for name, row in zip(ids, records, strict=True)]
    labels = [long if ids.count(name) > 1 else name for name, long in zip(ids, longer, strict=True)]
    rows = []
    for name, label, row in zip(ids, _short(labels, 150), records, strict=True):
        outcome, reason = _clean(row["outcome"]), _clean(row["reason"])
        note = ": ".join(part for part in (outcome or "no outcome", reason) if part)
        seconds = {column: float(row[column]) for column in TIMES}
        rows.append(_Row(label, styles[name], outcome == "ok", note, seconds))
    return rows


def _ordered(rows: Iterable[_Row], seconds: Callable[[_Row], float]) -> list[_Row]:
    """Fastest first, then those that are ok without this time, then the others in their order."""

    def key(row: _Row) -> tuple[bool, float]:
        value = seconds(row)
        return not row.ok, (value if math.isfinite(value) else math.inf) if row.ok else 0.0

    return sorted(rows, key=key)


def _label_room_in(rows: Sequence[_Row]) -> float:
    return 0.25 + max((_width_pt(row.label) for row in rows), default=60) / 72


def _row_sheet(title: str, rows: Sequence[_Row], *, head_in: float) -> tuple[_Sheet, float]:
    height_in = 0.27 * max(1, len(rows)) + 0.06
    return _Sheet(title, body_in=head_in + height_in, foot_in=0.32), height_in


def _name_rows(axes: Axes, rows: Sequence[_Row], *, names: bool = True) -> None:
    if not rows:
        _empty(axes, "nothing was measured")
        return
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.label if names else "" for row in rows], fontsize=SIZE_PT)
    axes.spines["left"].set_visible(False)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(INK if row.ok else GREY)


def _notes(axes: Axes, rows: Sequence[_Row], room_in: float) -> None:
    """Why a row has no time, in grey where its dot would be, over all panels."""
    axes.set_zorder(1)
    axes.patch.set_visible(False)
    for place, row in enumerate(rows):
        if not row.ok:
            text = _fit(row.note, room_in * 72 - 8, SMALL_PT, middle=False)
            _grey(axes, place, text)


def _grey(axes: Axes, place: int, text: str) -> None:
    axes.text(
        0.01,
        place,
        text,
        transform=axes.get_yaxis_transform(),
        color=GREY,
        fontsize=SMALL_PT,
        va="center_baseline",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )


def _reach(start: float, ends: Floats, labels_pt: Floats, room_pt: float) -> float:
    """The axis' upper limit from which every end and the label right of it fit into the room."""
    free_pt = np.maximum(room_pt - labels_pt - 12, 0.2 * room_pt)
    return max(float(np.max(start + (ends - start) * room_pt / free_pt)), start + 1e-12)


# --- dots --------------------------------------------------------------------------------------------


def _dots(axes: Axes, rows: Sequence[_Row], column: str, heading: str) -> None:
    _heading(axes, heading)
    timed = [(place, row) for place, row in enumerate(rows) if row.ok and math.isfinite(row.seconds[column])]
    for place, row in enumerate(rows):
        if row.ok and (place, row) not in timed:
            _grey(axes, place, "not measured")
    if not timed:
        axes.set_xticks([])
        return
    values = np.array([row.seconds[column] for _, row in timed])
    spans = [row.interval if column == "step_s" else None for _, row in timed]
    _scale_seconds(axes, values, [span or (value, value) for span, value in zip(spans, values, strict=True)])
    for (place, row), value, span in zip(timed, values, spans, strict=True):
        if span:
            axes.plot(span, [place, place], color=row.style.color, linewidth=2.2, alpha=0.55, label="_interval")
        axes.plot([value], [place], **row.style.marking, zorder=3, label=row.label)
        right = max(value, span[1]) if span else value
        axes.annotate(
            format_seconds(value),
            (right, place),
            (6, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=SMALL_PT,
        )


def _scale_seconds(axes: Axes, values: Floats, spans: Sequence[tuple[float, float]]) -> None:
    """Scale, limits and ticks, with room for the values written right of the dots."""
    room_pt = axes.get_position().width * WIDTH_IN * 72
    labels_pt = np.array([_width_pt(format_seconds(value), SMALL_PT) for value in values])
    lows, highs = np.array(spans).T
    highs = np.maximum(highs, values)
    if values.max() > LOG_SPAN * values.min():
        # an interval that nearly reaches 0 must not stretch a log axis
        low = math.log10(max(min(lows.min(), values.min()), values.min() / 3))
        start = low - 0.06 * (math.log10(highs.max()) - low)
        limits = 10**start, 10 ** _reach(start, np.log10(highs), labels_pt, room_pt)
        axes.set_xscale("log")
        ticks = _decades(*limits, int(room_pt / 45))
        labels = [_seconds_tick(tick) for tick in ticks]
    else:
        limits = 0.0, _reach(0.0, highs, labels_pt, room_pt)
        ticks = _evenly(*limits, max(3, int(room_pt / 45)))
        labels = _seconds_ticks(ticks)
    axes.set_xlim(*limits)
    _set_ticks(axes.xaxis, ticks, labels)


# --- bars --------------------------------------------------------------------------------------------


def _parts(row: _Row, steps: int) -> list[float]:
    """Seconds of the four phases; NaN where one is not known."""
    return [row.seconds[column] * (steps if column == "step_s" else 1) for column, _ in PHASES]


def _total(row: _Row, steps: int) -> float:
    return float(np.nansum(_parts(row, steps)))


def _total_label(row: _Row, steps: int) -> str:
    names = ("import", "set-up", "first step", "steady steps")
    missing = [name for name, part in zip(names, _parts(row, steps), strict=True) if math.isnan(part)]
    if len(missing) == len(names):
        return "not measured"
    return format_seconds(_total(row, steps)) + (f" without {', '.join(missing)}" if missing else "")


def _bars(axes: Axes, rows: Sequence[_Row], steps: int, width_in: float) -> None:
    timed = [(place, row) for place, row in enumerate(rows) if row.ok]
    totals = np.array([_total(row, steps) for _, row in timed])
    if not totals.any():
        axes.set_xticks([])
        for place, _ in timed:
            _grey(axes, place, "not measured")
        return
    labels = [_total_label(row, steps) for _, row in timed]
    high = _reach(0.0, totals, np.array([_width_pt(label, SMALL_PT) for label in labels]), width_in * 72)
    axes.set_xlim(0, high)
    axes.grid(visible=False, axis="y")
    ticks = _evenly(0.0, high, 6)
    _set_ticks(axes.xaxis, ticks, _seconds_ticks(ticks))
    for (place, row), total, label in zip(timed, totals, labels, strict=True):
        _bar(axes, place, row, steps)
        axes.annotate(
            label, (total, place), (5, 0), textcoords="offset points", va="center_baseline", fontsize=SMALL_PT
        )


def _bar(axes: Axes, place: int, row: _Row, steps: int) -> None:
    start = 0.0
    for part, (_, share) in zip(_parts(row, steps), PHASES, strict=True):
        if part > 0:
            color = _tint(row.style.color, share)
            axes.barh(place, part, left=start, height=0.66, color=color, edgecolor="white", linewidth=0.5)
            start += part
