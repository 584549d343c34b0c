"""The same task in several frontends side by side, part by part, from the real content files.

Nothing is imported or executed: files are read, divided into parts by their syntax tree, and highlighted.
"""

from workbench.show.sidebyside.page import css, html
from workbench.show.sidebyside.shown import terminal
from workbench.show.sidebyside.sources import Comparison, Source, as_json, compare, parts

__all__ = ["Comparison", "Source", "as_json", "compare", "css", "html", "parts", "terminal"]
