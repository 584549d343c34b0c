"""The result of a gate for the terminal, pull requests (Markdown), other CI systems (JUnit) and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from workbench.comparison.commits import GateResult
from workbench.comparison.judge import UNKNOWN, WORSE, Finding, Judgement
from workbench.errors import one_line
from workbench.model.stage import TRAIN, stage_of
from workbench.show import columns, renderers
from workbench.show.columns import Cell, Column, View
from workbench.show.metrics import change_columns
from workbench.show.renderers import escape_html, escape_markdown
from workbench.show.tables import disturbance
from workbench.show.units import counted, format_change, format_share

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

STYLES = {**dict.fromkeys(WORSE, "bold red"), **dict.fromkeys(UNKNOWN, "yellow"), Finding.FASTER: "green"}
EXPLAINED = (*WORSE, *UNKNOWN, Finding.FASTER)


@dataclass(frozen=True)
class Gate(GateResult):
    """The result of comparing two commits or two runs, as notebooks and the command line show it."""

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a frame."""
        return columns.frame(columns_of(self.rows), self.rows)

    def as_json(self) -> dict[str, object]:
        """The whole result as plain values, for JSON."""
        return {
            "base": self.base,
            "head": self.head,
            "delta": self.delta,
            "exit_code": self.exit_code,
            "rows": [columns.record(columns_of(self.rows), row) for row in self.rows],
            "runs": [run.id for run in self.runs],
            **self.facts,
        }

    def _repr_html_(self) -> str:
        return html(self)


def _file(key: str, value: Callable[[Judgement], Cell], meaning: str, *, number: bool = True) -> Column[Judgement]:
    """A column that appears only in files and frames."""
    return Column(key=key, value=value, meaning=meaning, number=number, views=View.FILES_ONLY)


def _change(ratio: float | None) -> str:
    return format_change(None if ratio is None else ratio - 1)


def _interval(row: Judgement) -> str:
    return "–" if row.low is None or row.high is None else f"{_change(row.low)} to {_change(row.high)}"


COLUMNS: tuple[Column[Judgement], ...] = (
    Column(key="task", heading="task", meaning="the task that ran", value=lambda row: row.task, number=False),
    Column(
        key="frontend",
        heading="frontend",
        meaning="the frontend that ran it",
        value=lambda row: row.frontend,
        number=False,
    ),
    Column(key="stage", heading="stage", meaning="what was timed", value=lambda row: row.stage, number=False),
    Column(
        key="finding",
        heading="finding",
        meaning="verdict on the head, compared with the base",
        value=lambda row: str(row.finding),
        number=False,
        strong=lambda row: row.finding in WORSE,
    ),
    _file("reason", lambda row: row.reason, "the reason in a sentence", number=False),
    Column(
        key="ratio",
        heading="change",
        meaning="change in time from base to head",
        value=lambda row: row.ratio,
        text=lambda row: _change(row.ratio),
    ),
    Column(key="interval", heading="interval", meaning="interval of the change", text=_interval, drop=5),
    _file("low", lambda row: row.low, "lower end of the ratio's interval"),
    _file("high", lambda row: row.high, "upper end of the ratio's interval"),
    _file("p", lambda row: row.p, "p value of the confirming launches"),
    Column(
        key="smallest_detectable",
        heading="detectable",
        meaning="the smallest change that these launches could have shown",
        value=lambda row: row.smallest_detectable,
        text=lambda row: format_share(row.smallest_detectable),
        drop=4,
    ),
    Column(
        key="null_ratio",
        heading="base/base",
        meaning="change from the base to the base itself, that is, the noise",
        value=lambda row: row.null_ratio,
        text=lambda row: _change(row.null_ratio),
        drop=2,
    ),
    Column(
        key="launches",
        heading="launches",
        meaning="number of fresh processes of each side",
        value=lambda row: row.launches,
        text=lambda row: str(row.launches or "–"),
        drop=1,
    ),
    _file(
        "max_relative_error",
        lambda row: row.max_relative_error,
        "the head's largest difference from float64 NumPy",
    ),
    _file("run", lambda row: row.run, "the run that recorded its launches", number=False),
)


