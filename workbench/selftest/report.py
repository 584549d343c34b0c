"""The self-test's table: for the terminal, as JSON, and for insertion into METHODOLOGY.md."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from workbench.errors import EXIT_CONTESTANT, EXIT_INTERRUPTED, EXIT_OK
from workbench.selftest.analysis import FAILS, HOLDS, NOT_JUDGED, Figure

if TYPE_CHECKING:
    from rich.table import Table

MARKERS = "<!-- selftest:begin -->", "<!-- selftest:end -->"
STYLES = {HOLDS: "green", FAILS: "bold red", NOT_JUDGED: "dim"}
HEADINGS = ("figure", "measured", "bound", "verdict")


@dataclass(frozen=True)
class Report:
    """All figures, and the facts about them: command, launches, machine and versions, but no date."""

    figures: list[Figure]
    facts: dict[str, str]
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """1 if any judged bound fails; 130 if interrupted."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        return EXIT_CONTESTANT if any(figure.verdict == FAILS for figure in self.figures) else EXIT_OK

    def as_json(self) -> dict[str, object]:
        """Plain values; a number that is not finite is null."""
        return {
            "facts": self.facts,
            "interrupted": self.interrupted,
            "holds": self.exit_code == EXIT_OK,
            "figures": [_finite(asdict(figure)) for figure in self.figures],
        }

    def terminal(self) -> Table:
        """A table with a section per part."""
        from rich.table import Table
        from rich.text import Text

        table = Table(*HEADINGS, title=self.title, title_justify="left", show_lines=False)
        for part, figures in itertools.groupby(self.figures, lambda figure: figure.part):
            table.add_section()
            table.add_row(Text(part, style="bold"))
            for figure in figures:
                verdict = Text(figure.verdict, style=STYLES[figure.verdict])
                table.add_row(Text(f"  {figure.name}"), Text(figure.value), Text(figure.bound), verdict)
        return table

    @property
    def title(self) -> str:
        """The facts in one line."""
        return "; ".join(f"{name} {value}" for name, value in self.facts.items())

    def markdown(self) -> str:
        """The table in Markdown, with the facts above it."""
        lines = [f"- {name}: {value}" for name, value in self.facts.items()]
        lines += ["", f"| | {' | '.join(HEADINGS)} |", f"|{'---|' * (len(HEADINGS) + 1)}"]
        for part, figures in itertools.groupby(self.figures, lambda figure: figure.part):
            for index, figure in enumerate(figures):
                cells = (part if index == 0 else "", figure.name, figure.value, figure.bound, figure.verdict)
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines)


def _finite(value: object) -> object:
    """A value for JSON, with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def counted(figures: Sequence[Figure]) -> str:
    """How many bounds hold, fail and are not judged, in one line."""
    verdicts = [figure.verdict for figure in figures]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in (HOLDS, FAILS, NOT_JUDGED))
