"""A run as tables: what CSV and Parquet hold, and the times that TensorBoard and pyperf show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workbench.show import summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from workbench.store.results import Run

BLOCKS = ("frontend", "launch", "round", "step_s", "steps", "dirty")


def frames(run: Run) -> dict[str, pd.DataFrame]:
    """A run's tables by name: summary, losses, blocks, and sweep where there was one. Times in seconds."""
    found = {"summary": _flat(run.table), "losses": run.losses.reset_index(), "blocks": blocks(run)}
    return found if run.sweep.empty else {**found, "sweep": run.sweep}


def blocks(run: Run) -> pd.DataFrame:
    """A row per block of every proven contestant.

    Columns: frontend, launch, round, step_s (seconds per step), steps (in the block), dirty (whether the machine was
    disturbed in that round).
    """
    import pandas as pd

    dirty = summary.dirty_rounds(run.info)
    found = [
        (contestant["frontend"], launch["launch"], number, seconds, launch["block_steps"], key in dirty)
        for contestant, launch in timed_launches(run)
        for number, seconds in zip(launch["rounds"], launch["blocks"], strict=True)
        for key in [(launch["launch"], number)]
    ]
    return pd.DataFrame(found, columns=list(BLOCKS))


def timed_launches(run: Run) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each proven contestant with each of its launches that was timed."""
    for contestant in run.contestants:
        if contestant["outcome"] == "ok":
            for launch in contestant["launches"]:
                if launch["blocks"]:
                    yield contestant, launch


def deviations(run: Run) -> pd.DataFrame:
    """How far each loss is from the reference's, relative to its value, or to its largest where that is 0."""
    losses = run.losses
    reference = losses["reference"]
    size = reference.abs().where(reference != 0, reference.abs().max())
    return losses.drop(columns="reference").sub(reference, axis=0).abs().div(size, axis=0)


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """The summary with its lists and dicts as JSON texts."""
    flat = table.copy()
    for name in ("versions", "warnings"):
        flat[name] = [json.dumps(value, ensure_ascii=False) for value in flat[name]]
    return flat
