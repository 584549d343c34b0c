"""LaTeX: the table as `workbench show` has it, for the packages booktabs and threeparttable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workbench.errors import one_line
from workbench.show import tables

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.store.results import Run

SPECIAL = {
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


def write(run: Run, target: Path) -> None:
    r"""Write the table into a file, to be read by ``\input``."""
    target.write_text(table(run), encoding="utf-8")


def table(run: Run) -> str:
    """The table of timed contestants, with the others and all notes below it."""
    timed, others = tables.split(run)
    columns = "rl" + "r" * (len(tables.HEADINGS) - 2)
    lines = [
        r"% needs \usepackage{booktabs,threeparttable}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(run.title)}}}",
        r"\begin{threeparttable}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(tables.HEADINGS),
        r"\midrule",
        *(_row(tables.cells(entry)) for entry in timed),
        r"\bottomrule",
        r"\end{tabular}",
        r"\begin{tablenotes}\footnotesize",
        *(rf"\item {escaped(' '.join([e['frontend'], e['outcome'], e['reason']]))}" for e in others),
        *(rf"\item {escaped(note)}" for note in tables.notes(run)),
        r"\end{tablenotes}",
        r"\end{threeparttable}",
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"


def escaped(text: str) -> str:
    """A text that LaTeX sets as it stands, whatever it holds."""
    plain = "".join(SPECIAL.get(character, character) for character in one_line(text))
    return re.sub("-(?=-)", "-{}", plain)  # two in a row would become a dash
