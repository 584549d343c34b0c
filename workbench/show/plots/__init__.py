"""Charts drawn by Matplotlib: loss curves, times, phases, times against work, runs over time.

No pyplot, no I/O but `save`. What is drawn comes from :mod:`workbench.show.charts`. Nothing here raises for what a run
may hold: what has no number is written out in grey.
"""

from workbench.show.plots.ofrun import RunPlots
from workbench.show.plots.style import save
from workbench.show.plots.timeline import history

__all__ = ["RunPlots", "history", "save"]
