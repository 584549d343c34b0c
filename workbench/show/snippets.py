"""A task's code in chosen frontends, whole or in parts, as a notebook shows it: cards side by side."""

from __future__ import annotations

import html as html_escape
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.show import sidebyside
from workbench.show.sidebyside.anatomy import PARTS
from workbench.show.sidebyside.metrics import lexer_of
from workbench.show.sidebyside.sources import common_indent, trimmed

if TYPE_CHECKING:
    from workbench.catalog import Catalog
    from workbench.show.sidebyside import Source

GAP = "# ⋮"  # stands for lines left out
# Light on every page, because the syntax colours need a light background.
CARD = "flex:1 1 24em;min-width:0;margin:0;border:1px solid #d0d7de;border-radius:6px;background:#fff;color:#1f2328"
HEAD = "padding:.3em .8em;border-bottom:1px solid #d0d7de;font-size:smaller"
CODE = "margin:0;padding:.5em .8em;overflow-x:auto;background:none;color:inherit;font-size:.85em;text-align:left"


@dataclass(frozen=True)
class Snippet:
    """Lines of one content file.

    Attributes:
        frontends: ids of the modes that share the file, separated by commas.
        file: its path relative to its content root.
        text: the lines, without their common indentation; a line "# ⋮" stands for lines left out.
    """

    frontends: str
    file: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Snippets:
    """Code of one task in several frontends: one card each in a notebook, one text after the other when printed."""

    task: str
    snippets: tuple[Snippet, ...]

    def __str__(self) -> str:
        return "\n\n".join(f"# {snippet.file} ({snippet.frontends})\n{snippet}" for snippet in self.snippets)

    def __repr__(self) -> str:
        return f"<{self.task} in {', '.join(snippet.frontends for snippet in self.snippets)}>"

    def _repr_html_(self) -> str:
        cards = "".join(_card(snippet) for snippet in self.snippets)
        return f'<div style="display:flex;flex-wrap:wrap;gap:.6em;align-items:stretch">{cards}</div>'


def source(task: str, frontends: str | Iterable[str], parts: Sequence[str], content: Catalog) -> Snippets:
    """Code of a task, whole or only certain parts, in the requested order; see :func:`workbench.source`."""
    if unknown := [part for part in parts if part not in PARTS]:
        raise WorkbenchError(f"unknown part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    patterns = [frontends] if isinstance(frontends, str) else list(frontends)
    wanted = [part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()]
    comparison = sidebyside.compare(task, wanted, content)
    requested = [mode.id for pattern in wanted for mode in content.select([pattern], task)]
    sources = sorted(comparison.sources, key=lambda file: min(requested.index(mode.id) for mode in file.frontends))
    return Snippets(task, tuple(_snippet(file, parts) for file in sources))


def _snippet(file: Source, parts: Sequence[str]) -> Snippet:
    lines = file.lines
    chosen = {number for part in parts or PARTS for number in file.parts[part]}
    numbers = trimmed(lines, sorted(chosen))
    indent, shown = common_indent(lines, numbers), list[str]()
    for number, previous in zip(numbers, [*numbers[:1], *numbers], strict=False):
        if number - previous > 1 and any(line.strip() for line in lines[previous : number - 1]):
            shown.append(GAP)
        shown.append(lines[number - 1][indent:].rstrip())
    return Snippet(file.name, file.file, "\n".join(shown) or "(no line of this part)")


def _card(snippet: Snippet) -> str:
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter

    code = highlight(snippet.text, lexer_of(snippet.file), HtmlFormatter(nowrap=True, noclasses=True))
    name, file = (html_escape.escape(text) for text in (snippet.frontends, snippet.file))
    head = f'<div style="{HEAD}"><b>{name}</b> <span style="color:#59636e">{file}</span></div>'
    return f'<div style="{CARD}">{head}<pre style="{CODE}">{code}</pre></div>'
