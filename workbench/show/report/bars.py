"""A row per frontend: the steady step of every launch, the phases, the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.show import summary
from workbench.show.report.drawing import GREY, SECONDS, axis_over, figure_of, height_of, looks, rows_axis, text
from workbench.show.report.parts import Chart, Row, Table, colors, interval, listed, usable
from workbench.show.units import format_bytes, format_ratio, format_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from plotly.graph_objects import Figure

    from workbench.show.report.drawing import Look
    from workbench.store.results import Run

PHASES = {"import_s": "import", "setup_s": "set-up", "first_step_s": "first step", "steady_s": "steady steps"}
PATTERNS = ("/", ".", "x", "")  # of a bar's parts, the last one plain
MIB = 1 << 20


def time(run: Run, timed: Sequence[Row]) -> Chart:
    """Each launch as a point, and the median over launches with its interval."""
    known, steps = looks(run), _launch_steps(run)
    traces = []
    for place, entry in enumerate(timed):
        name = entry["frontend"]
        traces += [_median(entry, place, known[name]), _points(name, steps[name], place, known[name])]
    xaxis = axis_over((entry["step_s"] for entry in timed), title="time per steady step", **SECONDS)
    figure = figure_of(traces, height=height_of(len(timed)), xaxis=xaxis, yaxis=rows_axis(timed), showlegend=False)
    kinds = listed(list(dict.fromkeys(str(entry["interval"]) for entry in timed)))
    lines = [
        [
            entry["frontend"],
            format_seconds(entry["step_s"]),
            interval(entry),
            ", ".join(map(format_seconds, steps[entry["frontend"]])),
        ]
        for entry in timed
    ]
    return Chart(
        "time",
        "Time per step",
        f"Every launch is a point; the larger symbol is their median, its bar the interval ({kinds}).",
        figure,
        Table("Time per steady step", ["frontend", "median", "interval", "launches"], lines, colors(run)),
    )


def _median(entry: Row, place: int, look: Look) -> Any:
    import plotly.graph_objects as go

    above, below = entry["step_s_high"] - entry["step_s"], entry["step_s"] - entry["step_s_low"]
    return go.Scatter(
        x=[entry["step_s"]],
        y=[place - 0.1],
        mode="markers",
        name=text(entry["frontend"]),
        marker={"color": look["color"], "size": 12, "symbol": look["symbol"], "line": {"width": 2}},
        error_x={"array": [above], "arrayminus": [below], "thickness": 3, "width": 6},
        customdata=[[format_seconds(entry["step_s"]), interval(entry)]],
        hovertemplate="median: %{customdata[0]}<br>%{customdata[1]}<extra>%{fullData.name}</extra>",
    )


def _points(name: str, steps: Sequence[float], place: int, look: Look) -> Any:
    """The launches below the median's symbol, in three lines, so that equal ones do not hide each other."""
    import plotly.graph_objects as go

    return go.Scatter(
        x=[*steps],
        y=[place + 0.18 + 0.07 * (number % 3) for number in range(len(steps))],
        mode="markers",
        name=text(name),
        marker={"color": look["color"], "size": 7, "opacity": 0.65, "symbol": "circle"},
        customdata=[*map(format_seconds, steps)],
        hovertemplate="launch: %{customdata}<extra>%{fullData.name}</extra>",
    )


def _launch_steps(run: Run) -> dict[str, list[float]]:
    """Seconds per step of every launch, by frontend."""
    dirty = summary.dirty_rounds(run.info)
    return {
        contestant["frontend"]: [
            summary.launch_step(launch, dirty) for launch in contestant["launches"] if launch["blocks"]
        ]
        for contestant in run.contestants
    }


def phases(run: Run, timed: Sequence[Row]) -> Chart:
    """The time to the task's last step, stacked."""
    steady = max(0, run.info["problem"]["steps"] - 1)
    rows = [{**entry, "steady_s": steady * entry["step_s"]} for entry in timed]
    totals = {row["frontend"]: sum(row[phase] for phase in PHASES) for row in rows}
    rows.sort(key=lambda row: totals[row["frontend"]])
    parts = {words: [row[phase] for row in rows] for phase, words in PHASES.items()}
    figure = _stacked(run, rows, parts, format_seconds, {"title": f"time to step {steady + 1:,}", **SECONDS})
    first = rows[0]["frontend"]
    about = (
        f"From the start of a fresh process to step {steady + 1:,}: import, set-up, the first step (tracing and "
        f"compiling are in it) and {steady:,} steady ones. {first} is there first, after "
        f"{format_seconds(totals[first])}."
    )
    lines = [
        [row["frontend"], *(format_seconds(row[phase]) for phase in PHASES), format_seconds(totals[row["frontend"]])]
        for row in rows
    ]
    table = Table("Time by phase", ["frontend", *PHASES.values(), "total"], lines, colors(run))
    return Chart("phases", "Phases", about, figure, table)


def _stacked(
    run: Run,
    rows: Sequence[Row],
    parts: Mapping[str, Sequence[float]],
    words: Callable[[float], str],
    xaxis: Mapping[str, Any],
) -> Figure:
    """A bar per row, of parts that differ by their pattern; the colour is the framework's, the legend's keys grey."""
    import plotly.graph_objects as go

    known, traces = looks(run), []
    for (part, values), shape in zip(parts.items(), PATTERNS[-len(parts) :], strict=True):
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7}
        group = {"name": part, "legendgroup": part, "orientation": "h", "width": 0.66}
        traces.append(go.Bar(x=[None], y=[None], marker={"color": GREY, "pattern": pattern}, **group))
        for place, (row, value) in enumerate(zip(rows, values, strict=True)):
            color = known[row["frontend"]]["color"]
            marker = {"color": color, "pattern": pattern, "line": {"color": "#ffffff", "width": 0.5}}
            hover = f"{text(row['frontend'])}, {part}: {words(value)}<extra></extra>"
            traces.append(go.Bar(x=[value], y=[place], marker=marker, hovertemplate=hover, showlegend=False, **group))
    return figure_of(
        traces, height=height_of(len(rows)) + 20, xaxis=dict(xaxis), yaxis=rows_axis(rows), barmode="stack"
    )


def memory(run: Run, timed: Sequence[Row]) -> Chart:
    """Peak resident memory, and how much of it was there when the framework had been imported."""
    rows = sorted((entry for entry in timed if usable(entry["peak_bytes"])), key=lambda entry: entry["peak_bytes"])
    imported = [min(row["import_bytes"] or 0, row["peak_bytes"]) / MIB for row in rows]
    added = [row["peak_bytes"] / MIB - there for row, there in zip(rows, imported, strict=True)]
    parts = {"after import": imported, "training adds": added}
    axis = {"title": "peak resident memory (MiB)"}
    figure = _stacked(run, rows, parts, lambda value: format_bytes(value * MIB), axis)
    least, most = rows[0], rows[-1]
    ratio = format_ratio(most["peak_bytes"] / least["peak_bytes"])
    about = (
        f"Peak resident memory of each process, from {format_bytes(least['peak_bytes'])} ({least['frontend']}) to "
        f"{format_bytes(most['peak_bytes'])} ({most['frontend']}), {ratio}."
    )
    columns = {"after import": "import_bytes", "peak": "peak_bytes", "peak on the device": "peak_device_bytes"}
    lines = [[row["frontend"], *(format_bytes(row[name]) for name in columns.values())] for row in rows]
    return Chart("memory", "Memory", about, figure, Table("Memory", ["frontend", *columns], lines, colors(run)))
