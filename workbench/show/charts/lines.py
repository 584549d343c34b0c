"""Times over a growing amount: of work in a step, for the size sweep; of steps, for compiled styles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.model.rows import Row
from workbench.show.charts.kinds import Axis, Chart, Line, Lines, Mark, Numbers
from workbench.show.charts.looks import Look
from workbench.show.charts.rows import usable
from workbench.show.units import format_seconds

SMOOTH = 100  # points of a drawn line


@dataclass(frozen=True)
class SizePoint:
    """What a contestant measured at one size: FLOP per step, and the step's seconds with their interval."""

    id: str
    size: float
    work: float
    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """A contestant's step as overhead + work x seconds per FLOP, both in seconds."""

    overhead_s: float
    slope_s: float

    @property
    def known(self) -> bool:
        """Whether both are numbers of a size that something measured may have."""
        return abs(self.overhead_s) < 1e30 and abs(self.slope_s) < 1e30

    def at(self, work: float) -> float:
        """Seconds of a step of so much work; NaN where they are not positive."""
        seconds = self.overhead_s + work * self.slope_s
        return seconds if seconds > 0 else math.nan

    @property
    def balance(self) -> float:
        """The work that takes as long as the overhead; NaN where there is no such work."""
        return self.overhead_s / self.slope_s if self.slope_s > 0 else math.nan

    @property
    def words(self) -> str:
        """Overhead and throughput."""
        rate = f"{1e-9 / self.slope_s:.3g} GFLOP/s" if self.slope_s > 0 else "no measurable cost of size"
        return f"overhead {format_seconds(self.overhead_s)}, then {rate}"


def sweep(points: Sequence[SizePoint], fits: Mapping[str, Fit], looks: Mapping[str, Look]) -> Lines:
    """A step's time over the work in it, with each fitted line as far as its points reach; empty without points.

    A line's mark is where arithmetic takes as long as the overhead.
    """
    names = dict.fromkeys([*(point.id for point in points), *fits])
    usual = sorted((p for p in points if usable(p.work) and usable(p.seconds)), key=lambda point: point.work)
    lines = [_line(name, looks[name], [p for p in usual if p.id == name], fits.get(name)) for name in names]
    works, seconds = [point.work for point in usual], [point.seconds for point in usual]
    sentences = [
        "The flat part of a line is overhead per step, its slope is throughput; its mark is where both take equally long.",
        *(f"{name}: {fit.words}." for name, fit in fits.items() if fit.known),
    ]
    return Lines(
        key="sweep",
        title="Size sweep: overhead against throughput",
        about=" ".join(sentences),
        numbers=Numbers(
            "Size sweep",
            ["frontend", "size", "FLOP per step", "time per step"],
            [[p.id, f"{p.size:,.0f}", f"{p.work:.3g}", format_seconds(p.seconds)] for p in points],
        ),
        x=Axis("work per step", min(works, default=1.0), max(works, default=1.0), "FLOP", log=True),
        y=Axis("time per step", min(seconds, default=1.0), max(seconds, default=1.0), "s", log=True),
        lines=lines,
    )


def _line(name: str, look: Look, points: Sequence[SizePoint], fit: Fit | None) -> Line:
    measured = [(point.work, point.seconds, point.low, point.high) for point in points]
    if fit is None or not fit.known or not points or points[0].work == points[-1].work:
        return Line(name, look, measured)
    first, last, balance = points[0].work, points[-1].work, fit.balance
    works = [float(work) for work in np.geomspace(first, last, SMOOTH)]
    about = f"overhead and arithmetic take equally long at {balance:.3g} FLOP"
    mark = Mark(balance, 2 * fit.overhead_s, balance, balance, about) if first <= balance <= last else None
    return Line(name, look, measured, [(work, fit.at(work)) for work in works], mark)


def break_even(rows: Sequence[Row], steps: int, looks: Mapping[str, Look]) -> Chart:
    """The time that has gone by over the number of steps: compiled styles against the eager ones they compile.

    A compiled style's mark is where it has overtaken the eager one. Nothing to draw where no two were timed.
    """
    key, title = "break-even", "Break-even"
    by_id = {row.id: row for row in rows if row.timed}
    pairs = [(by_id[row.break_even_against], row) for row in by_id.values() if row.break_even_against in by_id]
    if not pairs:
        about = "No compiled style was timed together with the eager one it compiles."
        return Chart(key=key, title=title, about=about)
    last = max(100, steps, *(10 * (row.break_even or 0) for _, row in pairs))
    counts = sorted({round(last ** (part / SMOOTH)) for part in range(SMOOTH + 1)})
    lines = [
        Line(row.id, looks[row.id], line=[(count, _elapsed(row, count)) for count in counts], mark=_crossing(by_id, row))
        for row in dict.fromkeys(row for pair in pairs for row in pair)
    ]
    reached = [seconds for line in lines for _, seconds in line.line]
    return Lines(
        key=key,
        title=title,
        about="Cumulative time without the import, which both share. "
        + " ".join(f"{overtaking(row)}." for _, row in pairs),
        numbers=Numbers(
            "Steps to break even",
            ["compiled against eager", "break-even", "earliest", "latest"],
            [
                [f"{row.id} against {eager.id}", *map(_count, (row.break_even, row.break_even_low, row.break_even_high))]
                for eager, row in pairs
            ],
        ),
        x=Axis("steps", 1.0, float(last), log=True),
        y=Axis("time", min(reached), max(reached), "s", log=True),
        lines=lines,
    )


def _elapsed(row: Row, count: int) -> float:
    """Seconds until so many steps are done, without the import."""
    return (row.setup_s or 0.0) + (row.first_s or 0.0) + (count - 1) * (row.unit_s or 0.0)


def _crossing(by_id: Mapping[str, Row], row: Row) -> Mark | None:
    """Where a compiled style has overtaken its eager one, with the interval of that number of steps."""
    eager = by_id.get(row.break_even_against or "")
    if eager is None or not row.break_even:
        return None
    count = row.break_even
    low, high = (count if end is None else end for end in (row.break_even_low, row.break_even_high))
    return Mark(count, _elapsed(eager, count), low, high, f"{count:,} steps")


def _count(steps: int | None) -> str:
    return "never" if steps is None else f"{steps:,}"


def overtaking(row: Row) -> str:
    """After how many steps a compiled style has overtaken its eager one, in words."""
    low, high = row.break_even_low, row.break_even_high
    if row.break_even is not None:
        when = f"after {row.break_even:,} steps ({_count(low)} to {_count(high)})"
    elif low is None:
        when = "never, as measured"
    else:
        when = f"never, as measured, or after {low:,} steps at the earliest"
    return f"{row.id} overtakes {row.break_even_against} {when}"
