"""The kinds of charts there are, as values: whatever draws them decides nothing but where its ink goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.show.charts.looks import Look
from workbench.statistics.arrays import Floats

LOG_SPAN = 30.0  # from where a range is drawn on a log axis


@dataclass(frozen=True)
class Axis:
    """An axis and what it must show; its unit is "s", "bytes", "share", "FLOP", "count", or "" for a plain number."""

    title: str
    low: float
    high: float
    unit: str = ""
    log: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """Both ends; on a log axis with a little room beyond."""
        room = max(1.3, (self.high / self.low) ** 0.05) if self.log else 1.0
        return self.low / room, self.high * room


@dataclass(frozen=True)
class Table:
    """A table as texts; the first cell of a line names it, with a dot of its colour, if ``colors`` has one."""

    caption: str
    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    colors: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What every chart has; one of no other kind than this shows nothing, and ``about`` says why."""

    key: str  # in names of files and in pages, such as "time"
    title: str
    about: str  # what it shows, in a few sentences
    numbers: Table | None = None


@dataclass(frozen=True)
class Curve:
    """One contestant's values at the steps of a chart; NaN where it has none."""

    id: str
    look: Look
    values: Floats


@dataclass(frozen=True, kw_only=True)
class Curves(Chart):
    """Values over steps, a curve per contestant."""

    steps: Floats
    curves: Sequence[Curve]
    axis: Axis
    reference: Floats | None = None  # what all should be
    limit: float | None = None  # what none should exceed
    exact: float | None = None  # where values of 0 stand on the log axis, if there are any
    stretch: int = 1  # how many steps each value is the largest of
    digits: int = 6  # that mean something

    @property
    def empty(self) -> bool:
        """Whether no contestant and not even the reference has a value."""
        columns = [*(curve.values for curve in self.curves), *([] if self.reference is None else [self.reference])]
        return all(bool(np.isnan(values).all()) for values in columns)


@dataclass(frozen=True)
class Dot:
    """A contestant's value, its interval and its launches; without a value ``failure`` says why, if it failed."""

    id: str
    look: Look
    failure: str = ""
    value: float | None = None
    low: float = 0.0
    high: float = 0.0
    launches: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Dots(Chart):
    """A row per contestant, with its value as a dot."""

    heading: str  # of a panel beside others
    axis: Axis
    rows: Sequence[Dot]


@dataclass(frozen=True)
class Bar:
    """A contestant's parts, None for what was not measured; ``failure`` says why nothing was, if it failed."""

    id: str
    look: Look
    parts: Sequence[float | None]
    failure: str = ""

    @property
    def total(self) -> float:
        """The sum of what was measured."""
        return sum(part for part in self.parts if part is not None)

    @property
    def complete(self) -> bool:
        """Whether every part was measured."""
        return None not in self.parts


@dataclass(frozen=True, kw_only=True)
class Bars(Chart):
    """A row per contestant, with its parts stacked, from the left; ``parts`` names them, ``words`` are of a value."""

    axis: Axis
    parts: Sequence[str]
    words: Callable[[float], str]
    rows: Sequence[Bar]


@dataclass(frozen=True)
class Mark:
    """A special point of a line, the interval of its x, and what it is."""

    x: float
    y: float
    low: float
    high: float
    about: str


@dataclass(frozen=True)
class Line:
    """One contestant's measured points (x, y, interval of y), a line (x, y) and a mark, as far as it has them."""

    id: str
    look: Look
    points: Sequence[tuple[float, float, float, float]] = ()
    line: Sequence[tuple[float, float]] = ()
    mark: Mark | None = None


@dataclass(frozen=True, kw_only=True)
class Lines(Chart):
    """Values over a growing amount, a line per contestant, both on log axes."""

    x: Axis
    y: Axis
    lines: Sequence[Line]


@dataclass(frozen=True)
class RunPoint:
    """One run in a series: its steady time with its interval, the level of the runs around it, the jump that led to it.

    Times in seconds; ``date`` as ISO 8601, empty where unknown; ``jump`` relative, None where there was none.
    """

    date: str
    seconds: float
    low: float
    high: float
    level: float
    jump: float | None = None


@dataclass(frozen=True)
class Series:
    """Comparable runs, oldest first, and the conditions that they share."""

    label: str
    points: Sequence[RunPoint] = field(default=())
