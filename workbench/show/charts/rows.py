"""A row per contestant: steady times, first units, phases, memory, and every declared metric."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from workbench.model import metric
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.model.records import RunRecord
from workbench.model.rows import Row
from workbench.model.stage import TRAIN, Stage, stage_of
from workbench.show.charts.kinds import LOG_SPAN, Axis, Bar, Bars, Dot, Dots, Table
from workbench.show.charts.looks import Look, looks
from workbench.show.columns import format_metric
from workbench.show.units import format_bytes, format_interval, format_ratio, format_seconds, listed
from workbench.statistics.launches import unit_time


def usable(number: float | None) -> bool:
    """Whether it is a positive number of a size that something measured may have."""
    return number is not None and 1e-15 < number < 1e12


def steady(rows: Sequence[Row], record: RunRecord) -> Dots:
    """The steady time of a unit with its interval, and that of every launch; the fastest first.

    Args:
        rows: a run's rows of one stage.
        record: the run's.
    """
    stage, known, ordered, disturbed = _stage(rows), _looks(rows), _fastest_first(rows), record.disturbed
    launches = {
        contestant.id: [unit_time(launch, stage.name, disturbed) for launch in contestant.measured(stage.name)]
        for contestant in record.contestants
    }
    dots = [
        _dot(row, known[row.id], row.unit_s, row.unit_s_low, row.unit_s_high, launches.get(row.id, ()))
        for row in ordered
    ]
    kinds = listed(list(dict.fromkeys(str(row.interval) for row in ordered if row.timed)))
    cells = [
        [dot.id, format_seconds(dot.value), format_interval(dot.low, dot.high), _each(dot.launches)]
        for dot in dots
        if dot.value is not None
    ]
    return Dots(
        key="time" if stage == TRAIN else f"time_{stage.name}",
        title=f"Time per {stage.unit}",
        about=f"Each point is a launch; the larger symbol is their median, its bar the interval ({kinds}).",
        numbers=Table(f"Time per steady {stage.unit}", ["frontend", "median", "interval", "launches"], cells),
        heading=f"Steady {stage.unit}, with its interval",
        axis=_dots_axis(f"time per steady {stage.unit}", dots),
        rows=dots,
    )


def first(rows: Sequence[Row]) -> Dots:
    """The first unit of each contestant, in the order of :func:`steady`."""
    title, known = f"First {_stage(rows).unit}", _looks(rows)
    dots = [_dot(row, known[row.id], row.first_s) for row in _fastest_first(rows)]
    about = "Tracing and compiling are included."
    return Dots(key="first", title=title, about=about, heading=title, axis=_dots_axis(title, dots), rows=dots)


def _each(times: Sequence[float]) -> str:
    return ", ".join(map(format_seconds, times))


def _stage(rows: Sequence[Row]) -> Stage:
    return stage_of(rows[0].stage) if rows else TRAIN


def _looks(rows: Sequence[Row]) -> dict[str, Look]:
    return looks({row.id: row.color for row in rows})


def _fastest_first(rows: Sequence[Row]) -> list[Row]:
    """Those with a time, then those that are ok without one, then the others in their order."""
    return sorted(rows, key=lambda row: (row.outcome is not Outcome.OK, row.relative or row.unit_s or math.inf))


def _failure(row: Row) -> str:
    return "" if row.outcome is Outcome.OK else ": ".join(filter(None, [row.outcome, row.reason]))


def _dot(
    row: Row,
    look: Look,
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    launches: Sequence[float] = (),
) -> Dot:
    if row.outcome is not Outcome.OK or value is None or not usable(value):
        return Dot(row.id, look, _failure(row))
    if low is None or high is None or not low <= value <= high:
        low = high = value
    return Dot(row.id, look, "", value, low, high, launches)


def _dots_axis(title: str, dots: Sequence[Dot]) -> Axis:
    timed = [(dot.value, dot.low, dot.high) for dot in dots if dot.value is not None]
    values, lows, highs = zip(*timed, strict=True) if timed else ((1.0,),) * 3
    if max(values) > LOG_SPAN * min(values):
        # an interval that nearly reaches 0 must not stretch a log axis
        return Axis(title, max(min(lows), min(values) / 3), max(highs), "s", log=True)
    return Axis(title, 0.0, 1.04 * max(highs), "s")


def phases(rows: Sequence[Row], steps: int) -> Bars:
    """The time to so many steps of training: import, set-up, the first step, and the others at the steady time."""
    others, known = max(0, steps - 1), _looks(rows)
    bars = [Bar(row.id, known[row.id], _phases(row, others), _failure(row)) for row in rows]
    bars.sort(key=lambda bar: (bool(bar.failure), bar.total if bar.complete else math.inf))
    whole = [bar for bar in bars if bar.complete]
    winner = f" {whole[0].id} gets there first, after {format_seconds(whole[0].total)}." if whole else ""
    names = ["import", "set-up", "first step", f"{others:,} steady steps"]
    cells = [[bar.id, *map(format_seconds, [*bar.parts, bar.total])] for bar in whole]
    return Bars(
        key="phases",
        title="Phases",
        about=f"From the start of a fresh process to step {others + 1:,}: import, set-up, the first step (with tracing "
        f"and compiling) and {others:,} steady ones.{winner}",
        numbers=Table("Time by phase", ["frontend", *names, "total"], cells),
        axis=Axis(f"time to step {others + 1:,}", 0.0, max((bar.total for bar in bars), default=0.0), "s"),
        parts=names,
        words=format_seconds,
        rows=bars,
    )


def _phases(row: Row, others: int) -> list[float | None]:
    known = [
        time if row.outcome is Outcome.OK and usable(time) else None
        for time in (row.import_s, row.setup_s, row.first_s, row.unit_s)
    ]
    return [*known[:3], None if known[3] is None else others * known[3]]


def memory(rows: Sequence[Row]) -> Bars | None:
    """Peak resident memory, and how much of it was there after the import; None where it was not measured."""
    known = _looks(rows)
    measured = sorted(
        (row for row in rows if row.timed and usable(row.peak_bytes)), key=lambda row: row.peak_bytes or 0
    )
    if not measured:
        return None
    bars = []
    for row in measured:
        peak = row.peak_bytes or 0
        imported = min(row.import_bytes or 0, peak)
        bars.append(Bar(row.id, known[row.id], [imported, peak - imported]))
    least, most = bars[0], bars[-1]
    cells = [
        [row.id, *map(format_bytes, (row.import_bytes, row.peak_bytes, row.peak_device_bytes))] for row in measured
    ]
    return Bars(
        key="memory",
        title="Memory",
        about=f"Peak resident memory of each process, from {format_bytes(least.total)} ({least.id}) to "
        f"{format_bytes(most.total)} ({most.id}), {format_ratio(most.total / least.total)}.",
        numbers=Table("Memory", ["frontend", "after import", "peak", "peak on the device"], cells),
        axis=Axis("peak resident memory", 0.0, most.total, "bytes"),
        parts=["after import", "training adds"],
        words=format_bytes,
        rows=bars,
    )


def metrics(rows: Sequence[Row]) -> list[Bars]:
    """A chart of each declared metric that any contestant has; the best first."""
    charts = (_metric(declared, rows) for declared in metric.METRICS)
    return [chart for chart in charts if chart.rows]


def _metric(declared: Metric, rows: Sequence[Row]) -> Bars:
    known = _looks(rows)
    bars = [Bar(row.id, known[row.id], [row.metrics[declared.name]]) for row in rows if declared.name in row.metrics]
    bars.sort(key=lambda bar: bar.total, reverse=declared.direction is Direction.HIGHER)
    direction = "" if declared.direction is Direction.NEITHER else f"; {declared.direction}"
    ends = [0.0, *(bar.total for bar in bars)]
    return Bars(
        key=f"metric_{declared.name}",
        title=declared.heading,
        about=f"{declared.meaning}{direction}.",
        numbers=Table(
            declared.heading,
            ["frontend", declared.heading],
            [[bar.id, format_metric(declared, bar.total)] for bar in bars],
        ),
        axis=Axis(declared.heading, min(ends), max(ends), declared.unit),
        parts=[declared.heading],
        words=functools.partial(format_metric, declared),
        rows=bars,
    )
