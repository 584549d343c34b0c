"""Charts drawn by Matplotlib: loss curves, times, phases, times against work, runs over time.

No pyplot, and no I/O except in `save`. The charts come from :mod:`workbench.show.charts`. No content of a run makes a
drawing fail: a contestant without a number gets a note in grey instead.
"""

from workbench.show.plots.ofrun import RunPlots
from workbench.show.plots.style import save
from workbench.show.plots.timeline import history

__all__ = ["RunPlots", "history", "save"]
