"""A run's figures, as `run.plot.loss()` and its siblings return them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.model.stage import TRAIN
from workbench.show import charts
from workbench.show.plots import curves, lines, rows
from workbench.statistics.rows import sweep_fits, sweep_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.store.results import StoredRun


@dataclass(frozen=True)
class RunPlots:
    """The figures of one run: matplotlib's, shown by themselves at the end of a notebook's cell.

    Each takes a title of your own; by default it is the run's. A colour is a framework, the same in every figure.
    """

    run: StoredRun

    @property
    def figures(self) -> dict[str, Callable[..., Figure]]:
        """What can be drawn of this run, by name; further stages than the training as "time_infer" and the like."""
        drawn: dict[str, Callable[..., Figure]] = {"loss": self.loss, "time": self.time, "phases": self.phases}
        others = [stage.name for stage in self.run.stages if stage != TRAIN]
        drawn |= {f"time_{stage}": functools.partial(self.time, stage=stage) for stage in others}
        return drawn | ({"sweep": self.sweep} if sweep_points(self.run.record) else {})

    def loss(self, title: str | None = None) -> Figure:
        """The loss over the steps, and how far each contestant is from the float64 reference."""
        losses, colors = self.run.losses, self.run.colors
        deviation = charts.deviation(losses, colors, self.run.record.tolerance)
        return curves.figure(charts.loss(losses, colors), deviation, title=title or self.run.title)

    def time(self, title: str | None = None, stage: str = TRAIN.name) -> Figure:
        """The steady unit of a stage with its interval, and the first unit; the fastest first."""
        of_stage = self.run.rows_of(stage)
        default = self.run.title if stage == TRAIN.name else f"{self.run.title} · {stage}"
        return rows.dots([charts.steady(of_stage, self.run.record), charts.first(of_stage)], title=title or default)

    def phases(self, title: str | None = None) -> Figure:
        """The time to the task's last step: import, set-up, first step, steady steps."""
        return rows.bars(charts.phases(self.run.rows, self.run.record.problem.steps), title=title or self.run.title)

    def sweep(self, title: str | None = None) -> Figure:
        """The step over the work in it, with the fit of overhead and throughput; empty without `sweep="size"`."""
        points = sweep_points(self.run.record)
        chart = charts.sweep(points, sweep_fits(points), self.run.colors)
        return lines.figure(chart, title=title or f"{self.run.title}, over sizes")
