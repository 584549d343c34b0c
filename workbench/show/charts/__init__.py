"""What is drawn, prepared once as values: numbers, words, order and looks. Matplotlib and Plotly only draw them.

The charts come from losses, rows and sizes; ``kinds`` has their types. Pure: no I/O, and nothing of either library's
drawing.
"""

from workbench.show.charts.curves import deviation, loss
from workbench.show.charts.lines import break_even, sweep
from workbench.show.charts.rows import first, memory, metrics, phases, steady

__all__ = ["break_even", "deviation", "first", "loss", "memory", "metrics", "phases", "steady", "sweep"]
