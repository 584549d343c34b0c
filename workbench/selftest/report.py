"""The self-test's table: for the terminal, as JSON, and for insertion into METHODOLOGY.md."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import EXIT_CONTESTANT, EXIT_INTERRUPTED, EXIT_OK, WorkbenchError
from workbench.host import files
from workbench.selftest.analysis import FAILS, HOLDS, NOT_JUDGED, Figure

if TYPE_CHECKING:
    from rich.table import Table

BEGIN, END = "<!-- selftest:begin -->", "<!-- selftest:end -->"
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


def splice(path: Path, text: str, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace the text between the markers of a file, and leave all other bytes as they are.

    Raises:
        WorkbenchError: when the file cannot be read or written, or one of its two markers is missing.
    """
    before, newline, after = _around(path, markers)
    begin, end = markers
    lines = [before + begin, *text.splitlines(), end + after]
    try:
        files.write_text(path, newline.join(lines))
    except OSError as error:
        raise WorkbenchError(f"cannot write {path}, which is unchanged: {error.strerror}") from None


def check_markers(path: Path, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Check, before measuring, that a file has both markers.

    Raises:
        WorkbenchError: when the file cannot be read or written, or one of its two markers is missing.
    """
    files.check_writable(path)
    _around(path, markers)


def _around(path: Path, markers: tuple[str, str]) -> tuple[str, str, str]:
    """What stands before the first marker of a file, how its line ends, and what stands after the second."""
    begin, end = markers
    try:
        text = files.read_text(path)
    except OSError as error:
        raise WorkbenchError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise WorkbenchError(f"{path}: not UTF-8; expected a Markdown file with the markers") from None
    before, _, rest = text.partition(begin)
    newline = "\r\n" if rest.startswith("\r\n") else "\n"
    _, found, after = rest.partition(end)
    if not rest.startswith(newline) or not found:
        raise WorkbenchError(f"{path}: needs a line {begin} and, after it, a line {end}")
    return before, newline, after


def counted(figures: Sequence[Figure]) -> str:
    """How many bounds hold, fail and are not judged, in one line."""
    verdicts = [figure.verdict for figure in figures]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in (HOLDS, FAILS, NOT_JUDGED))
