"""A run's tables, one per stage that was measured: for the terminal, notebooks, Markdown, LaTeX and files.

What a column is stands in :mod:`workbench.show.columns`, how it looks in :mod:`workbench.show.renderers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import one_line
from workbench.model.outcomes import Outcome
from workbench.model.stage import TRAIN, Stage
from workbench.show import columns, renderers
from workbench.show.columns import Cell, Column, View
from workbench.statistics.disturbance import sentence
from workbench.statistics.rows import least_difference

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from workbench.model.records import RunRecord
    from workbench.model.rows import Row
    from workbench.store.results import StoredRun

_LEFT_OUT = ("versions", "color")  # of the CSV in a run's folder, which people open in spreadsheets
_ABSENT = (Outcome.UNSUPPORTED, Outcome.UNAVAILABLE)


@dataclass(frozen=True)
class StageTable:
    """A run's table of one stage.

    Attributes:
        stage: what was measured.
        heading: the stage in words; empty where the training alone was measured, which goes without saying.
        columns: all of them, for people and for files.
        timed: the rows that show a speed, fastest first.
    """

    stage: Stage
    heading: str
    columns: Sequence[Column[Row]]
    timed: Sequence[Row]

    def seen(self, view: View) -> Sequence[Column[Row]]:
        """The columns of a view."""
        return columns.seen(self.columns, view)

    def titled(self, title: str) -> str:
        """A title with the stage, where that must be said."""
        return f"{title} · {self.heading}" if self.heading else title


def stage_tables(run: StoredRun) -> list[StageTable]:
    """A table per stage at which anything has a time; the training's, without rows, where nothing has one."""
    timed = [(stage, rows) for stage in run.stages if (rows := split(run.rows_of(stage.name))[0])]
    stages = timed or [(TRAIN, [])]
    alone = [stage for stage, _ in stages] == [TRAIN]
    return [
        StageTable(stage, "" if alone else stage.title, columns.of_run(run.rows_of(stage.name), stage), rows)
        for stage, rows in stages
    ]


def split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that show a speed, fastest first, and the others."""
    timed = sorted((row for row in rows if row.timed), key=lambda row: row.relative or 0.0)
    return timed, [row for row in rows if not row.timed]


def untimed(run: StoredRun) -> list[Row]:
    """Contestants that have no time at any stage."""
    timed = {row.id for table in stage_tables(run) for row in table.timed}
    return [row for row in run.rows if row.id not in timed]


def notes(run: StoredRun, *, more: bool = False) -> list[str]:
    """What a reader must know beside the tables; ``more`` adds what belongs to the second ones."""
    tables = stage_tables(run)
    lines = [_conditions(run.record)]
    for table in tables:
        lines += _how_to_read(table)
        reached = _precision_reached(run.record.settings.precision, table.timed)
        lines += [f"{table.stage.name}: {line}" if table.heading else line for line in reached]
        lines += _break_even(table)
        lines += _energy(table) if more else []
    timed = [row for table in tables for row in table.timed]
    lines += [f"{row.id}: {warning}" for row in timed for warning in row.warnings]
    lines += [line for table in tables for line in ledger(table.timed)]
    noisy = disturbance(run)
    return [*dict.fromkeys(lines), *([noisy] if noisy else [])]


def _conditions(record: RunRecord) -> str:
    settings = record.settings
    where = f"on CPU {', '.join(str(cpu) for cpu in settings.cpus)}" if settings.cpus else "unpinned"
    threads = "each framework's own threads" if settings.threads is None else f"{settings.threads} thread(s)"
    return (
        f"{record.problem.steps} steps, {settings.dtype}, {settings.profile} profile: {threads} {where}. "
        f"Every loss and the result lie within {record.tolerance:.1e} of float64 NumPy."
    )


def _how_to_read(table: StageTable) -> list[str]:
    kinds = ", ".join(dict.fromkeys(row.interval for row in table.timed if row.interval))
    alike = "Rows that share a rank (#) cannot be told apart."
    return [f"{table.stage.unit}: median; within: {kinds}. {alike}"] if table.timed else []


def _precision_reached(wanted: float | None, timed: Sequence[Row]) -> list[str]:
    """What became of a precision that was asked for."""
    if wanted is None or not timed:
        return []
    missed = [f"{row.id} ±{spread:.1%}" for row in timed if (spread := _spread(row)) > wanted]
    launches = max(row.launches or 0 for row in timed)
    outcome = f"not reached by {', '.join(missed)}" if missed else "reached by all"
    return [f"asked for ±{wanted:.1%}: {outcome}, after {launches} launches."]


def _spread(row: Row) -> float:
    """How far the interval of the steady time reaches, relative to it."""
    if row.unit_s is None or row.unit_s_low is None or row.unit_s_high is None:
        return 0.0
    return max(row.unit_s_high / row.unit_s - 1, 1 - row.unit_s_low / row.unit_s)


def _break_even(table: StageTable) -> list[str]:
    lines = []
    for row in table.timed:
        if row.break_even_against:
            after = row.break_even
            when = "never" if after is None else f"after {after:,} {table.stage.units}"
            sure = "" if after is None or row.break_even_high else ", or never, for all that is known"
            lines.append(f"{row.id} overtakes {row.break_even_against}: {when}{sure}.")
    return lines


def _energy(table: StageTable) -> list[str]:
    measured = [f"{row.id} {row.energy_j:.3g} J" for row in table.timed if row.energy_j is not None]
    return [f"energy per {table.stage.unit}: {', '.join(measured) or 'not readable here'}."]


def ledger(timed: Sequence[Row]) -> list[str]:
    """Every setting that was observed to differ between the contestants."""
    lines = []
    knobs = columns.seen(columns.of_run(timed), View.KNOBS)
    for column in (knob for knob in knobs if not knob.names_rows):
        names: dict[str, list[str]] = {}
        for row in timed:
            if column.value is not None and column.value(row) is not None:
                names.setdefault(column.text_of(row), []).append(row.id)
        if len(names) > 1:
            parts = "; ".join(f"{value}: {', '.join(having)}" for value, having in names.items())
            lines.append(f"{column.heading} differ{'' if column.heading.endswith('s') else 's'}: {parts}.")
    return lines


def disturbance(run: StoredRun) -> str | None:
    """One sentence when the machine was not quiet, and what could not be told apart for that."""
    stage = stage_tables(run)[0].stage
    return sentence([entry.flags for entry in run.record.rounds], least_difference(run.record, stage.name))


def terminal(run: StoredRun, *, more: bool = False) -> list[RenderableType]:
    """The tables and what belongs to them, for a terminal of 80 columns and wider; ``more`` adds a second one each."""
    from rich.text import Text

    tables = stage_tables(run)
    parts: list[RenderableType] = [Text(run.title, style="bold")]
    for table in tables if tables[0].timed else ():
        parts += [Text(""), Text(table.heading, style="bold")] if table.heading else []
        parts.append(renderers.terminal(table.seen(View.TABLE), table.timed))
        if more:
            parts += [Text(""), renderers.terminal(table.seen(View.DETAILS), table.timed), Text("")]
    for row in untimed(run):
        style = "yellow" if row.outcome in _ABSENT else "red"
        ended = (f"{row.id}  {columns.outcome_of(row)}", style)
        parts.append(Text.assemble(ended, f"  {one_line(columns.reason_of(row))}"))
        if style == "red":
            parts.append(Text(f"    log: {run.path / row.log}", style="dim"))
    return [*parts, *(Text(note, style="dim") for note in notes(run, more=more))]


def markdown(run: StoredRun) -> str:
    """The tables as Markdown."""
    quote = renderers.escape_markdown
    tables = stage_tables(run)
    lines = [f"### {quote(run.title)}", ""]
    for table in tables if tables[0].timed else ():
        lines += [f"#### {quote(table.heading)}", ""] if table.heading else []
        lines += [renderers.markdown(table.seen(View.TABLE), table.timed), ""]
    failed = [
        f"- `{row.id}` **{columns.outcome_of(row)}**: {quote(one_line(columns.reason_of(row)))}" for row in untimed(run)
    ]
    return "\n".join([*lines, *failed, *([""] if failed else []), *(quote(note) for note in notes(run)), ""])


def html(run: StoredRun) -> str:
    """The tables as HTML, for notebooks: what failed beneath in the last one, then the notes."""
    tables = stage_tables(run)
    last = tables[-1]
    shown = (
        renderers.html(
            table.seen(View.TABLE),
            table.timed,
            caption=table.titled(run.title),
            more=[_html_failure(table, row) for row in untimed(run)] if table is last else (),
        )
        for table in tables
    )
    below = "".join(f"<li>{renderers.escape_html(note)}</li>" for note in notes(run))
    return f'{"".join(shown)}<ul style="font-size:smaller;opacity:.8;margin-top:.5em">{below}</ul>'


def _html_failure(table: StageTable, row: Row) -> str:
    """A row without a speed: why there is none, over all columns after the contestant's."""
    shown = table.seen(View.TABLE)
    name = next(index for index, column in enumerate(shown) if column.names_rows)
    reason, outcome = (renderers.escape_html(text) for text in (columns.reason_of(row), columns.outcome_of(row)))
    why = f'<td colspan="{len(shown) - name - 1}" style="text-align:left"><b>{outcome}</b>: {reason}</td>'
    return f"<tr>{'<td></td>' * name}{renderers.html_cell(shown[name], row)}{why}</tr>"


