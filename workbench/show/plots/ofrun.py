"""A run's figures, as `run.plot.loss()` and the like return them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.model.stage import EVALUATE, TRAIN
from workbench.show import charts
from workbench.show.plots import curves, lines, rows
from workbench.statistics.rows import sweep_fits, sweep_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.store.results import StoredRun


@dataclass(frozen=True)
class RunPlots:
    """The Matplotlib figures of one run; a notebook shows one that is the last value of a cell.

    Each takes a title; by default it is the run's. A framework has the same colour in every figure.
    """

    run: StoredRun

    @property
    def figures(self) -> dict[str, Callable[..., Figure]]:
        """The functions that draw this run, by name; stages besides the training are named like "time_infer"."""
        figures: dict[str, Callable[..., Figure]] = {"loss": self.loss, "time": self.time, "phases": self.phases}
        others = [stage.name for stage in self.run.stages if stage != TRAIN]
        figures |= {f"time_{stage}": functools.partial(self.time, stage=stage) for stage in others}
        return figures | ({"sweep": self.sweep} if sweep_points(self.run.record) else {})

    def loss(self, title: str | None = None) -> Figure:
        """The loss over the steps, and each contestant's deviation from the float64 reference."""
        losses, colors = self.run.losses, self.run.colors
        deviation = charts.deviation(losses, colors, self.run.record.tolerance, dtype=self.run.record.settings.dtype)
        return curves.figure(charts.loss(losses, colors), deviation, title=title or self.run.title)

    def time(self, title: str | None = None, stage: str = TRAIN.name) -> Figure:
        """The times of a steady unit, with interval, and of the first unit of a stage; the fastest on top.

        Beside losses alone stands what the whole step takes, as a multiple.
        """
        stage_rows = self.run.rows_of(stage)
        beside = charts.step_ratio if stage == EVALUATE.name else charts.first
        default = self.run.title if stage == TRAIN.name else f"{self.run.title} · {stage}"
        return rows.dots([charts.steady(stage_rows, self.run.record), beside(stage_rows)], title=title or default)

    def phases(self, title: str | None = None) -> Figure:
        """The time to the task's last step: import, set-up, first step, steady steps."""
        return rows.bars(charts.phases(self.run.rows, self.run.record.problem.steps), title=title or self.run.title)

    def sweep(self, title: str | None = None) -> Figure:
        """The time of a step over its work, with the fit of overhead and throughput; empty without a size sweep."""
        points = sweep_points(self.run.record)
        chart = charts.sweep(points, sweep_fits(points), self.run.colors)
        return lines.figure(chart, title=title or f"{self.run.title}, over sizes")
