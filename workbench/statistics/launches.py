"""From blocks to the time of a unit: of one launch, of launches side by side, of a contestant. Pure; times in seconds.

A block counts unless its round was disturbed; where most were disturbed, all blocks count.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from workbench.model.records import Launch
from workbench.statistics import median_interval, without_rounds

FEWEST_FOR_INTERVAL = 6  # below, a 95 % interval of a median over launches does not exist
Places = AbstractSet[tuple[int, int]]
"""Rounds by launch and number."""


@dataclass(frozen=True)
class Steady:
    """The steady time of a unit in seconds, with its interval and what kind of interval that is."""

    seconds: float
    low: float
    high: float
    interval: str


def clean_blocks(launch: Launch, stage: str, disturbed: Places) -> list[float]:
    """Blocks of undisturbed rounds; all blocks where fewer than half are undisturbed."""
    blocks = launch.of(stage)
    pairs = list(zip(blocks.rounds, blocks.seconds, strict=True))
    clean = [seconds for number, seconds in pairs if (launch.number, number) not in disturbed]
    return clean if 2 * len(clean) >= len(pairs) else [seconds for _, seconds in pairs]


def unit_time(launch: Launch, stage: str, disturbed: Places = frozenset()) -> float:
    """Seconds per unit of one launch: the median of its clean blocks."""
    return statistics.median(clean_blocks(launch, stage, disturbed))


def unit_times(launches: Sequence[Launch], stage: str, disturbed: Places = frozenset()) -> list[float]:
    """Seconds per unit of contestants in one launch, without what a round did to all of them alike.

    For comparing contestants: a slow round makes no difference then. Where they were not measured in the same
    rounds, each one's own median.
    """
    blocks = round_by_round(launches, stage, disturbed)
    if not blocks:
        return [unit_time(launch, stage, disturbed) for launch in launches]
    return [float(seconds) for seconds in without_rounds(blocks)]


def round_by_round(launches: Sequence[Launch], stage: str, disturbed: Places) -> list[list[float]]:
    """Blocks of contestants in one launch, a list per round, clean ones if half are; empty where rounds differ."""
    blocks = [launch.of(stage) for launch in launches]
    rounds = blocks[0].rounds
    if any(other.rounds != rounds for other in blocks):
        return []
    clean = [index for index, number in enumerate(rounds) if (launches[0].number, number) not in disturbed]
    kept = clean if 2 * len(clean) >= len(rounds) else range(len(rounds))
    return [[other.seconds[index] for other in blocks] for index in kept]


def steady(launches: Sequence[Launch], stage: str, disturbed: Places) -> Steady:
    """The steady time of a unit as the median over launches of each one's median.

    From six launches on the interval is the 95 % interval of that median, the launch being the unit of the test. With
    fewer no such interval exists: then it spans the intervals that the blocks of each launch support.
    """
    times = [unit_time(launch, stage, disturbed) for launch in launches]
    if len(times) >= FEWEST_FOR_INTERVAL:
        over = median_interval(times)
        return Steady(statistics.median(times), over.low, over.high, f"95 % over {len(times)} launches")
    each = [median_interval(clean_blocks(launch, stage, disturbed)) for launch in launches]
    kind = f"range of the blocks of {len(times)} launch{'es' if len(times) > 1 else ''}"
    return Steady(statistics.median(times), min(part.low for part in each), max(part.high for part in each), kind)


def side_by_side(launches: Sequence[Sequence[Launch]]) -> list[tuple[Launch, ...]]:
    """What contestants did launch by launch; empty where they were not launched equally often."""
    return list(zip(*launches, strict=True)) if len({len(of_one) for of_one in launches}) == 1 else []


def metric_values(launches: Sequence[Launch]) -> dict[str, float]:
    """The metrics that any of these launches reported, by name: the median over those that did."""
    names = dict.fromkeys(name for launch in launches for name in launch.metrics)
    return {
        name: statistics.median(launch.metrics[name] for launch in launches if name in launch.metrics) for name in names
    }
