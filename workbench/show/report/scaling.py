"""Time over a growing number: of steps, for compiled styles; of operations in a step, for the size sweep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from workbench.show.report.drawing import GREY, SECONDS, figure_of, looks, text
from workbench.show.report.parts import Chart, Row, Table, colors, usable
from workbench.show.report.verdict import overtaking
from workbench.show.units import format_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from workbench.show.report.drawing import Look
    from workbench.store.results import Run

BREAK_EVENS = {"break-even": "break_even", "earliest": "break_even_low", "latest": "break_even_high"}
LOG: Final[dict[str, Any]] = {"type": "log", "dtick": 1}
SOME = 80  # points of a drawn line


def break_even(run: Run, timed: Sequence[Row]) -> Chart:
    """The time that has gone by over the number of steps: compiled styles against the eager ones they compile."""
    by_id = {entry["frontend"]: entry for entry in timed}
    pairs = [(by_id[entry["break_even_against"]], entry) for entry in timed if entry["break_even_against"] in by_id]
    if not pairs:
        return Chart("break-even", "Break-even", "No compiled style was timed together with the eager one it compiles.")
    last = max(100, run.info["problem"]["steps"], *(10 * (entry["break_even"] or 0) for _, entry in pairs))
    counts = sorted({round(last ** (part / SOME)) for part in range(SOME + 1)})
    known = looks(run)
    curves = {entry["frontend"]: entry for pair in pairs for entry in pair}
    traces = [_elapsed(entry, counts, known[name]) for name, entry in curves.items()]
    traces += [_crossing(eager, entry) for eager, entry in pairs if entry["break_even"]]
    xaxis, yaxis = {**LOG, "title": "steps", "tickformat": "~s"}, {**LOG, "title": "time", **SECONDS}
    lines = [
        [f"{entry['frontend']} against {eager['frontend']}", *(_steps(entry[name]) for name in BREAK_EVENS.values())]
        for eager, entry in pairs
    ]
    return Chart(
        "break-even",
        "Break-even",
        f"Cumulative time without the import, which both share. {'. '.join(overtaking(entry) for _, entry in pairs)}.",
        figure_of(traces, xaxis=xaxis, yaxis=yaxis, hovermode="x unified"),
        Table("Steps to break even", ["compiled against eager", *BREAK_EVENS], lines),
    )


def _after(entry: Row, count: int) -> float:
    """Seconds until so many steps are done, the import left out."""
    return float(entry["setup_s"] + entry["first_step_s"] + (count - 1) * entry["step_s"])


def _elapsed(entry: Row, counts: Sequence[int], look: Look) -> Any:
    import plotly.graph_objects as go

    seconds = [_after(entry, count) for count in counts]
    line = {"color": look["color"], "dash": look["dash"], "width": 2}
    hover = {"customdata": [*map(format_seconds, seconds)], "hovertemplate": "%{customdata}"}
    return go.Scatter(x=[*counts], y=seconds, mode="lines", name=text(entry["frontend"]), line=line, **hover)


def _crossing(eager: Row, entry: Row) -> Any:
    """A ring where two curves meet, with the interval of that number of steps."""
    import plotly.graph_objects as go

    at = entry["break_even"]
    above, below = (
        0 if entry[name] is None else abs(entry[name] - at) for name in ("break_even_high", "break_even_low")
    )
    return go.Scatter(
        x=[at],
        y=[_after(eager, at)],
        mode="markers",
        name="break-even",
        showlegend=False,
        marker={"symbol": "circle-open", "size": 13, "color": GREY, "line": {"width": 3}},
        error_x={"array": [above], "arrayminus": [below], "thickness": 2, "color": GREY},
        hovertemplate=f"{at:,} steps",
    )


def _steps(count: float | None) -> str:
    return "never" if count is None else f"{count:,.0f}"


def sweep(run: Run) -> Chart:
    """The step over the work in it, with the fitted line of overhead and throughput."""
    known, points = looks(run), run.sweep
    fits = {str(fit["frontend"]): {str(k): v for k, v in fit.items()} for fit in run.fits.to_dict("records")}
    traces = []
    for frontend, of_one in points.groupby("frontend", sort=False):
        name = str(frontend)
        traces.append(_measured(name, of_one, known[name]))
        traces += [_fitted(name, of_one, fits[name], known[name])] if name in fits else []
    xaxis = {**LOG, "title": "work per step (FLOP)", "tickformat": "~s"}
    yaxis = {**LOG, "title": "time per step", **SECONDS}
    lines = [
        [str(point["frontend"]), f"{point['size']:,}", f"{point['work']:.3g}", format_seconds(point["step_s"])]
        for point in points.to_dict("records")
    ]
    said = [f"{name}: overhead {format_seconds(fit['overhead_s'])}, then {_rate(fit)}." for name, fit in fits.items()]
    return Chart(
        "sweep",
        "Size sweep: overhead against throughput",
        " ".join(["The flat part of a line is overhead per step, its slope is throughput.", *said]),
        figure_of(traces, xaxis=xaxis, yaxis=yaxis),
        Table("Size sweep", ["frontend", "size", "FLOP per step", "time per step"], lines, colors(run)),
    )


def _measured(name: str, points: pd.DataFrame, look: Look) -> Any:
    import plotly.graph_objects as go

    above, below = points["step_s_high"] - points["step_s"], points["step_s"] - points["step_s_low"]
    return go.Scatter(
        x=points["work"].tolist(),
        y=points["step_s"].tolist(),
        mode="markers",
        name=text(name),
        legendgroup=text(name),
        marker={"color": look["color"], "symbol": look["symbol"], "size": 9, "line": {"width": 1.5}},
        error_y={"array": above.tolist(), "arrayminus": below.tolist(), "thickness": 2},
        customdata=[*map(format_seconds, points["step_s"])],
        hovertemplate="%{x:.3s}FLOP: %{customdata}<extra>%{fullData.name}</extra>",
    )


def _fitted(name: str, points: pd.DataFrame, fit: Mapping[str, Any], look: Look) -> Any:
    import plotly.graph_objects as go

    low, high = (math.log(work) for work in (points["work"].min(), points["work"].max()))
    works = [math.exp(low + part / SOME * (high - low)) for part in range(SOME + 1)]
    steps = [fit["overhead_s"] + work * fit["seconds_per_unit"] for work in works]
    line = {"color": look["color"], "dash": look["dash"], "width": 1.5}
    group = {"legendgroup": text(name), "name": text(name), "showlegend": False}
    return go.Scatter(x=works, y=steps, mode="lines", line=line, hoverinfo="skip", **group)


def _rate(fit: Mapping[str, Any]) -> str:
    each = fit["seconds_per_unit"]
    return f"{1e-9 / each:.3g} GFLOP/s" if usable(each) else "no measurable cost of size"
