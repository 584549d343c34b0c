"""The kinds of charts there are, as values: numbers, words, order and looks. Whatever draws them decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from workbench.show.charts.looks import Look
from workbench.show.units import format_bytes, format_seconds, format_share
from workbench.statistics.arrays import Floats

LOG_SPAN = 30.0
"""A range is drawn on a log axis when its end is more than this many times its beginning."""


def in_words(value: float | None, unit: str) -> str:
    """A value with its unit as people read it, such as "12.3 µs"; "–" where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    formats = {"s": format_seconds, "bytes": format_bytes, "share": format_share}
    return formats[unit](value) if unit in formats else f"{value:,.4g} {unit}".rstrip()


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its unit ("s", "bytes", "share", "FLOP", "" for a count), where it begins and ends."""

    title: str
    low: float
    high: float
    unit: str = ""
    log: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """Both ends, those of a log axis with some room beyond."""
        room = max(1.3, (self.high / self.low) ** 0.05) if self.log else 1.0
        return self.low / room, self.high * room


@dataclass(frozen=True)
class Numbers:
    """A chart's content as a table of texts; the first cell of a line names it."""

    caption: str
    headings: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What every chart has. One of this class itself has nothing to draw: ``about`` says why.

    Attributes:
        key: its name in files and pages, such as "time".
        title: its heading.
        about: what it shows, in a few sentences.
        numbers: the same as a table.
    """

    key: str
    title: str
    about: str = ""
    numbers: Numbers | None = None


@dataclass(frozen=True)
class Curve:
    """One contestant's values at the steps of a chart; NaN where it has none."""

    id: str
    look: Look
    values: Floats


@dataclass(frozen=True, kw_only=True)
class Curves(Chart):
    """Values over steps.

    Attributes:
        steps: where the values are.
        curves: one per contestant, in order.
        axis: of the values.
        reference: the values that all others should have.
        limit: a level that none should exceed.
        exact: the level at which values of 0 are drawn on a log axis, if there are any.
        stretch: how many steps each value stands for; it is the largest of them.
        digits: significant ones, that are worth showing.
    """

    steps: Floats
    curves: Sequence[Curve]
    axis: Axis
    reference: Floats | None = None
    limit: float | None = None
    exact: float | None = None
    stretch: int = 1
    digits: int = 6


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A contestant's row in a chart; ``failure`` says why it shows nothing, and is empty where it was measured."""

    id: str
    look: Look
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Dot(Entry):
    """A value with its interval, and what each launch measured."""

    value: float | None = None
    low: float = math.nan
    high: float = math.nan
    launches: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Dots(Chart):
    """A value per contestant; ``heading`` says what it is where several such panels stand side by side."""

    axis: Axis
    rows: Sequence[Dot]
    heading: str = ""


@dataclass(frozen=True, kw_only=True)
class Bar(Entry):
    """A bar of parts, as many as the chart names; None where one was not measured."""

    parts: Sequence[float | None] = ()

    @property
    def total(self) -> float:
        """The sum of what was measured."""
        return sum(part for part in self.parts if part is not None)

    @property
    def complete(self) -> bool:
        """Whether every part was measured."""
        return bool(self.parts) and None not in self.parts


@dataclass(frozen=True, kw_only=True)
class Bars(Chart):
    """A stacked bar per contestant; ``parts`` are the names of its parts, from the left."""

    axis: Axis
    parts: Sequence[str]
    rows: Sequence[Bar]


@dataclass(frozen=True)
class Mark:
    """A special point on a line, with the interval of its x and what it is in words."""

    x: float
    y: float
    low: float
    high: float
    about: str


@dataclass(frozen=True)
class Line:
    """One contestant's measured points (x, y, low and high of y), a line through them, and a mark on it.

    ``lines`` holds the line's x and y; it is empty where nothing was fitted.
    """

    id: str
    look: Look
    points: Sequence[tuple[float, float, float, float]] = ()
    line: Sequence[tuple[float, float]] = ()
    mark: Mark | None = None

    @property
    def end(self) -> tuple[float, float] | None:
        """Where it ends: on its line if it has one; None if it has nothing."""
        ends = [point[:2] for point in self.points[-1:]] + [point for point in self.line[-1:] if point[1] > 0]
        return ends[-1] if ends else None


@dataclass(frozen=True, kw_only=True)
class Lines(Chart):
    """Values over a growing amount, both on log axes."""

    x: Axis
    y: Axis
    lines: Sequence[Line]


@dataclass(frozen=True)
class Series:
    """Times of one series of runs, oldest first.

    Attributes:
        label: the conditions that they share.
        dates: of the runs, as ISO 8601; empty where unknown.
        seconds, low, high: each run's steady time with its interval.
        levels: the level that each run belongs to.
        jumps: the relative jump that leads to a run, None where there is none.
    """

    label: str
    dates: Sequence[str] = field(default=())
    seconds: Sequence[float] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    levels: Sequence[float] = ()
    jumps: Sequence[float | None] = ()
