"""Times over the work in a step, for the size sweep, and over the number of steps, for compiled styles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.model.rows import Row
from workbench.show.charts.kinds import Axis, Chart, Line, Lines, Mark, Table
from workbench.show.charts.looks import Look, looks
from workbench.show.charts.rows import usable
from workbench.show.units import counted, format_seconds
from workbench.statistics.fits import Overhead
from workbench.statistics.rows import SizeFit, SizeTime

SMOOTH = 100  # points of a drawn line
ABOUT_SWEEP = (
    "The flat part of a line is the overhead per step and its slope the throughput; "
    "a mark shows where both take equally long."
)
ABOUT_BREAK_EVEN = "Cumulative time, without the import, which both styles share; a mark shows where two lines cross."


def sweep(points: Sequence[SizeTime], fits: Sequence[SizeFit], colors: Mapping[str, str | None]) -> Lines:
    """A step's time over the work in it, with a fitted line over the range of the points; empty without points.

    A line is marked where the arithmetic takes as long as the overhead.
    """
    by_id = {fit.contestant: fit.fit for fit in fits if abs(fit.fit.overhead_s) < 1e30 > abs(fit.fit.seconds_per_unit)}
    look = looks(colors)
    names = dict.fromkeys([*(point.contestant for point in points), *by_id])
    usual = sorted((p for p in points if usable(p.work) and usable(p.step_s)), key=lambda point: point.work)
    works, steps = [point.work for point in usual] or [1.0], [point.step_s for point in usual] or [1.0]
    rates = (f"{name}: {format_seconds(fit.overhead_s)} overhead, then {_rate(fit)}." for name, fit in by_id.items())
    cells = [[p.contestant, f"{p.size:,}", f"{p.work:.3g}", format_seconds(p.step_s)] for p in points]
    return Lines(
        key="sweep",
        title="Size sweep: overhead against throughput",
        about=" ".join([ABOUT_SWEEP, *rates]),
        numbers=Table("Size sweep", ["frontend", "size", "FLOP per step", "time per step"], cells),
        x=Axis("work per step", min(works), max(works), "FLOP", log=True),
        y=Axis("time per step", min(steps), max(steps), "s", log=True),
        lines=[_line(name, look[name], [p for p in usual if p.contestant == name], by_id.get(name)) for name in names],
    )


def _rate(fit: Overhead) -> str:
    slope = fit.seconds_per_unit
    return f"{1e-9 / slope:.3g} GFLOP/s" if slope > 0 else "no measurable cost of more work"


def _line(name: str, look: Look, points: Sequence[SizeTime], fit: Overhead | None) -> Line:
    measured = [(point.work, point.step_s, point.step_s_low, point.step_s_high) for point in points]
    if fit is None or not points or points[0].work == points[-1].work:
        return Line(name, look, measured)
    first, last, balance = points[0].work, points[-1].work, fit.crossover_work
    fitted = [
        (float(work), seconds if (seconds := fit.overhead_s + float(work) * fit.seconds_per_unit) > 0 else math.nan)
        for work in np.geomspace(first, last, SMOOTH)
    ]
    about = f"overhead and arithmetic take equally long at {balance:.3g} FLOP"
    mark = Mark(balance, 2 * fit.overhead_s, balance, balance, about) if first <= balance <= last else None
    return Line(name, look, measured, fitted, mark)


def break_even(rows: Sequence[Row], steps: int) -> Chart:
    """Elapsed time over the number of steps: compiled styles against the eager styles they compile.

    A line is marked where a compiled style catches up with its eager one. Nothing is drawn if no such pair was timed.
    """
    key, title = "break-even", "Break-even"
    look, by_id = looks({row.id: row.color for row in rows}), {row.id: row for row in rows if row.timed}
    pairs = [(by_id[row.break_even_against], row) for row in by_id.values() if row.break_even_against in by_id]
    if not pairs:
        about = "No compiled style was timed together with its eager counterpart."
        return Chart(key=key, title=title, about=about)
    last = max(100, steps, *(10 * (row.break_even or 0) for _, row in pairs))
    counts = sorted({round(last ** (part / SMOOTH)) for part in range(SMOOTH + 1)})
    marks = {row.id: _crossing(eager, row) for eager, row in pairs}
    lines = [
        Line(name, look[name], line=[(count, _elapsed(by_id[name], count)) for count in counts], mark=marks.get(name))
        for name in dict.fromkeys(row.id for pair in pairs for row in pair)
    ]
    elapsed = [seconds for line in lines for _, seconds in line.line]
    cells = [
        [f"{row.id} against {eager.id}", *map(_count, (row.break_even, row.break_even_low, row.break_even_high))]
        for eager, row in pairs
    ]
    return Lines(
        key=key,
        title=title,
        about=" ".join([ABOUT_BREAK_EVEN, *(_catching_up(row) for _, row in pairs)]),
        numbers=Table("Steps to break even", ["compiled against eager", "break-even", "earliest", "latest"], cells),
        x=Axis("steps", 1.0, float(last), "count", log=True),
        y=Axis("time", min(elapsed), max(elapsed), "s", log=True),
        lines=lines,
    )


def _elapsed(row: Row, count: int) -> float:
    """Seconds until this many steps are done, without the import."""
    return (row.setup_s or 0.0) + (row.first_s or 0.0) + (count - 1) * (row.unit_s or 0.0)


def _crossing(eager: Row, row: Row) -> Mark | None:
    """Where a compiled style catches up with its eager one, with the interval of that number of steps."""
    count = row.break_even
    if not count:
        return None
    low, high = (count if end is None else end for end in (row.break_even_low, row.break_even_high))
    return Mark(count, _elapsed(eager, count), low, high, f"{count:,} steps")


def _count(steps: int | None) -> str:
    return "never" if steps is None else f"{steps:,}"


def _catching_up(row: Row) -> str:
    """After how many steps a compiled style catches up with its eager one, in a sentence."""
    low, high = row.break_even_low, row.break_even_high
    if row.break_even == high == 0:
        return f"{row.id} is ahead of {row.break_even_against} from the first step on."
    if row.break_even is not None:
        after = counted(row.break_even, "step")
        return f"{row.id} catches up with {row.break_even_against} after {after} ({_count(low)} to {_count(high)})."
    if low is None:
        return f"{row.id} never catches up with {row.break_even_against}."
    earliest = counted(low, "step")
    return (
        f"{row.id} does not catch up with {row.break_even_against} as measured; within the uncertainty of the "
        f"times, it might after {earliest} at the earliest."
    )
