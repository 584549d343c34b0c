"""The kinds of charts there are, as values: whatever draws them decides nothing but where its ink goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.show.charts.looks import Look
from workbench.statistics.arrays import Floats

LOG_SPAN = 30.0  # from where a range is drawn on a log axis


@dataclass(frozen=True)
class Axis:
    """An axis and what it must show; its unit is "s", "bytes", "share", "FLOP", "count", or "" for plain numbers."""

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
    """Values over steps, a curve per contestant; empty where none, nor the reference, has a value."""

    steps: Floats
    curves: Sequence[Curve]
    axis: Axis
    empty: bool = False
    reference: Floats | None = None  # what all should be
    limit: float | None = None  # what none should exceed
    exact: float | None = None  # where values of 0 stand on the log axis, if there are any
    stretch: int = 1  # how many steps each value is the largest of
    digits: int = 6  # that mean something


@dataclass(frozen=True)
class Entry:
    """A contestant's row: the parts of its value, None where not measured; ``failure`` says why there are none.

    A value of one part may have an interval, ``low`` to ``high``, and what each launch measured.
    """

    id: str
    look: Look
    parts: Sequence[float | None]
    failure: str = ""
    low: float = 0.0
    high: float = 0.0
    launches: Sequence[float] = ()

    @property
    def value(self) -> float | None:
        """The whole; None where a part is missing."""
        return None if None in self.parts else self.measured

    @property
    def measured(self) -> float:
        """The sum of the parts that are there."""
        return sum(part for part in self.parts if part is not None)


@dataclass(frozen=True, kw_only=True)
class Rows(Chart):
    """A row per contestant: bars of parts, stacked from the left, or dots with their intervals.

    ``parts`` names the parts, ``words`` says a value, ``heading`` stands above dots in a panel beside others.
    """

    axis: Axis
    rows: Sequence[Entry]
    parts: Sequence[str] = ("",)
    words: Callable[[float], str]
    dots: bool = False
    heading: str = ""


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
