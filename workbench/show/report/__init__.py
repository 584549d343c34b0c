"""Runs as pages: one self-contained HTML file, or a static site of tasks, frontends and their latest results.

The charts are Plotly's and need no network; every chart has its numbers beside it, as text and as a table. What
stands in a run is text here, never markup.
"""

from workbench.show.report.page import html, write_report
from workbench.show.report.site import write_site

__all__ = ["html", "write_report", "write_site"]
