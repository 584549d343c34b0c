"""Tables for people: terminal, Markdown, HTML and LaTeX. A renderer knows nothing of a table's subject.

Each takes columns (see :mod:`workbench.show.columns`) and rows of the columns' row type. Frames, CSV and JSON come from
:func:`workbench.show.columns.frame` and :func:`workbench.show.columns.record`.
"""

from __future__ import annotations

import html as html_text
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from workbench.errors import one_line
from workbench.show.columns import Column

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

T = TypeVar("T")

_CAPTION = "caption-side:top;text-align:left;font-weight:bold;padding:.3em 0"
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}\Z")

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
    "×": r"$\times$",
    "±": r"$\pm$",
    "µ": r"$\mu$",
    "·": r"$\cdot$",
    "–": r"\textendash{}",
}
"""Replacements for characters that LaTeX would read as commands or that its fonts lack."""


def terminal(
    columns: Sequence[Column[T]], rows: Sequence[T], *, style: Callable[[T], str] = lambda _: ""
) -> RenderableType:
    """A table without rules; in a terminal too narrow for all columns, the least important ones are dropped and named.

    Args:
        columns: of the table; ``drop`` is the order in which they are dropped.
        rows: of the table.
        style: returns the style of a whole row, in Rich's notation.
    """
    return _Fitting(columns, rows, style)


@dataclass(frozen=True)
class _Fitting(Generic[T]):
    """A table that fits itself to the width of the console."""

    columns: Sequence[Column[T]]
    rows: Sequence[T]
    style: Callable[[T], str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        shown = list(self.columns)
        for column in sorted(shown, key=_drop_order):
            width = console.measure(self._table(shown), options=options.update(width=1000)).maximum
            if column.drop is None or width <= options.max_width:
                break
            shown.remove(column)
        yield self._table(shown)
        if dropped := [column.heading for column in self.columns if column not in shown]:
            yield Text(f"too narrow for: {', '.join(dropped)}", style="dim")

    def _table(self, columns: Sequence[Column[T]]) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for column in columns:
            table.add_column(
                column.heading,
                justify="right" if column.number else "left",
                no_wrap=not column.wrap,
                overflow="fold" if column.wrap else "ellipsis",
            )
        for row in self.rows:
            table.add_row(*(_terminal_text(column, row) for column in columns), style=self.style(row))
        return table


def _drop_order(column: Column[T]) -> tuple[bool, int]:
    return column.drop is None, column.drop or 0


def _terminal_text(column: Column[T], row: T) -> Text:
    from rich.text import Text

    return Text(one_line(column.text_of(row)), style="bold" if column.emphasises(row) else "")


def markdown(columns: Sequence[Column[T]], rows: Sequence[T]) -> str:
    """A table in Markdown."""
    rule = "".join("---:|" if column.number else "---|" for column in columns)
    head = _markdown_line([column.heading for column in columns])
    lines = (_markdown_line([_markdown_cell(column, row) for column in columns]) for row in rows)
    return "\n".join([head, f"|{rule}", *lines])


def _markdown_line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _markdown_cell(column: Column[T], row: T) -> str:
    text = escape_markdown(one_line(column.text_of(row)))
    return f"**{text}**" if column.emphasises(row) else text


def escape_markdown(text: str) -> str:
    """A text with all Markdown markup escaped."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def html(columns: Sequence[Column[T]], rows: Sequence[T], *, caption: str = "", extra_rows: Sequence[str] = ()) -> str:
    """A table in HTML for notebooks: numbers aligned to the right, a coloured dot before names, tooltips on headings.

    Args:
        columns: of the table.
        rows: of the table.
        caption: shown above the table.
        extra_rows: further rows, as HTML, after the others.
    """
    above = f'<caption style="{_CAPTION}">{escape_html(caption)}</caption>' if caption else ""
    head = "".join(_html_heading(column) for column in columns)
    body = "".join(f"<tr>{''.join(html_cell(column, row) for column in columns)}</tr>" for row in rows)
    return (
        f'<table style="font-variant-numeric:tabular-nums">{above}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}{''.join(extra_rows)}</tbody></table>"
    )


def _html_heading(column: Column[T]) -> str:
    tooltip = f' title="{escape_html(column.meaning)}"' if column.meaning else ""
    return f'<th scope="col"{tooltip} style="{_cell_style(column)}">{escape_html(column.heading)}</th>'


def html_cell(column: Column[T], row: T) -> str:
    """A row's cell in a column, in HTML."""
    text = escape_html(column.text_of(row))
    content = f"<b>{text}</b>" if column.emphasises(row) else text
    return f'<td style="{_cell_style(column)}">{_dot(column, row)}{content}</td>'


def _cell_style(column: Column[T]) -> str:
    return f"text-align:{'right' if column.number else 'left'}" + ("" if column.wrap else ";white-space:nowrap")


def _dot(column: Column[T], row: T) -> str:
    """A dot in the row's colour, as in the charts; nothing if the colour is missing or malformed."""
    color = None if column.color is None else column.color(row)
    valid = isinstance(color, str) and _COLOR.match(color)
    return f'<span aria-hidden="true" style="color:{color}">●</span> ' if valid else ""


def escape_html(text: str) -> str:
    """A text, on one line, that HTML shows literally."""
    return html_text.escape(one_line(text))


def latex(columns: Sequence[Column[T]], rows: Sequence[T]) -> str:
    r"""A table in LaTeX, a ``tabular`` of the package booktabs."""
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if column.number else 'l' for column in columns)}}}",
        r"\toprule",
        _latex_line([escape_latex(column.heading) for column in columns]),
        r"\midrule",
        *(_latex_line([_latex_cell(column, row) for column in columns]) for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _latex_line(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def _latex_cell(column: Column[T], row: T) -> str:
    text = escape_latex(column.text_of(row))
    return rf"\textbf{{{text}}}" if column.emphasises(row) else text


def escape_latex(text: str) -> str:
    """A text that LaTeX typesets literally, whatever characters it has."""
    plain = "".join(LATEX.get(character, character) for character in one_line(text))
    return re.sub("-(?=-)", "-{}", plain)  # two hyphens in a row would become a dash
