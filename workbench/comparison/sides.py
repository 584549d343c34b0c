"""The sides of a comparison: their times launch by launch, their metrics, and the stages that all of them measured.

Every comparison starts here, whether its sides are commits, versions, or runs of different days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from workbench.model import metric
from workbench.model.outcomes import Outcome
from workbench.model.records import ContestantRecord, Launch
from workbench.model.stage import TRAIN, Stage, in_order
from workbench.statistics.launches import RoundIds, metric_values, unit_times


class Member(Protocol):
    """Anything that belongs to one side of a comparison."""

    @property
    def group(self) -> str:
        """The comparison it takes part in."""

    @property
    def side(self) -> str:
        """Its side in that comparison."""


M = TypeVar("M", bound=Member)


def by_group(contestants: Iterable[M]) -> dict[str, dict[str, M]]:
    """Contestants by group and then by side, in the order given; those of one group are compared with each other."""
    groups: dict[str, dict[str, M]] = {}
    for contestant in contestants:
        groups.setdefault(contestant.group, {})[contestant.side] = contestant
    return groups


@dataclass(frozen=True)
class MetricChange:
    """The value of a declared metric on base and head; None for a side that did not report it.

    ``change`` is the relative change from base to head; None if it is not defined.
    """

    name: str
    base: float | None
    head: float | None
    change: float | None = None


def metric_changes(base: Mapping[str, float], head: Mapping[str, float]) -> tuple[MetricChange, ...]:
    """The declared metrics that at least one side reported, in the order declared."""
    return tuple(
        _change(declared.name, base.get(declared.name), head.get(declared.name))
        for declared in metric.METRICS
        if declared.name in base or declared.name in head
    )


def _change(name: str, base: float | None, head: float | None) -> MetricChange:
    change = None if base is None or head is None or base == 0 else head / base - 1
    return MetricChange(name, base, head, change)


def metrics_of(contestant: ContestantRecord) -> dict[str, float]:
    """A contestant's metrics by name; empty if its outcome is not ok."""
    return metric_values(contestant.launches) if contestant.outcome is Outcome.OK else {}


def shared_stages(sides: Sequence[Sequence[Launch]]) -> list[Stage]:
    """The stages that every side measured, in the order of a model's life; the training stage if there is none."""
    measured = [{name for launch in launches for name in launch.blocks if launch.measured(name)} for launches in sides]
    return in_order(set.intersection(*measured)) or [TRAIN]


def times_side_by_side(
    sides: Sequence[Sequence[Launch]], stage: str, disturbed: RoundIds = frozenset()
) -> list[list[float]]:
    """Seconds per unit of each side, launch by launch, with the effect that each round had on all sides removed.

    Args:
        sides: the launches of each side; only launches that all sides finished count.
        stage: the name of the stage.
        disturbed: the disturbed rounds.
    """
    by_number = [{launch.number: launch for launch in launches if launch.measured(stage)} for launches in sides]
    shared = sorted(set.intersection(*(set(launches) for launches in by_number)))
    times = [unit_times([launches[number] for launches in by_number], stage, disturbed) for number in shared]
    return [list(column) for column in zip(*times, strict=True)] if times else [[] for _ in sides]