def columns_of(rows: Sequence[Judgement]) -> tuple[Column[Judgement], ...]:
    """All columns of a gate's table; the stage is shown only if anything besides the training was timed."""
    stages = {row.stage for row in rows} - {"", TRAIN.name}
    hidden = set() if stages else {"stage"}
    kept = (
        _file(column.key, column.value, column.meaning, number=False)
        if column.key in hidden and column.value
        else column
        for column in COLUMNS
    )
    return (*kept, *change_columns(lambda row: row.metrics, rows, drop=3))


def _shown(rows: Sequence[Judgement], *, task: bool) -> list[Column[Judgement]]:
    """The columns for people; without the task if a heading names it."""
    return [column for column in columns.seen(columns_of(rows), View.TABLE) if task or column.key != "task"]


def headline(gate: GateResult) -> str:
    """The answer in a word or two: fine, worse, or could not tell."""
    if gate.worse:
        return "worse"
    return "could not tell" if gate.unknown or gate.cut_short or not gate.rows or gate.nothing_compared else "fine"


def sentence(gate: GateResult) -> str:
    """The answer in one sentence; in two if a session could not go on."""
    if gate.cut_short:
        return f"{_answer(gate)} The session was cut short, because {one_line(gate.cut_short)}."
    return _answer(gate)


def _answer(gate: GateResult) -> str:
    if not gate.rows:
        return "Nothing to compare: neither side has any of these tasks in any of these frontends."
    if gate.nothing_compared:
        return "Nothing to compare: no contestant has taken part in both runs."
    if gate.worse:
        findings = "; ".join(f"{_label(row)} {row.finding}" for row in gate.worse)
        return f"Regression in {_part(gate.worse, gate)}: {findings}."
    if gate.unknown:
        return f"No regression found, but {_part(gate.unknown, gate)} could not be decided."
    return (
        f"No regression in {counted(len(gate.rows), 'comparison')}: nothing is slower by {format_share(gate.delta)} "
        "or more, and all results agree."
    )


def _part(rows: Sequence[Judgement], gate: GateResult) -> str:
    return "the only comparison" if len(gate.rows) == 1 else f"{len(rows)} of {len(gate.rows)} comparisons"


def _label(row: Judgement) -> str:
    """Task and frontend, and the stage unless it is the training."""
    return " ".join(filter(None, (row.task, row.frontend, row.stage if row.stage != TRAIN.name else "")))


def reasons(gate: GateResult) -> list[tuple[Judgement, str]]:
    """The reasons for every finding that needs one."""
    return [(row, one_line(row.reason)) for row in gate.rows if row.finding in EXPLAINED]


def notes(gate: GateResult) -> list[str]:
    """How to read the rows."""
    units = " or ".join(dict.fromkeys(stage_of(row.stage).unit for row in gate.rows if row.stage)) or TRAIN.unit
    ignored = f"Changes under {format_share(gate.delta)} are ignored."
    how = (
        f"change: time per {units} of head relative to base, measured in alternation on the same CPUs in fresh "
        f"processes. {ignored} detectable: the smallest change these launches could have shown. "
        "base/base: the base relative to itself, that is, the noise."
    )
    if gate.unpaired:
        how = (
            "These runs were made at different times, so every change includes whatever changed on the machine "
            "between them, and no statistics can remove that; `workbench regress` measures both sides in one session. "
            f"{ignored}"
        )
    return [how, *(f"{run.id}: {noise}" for run in gate.runs if (noise := disturbance(run)))]


def by_task(gate: GateResult) -> Iterator[tuple[str, list[Judgement]]]:
    """Each task with its rows, in the order of measurement."""
    for task in dict.fromkeys(row.task for row in gate.rows):
        yield task, [row for row in gate.rows if row.task == task]


