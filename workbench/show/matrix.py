"""The matrix of all pairs: for the terminal, as Markdown for a README, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.comparison.matrix import Part
from workbench.errors import one_line
from workbench.model.content import Frontend
from workbench.model.outcomes import Outcome
from workbench.model.rows import Row
from workbench.show.listing import hole_lines
from workbench.show.units import three_digits
from workbench.statistics.rows import rows

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MARKERS = "<!-- matrix:begin -->", "<!-- matrix:end -->"
ABREAST = 10  # columns of a table on a terminal
LEFT_OUT, HOLE, NO_RANK = "", "–", "ok"


@dataclass(frozen=True)
class Matrix:
    """Every frontend at every task and preset: its time as a multiple of the fastest, or why it has none."""

    frontends: Sequence[Frontend]
    parts: Sequence[Part]

    @property
    def left_out(self) -> list[str]:
        """What has not been measured, or not to its end."""
        return [part.name for part in self.parts if not part.failure and _unfinished(part)]

    @property
    def failures(self) -> list[str]:
        """A sentence for each task that cannot be measured, and each pair that was not, nor is declared a hole."""
        absent = (Outcome.OK, Outcome.UNSUPPORTED)
        return [f"{part.name}: {part.failure}" for part in self.parts if part.failure] + [
            f"{part.name} {row.id}: {row.outcome}: {row.reason}"
            for part in self.parts
            for row in self._rows(part).values()
            if row.outcome not in absent
        ]

    @property
    def holes(self) -> list[str]:
        """Sentences about the pairs that do not exist."""
        found = {
            (row.id, part.task, row.reason): None
            for part in self.parts
            for row in self._rows(part).values()
            if row.outcome is Outcome.UNSUPPORTED
        }
        return hole_lines(found)

    def _rows(self, part: Part) -> dict[str, Row]:
        if part.run is None:
            return {}
        ids = [frontend.id for frontend in self.frontends]
        return {row.frontend: row for row in rows(part.run.record) if row.frontend in ids}

    def cells(self, part: Part) -> list[str]:
        """The texts of a column, frontend by frontend."""
        if part.failure and part.run is None:
            return [str(Outcome.ERROR)] * len(self.frontends)
        found = self._rows(part)
        return [_text(found.get(frontend.id)) for frontend in self.frontends]

    def terminal(self) -> list[RenderableType]:
        """Tables with numbered columns, what the numbers mean, holes, failures, and what was left out."""
        from rich.text import Text

        lines: list[RenderableType] = []
        for start in range(0, len(self.parts), ABREAST):
            numbered = list(enumerate(self.parts, 1))[start : start + ABREAST]
            lines += [_table(self, numbered), Text("")]
            lines += [Text(f"{number:2}  {part.name}") for number, part in numbered]
            lines.append(Text(""))
        lines.append(Text("Times of a steady step as multiples of the fastest row's of the same column."))
        lines += [Text(f"{HOLE}  {hole}", style="dim") for hole in self.holes]
        lines += [Text(one_line(failure), style="bold red") for failure in self.failures]
        if self.left_out:
            lines.append(Text(f"not measured yet: {', '.join(self.left_out)}; run it again to go on", style="yellow"))
        return lines

    def markdown(self) -> str:
        """A table with a column per task and preset."""
        columns = [self.cells(part) for part in self.parts]
        several = len({part.task for part in self.parts}) < len(self.parts)
        names = [part.name if several else part.task for part in self.parts]
        lines = [f"| | {' | '.join(f'`{name}`' for name in names)} |", f"|---|{'---:|' * len(names)}"]
        for place, frontend in enumerate(self.frontends):
            lines.append(f"| `{frontend.id}` | {' | '.join(column[place] for column in columns)} |")
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "parts": [
                {
                    "task": part.task,
                    "preset": part.preset,
                    "run": part.run.id if part.run else None,
                    "failure": part.failure,
                    "rows": {
                        name: {"outcome": str(row.outcome), "relative": row.relative, "reason": row.reason}
                        for name, row in self._rows(part).items()
                    },
                }
                for part in self.parts
            ],
            "left_out": self.left_out,
        }


def _unfinished(part: Part) -> bool:
    return part.run is None or part.run.record.interrupted


def _text(row: Row | None) -> str:
    if row is None:
        return LEFT_OUT
    if row.outcome is Outcome.UNSUPPORTED:
        return HOLE
    if row.outcome is not Outcome.OK:
        return str(row.outcome)
    return NO_RANK if row.relative is None else three_digits(row.relative)


def _table(matrix: Matrix, numbered: Sequence[tuple[int, Part]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    columns = []
    for number, part in numbered:
        table.add_column(str(number), justify="right")
        columns.append(matrix.cells(part))
    for place, frontend in enumerate(matrix.frontends):
        table.add_row(frontend.id, *(Text(column[place]) for column in columns))
    return table
