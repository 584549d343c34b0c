"""Figures from frames: loss curves, step times, the time to N steps, time against work, runs over time.

No pyplot, no I/O but `save`. A colour is a framework, the same in every figure; its modes differ in their
markers. Nothing here raises for what a run may hold: what has no number is written out in grey.
"""

from workbench.show.plots.curves import loss
from workbench.show.plots.ofrun import RunPlots
from workbench.show.plots.scaling import sweep
from workbench.show.plots.style import save
from workbench.show.plots.timeline import history
from workbench.show.plots.times import phases, time

__all__ = ["RunPlots", "history", "loss", "phases", "save", "sweep", "time"]
