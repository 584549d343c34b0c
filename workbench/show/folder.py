"""The files in a run's folder for people and other tools: tables, frames and pictures, made from its record."""

from __future__ import annotations

import errno

from workbench.host import files
from workbench.host.signals import late_signals
from workbench.model.stage import TRAIN
from workbench.show import tables
from workbench.show.run import Run
from workbench.store.codec import text_of
from workbench.store.results import NotWrittenError, StoredRun


class PlotFailedError(Exception):
    """Everything was measured and written, but a plot could not be drawn; ``run`` is the run."""

    def __init__(self, run: Run, reason: str) -> None:
        super().__init__(reason)
        self.run = run


def publish(stored: StoredRun) -> Run:
    """Write everything derived from a run into its folder.

    Raises:
        NotWrittenError: when the disk is full or the folder is gone.
        PlotFailedError: when everything but a picture could be written.
    """
    run = Run.of(stored)
    try:
        with late_signals():
            write(run)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        place = run.path if full or not run.path.is_dir() else error.filename2 or error.filename or run.path
        remedy = (
            f"; {'free some space' if full else 'mend that'}, then rebuild run {run.id}" if run.path.is_dir() else ""
        )
        raise NotWrittenError(run, f"results cannot be written to {place}: {error.strerror}{remedy}") from None
    try:
        with late_signals():
            draw(run)
    except Exception as error:
        raise PlotFailedError(run, f"{type(error).__name__}: {error}") from error
    return run


def write(run: Run) -> None:
    """Write the run's tables and frames."""
    files.write_text(run.path / "summary.json", text_of(run.summary()))
    files.write_text(run.path / "losses.csv", run.losses.to_csv())
    for stage in run.stages:
        name = "summary.csv" if stage is TRAIN else f"summary_{stage.name}.csv"
        files.write_text(run.path / name, tables.csv(run, stage.name))
    files.write_text(run.path / "summary.md", tables.markdown(run))
    if not run.sweep.empty:
        files.write_text(run.path / "sweep.csv", run.sweep.to_csv(index=False))


def draw(run: Run) -> None:
    """Draw the run's pictures."""
    from workbench.show import plots

    for name, figure in run.plot.figures.items():
        plots.save(figure(), run.path / name)
