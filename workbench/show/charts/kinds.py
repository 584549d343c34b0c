"""The kinds of charts, as values. The code that draws them decides only how they look, never what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.show.charts.looks import Look
from workbench.statistics.arrays import Floats

LOG_SPAN = 30.0  # ratio of largest to smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class Axis:
    """An axis with the range it must show; units: "s", "bytes", "share", "FLOP", "count", or "" for plain numbers."""

    title: str
    low: float
    high: float
    unit: str = ""
    log: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """Both ends of the axis; a log axis extends a little beyond its range."""
        room = max(1.3, (self.high / self.low) ** 0.05) if self.log else 1.0
        return self.low / room, self.high * room


@dataclass(frozen=True)
class Table:
    """A table of texts; the first cell of a line is its name, marked with a dot if ``colors`` has a colour for it."""

    caption: str
    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    colors: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What every chart has. A chart of this base class draws nothing, and ``about`` says why."""

    key: str  # for file names and ids in pages, such as "time"
    title: str
    about: str  # caption of a few sentences
    numbers: Table | None = None


@dataclass(frozen=True)
class Curve:
    """One contestant's values at the steps of a chart; NaN where a value is missing."""

    id: str
    look: Look
    values: Floats


@dataclass(frozen=True, kw_only=True)
class Curves(Chart):
    """Values over steps, a curve per contestant; ``empty`` if neither a contestant nor the reference has a value."""

    steps: Floats
    curves: Sequence[Curve]
    axis: Axis
    empty: bool = False
    reference: Floats | None = None  # values that all curves should have
    limit: float | None = None  # value that no curve should exceed
    exact: float | None = None  # where zeros are drawn on the log axis, if there are any
    stretch: int = 1  # number of steps that each value is the maximum of
    digits: int = 6  # significant digits


@dataclass(frozen=True)
class Entry:
    """A contestant's row: the parts of its value, None where not measured, or a ``failure`` with the reason.

    A value of one part may have an interval, ``low`` to ``high``, and the value of each launch.
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
        """The sum of the parts; None if a part is missing."""
        return None if None in self.parts else self.measured

    @property
    def measured(self) -> float:
        """The sum of the parts that were measured."""
        return sum(part for part in self.parts if part is not None)


@dataclass(frozen=True, kw_only=True)
class Rows(Chart):
    """A row per contestant: bars of parts, stacked from the left, or dots with their intervals.

    ``parts`` are the names of the parts, ``words`` formats a value, ``heading`` is the title of a panel among others.
    """

    axis: Axis
    rows: Sequence[Entry]
    parts: Sequence[str] = ("",)
    words: Callable[[float], str]
    dots: bool = False
    heading: str = ""


@dataclass(frozen=True)
class Mark:
    """A marked point of a line, the interval of its x, and its explanation."""

    x: float
    y: float
    low: float
    high: float
    about: str


@dataclass(frozen=True)
class Line:
    """One contestant's measured points (x, y, low and high of y), line (x, y) and mark, as far as it has them."""

    id: str
    look: Look
    points: Sequence[tuple[float, float, float, float]] = ()
    line: Sequence[tuple[float, float]] = ()
    mark: Mark | None = None


@dataclass(frozen=True, kw_only=True)
class Lines(Chart):
    """Values on two log axes, a line per contestant."""

    x: Axis
    y: Axis
    lines: Sequence[Line]
