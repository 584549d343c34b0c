"""A row per contestant: steady times, first units, phases, memory, and every declared metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench.model import metric
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.model.records import RunRecord
from workbench.model.rows import Row
from workbench.model.stage import TRAIN, Stage
from workbench.show.charts.kinds import LOG_SPAN, Axis, Bar, Bars, Dot, Dots, Numbers, in_words
from workbench.show.charts.looks import Look
from workbench.show.units import format_bytes, format_interval, format_ratio, format_seconds, listed
from workbench.statistics.launches import unit_time

Looks = Mapping[str, Look]


def usable(number: float | None) -> bool:
    """Whether it is a positive number of a size that something measured may have."""
    return number is not None and math.isfinite(number) and 1e-15 < number < 1e12


def launch_times(record: RunRecord, stage: Stage) -> dict[str, list[float]]:
    """Seconds per unit of every launch, by contestant."""
    disturbed = record.disturbed
    return {
        contestant.id: [unit_time(launch, stage.name, disturbed) for launch in contestant.measured(stage.name)]
        for contestant in record.contestants
    }


def steady(rows: Sequence[Row], launches: Mapping[str, Sequence[float]], stage: Stage, looks: Looks) -> Dots:
    """The steady time of a unit with its interval, fastest first.

    Args:
        rows: of this stage.
        launches: seconds per unit of every launch, by contestant.
        stage: what was measured.
        looks: by contestant.
    """
    dots = [_steady(row, launches.get(row.id, ()), looks[row.id]) for row in _fastest_first(rows)]
    kinds = listed(list(dict.fromkeys(str(row.interval) for row in rows if row.timed)))
    lines = [
        [dot.id, format_seconds(dot.value), format_interval(dot.low, dot.high), ", ".join(map(format_seconds, dot.launches))]
        for dot in dots
        if dot.value is not None
    ]
    return Dots(
        key="time" if stage == TRAIN else f"time_{stage.name}",
        title=f"Time per {stage.unit}",
        about=f"Each point is a launch; the larger symbol is their median and its bar the interval ({kinds}).",
        numbers=Numbers(f"Time per steady {stage.unit}", ["frontend", "median", "interval", "launches"], lines),
        heading=f"Steady {stage.unit}, with its interval",
        axis=_dots_axis(f"time per steady {stage.unit}", dots),
        rows=dots,
    )


def first(rows: Sequence[Row], stage: Stage, looks: Looks) -> Dots:
    """The first unit of each contestant, in the order of :func:`steady`."""
    dots = []
    for row in _fastest_first(rows):
        value = row.first_s if row.outcome is Outcome.OK and usable(row.first_s) else None
        end = math.nan if value is None else value
        dots.append(Dot(id=row.id, look=looks[row.id], failure=_failure(row), value=value, low=end, high=end))
    title = f"First {stage.unit}"
    return Dots(key="first", title=title, heading=title, axis=_dots_axis(f"time of the first {stage.unit}", dots), rows=dots)


def _fastest_first(rows: Sequence[Row]) -> list[Row]:
    """The timed rows, the fastest first, then those that are ok without a time, then the others in their order."""
    return sorted(rows, key=lambda row: (row.outcome is not Outcome.OK, row.relative or math.inf, row.unit_s or math.inf))


def _failure(row: Row) -> str:
    if row.outcome is Outcome.OK:
        return ""
    return f"{row.outcome}: {row.reason}" if row.reason else str(row.outcome)


def _steady(row: Row, launches: Sequence[float], look: Look) -> Dot:
    value, low, high = row.unit_s, row.unit_s_low, row.unit_s_high
    if not row.timed or value is None or not usable(value):
        return Dot(id=row.id, look=look, failure=_failure(row))
    if low is None or high is None or not low <= value <= high:
        low = high = value
    return Dot(id=row.id, look=look, value=value, low=low, high=high, launches=launches)


def _dots_axis(title: str, dots: Sequence[Dot]) -> Axis:
    timed = [(dot.value, dot.low, dot.high) for dot in dots if dot.value is not None]
    if not timed:
        return Axis(title, 0.0, 1.0, "s")
    values, lows, highs = zip(*timed, strict=True)
    if max(values) > LOG_SPAN * min(values):
        # an interval that nearly reaches 0 must not stretch a log axis
        return Axis(title, max(min(lows), min(values) / 3), max(highs), "s", log=True)
    return Axis(title, 0.0, 1.04 * max(highs), "s")


def phases(rows: Sequence[Row], steps: int, looks: Looks) -> Bars:
    """The time to so many steps of training: import, set-up, the first step, and the others at the steady time."""
    others = max(0, steps - 1)
    bars = [
        Bar(id=row.id, look=looks[row.id], failure=_failure(row), parts=_phases(row, others))
        for row in rows
    ]
    bars.sort(key=lambda bar: (bool(bar.failure), bar.total if bar.complete else math.inf))
    names = ["import", "set-up", "first step", f"{others:,} steady steps"]
    whole = [bar for bar in bars if bar.complete]
    lines = [[bar.id, *map(format_seconds, [*bar.parts, bar.total])] for bar in whole]
    about = (
        f"From the start of a fresh process to step {others + 1:,}: import, set-up, the first step (which includes "
        f"tracing and compiling) and {others:,} steady ones."
    )
    if whole:
        about += f" {whole[0].id} gets there first, after {format_seconds(whole[0].total)}."
    return Bars(
        key="phases",
        title="Phases",
        about=about,
        numbers=Numbers("Time by phase", ["frontend", *names, "total"], lines),
        axis=Axis(f"time to step {others + 1:,}", 0.0, max((bar.total for bar in bars), default=0.0), "s"),
        parts=names,
        rows=bars,
    )


def _phases(row: Row, others: int) -> list[float | None]:
    if row.outcome is not Outcome.OK:
        return [None] * 4
    times = [time if usable(time) else None for time in (row.import_s, row.setup_s, row.first_s, row.unit_s)]
    *before, unit = times
    return [*before, None if unit is None else others * unit]


def memory(rows: Sequence[Row], looks: Looks) -> Bars | None:
    """Peak resident memory, and how much of it was there after the import; None where it was not measured."""
    peaks = [(row, row.peak_bytes) for row in rows if row.timed and row.peak_bytes is not None and usable(row.peak_bytes)]
    if not peaks:
        return None
    peaks.sort(key=lambda pair: pair[1])
    bars = []
    for row, peak in peaks:
        imported = min(row.import_bytes or 0, peak)
        bars.append(Bar(id=row.id, look=looks[row.id], parts=[imported, peak - imported]))
    least, most = bars[0], bars[-1]
    columns = ["frontend", "after import", "peak", "peak on the device"]
    lines = [
        [row.id, *map(format_bytes, (row.import_bytes, row.peak_bytes, row.peak_device_bytes))] for row, _ in peaks
    ]
    return Bars(
        key="memory",
        title="Memory",
        about=f"Peak resident memory of each process, from {format_bytes(least.total)} ({least.id}) to "
        f"{format_bytes(most.total)} ({most.id}), {format_ratio(most.total / least.total)}.",
        numbers=Numbers("Memory", columns, lines),
        axis=Axis("peak resident memory", 0.0, most.total, "bytes"),
        parts=["after import", "training adds"],
        rows=bars,
    )


def metrics(rows: Sequence[Row], looks: Looks) -> list[Bars]:
    """A chart for each declared metric that any contestant has, the best first."""
    charts = (_metric(declared, rows, looks) for declared in metric.METRICS)
    return [chart for chart in charts if chart.rows]


def _metric(declared: Metric, rows: Sequence[Row], looks: Looks) -> Bars:
    values = {row.id: row.metrics[declared.name] for row in rows if declared.name in row.metrics}
    bars = [Bar(id=name, look=looks[name], parts=[value]) for name, value in values.items() if math.isfinite(value)]
    bars.sort(key=lambda bar: bar.total, reverse=declared.direction is Direction.HIGHER)
    totals = [0.0, *(bar.total for bar in bars)]
    direction = "" if declared.direction is Direction.NEITHER else f"; {declared.direction}"
    lines = [[bar.id, in_words(bar.total, declared.unit)] for bar in bars]
    return Bars(
        key=f"metric_{declared.name}",
        title=declared.heading,
        about=f"{declared.meaning.rstrip('.')}{direction}.",
        numbers=Numbers(declared.heading, ["frontend", declared.heading], lines),
        axis=Axis(declared.heading, min(totals), max(totals), declared.unit),
        parts=[declared.heading],
        rows=bars,
    )
