"""From blocks to the time per unit: of one launch, of launches side by side, of a contestant. Pure; times in seconds.

A block counts unless its round was disturbed; if more than half of the rounds were disturbed, all blocks count.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from workbench.model.records import Launch
from workbench.statistics import median_interval, without_rounds
from workbench.statistics.arrays import Floats
from workbench.statistics.resolution import FEWEST_FOR_INTERVAL, arms, half_widths

RoundIds = AbstractSet[tuple[int, int]]
"""Rounds, each by the number of its launch and its own."""


@dataclass(frozen=True)
class Steady:
    """The steady time per unit in seconds, with its interval; ``interval`` says what kind of interval that is."""

    seconds: float
    low: float
    high: float
    interval: str


def clean_blocks(launch: Launch, stage: str, disturbed: RoundIds) -> list[float]:
    """Seconds of the blocks of undisturbed rounds; those of all blocks if fewer than half are undisturbed."""
    blocks = launch.of(stage)
    pairs = list(zip(blocks.rounds, blocks.seconds, strict=True))
    clean = [seconds for number, seconds in pairs if (launch.number, number) not in disturbed]
    return clean if 2 * len(clean) >= len(pairs) else [seconds for _, seconds in pairs]


def unit_time(launch: Launch, stage: str, disturbed: RoundIds = frozenset()) -> float:
    """Seconds per unit of one launch: the median of its clean blocks."""
    return statistics.median(clean_blocks(launch, stage, disturbed))


def unit_times(launches: Sequence[Launch], stage: str, disturbed: RoundIds = frozenset()) -> list[float]:
    """Seconds per unit of contestants in one launch, with the effect that each round had on all of them removed.

    For comparing contestants: a slow round then makes no difference. If they were not measured in the same rounds,
    the median of each.
    """
    blocks = round_by_round(launches, stage, disturbed)
    if not blocks:
        return [unit_time(launch, stage, disturbed) for launch in launches]
    return [float(seconds) for seconds in without_rounds(blocks)]


def round_by_round(launches: Sequence[Launch], stage: str, disturbed: RoundIds) -> list[list[float]]:
    """Block times in one launch, a list per round; clean rounds alone if half are; empty if the rounds differ."""
    blocks = [launch.of(stage) for launch in launches]
    rounds = blocks[0].rounds
    if any(other.rounds != rounds for other in blocks):
        return []
    clean = [index for index, number in enumerate(rounds) if (launches[0].number, number) not in disturbed]
    kept = clean if 2 * len(clean) >= len(rounds) else range(len(rounds))
    return [[other.seconds[index] for other in blocks] for index in kept]


def steady(launches: Sequence[Launch], stage: str, disturbed: RoundIds) -> Steady:
    """The steady time per unit: the median over the launches' medians.

    With six launches or more, the interval is the 95 % confidence interval of that median, whose samples are launches.
    With fewer, no such interval exists; the one given then spans the intervals of the blocks within each launch.
    """
    times = [unit_time(launch, stage, disturbed) for launch in launches]
    if len(times) >= FEWEST_FOR_INTERVAL:
        median = median_interval(times)
        return Steady(median.estimate, median.low, median.high, f"95 % over {len(times)} launches")
    within = [median_interval(clean_blocks(launch, stage, disturbed)) for launch in launches]
    kind = f"range of the blocks of {len(times)} launch{'es' if len(times) > 1 else ''}"
    return Steady(statistics.median(times), min(part.low for part in within), max(part.high for part in within), kind)


def side_by_side(launches: Sequence[Sequence[Launch]]) -> list[tuple[Launch, ...]]:
    """The launches of several contestants, grouped launch by launch; empty if their numbers of launches differ."""
    return list(zip(*launches, strict=True)) if len({len(own) for own in launches}) == 1 else []


def arms_side_by_side(launches: Sequence[Sequence[Launch]], stage: str, disturbed: RoundIds) -> Floats | None:
    """The arms, on the log scale, of the intervals by which contestants are compared; see :mod:`.resolution`.

    Args:
        launches: as from :func:`side_by_side`.
        stage: the name of the stage.
        disturbed: the disturbed rounds.

    Returns:
        None if they were not measured round by round, or if there is only one.
    """
    blocks = [round_by_round(entry, stage, disturbed) for entry in launches]
    if not blocks or any(len(by_round) < 2 or len(by_round[0]) < 2 for by_round in blocks):
        return None
    return arms(half_widths(blocks))


def metric_values(launches: Sequence[Launch]) -> dict[str, float]:
    """The metrics that these launches reported, by name: the median over those that reported each."""
    names = dict.fromkeys(name for launch in launches for name in launch.metrics)
    return {
        name: statistics.median(launch.metrics[name] for launch in launches if name in launch.metrics) for name in names
    }
