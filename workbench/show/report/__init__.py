"""Runs as HTML: one self-contained file, or a static site of tasks, frontends and their latest results.

The charts are Plotly's and need no network; every chart comes with its numbers, as text and as a table. Whatever a run
contains is treated as text, never as markup.
"""

from workbench.show.report.page import html, write_report
from workbench.show.report.site import write_site

__all__ = ["html", "write_report", "write_site"]
