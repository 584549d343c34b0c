"""Charts as values: numbers, texts, order and looks, prepared once; Matplotlib and Plotly only draw them.

Charts are made from losses, rows and sweep points; their types are in ``kinds``. Pure: no I/O, and no drawing by either
library.
"""

from workbench.show.charts.curves import deviation, loss
from workbench.show.charts.lines import break_even, sweep
from workbench.show.charts.rows import first, memory, metrics, phases, steady, step_ratio

__all__ = ["break_even", "deviation", "first", "loss", "memory", "metrics", "phases", "steady", "step_ratio", "sweep"]
