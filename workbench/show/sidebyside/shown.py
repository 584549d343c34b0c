"""Code side by side in the terminal: in columns where they fit, else one below the other, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.show.sidebyside.anatomy import PARTS
from workbench.show.sidebyside.highlight import harmless, pieces
from workbench.show.sidebyside.sources import dedented

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from workbench.show.sidebyside.sources import Comparison, Source

MARK = "▌"
NARROWEST = 72  # a column below this breaks most lines
MARKS = f"{MARK} marks code that does not stand in every file."
LEGEND = (
    "Bold is the framework's own. Numbers are the file's lines; a line that does two things stands in both parts. "
    "lines: of code; API: names used of the framework; helpers: lines of what its runtime lends."
)


def terminal(comparison: Comparison, title: str) -> list[RenderableType]:
    """A comparison for terminals of 80 columns and wider ones."""
    from rich.text import Text

    legend = f"{MARKS} {LEGEND}" if len(comparison.sources) > 1 else LEGEND
    below = [Text(f"–  {name} has no {comparison.task}: {harmless(why)}") for name, why in comparison.holes.items()]
    return [
        Text.assemble((comparison.task, "bold"), f"  {harmless(title)}"),
        Text(legend, style="dim"),
        Text(""),
        _figures(comparison),
        Text(""),
        _Columns(comparison),
        Text(""),
        *(_names(source) for source in comparison.sources),
        *below,
    ]


def _figures(comparison: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("frontend", overflow="fold")
    for heading in ("lines", "API", "helpers"):
        shown.add_column(heading, justify="right")
    for source in comparison.sources:
        numbers = (len(source.code), len(source.api), sum(source.helpers.values()))
        shown.add_row(Text(source.name), *(str(number) for number in numbers))
    return shown


def _names(source: Source) -> Text:
    """Where a source lies, who shares it, and what it uses."""
    from rich.text import Text

    where = f" share {source.file}, which" if len(source.frontends) > 1 else f" in {source.file}"
    names = [*source.api, *(f"{name} of its runtime" for name in source.helpers)]
    return Text.assemble((source.name, "bold"), f"{where} uses {', '.join(names) or 'no name of its own'}")


@dataclass(frozen=True)
class _Columns:
    """All parts, in columns where the terminal is wide enough for them."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        count = len(self.comparison.sources)
        if count == 1 or options.max_width // count < NARROWEST:
            yield from _stacked(self.comparison)
            return
        lines = [_Lines(self.comparison, place) for place in range(count)]
        for part, row in self.comparison.rows.items():
            yield from _heading(part)
            yield _beside([of_one.rows(numbers) for of_one, numbers in zip(lines, row, strict=True)], self.comparison)


def _beside(columns: Sequence[Sequence[tuple[Text, Text]]], comparison: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(expand=True, padding=(0, 1, 0, 0))
    for _ in columns:
        shown.add_column(width=5, no_wrap=True)
        shown.add_column(ratio=1, overflow="fold")
    shown.add_row(*(Text(text, style="dim") for source in comparison.sources for text in ("", source.name)))
    for place in range(max(len(column) for column in columns)):
        cells = (column[place] if place < len(column) else (Text(""), Text("")) for column in columns)
        shown.add_row(*(text for cell in cells for text in cell))
    return shown


def _stacked(comparison: Comparison) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    lines = [_Lines(comparison, place) for place in range(len(comparison.sources))]
    for part, row in comparison.rows.items():
        yield from _heading(part)
        for of_one, numbers in zip(lines, row, strict=True):
            if len(lines) > 1:
                yield Text(of_one.source.name, style="italic")
            shown = Table.grid(padding=(0, 1, 0, 0))
            shown.add_column(width=5, no_wrap=True)
            shown.add_column(overflow="fold")
            for cells in of_one.rows(numbers):
                shown.add_row(*cells)
            yield shown


def _heading(part: str) -> Iterator[RenderableType]:
    from rich.rule import Rule
    from rich.text import Text

    yield Rule(Text(PARTS[part], style="bold"), align="left", style="dim")


class _Lines:
    """The lines of one source as texts: number with mark, and code."""

    def __init__(self, comparison: Comparison, place: int) -> None:
        self.source = comparison.sources[place]
        self.marked = comparison.marked[place]
        self.pieces = pieces(self.source)

    def rows(self, numbers: Sequence[int]) -> list[tuple[Text, Text]]:
        """Number and code of these lines, without the indentation that all of them share."""
        from rich.text import Text

        if not numbers:
            return [(Text("    –", style="dim"), Text("nothing to write", style="dim"))]
        cut = dedented(self.source.lines, numbers)
        return [(self._margin(number), self._code(number)[cut:]) for number in numbers]

    def _margin(self, number: int) -> Text:
        from rich.text import Text

        return Text.assemble((f"{number:4}", "dim"), MARK if number in self.marked else " ")

    def _code(self, number: int) -> Text:
        from rich.style import Style
        from rich.syntax import Syntax
        from rich.text import Text

        theme = Syntax.get_theme("ansi_dark")
        text = Text(overflow="fold")
        for piece in self.pieces[number - 1]:
            text.append(piece.text, theme.get_style_for_token(piece.kind) + Style(bold=piece.api or None))
        return text
