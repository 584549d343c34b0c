"""Code side by side in the terminal, part by part: in columns where they fit, otherwise one below the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.show.sidebyside.anatomy import PARTS
from workbench.show.sidebyside.highlight import harmless, pieces
from workbench.show.sidebyside.sources import common_indent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from workbench.show.sidebyside.sources import Comparison, Source

MARK = "▌"
NARROWEST = 72  # width of a column below which most lines would wrap
MARKS = f"{MARK} marks code that is not in every file."
LEGEND = (
    "Bold names come from the framework. Line numbers are those of the file; a line that does two jobs is listed in "
    "both sections. lines: of code; API: framework names used; helpers: lines of code used from modules beside it."
)


def terminal(comparison: Comparison, title: str) -> list[RenderableType]:
    """A comparison for a terminal of at least 80 columns."""
    from rich.text import Text

    legend = f"{MARKS} {LEGEND}" if len(comparison.sources) > 1 else LEGEND
    below = [
        Text(f"–  {comparison.task} is not available in {name}: {harmless(why)}")
        for name, why in comparison.holes.items()
    ]
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

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("frontend", overflow="fold")
    for heading in ("lines", "API", "helpers"):
        table.add_column(heading, justify="right")
    for source in comparison.sources:
        numbers = (len(source.code), len(source.api), sum(source.helpers.values()))
        table.add_row(Text(source.name), *(str(number) for number in numbers))
    return table


def _names(source: Source) -> Text:
    """A source's file, the frontends that share it, and the names it uses."""
    from rich.text import Text

    where = f" share {source.file}, which" if len(source.frontends) > 1 else f" in {source.file}"
    names = [*source.api, *(f"{name} from its folder" for name in source.helpers)]
    return Text.assemble((source.name, "bold"), f"{where} uses {', '.join(names) or 'no framework names'}")


@dataclass(frozen=True)
class _Columns:
    """All parts, in columns where the terminal is wide enough for them."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        count = len(self.comparison.sources)
        if count == 1 or options.max_width // count < NARROWEST:
            yield from _stacked(self.comparison)
            return
        lines = [_Lines(self.comparison, index) for index in range(count)]
        for part, row in self.comparison.rows.items():
            yield from _heading(part)
            yield _in_columns([file.rows(numbers) for file, numbers in zip(lines, row, strict=True)], self.comparison)


def _in_columns(columns: Sequence[Sequence[tuple[Text, Text]]], comparison: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    for _ in columns:
        grid.add_column(width=5, no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
    grid.add_row(*(Text(text, style="dim") for source in comparison.sources for text in ("", source.name)))
    for index in range(max(len(column) for column in columns)):
        cells = (column[index] if index < len(column) else (Text(""), Text("")) for column in columns)
        grid.add_row(*(text for cell in cells for text in cell))
    return grid


def _stacked(comparison: Comparison) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    lines = [_Lines(comparison, index) for index in range(len(comparison.sources))]
    for part, row in comparison.rows.items():
        yield from _heading(part)
        for file, numbers in zip(lines, row, strict=True):
            if len(lines) > 1:
                yield Text(file.source.name, style="italic")
            grid = Table.grid(padding=(0, 1, 0, 0))
            grid.add_column(width=5, no_wrap=True)
            grid.add_column(overflow="fold")
            for cells in file.rows(numbers):
                grid.add_row(*cells)
            yield grid


def _heading(part: str) -> Iterator[RenderableType]:
    from rich.rule import Rule
    from rich.text import Text

    yield Rule(Text(PARTS[part], style="bold"), align="left", style="dim")


class _Lines:
    """The lines of one source as texts: line number with mark, and code."""

    def __init__(self, comparison: Comparison, index: int) -> None:
        self.source = comparison.sources[index]
        self.marked = comparison.marked[index]
        self.nothing = comparison.nothing
        self.pieces = pieces(self.source)

    def rows(self, numbers: Sequence[int]) -> list[tuple[Text, Text]]:
        """Number and code of these lines, without their common indentation."""
        from rich.text import Text

        if not numbers:
            return [(Text("    –", style="dim"), Text(self.nothing, style="dim"))]
        indent = common_indent(self.source.lines, numbers)
        return [(self._margin(number), self._code(number)[indent:]) for number in numbers]

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