def terminal(gate: GateResult) -> list[RenderableType]:
    """Tables, reasons and notes for a terminal of at least 80 columns."""
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"{gate.head} against {gate.base}", style="bold")]
    shown = _shown(gate.rows, task=False)
    for task, rows in by_task(gate):
        parts += [Text(f"\n{task}", style="bold"), renderers.terminal(shown, rows)]
    parts.append(Text(""))
    for row, reason in reasons(gate):
        parts.append(Text.assemble((f"{_label(row)} {row.finding}", STYLES.get(row.finding, "")), f": {reason}"))
    parts += [Text(note, style="dim") for note in notes(gate)]
    style = {"fine": "bold green", "worse": "bold red"}.get(headline(gate), "bold yellow")
    return [*parts, Text(sentence(gate), style=style)]


def markdown(gate: GateResult) -> str:
    """The summary for a pull request, in Markdown."""
    quote: Callable[[str], str] = escape_markdown
    lines = [
        f"### Workbench gate: {headline(gate)}",
        "",
        f"{quote(gate.head)} against {quote(gate.base)}. {quote(sentence(gate))}",
        "",
    ]
    if gate.rows:
        lines.append(renderers.markdown(_shown(gate.rows, task=True), gate.rows))
    explained = [f"- {quote(_label(row))} **{row.finding}**: {quote(reason)}" for row, reason in reasons(gate)]
    lines += ["", *explained] if explained else []
    return "\n".join([*lines, "", *(f"<sub>{quote(note)}</sub>" for note in notes(gate) if gate.rows), ""])


def junit(gate: GateResult) -> str:
    """JUnit XML: a suite per task, a case per frontend. An undecided comparison is skipped, or fails if strict."""
    root = Xml.Element("testsuites", name="workbench gate")
    shown = _shown(gate.rows, task=False)
    for task, rows in by_task(gate):
        failing = [row for row in rows if _fails(row, gate)]
        skipped = [row for row in rows if row.finding in UNKNOWN and row not in failing]
        counts = {"tests": str(len(rows)), "failures": str(len(failing)), "skipped": str(len(skipped)), "errors": "0"}
        suite = Xml.SubElement(root, "testsuite", {"name": _text(task), **counts})
        for row in rows:
            name = _label(row).removeprefix(f"{task} ")
            case = Xml.SubElement(suite, "testcase", classname=_text(task), name=_text(name))
            if row in failing:
                Xml.SubElement(case, "failure", type=str(row.finding), message=_text(row.reason))
            elif row in skipped:
                Xml.SubElement(case, "skipped", message=_text(f"{row.finding}: {row.reason}"))
            figures = ", ".join(f"{column.heading}: {column.text_of(row)}" for column in shown)
            Xml.SubElement(case, "system-out").text = _text(figures)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _fails(row: Judgement, gate: GateResult) -> bool:
    return row.finding in WORSE or (gate.strict and row.finding in UNKNOWN)


def _text(text: str) -> str:
    """A text without the characters that XML forbids."""
    return "".join(
        letter for letter in one_line(text) if letter not in "\ufffe\uffff" and not "\ud800" <= letter <= "\udfff"
    )


def html(gate: GateResult) -> str:
    """Tables, reasons and notes as HTML for notebooks."""
    quote = escape_html
    explained = "".join(
        f"<li><code>{quote(_label(row))}</code> <b>{row.finding}</b>: {quote(reason)}</li>"
        for row, reason in reasons(gate)
    )
    below = "".join(f"<p><small>{quote(note)}</small></p>" for note in notes(gate))
    return (
        f"<h4>{quote(gate.head)} against {quote(gate.base)}</h4><p><b>{quote(sentence(gate))}</b></p>"
        f"{renderers.html(_shown(gate.rows, task=True), gate.rows)}<ul>{explained}</ul>{below}"
    )
