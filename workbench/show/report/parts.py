"""What the pages are made of: tables, charts, and a run's rows apart by whether they may show a speed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.show import units

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from workbench.store.results import Run

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table as texts; the first cell of a line names it. ``colors`` by name: a dot before it, as in the charts."""

    caption: str
    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    colors: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """A chart, what it says in words, and its numbers. Without a figure ``about`` says why there is none."""

    id: str
    title: str
    about: str
    figure: Figure | None = None
    table: Table | None = None


def split(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that show a speed, fastest first, and the others."""
    timed = [entry for entry in run.rows if entry["outcome"] == "ok" and usable(entry["step_s"])]
    others = [entry for entry in run.rows if entry not in timed]
    return sorted(timed, key=lambda entry: entry["relative_step"]), others


def usable(number: float | None) -> bool:
    """Whether it is a positive, finite number."""
    return number is not None and math.isfinite(number) and number > 0


def colors(run: Run) -> dict[str, str]:
    """Each frontend's colour, where it is one."""
    known = ((name, color) for name, color in run.colors.items() if isinstance(color, str))
    return {name: color for name, color in known if re.fullmatch(r"#[0-9A-Fa-f]{6}", color)}


def interval(entry: Row) -> str:
    """The steady step's interval, such as "11.9 µs to 12.4 µs"."""
    low, high = (units.format_seconds(entry[name]) for name in ("step_s_low", "step_s_high"))
    return f"{low} to {high}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
