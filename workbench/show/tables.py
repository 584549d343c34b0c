"""A run's tables, one per measured stage: for the terminal, notebooks, Markdown, LaTeX and files.

The columns are declared in :mod:`workbench.show.columns` and rendered by :mod:`workbench.show.renderers`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import one_line
from workbench.model.outcomes import Outcome
from workbench.model.stage import TRAIN, Stage
from workbench.show import columns, renderers
from workbench.show.columns import Cell, Column, View
from workbench.show.units import counted, listed
from workbench.statistics.disturbance import sentence
from workbench.statistics.rows import least_difference

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from workbench.model.records import RunRecord
    from workbench.model.rows import Row
    from workbench.store.results import StoredRun

_NOT_IN_CSV = ("versions", "color")  # people open the CSV of a run's folder in spreadsheets
_ABSENT = (Outcome.UNSUPPORTED, Outcome.UNAVAILABLE)


@dataclass(frozen=True)
class StageTable:
    """A run's table of one stage.

    Attributes:
        stage: what was measured.
        heading: the stage in words; empty where only the training was measured.
        columns: all columns, for people and for files.
        timed: the rows with a time, fastest first.
    """

    stage: Stage
    heading: str
    columns: Sequence[Column[Row]]
    timed: Sequence[Row]

    def seen(self, view: View) -> Sequence[Column[Row]]:
        """The columns that a view shows."""
        return columns.seen(self.columns, view)

    def titled(self, title: str) -> str:
        """A title that also names the stage, unless only the training was measured."""
        return f"{title} · {self.heading}" if self.heading else title


def stage_tables(run: StoredRun) -> list[StageTable]:
    """A table per stage with a time; where there is no time at all, an empty table of the training."""
    timed = [(stage, rows) for stage in run.stages if (rows := split(run.rows_of(stage.name))[0])]
    stages = timed or [(TRAIN, [])]
    only_training = [stage for stage, _ in stages] == [TRAIN]
    return [
        StageTable(stage, "" if only_training else stage.title, columns.of_run(run.rows_of(stage.name), stage), rows)
        for stage, rows in stages
    ]


def split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows with a time, fastest first and those without a rank last, and the rows without a time."""
    timed = [row for row in rows if row.timed]
    timed.sort(key=lambda row: math.inf if row.relative is None else row.relative)
    return timed, [row for row in rows if not row.timed]


def untimed(run: StoredRun) -> list[Row]:
    """The contestants without a time at any stage."""
    timed = {row.id for table in stage_tables(run) for row in table.timed}
    return [row for row in run.rows if row.id not in timed]


def notes(run: StoredRun, *, more: bool = False) -> list[str]:
    """What a reader must know besides the tables; ``more`` adds the notes on the second tables."""
    tables = stage_tables(run)
    of_any = [row for table in tables for row in table.timed]
    timed = [row for place, row in enumerate(of_any) if row.id not in {other.id for other in of_any[:place]}]
    lines = [_conditions(run.record, timed)]
    for table in tables:
        lines += _how_to_read(table)
        reached = _precision_reached(run.record.settings.precision, table.timed)
        lines += [f"{table.stage.name}: {line}" if table.heading else line for line in reached]
        lines += _break_even(table)
        lines += _energy(table) if more else []
    lines += [f"{row.id}: {warning}" for row in timed for warning in row.warnings]
    lines += ledger(timed)
    lines += filter(None, [disturbance(run), _unfinished(run)])
    return list(dict.fromkeys(lines))


def _unfinished(run: StoredRun) -> str | None:
    """That a run was interrupted, and how to finish it; None if it was not."""
    record = run.record
    if not record.interrupted:
        return None
    done = counted(max((len(entry.launches) for entry in record.contestants), default=0), "launch", "launches")
    return f"Interrupted after {done}; what is missing can still be measured (resume)."


