"""Charts with a row per contestant: steady times, first units, phases, memory, and every declared metric."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

from workbench.model import metric
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.model.records import RunRecord
from workbench.model.rows import Row
from workbench.model.stage import TRAIN, Stage, stage_of
from workbench.show.charts.kinds import LOG_SPAN, Axis, Entry, Rows, Table
from workbench.show.charts.looks import looks
from workbench.show.columns import format_metric
from workbench.show.units import counted, format_bytes, format_interval, format_ratio, format_seconds, listed
from workbench.statistics.launches import unit_time


def usable(number: float | None) -> bool:
    """Whether this is a positive number of a plausible size for a measured value."""
    return number is not None and 1e-15 < number < 1e30


def steady(rows: Sequence[Row], record: RunRecord) -> Rows:
    """The time of a steady unit with its interval, and the time in every launch; the fastest first.

    Args:
        rows: a run's rows of one stage.
        record: of the run.
    """
    stage, ordered, disturbed = _stage(rows), _fastest_first(rows), record.disturbed
    launches = {
        contestant.id: [unit_time(launch, stage.name, disturbed) for launch in contestant.measured(stage.name)]
        for contestant in record.contestants
    }
    dots = [
        dataclasses.replace(_with_interval(entry, row.unit_s_low, row.unit_s_high), launches=launches.get(row.id, ()))
        for entry, row in zip(_entries(ordered, lambda row: [row.unit_s]), ordered, strict=True)
    ]
    kinds = listed(list(dict.fromkeys(str(row.interval) for row in ordered if row.timed)))
    cells = []
    for dot in (dot for dot in dots if dot.value is not None):
        each = ", ".join(map(format_seconds, dot.launches))
        cells.append([dot.id, format_seconds(dot.value), format_interval(dot.low, dot.high), each])
    return Rows(
        key="time" if stage == TRAIN else f"time_{stage.name}",
        title=f"Time per {stage.unit}",
        about=f"Each small point is a launch; the larger symbol is their median, and its bar the interval ({kinds}).",
        numbers=Table(f"Time per steady {stage.unit}", ["frontend", "median", "interval", "launches"], cells),
        axis=_dots_axis(f"time per steady {stage.unit}", dots),
        rows=dots,
        words=format_seconds,
        dots=True,
        heading=f"Steady {stage.unit}, with interval",
    )


def first(rows: Sequence[Row]) -> Rows:
    """The first unit of each contestant, in the order of :func:`steady`."""
    title = f"First {_stage(rows).unit}"
    dots = [_with_interval(entry) for entry in _entries(_fastest_first(rows), lambda row: [row.first_s])]
    axis = _dots_axis(title, dots)
    return Rows(
        key="first", title=title, about="", axis=axis, rows=dots, words=format_seconds, dots=True, heading=title
    )


def step_ratio(rows: Sequence[Row]) -> Rows:
    """How many times as long as its loss alone a training step takes, in the order of :func:`steady`."""
    dots = [_with_interval(entry) for entry in _entries(_fastest_first(rows), lambda row: [row.step_ratio])]
    cells = [[dot.id, format_ratio(dot.value)] for dot in dots if dot.value is not None]
    axis = dataclasses.replace(_dots_axis("training step / loss alone", dots), unit="")
    return Rows(
        key="step_ratio",
        title="What gradients and update cost",
        about="The time of a training step as a multiple of the time of its loss alone, in the same process. Close to "
        "1, both are overhead; arithmetic alone makes it at most about 5.",
        numbers=Table("Training step over loss alone", ["frontend", "step / loss"], cells),
        axis=axis,
        rows=dots,
        words=format_ratio,
        dots=True,
        heading="Training step / loss alone",
    )


def _stage(rows: Sequence[Row]) -> Stage:
    return stage_of(rows[0].stage) if rows else TRAIN


def _fastest_first(rows: Sequence[Row]) -> list[Row]:
    """The rows with a time, then those that are ok without one, then the others in their order."""
    return sorted(
        rows, key=lambda row: (row.outcome is not Outcome.OK, row.relative or math.inf, row.unit_s or math.inf)
    )


def _entries(rows: Sequence[Row], parts: Callable[[Row], Sequence[float | None]]) -> list[Entry]:
    """An entry per row; a failed contestant has only its reason, and implausible values count as not measured."""
    look_of, entries = looks({row.id: row.color for row in rows}), []
    for row in rows:
        ok = row.outcome is Outcome.OK
        failure = "" if ok else ": ".join(filter(None, [row.outcome, row.reason]))
        values = [part if ok and usable(part) else None for part in parts(row)]
        entries.append(Entry(row.id, look_of[row.id], values, failure))
    return entries


def _with_interval(entry: Entry, low: float | None = None, high: float | None = None) -> Entry:
    value = entry.value or 0.0
    if low is None or high is None or not low <= value <= high:
        low = high = value
    return dataclasses.replace(entry, low=low, high=high)


def _dots_axis(title: str, dots: Sequence[Entry]) -> Axis:
    timed = [(dot.value, dot.low, dot.high) for dot in dots if dot.value is not None]
    values, lows, highs = zip(*timed, strict=True) if timed else ((1.0,),) * 3
    if max(values) > LOG_SPAN * min(values):
        # an interval that nearly reaches 0 must not extend a log axis
        return Axis(title, max(min(lows), min(values) / 3), max(highs), "s", log=True)
    return Axis(title, 0.0, 1.04 * max(highs), "s")


def phases(rows: Sequence[Row], steps: int) -> Rows:
    """The time to this many training steps: import, set-up, the first step, and the others at the steady time."""
    others, bars = max(0, steps - 1), []
    for entry in _entries(rows, lambda row: [row.import_s, row.setup_s, row.first_s, row.unit_s]):
        *start, unit = entry.parts
        bars.append(dataclasses.replace(entry, parts=[*start, None if unit is None else others * unit]))
    bars.sort(key=lambda bar: (bool(bar.failure), math.inf if bar.value is None else bar.value))
    whole = [bar for bar in bars if bar.value is not None]
    names = ["import", "set-up", "first step", counted(others, "steady step")]
    cells = [[bar.id, *map(format_seconds, [*bar.parts, bar.value])] for bar in whole]
    about = (
        f"From the start of a fresh process to step {others + 1:,}: import, set-up, the first step (including tracing "
        f"and compiling) and {counted(others, 'steady step')}."
    )
    return Rows(
        key="phases",
        title="Phases",
        about=f"{about} {whole[0].id} gets there first, after {format_seconds(whole[0].value)}." if whole else about,
        numbers=Table("Time by phase", ["frontend", *names, "total"], cells),
        axis=Axis(f"time to step {others + 1:,}", 0.0, max((bar.measured for bar in bars), default=0.0), "s"),
        rows=bars,
        parts=names,
        words=format_seconds,
    )


def memory(rows: Sequence[Row]) -> Rows | None:
    """Peak resident memory, and how much of it was in use after the import; None if it was not measured."""
    timed = sorted((row for row in rows if row.timed and usable(row.peak_bytes)), key=lambda row: row.peak_bytes or 0)
    if not timed:
        return None
    bars = []
    for entry, row in zip(_entries(timed, lambda row: [row.peak_bytes]), timed, strict=True):
        imported = min(row.import_bytes or 0, entry.measured)
        bars.append(dataclasses.replace(entry, parts=[imported, entry.measured - imported]))
    (least, _), (most, peak) = ((bar.id, bar.measured) for bar in (bars[0], bars[-1]))
    cells = [[row.id, *map(format_bytes, (row.import_bytes, row.peak_bytes, row.peak_device_bytes))] for row in timed]
    return Rows(
        key="memory",
        title="Memory",
        about=f"Peak resident memory of each process, from {format_bytes(bars[0].measured)} ({least}) to "
        f"{format_bytes(peak)} ({most}), a factor of {format_ratio(peak / bars[0].measured).removesuffix('×')}.",
        numbers=Table("Memory", ["frontend", "after import", "peak", "peak on the GPU"], cells),
        axis=Axis("peak resident memory", 0.0, peak, "bytes"),
        rows=bars,
        parts=["after import", "added by training"],
        words=format_bytes,
    )


def metrics(rows: Sequence[Row]) -> list[Rows]:
    """A chart for each declared metric that any contestant has; the best value first."""
    charts = (_metric(declared, rows) for declared in metric.METRICS)
    return [chart for chart in charts if chart.rows]


def _metric(declared: Metric, rows: Sequence[Row]) -> Rows:
    name, heading, words = declared.name, declared.heading, functools.partial(format_metric, declared)
    colors = looks({row.id: row.color for row in rows})
    bars = [Entry(row.id, colors[row.id], [row.metrics[name]]) for row in rows if name in row.metrics]
    bars.sort(key=lambda bar: bar.measured, reverse=declared.direction is Direction.HIGHER)
    ends = [0.0, *(bar.measured for bar in bars)]
    return Rows(
        key=f"metric_{name}",
        title=heading,
        about=declared.meaning + ("." if declared.direction is Direction.NEITHER else f"; {declared.direction}."),
        numbers=Table(heading, ["frontend", heading], [[bar.id, words(bar.measured)] for bar in bars]),
        axis=Axis(heading, min(ends), max(ends), declared.unit),
        rows=bars,
        parts=[heading],
        words=words,
    )