def latex(run: StoredRun) -> str:
    """The tables in LaTeX, for the packages booktabs and threeparttable; the notes stand below the last one."""
    tables = stage_tables(run)
    last = tables[-1]
    failed = [" ".join([row.id, columns.outcome_of(row), columns.reason_of(row)]) for row in untimed(run)]
    below = [rf"\item {renderers.escape_latex(text)}" for text in [*failed, *notes(run)]]
    lines = [r"% needs \usepackage{booktabs,threeparttable}"]
    for table in tables:
        caption = table.titled(run.title)
        lines += [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{renderers.escape_latex(caption)}}}",
            r"\begin{threeparttable}",
            renderers.latex(table.seen(View.TABLE), table.timed),
            *([r"\begin{tablenotes}\footnotesize", *below, r"\end{tablenotes}"] if table is last else []),
            r"\end{threeparttable}",
            r"\end{table}",
        ]
    return "\n".join([*lines, ""])


def frame(run: StoredRun, stage: str = TRAIN.name, *, flat: bool = False) -> pd.DataFrame:
    """The rows of a stage as a frame; what was not measured is NaN. ``flat``: lists and mappings as JSON texts."""
    with run.reading():
        return columns.frame(_columns(run, stage), run.rows_of(stage), flat=flat)


def csv(run: StoredRun, stage: str = TRAIN.name) -> str:
    """The rows of a stage as CSV, without what a spreadsheet cannot show."""
    text: str = frame(run, stage).drop(columns=list(_LEFT_OUT)).to_csv(index=False)
    return text


def plain_rows(run: StoredRun, stage: str = TRAIN.name) -> list[dict[str, Cell]]:
    """The rows of a stage as JSON has them, by key."""
    shown = _columns(run, stage)
    return [columns.record(shown, row) for row in run.rows_of(stage)]


def _columns(run: StoredRun, stage: str) -> Sequence[Column[Row]]:
    known = next((entry for entry in run.stages if entry.name == stage), None)
    return columns.of_run(run.rows_of(stage), known)