def _conditions(record: RunRecord, timed: Sequence[Row]) -> str:
    settings = record.settings
    cpus = ", ".join(str(cpu) for cpu in settings.cpus)
    pinned = f"pinned to CPU{'' if len(settings.cpus) == 1 else 's'} {cpus}" if cpus else "not pinned"
    threads = "default number of threads" if settings.threads is None else counted(settings.threads, "thread")
    steps = counted(record.problem.steps, "step")
    conditions = f"{steps}, {settings.dtype}, {settings.profile} profile: {threads}, {pinned}."
    return " ".join(filter(None, (conditions, proof_sentence(record, timed))))


def proof_sentence(record: RunRecord, timed: Sequence[Row]) -> str:
    """What is proven of the rows with a time; empty without any."""
    if not timed:
        return ""
    errors = [row.float64_error for row in timed if row.float64_error is not None]
    if not errors:  # of a run that an older version recorded
        return f"Every timed row's losses and result agree with float64 NumPy to within {record.tolerance:.1e}."
    blocks = sum(row.blocks_proving or 0 for row in timed)
    refused = [entry.outcome for entry in record.contestants if entry.id != timed[0].id]
    if errors == [0.0] and len(refused) > 1 and {*refused} == {Outcome.INVALID}:  # that one is the reference itself
        return (
            f"All others disagree with {timed[0].id}, by which they are judged: see whether its own gradients are "
            "right, for example by finite differences."
        )
    every = "Every timed row" if len(errors) == len(timed) else f"{len(errors)} of {len(timed)} timed rows"
    return (
        f"{every}, trained in float64, agrees with NumPy to within {max(errors):.1e}; NumPy repeated "
        f"{counted(blocks, 'clocked block')}."
    )


def _how_to_read(table: StageTable) -> list[str]:
    kinds = ", ".join(dict.fromkeys(row.interval for row in table.timed if row.interval))
    ranks = "Rows that share a rank (#) are not distinguishable."
    return [f"{table.stage.unit}: median over launches; within: {kinds}. {ranks}"] if table.timed else []


def _precision_reached(wanted: float | None, timed: Sequence[Row]) -> list[str]:
    """Whether the requested precision was reached, if one was requested."""
    if wanted is None or not timed:
        return []
    missed = [f"{row.id} ±{spread:.1%}" for row in timed if (spread := _spread(row)) > wanted]
    launches = max(row.launches or 0 for row in timed)
    outcome = f"not reached by {', '.join(missed)}" if missed else "reached by all contestants"
    after = counted(launches, "launch", "launches")
    return [f"Requested precision ±{wanted:.1%}: {outcome} after {after}."]


def _spread(row: Row) -> float:
    """How far the interval of the steady time extends from it, relative, on the longer side."""
    if row.unit_s is None or row.unit_s_low is None or row.unit_s_high is None:
        return 0.0
    return max(row.unit_s_high / row.unit_s - 1, 1 - row.unit_s_low / row.unit_s)


def _break_even(table: StageTable) -> list[str]:
    lines = []
    for row in table.timed:
        if row.break_even_against and row.break_even is None:
            lines.append(f"{row.id} never catches up with {row.break_even_against}.")
        elif row.break_even_against and row.break_even == row.break_even_high == 0:
            lines.append(f"{row.id} is ahead of {row.break_even_against} from the first {table.stage.unit} on.")
        elif row.break_even_against:
            after = counted(row.break_even or 0, table.stage.unit)
            unsure = "" if row.break_even_high is not None else ", though these data do not rule out that it never does"
            lines.append(f"{row.id} catches up with {row.break_even_against} after {after}{unsure}.")
    return lines


def _energy(table: StageTable) -> list[str]:
    measured = [f"{row.id} {row.energy_j:.3g} J" for row in table.timed if row.energy_j is not None]
    return [f"Energy per {table.stage.unit}: {', '.join(measured) or 'not available on this machine'}."]


def ledger(timed: Sequence[Row]) -> list[str]:
    """A sentence for every setting that was observed to differ between the contestants."""
    lines = []
    knobs = columns.seen(columns.of_run(timed), View.KNOBS)
    for column in (knob for knob in knobs if not knob.names_rows):
        ids_by_value: dict[str, list[str]] = {}
        for row in timed:
            if column.value is not None and column.value(row) is not None:
                ids_by_value.setdefault(column.text_of(row), []).append(row.id)
        if len(ids_by_value) > 1:
            lines.append(_difference(column.heading, ids_by_value, len(timed)))
    return lines


