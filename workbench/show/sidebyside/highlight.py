"""Lines of code as highlighted pieces, for the terminal and for pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from workbench.catalog import figures
from workbench.show.sidebyside import metrics

if TYPE_CHECKING:
    from pygments.token import _TokenType

    from workbench.show.sidebyside.sources import Source


class Piece(NamedTuple):
    """A part of a line: its text, its token type in Pygments, and whether it is a name from the framework."""

    text: str
    kind: _TokenType
    api: bool


def pieces(source: Source) -> list[list[Piece]]:
    """Every line of a source in pieces; line n is at index n - 1."""
    api_columns = _api_columns(source) if source.in_python else {}
    lines: list[list[Piece]] = [[]]
    column = 0
    for kind, value in metrics.lexer_of(source.file).get_tokens(source.text):
        for part in re.findall(r"[^\n]*\n|[^\n]+", value):
            text = part.removesuffix("\n")
            if text:
                inside = any(
                    start < column + len(text) and column < end for start, end in api_columns.get(len(lines), ())
                )
                lines[-1].append(Piece(harmless(text), kind, inside))
                column += len(text)
            if part.endswith("\n"):
                lines.append([])
                column = 0
    return lines


def _api_columns(source: Source) -> dict[int, list[tuple[int, int]]]:
    """The start and end columns of the framework's names, by line number."""
    columns: dict[int, list[tuple[int, int]]] = {}
    lines = source.lines
    for node, _ in figures.api_uses(source.text, source.frontends[0].packages):
        if node.end_lineno == node.lineno:
            encoded = lines[node.lineno - 1].encode()
            start, end = (len(encoded[:offset].decode()) for offset in (node.col_offset, node.end_col_offset or 0))
            columns.setdefault(node.lineno, []).append((start, end))
    return columns


def harmless(text: str) -> str:
    """A text of the same length without control characters, so that it cannot control a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", " ", text)
