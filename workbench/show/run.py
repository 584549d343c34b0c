"""A run as notebooks use it: its records, and their tables, frames and figures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from workbench.model.stage import TRAIN
from workbench.show import sweeps, tables
from workbench.store import records
from workbench.store.results import PARTIAL, StoredRun

if TYPE_CHECKING:
    import pandas as pd

    from workbench.show.plots import RunPlots
    from workbench.store.codec import Json


class Run(StoredRun):
    """One finished run: its measurements as typed records, as pandas frames and as figures."""

    @classmethod
    def of(cls, run: StoredRun) -> Run:
        """A stored run, with its tables and figures."""
        return run if isinstance(run, cls) else cls(run.path, run.record)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows of the training as a frame, NaN where nothing was measured."""
        return self.table_of()

    def table_of(self, stage: str = TRAIN.name) -> pd.DataFrame:
        """The rows of a stage as a frame, NaN where nothing was measured."""
        return tables.frame(self, stage)

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """The points of the size sweep, if there was one: frontend, size, work, step_s and its interval."""
        with self.reading():
            return sweeps.points(self.record)

    @cached_property
    def fits(self) -> pd.DataFrame:
        """The sweep's fits, step_s = overhead_s + work x seconds_per_unit, a row per frontend, with 95 % intervals."""
        with self.reading():
            return sweeps.fits(self.record)

    @property
    def plot(self) -> RunPlots:
        """The run's figures: plot.loss(), plot.time(), plot.phases(), plot.sweep()."""
        from workbench.show.plots import RunPlots  # loads Matplotlib

        return RunPlots(self)

    def summary(self) -> Json:
        """The content of summary.json."""
        facts = {**records.facts_of(self.record), "run": self.id.removeprefix(PARTIAL)}
        with self.reading():
            stages = {stage.name: tables.plain_rows(self, stage.name) for stage in self.stages if stage is not TRAIN}
            return {**facts, "contestants": tables.plain_rows(self), **({"stages": stages} if stages else {})}

    def _repr_html_(self) -> str:
        with self.reading():
            return tables.html(self)
