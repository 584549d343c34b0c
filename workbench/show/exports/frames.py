"""A run as data frames for CSV and Parquet, and the times for TensorBoard and pyperf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.model.stage import TRAIN, Stage, stage_of
from workbench.show import columns, sweeps, tables
from workbench.show.columns import Column
from workbench.statistics.deviation import deviations_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.model.records import ContestantRecord, Launch
    from workbench.store.results import StoredRun


@dataclass(frozen=True)
class Block:
    """One block of a launch: seconds per unit, units in the block, and whether the machine was disturbed."""

    contestant: str
    frontend: str
    launch: int
    round: int
    seconds: float
    units: int
    disturbed: bool


BLOCKS: tuple[Column[Block], ...] = (
    Column(key="contestant", meaning="its id", value=lambda block: block.contestant, number=False),
    Column(key="frontend", meaning="the frontend's id", value=lambda block: block.frontend, number=False),
    Column(key="launch", meaning="number of the fresh process", value=lambda block: block.launch),
    Column(key="round", meaning="number of the round in that launch", value=lambda block: block.round),
    Column(key="{unit}_s", meaning="seconds per {unit}", value=lambda block: block.seconds),
    Column(key="{units}", meaning="{units} in the block", value=lambda block: block.units),
    Column(
        key="dirty",
        meaning="whether the machine was disturbed in that round",
        value=lambda block: block.disturbed,
        number=False,
    ),
)


def tables_of(run: StoredRun) -> dict[str, pd.DataFrame]:
    """A run's tables by name: summary and blocks of each stage, the losses and, if there was one, the sweep."""
    frames = {"losses": run.losses.reset_index()}
    for stage in run.stages:
        suffix = "" if stage is TRAIN else f"_{stage.name}"
        frames |= {
            f"summary{suffix}": tables.frame(run, stage.name, flat=True),
            f"blocks{suffix}": blocks(run, stage.name),
        }
    sweep = sweeps.points(run.record)
    return frames if sweep.empty else {**frames, "sweep": sweep}


def blocks(run: StoredRun, stage: str = TRAIN.name) -> pd.DataFrame:
    """A row per block of every proven contestant at a stage, with the columns :data:`BLOCKS`."""
    disturbed = run.record.disturbed
    rows = [
        Block(
            contestant.id,
            contestant.frontend,
            launch.number,
            number,
            seconds,
            launch.of(stage).units,
            (launch.number, number) in disturbed,
        )
        for contestant, launch in timed_launches(run, stage)
        for number, seconds in zip(launch.of(stage).rounds, launch.of(stage).seconds, strict=True)
    ]
    return columns.frame([column.at(_known(run, stage)) for column in BLOCKS], rows)


def _known(run: StoredRun, stage: str) -> Stage:
    return next((entry for entry in run.stages if entry.name == stage), stage_of(stage))


def timed_launches(run: StoredRun, stage: str = TRAIN.name) -> Iterator[tuple[ContestantRecord, Launch]]:
    """Every proven contestant, paired with each of its launches that was timed at a stage."""
    for contestant in run.contestants:
        for launch in contestant.measured(stage):
            yield contestant, launch


def deviations(run: StoredRun) -> pd.DataFrame:
    """The deviation of each loss from the reference's, as the proof measures it."""
    losses = run.losses
    if "reference" not in losses:
        return losses.iloc[:, :0]
    return deviations_of(losses, run.record.settings.dtype)