def _difference(setting: str, ids_by_value: Mapping[str, Sequence[str]], contestants: int) -> str:
    """Which contestants had which value; for a switch that is known for all of them, only the smaller group."""
    subject, plural = setting[0].upper() + setting[1:], setting.endswith("s")
    observed = sum(map(len, ids_by_value.values()))
    if set(ids_by_value) == {"on", "off"} and observed == contestants:
        value = min(("on", "off"), key=lambda value: len(ids_by_value[value]))
        return f"{subject} {'are' if plural else 'is'} {value} in {listed(ids_by_value[value])} only."
    parts = "; ".join(f"{value} in {', '.join(ids)}" for value, ids in ids_by_value.items())
    return f"{subject} {'differ' if plural else 'differs'}: {parts}."


def disturbance(run: StoredRun) -> str | None:
    """A sentence when the machine was not quiet, with the difference below which times are noise; None otherwise."""
    stage = stage_tables(run)[0].stage
    return sentence([entry.flags for entry in run.record.rounds], least_difference(run.rows_of(stage.name)))


def terminal(run: StoredRun, *, more: bool = False) -> list[RenderableType]:
    """The tables and their notes for a terminal of at least 80 columns; ``more`` adds the second tables."""
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
        ending = (f"{row.id}  {columns.outcome_of(row)}", style)
        parts.append(Text.assemble(ending, f"  {one_line(columns.reason_of(row))}"))
        if style == "red" and row.log:
            parts.append(Text(f"    log: {run.path / row.log}", style="dim"))
    return [*parts, *(Text(note, style="dim") for note in notes(run, more=more))]


def markdown(run: StoredRun) -> str:
    """The tables and their notes as Markdown."""
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
    """The tables as HTML for notebooks, with the contestants without a time in the last one, then the notes."""
    tables = stage_tables(run)
    last = tables[-1]
    shown = (
        renderers.html(
            table.seen(View.TABLE),
            table.timed,
            caption=table.titled(run.title),
            extra_rows=[_html_failure(table, row) for row in untimed(run)] if table is last else (),
        )
        for table in tables
    )
    below = "".join(f"<li>{renderers.escape_html(note)}</li>" for note in notes(run))
    return f'{"".join(shown)}<ul style="font-size:smaller;opacity:.8;margin-top:.5em">{below}</ul>'


def _html_failure(table: StageTable, row: Row) -> str:
    """The row of a contestant without a time; the reason spans all columns after its name."""
    shown = table.seen(View.TABLE)
    name_index = next(index for index, column in enumerate(shown) if column.names_rows)
    reason, outcome = (renderers.escape_html(text) for text in (columns.reason_of(row), columns.outcome_of(row)))
    why = f'<td colspan="{len(shown) - name_index - 1}" style="text-align:left"><b>{outcome}</b>: {reason}</td>'
    return f"<tr>{'<td></td>' * name_index}{renderers.html_cell(shown[name_index], row)}{why}</tr>"


def latex(run: StoredRun) -> str:
    """The tables in LaTeX, for the packages booktabs and threeparttable, with the notes below the last one."""
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
    """The rows of a stage as a frame, NaN where nothing was measured; ``flat`` turns lists and mappings into JSON."""
    with run.reading():
        return columns.frame(_columns(run, stage), run.rows_of(stage), flat=flat)


def csv(run: StoredRun, stage: str = TRAIN.name) -> str:
    """The rows of a stage as CSV, without the columns that a spreadsheet cannot show."""
    text: str = frame(run, stage).drop(columns=list(_NOT_IN_CSV)).to_csv(index=False)
    return text


def plain_rows(run: StoredRun, stage: str = TRAIN.name) -> list[dict[str, Cell]]:
    """The rows of a stage as JSON objects, by key."""
    shown = _columns(run, stage)
    return [columns.record(shown, row) for row in run.rows_of(stage)]


def _columns(run: StoredRun, stage: str) -> Sequence[Column[Row]]:
    measured = next((entry for entry in run.stages if entry.name == stage), None)
    return columns.of_run(run.rows_of(stage), measured)
