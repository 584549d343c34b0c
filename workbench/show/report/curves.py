"""The loss over the steps, and how far each frontend is from the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.show.report.drawing import GREY, Look, axis_over, figure_of, looks, text
from workbench.show.report.parts import Chart, Table, colors, listed

if TYPE_CHECKING:
    import pandas as pd

    from workbench.store.results import Run

REFERENCE = "reference"
MOST_STEPS = 1500  # points of a curve; longer runs are thinned
MARKS = 6  # symbols on each curve
TURN_PX = 9  # how long each of coinciding curves shows


def curves(run: Run) -> list[Chart]:
    """The loss over the steps, and the deviation from the reference."""
    titles = {"loss": "Loss", "deviation": "Deviation from the reference"}
    try:
        losses = run.losses
    except WorkbenchError as error:
        return [Chart(name, title, f"Not drawn: {error}") for name, title in titles.items()]
    finite = losses.astype(float).where(losses.abs() < 1e30)
    names = [str(name) for name in finite if name != REFERENCE]
    if not names or not finite.notna().any(axis=None):
        return [Chart(name, title, "Nothing has been proven, so there is no curve.") for name, title in titles.items()]
    return [_loss(run, finite, names, titles["loss"]), _deviation(run, finite, names, titles["deviation"])]


def _loss(run: Run, finite: pd.DataFrame, names: Sequence[str], title: str) -> Chart:
    import plotly.graph_objects as go

    shown = finite.iloc[_kept(len(finite))]
    band = go.Scatter(
        x=shown.index, y=_single(shown[REFERENCE]), name="reference, float64", mode="lines",
        line={"color": GREY, "width": 9}, opacity=0.45, hovertemplate="%{y:.6g}",
    )  # fmt: skip
    traces = [band, *_lines(shown, names, looks(run), "%{y:.6g}")]
    values = shown.to_numpy().ravel()
    yaxis = axis_over((value for value in values if math.isfinite(value)), title="loss")
    figure = figure_of(traces, xaxis={"title": "step"}, yaxis={**yaxis, "rangemode": "normal"}, hovermode="x unified")
    ends = finite[REFERENCE].dropna()
    about = (
        f"The loss goes from {ends.iloc[0]:.4g} to {ends.iloc[-1]:.4g} in {len(finite):,} steps of the reference. "
        if len(ends)
        else ""
    )
    broken = [name for name in names if finite[name].notna().sum() < len(finite)]
    about += f"Without a finite loss at every step: {listed(broken)}. " if broken else ""
    about += "Curves that coincide take turns, and their symbols stand at steps of their own."
    table = Table(
        "Loss at some steps",
        ["step", REFERENCE, *names],
        [
            [f"{step:,}", *(_number(finite[name].iloc[step]) for name in (REFERENCE, *names))]
            for step in _some(len(finite))
        ],
    )
    return Chart("loss", title, about, figure, table)


def _deviation(run: Run, finite: pd.DataFrame, names: Sequence[str], title: str) -> Chart:
    import plotly.graph_objects as go

    off = _deviations(finite, names)
    tolerance = run.info["tolerance"]
    inexact = [value for value in off.to_numpy().ravel() if value > 0]
    floor = min(inexact, default=1e-16) / 3
    width = math.ceil(len(off) / MOST_STEPS)
    shown = off.groupby([step // width * width for step in range(len(off))]).max()
    traces = _lines(shown.clip(lower=floor), names, looks(run), "%{y:.2g}")
    ends = [0, max(1, len(off) - 1)]
    limit = go.Scatter(
        x=ends, y=[tolerance] * 2, name="tolerance", mode="lines", hovertemplate="%{y:.2g}",
        line={"color": GREY, "dash": "dash", "width": 2},
    )  # fmt: skip
    yaxis = {"type": "log", "dtick": 1, "exponentformat": "power", "title": "relative deviation"}
    figure = figure_of([*traces, limit], xaxis={"title": "step"}, yaxis=yaxis, hovermode="x unified")
    about = f"How far each loss is from float64 NumPy, relative; the tolerance of the proof is {tolerance:.1e}."
    about += f" Each point is the largest of {width} steps." if width > 1 else ""
    about += f" Points at {floor:.1e} agree exactly." if (off == 0).any(axis=None) else ""
    lines = [[name, _number(off[name].max()), _number(off[name].iloc[-1])] for name in names]
    table = Table("Deviation from the reference", ["frontend", "largest", "last step"], lines, colors(run))
    return Chart("deviation", title, about, figure, table)


def _deviations(finite: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """|loss - reference| / |reference|, or relative to the reference's largest where that is 0."""
    size = finite[REFERENCE].abs()
    scale = size.where(size > 0, size.max() or 1.0)
    return finite[[*names]].sub(finite[REFERENCE], axis=0).abs().div(scale, axis=0)


def _lines(frame: pd.DataFrame, names: Sequence[str], known: Mapping[str, Look], hover: str) -> list[Any]:
    """Every curve as a thin line, over them thick stretches in turn, then symbols at steps of their own.

    Of n curves that coincide, each so shows on an n-th of the length.
    """
    import plotly.graph_objects as go

    lines, turns, symbols = [], [], []
    for place, name in enumerate(names):
        look, values = known[name], _single(frame[name])
        line = {"color": look["color"], "dash": look["dash"], "width": 1.7}
        of_one: dict[str, Any] = {"legendgroup": text(name), "name": text(name)}
        lines.append(go.Scatter(x=frame.index, y=values, mode="lines", line=line, hovertemplate=hover, **of_one))
        aside: dict[str, Any] = {"showlegend": False, "hoverinfo": "skip", **of_one}
        turn = {"color": look["color"], "width": 3.5, "dash": _turn(place, len(names))}
        turns.append(go.Scatter(x=frame.index, y=values, mode="lines", line=turn, **aside))
        marker = {"color": look["color"], "symbol": look["symbol"], "size": 9, "line": {"width": 1.5}}
        own = frame[name].iloc[_own(place, len(names), len(frame))]
        symbols.append(go.Scatter(x=own.index, y=_single(own), mode="markers", marker=marker, **aside))
    return [*lines, *(turns if len(names) > 1 else []), *symbols]


def _turn(place: int, count: int) -> str:
    """A dash that leaves, of each period, what the curves before this one still show on."""
    return f"{TURN_PX * (count - place)}px,{TURN_PX * place}px" if place else "solid"


def _own(place: int, count: int, steps: int) -> slice:
    """The steps that this curve, of so many, has its symbols at."""
    stride = max(1, steps // (MARKS * count))
    return slice(place * stride, None, stride * count)


def _single(values: pd.Series[float]) -> Any:
    return values.to_numpy(dtype="float32")


def _kept(count: int) -> list[int]:
    """At most MOST_STEPS places of so many, the last one among them."""
    stride = math.ceil(count / MOST_STEPS)
    return sorted({*range(0, count, stride), count - 1}) if count else []


def _some(count: int) -> list[int]:
    """The first, the last, and some steps between, closer at the beginning."""
    between = (round(count ** (part / 8)) - 1 for part in range(1, 8))
    return sorted({0, *(step for step in between if 0 <= step < count), count - 1})


def _number(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.4g}"
