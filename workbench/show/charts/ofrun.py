"""What can be drawn of a run, by what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.model.stage import TRAIN, Stage
from workbench.show.charts import curves, lines, rows
from workbench.show.charts.looks import Look, looks

if TYPE_CHECKING:
    from workbench.show.charts.kinds import Bars, Chart, Dots, Lines
    from workbench.store.results import Run


def looks_of(run: Run) -> dict[str, Look]:
    """The look of each contestant of a run."""
    return looks(run.colors)


def losses(run: Run) -> curves.Losses:
    """A run's losses.

    Raises:
        WorkbenchError: when they cannot be read.
    """
    return curves.Losses.of(run.losses, run.colors)


def steady(run: Run, stage: Stage = TRAIN) -> Dots:
    """The steady time of a unit of a stage, contestant by contestant."""
    return rows.steady(run.rows_of(stage.name), rows.launch_times(run.record, stage), stage, looks_of(run))


def first(run: Run, stage: Stage = TRAIN) -> Dots:
    """The first unit of a stage, contestant by contestant."""
    return rows.first(run.rows_of(stage.name), stage, looks_of(run))


def phases(run: Run) -> Bars:
    """The time to the task's last step."""
    return rows.phases(run.rows, run.record.problem.steps, looks_of(run))


def break_even(run: Run) -> Chart:
    """Compiled styles against the eager ones that they compile."""
    return lines.break_even(run.rows, run.record.problem.steps, looks_of(run))


def memory(run: Run) -> Bars | None:
    """Peak memory; None where it was not measured."""
    return rows.memory(run.rows, looks_of(run))


def metrics(run: Run) -> list[Bars]:
    """The declared metrics that the run has."""
    return rows.metrics(run.rows, looks_of(run))


def sweep(run: Run) -> Lines:
    """The size sweep; without any points where there was none."""
    points = [lines.SizePoint(*point) for point in run.sweep.itertuples(index=False, name=None)]
    fits = {name: lines.Fit(overhead, slope) for name, overhead, _, _, slope, *_ in run.fits.itertuples(index=False, name=None)}
    return lines.sweep(points, fits, looks_of(run))
