"""A run's figures, as `run.plot.loss()` and its siblings return them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.show.plots import curves, scaling, times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.store.results import Run


@dataclass(frozen=True)
class RunPlots:
    """The figures of one run: matplotlib's, shown by themselves at the end of a notebook's cell.

    Each takes a title of your own; by default it is the run's. A colour is a framework, the same in every figure.
    """

    run: Run

    @property
    def figures(self) -> dict[str, Callable[..., Figure]]:
        """What can be drawn of this run, by name."""
        drawn: dict[str, Callable[..., Figure]] = {"loss": self.loss, "time": self.time, "phases": self.phases}
        return drawn if self.run.sweep.empty else {**drawn, "sweep": self.sweep}

    def loss(self, title: str | None = None) -> Figure:
        """The loss over the steps, and how far each frontend is from the float64 reference."""
        run = self.run
        return curves.loss(run.losses, run.colors, title=title or run.title, tolerance=run.record.tolerance)

    def time(self, title: str | None = None) -> Figure:
        """The steady step with its interval, and the first step; the fastest first."""
        return times.time(self.run.table, title=title or self.run.title)

    def phases(self, title: str | None = None) -> Figure:
        """The time to the task's last step: import, set-up, first step, steady steps."""
        steps = self.run.record.problem.steps
        return times.phases(self.run.table, title=title or self.run.title, steps=steps)

    def sweep(self, title: str | None = None) -> Figure:
        """The step over the work in it, with the fit of overhead and throughput; empty without `sweep="size"`."""
        run = self.run
        return scaling.sweep(run.sweep, run.fits, run.colors, title=title or f"{run.title}, over sizes", unit="FLOP")
