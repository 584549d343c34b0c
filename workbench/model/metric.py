"""Named figures of a contestant besides its times: each is declared here once, and every table takes it from here.

A worker reports a metric by its name (``metrics`` of its observations); an undeclared one is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which of two values is the better one."""

    LOWER = "lower is better"
    HIGHER = "higher is better"
    NEITHER = "neither is better"


@dataclass(frozen=True)
class Metric:
    """A figure with a unit and a direction.

    Attributes:
        name: as records and files carry it.
        heading: as tables show it.
        unit: "bytes", "s", "share" (0.98 is shown as 98 %), or "" for a count.
        direction: which of two values is the better one.
        meaning: one line for people.
    """

    name: str
    heading: str
    unit: str
    direction: Direction
    meaning: str


ACCURACY = Metric(
    "accuracy",
    "accuracy",
    "share",
    Direction.HIGHER,
    "queries that the trained model answers rightly, as the harness counts them",
)

METRICS: tuple[Metric, ...] = (ACCURACY,)


def metric_of(name: str) -> Metric | None:
    """The metric of that name, if it is declared."""
    return next((metric for metric in METRICS if metric.name == name), None)
