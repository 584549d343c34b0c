"""A size sweep as frames, one of times and one of fits, and their columns."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from workbench.show.columns import Column, frame
from workbench.statistics import Overhead, rows

if TYPE_CHECKING:
    import pandas as pd

    from workbench.model.records import RunRecord
    from workbench.statistics.rows import SizeFit, SizeTime

SIZES: tuple[Column[SizeTime], ...] = (
    Column(key="contestant", meaning="its id", value=lambda point: point.contestant, number=False),
    Column(key="frontend", meaning="the frontend's id", value=lambda point: point.frontend, number=False),
    Column(key="size", meaning="the value that the sweep varies", value=lambda point: point.size),
    Column(key="work", meaning="FLOP per step", value=lambda point: point.work),
    Column(key="step_s", meaning="seconds per step: median over blocks", value=lambda point: point.step_s),
    Column(key="step_s_low", meaning="lower end of its interval", value=lambda point: point.step_s_low),
    Column(key="step_s_high", meaning="upper end of its interval", value=lambda point: point.step_s_high),
)

FITS: tuple[Column[SizeFit], ...] = (
    Column(key="contestant", meaning="its id", value=lambda fit: fit.contestant, number=False),
    Column(key="frontend", meaning="the frontend's id", value=lambda fit: fit.frontend, number=False),
    *(Column[rows.SizeFit](key=name, value=attrgetter(f"fit.{name}")) for name in Overhead._fields),
)


def points(record: RunRecord) -> pd.DataFrame:
    """The sweep's times, a row per contestant and size; empty where there was no sweep."""
    return frame(SIZES, rows.sweep_points(record))


def fits(record: RunRecord) -> pd.DataFrame:
    """The sweep's fits, step_s = overhead_s + work x seconds_per_unit, a row per contestant."""
    return frame(FITS, rows.sweep_fits(rows.sweep_points(record)))
