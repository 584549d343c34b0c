"""Rows in columns as people see them: terminal, Markdown, HTML and LaTeX. None of them knows what a table is about.

Each takes columns (see :mod:`workbench.show.columns`) and rows of the columns' type. Frames, CSV and JSON come from
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
"""Characters that LaTeX takes for commands or that its fonts lack, and what stands for them."""


def terminal(
    columns: Sequence[Column[T]], rows: Sequence[T], *, style: Callable[[T], str] = lambda _: ""
) -> RenderableType:
    """A table without rules that leaves out what tells least where a terminal is too narrow for all.

    Args:
        columns: each with the order in which it may go.
        rows: of the table.
        style: of a whole row, as Rich names it.
    """
    return _Fitting(columns, rows, style)


@dataclass(frozen=True)
class _Fitting(Generic[T]):
    """A table that Rich measures before it draws it."""

    columns: Sequence[Column[T]]
    rows: Sequence[T]
    style: Callable[[T], str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        shown = list(self.columns)
        for column in sorted(shown, key=_drop_order):
            width = console.measure(self._table(shown), options=options.update(width=1000)).maximum
            if column.drop is None or width <= options.max_width:
                break
            shown.remove(column)
        yield self._table(shown)

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
    """A text without anything that Markdown would take for markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def html(columns: Sequence[Column[T]], rows: Sequence[T], *, caption: str = "", more: Sequence[str] = ()) -> str:
    """A table in HTML, for notebooks: numbers to the right, a colour's dot before a text, headings with tooltips.

    Args:
        columns: of the table.
        rows: of the table.
        caption: above it.
        more: rows in HTML that come after them.
    """
    above = f'<caption style="{_CAPTION}">{escape_html(caption)}</caption>' if caption else ""
    head = "".join(_html_heading(column) for column in columns)
    body = "".join(f"<tr>{''.join(html_cell(column, row) for column in columns)}</tr>" for row in rows)
    return (
        f'<table style="font-variant-numeric:tabular-nums">{above}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}{''.join(more)}</tbody></table>"
    )


def _html_heading(column: Column[T]) -> str:
    tooltip = f' title="{escape_html(column.meaning)}"' if column.meaning else ""
    return f'<th scope="col"{tooltip} style="{_aligned(column)}">{escape_html(column.heading)}</th>'


def html_cell(column: Column[T], row: T) -> str:
    """A row's cell in a column, in HTML."""
    text = escape_html(column.text_of(row))
    shown = f"<b>{text}</b>" if column.emphasises(row) else text
    return f'<td style="{_aligned(column)}">{_dot(column, row)}{shown}</td>'


def _aligned(column: Column[T]) -> str:
    return f"text-align:{'right' if column.number else 'left'}" + ("" if column.wrap else ";white-space:nowrap")


def _dot(column: Column[T], row: T) -> str:
    """A dot in the row's colour, as in the charts; none for what is no colour."""
    color = None if column.color is None else column.color(row)
    known = isinstance(color, str) and _COLOR.match(color)
    return f'<span aria-hidden="true" style="color:{color}">●</span> ' if known else ""


def escape_html(text: str) -> str:
    """A text in one line that HTML shows as it stands."""
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
    """A text that LaTeX sets as it stands, whatever it holds."""
    plain = "".join(LATEX.get(character, character) for character in one_line(text))
    return re.sub("-(?=-)", "-{}", plain)  # two in a row would become a dash
