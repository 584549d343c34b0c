"""A gate's rows for the terminal, for a pull request (Markdown), for other CI systems (JUnit) and for notebooks."""

from __future__ import annotations

import html as html_escape
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from workbench.comparison.judge import UNKNOWN, WORSE, Finding, Judgement
from workbench.errors import one_line
from workbench.show.tables import disturbance, escape_markdown, plain_table
from workbench.show.units import format_share

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workbench.comparison.commits import Gate

HEADINGS = ("frontend", "finding", "change", "interval", "could see", "base twice", "launches")
STYLES = {**dict.fromkeys(WORSE, "bold red"), **dict.fromkeys(UNKNOWN, "yellow"), Finding.FASTER: "green"}
EXPLAINED = (*WORSE, *UNKNOWN, Finding.FASTER)


def headline(gate: Gate) -> str:
    """The answer in one word: fine, worse, or could not tell."""
    if gate.worse:
        return "worse"
    return "could not tell" if gate.unknown or not gate.rows else "fine"


def sentence(gate: Gate) -> str:
    """The answer in one sentence."""
    if not gate.rows:
        return "There was nothing to compare: no pair of task and frontend is on either side."
    if gate.worse:
        named = "; ".join(f"{row.task} {row.frontend} {row.finding}" for row in gate.worse)
        return f"{len(gate.worse)} of {_pairs(gate)} worse: {named}."
    if gate.unknown:
        return f"None of {_pairs(gate)} is shown to be worse, but {len(gate.unknown)} could not be told."
    return f"None of {_pairs(gate)} is slower by {format_share(gate.delta)} or more, and all results agree."


def _pairs(gate: Gate) -> str:
    return f"{len(gate.rows)} pair{'' if len(gate.rows) == 1 else 's'}"


def cells(row: Judgement) -> tuple[str, ...]:
    """A row as texts, in the order of HEADINGS."""
    return (
        row.frontend,
        str(row.finding),
        _change(row.ratio),
        "–" if row.low is None or row.high is None else f"{_change(row.low)} to {_change(row.high)}",
        format_share(row.smallest_detectable),
        _change(row.null_ratio),
        str(row.launches or "–"),
    )


def _change(ratio: float | None) -> str:
    return "–" if ratio is None else f"{round(100 * (ratio - 1), 1) + 0.0:+.1f} %"


def reasons(gate: Gate) -> list[tuple[Judgement, str]]:
    """What must be said of the rows that are not simply the same."""
    return [(row, one_line(row.reason)) for row in gate.rows if row.finding in EXPLAINED]


def notes(gate: Gate) -> list[str]:
    """How to read the rows."""
    ignored = f"Changes below {format_share(gate.delta)} do not count."
    how = (
        "Time per step of head against base, measured in turn on one CPU in fresh processes. "
        f"{ignored} could see: the smallest change these launches would have shown. "
        "base twice: the base against itself, which is the noise."
    )
    if gate.apart:
        how = (
            "These runs were made at different times: what the machine did between them is part of every change, and "
            f"no statistic removes it; `workbench regress` measures side by side. {ignored}"
        )
    return [how, *(f"{run.id}: {told}" for run in gate.runs if (told := disturbance(run)))]


def by_task(gate: Gate) -> Iterator[tuple[str, list[Judgement]]]:
    """The rows of each task, in the order measured."""
    for task in dict.fromkeys(row.task for row in gate.rows):
        yield task, [row for row in gate.rows if row.task == task]


def terminal(gate: Gate) -> list[RenderableType]:
    """Tables and sentences for a terminal of 80 columns and wider."""
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"{gate.head} against {gate.base}", style="bold")]
    for task, rows in by_task(gate):
        parts.append(Text(f"\n{task}", style="bold"))
        parts.append(plain_table(HEADINGS, [cells(row) for row in rows], dispensable=HEADINGS[:3:-1]))
    parts.append(Text(""))
    for row, reason in reasons(gate):
        told = Text.assemble((f"{row.task} {row.frontend} {row.finding}", STYLES.get(row.finding, "")), f": {reason}")
        parts.append(told)
    parts += [Text(note, style="dim") for note in notes(gate)]
    style = {"fine": "bold green", "worse": "bold red"}.get(headline(gate), "bold yellow")
    return [*parts, Text(sentence(gate), style=style)]


def markdown(gate: Gate) -> str:
    """The summary of a pull request."""
    quote: Callable[[str], str] = escape_markdown
    lines = [
        f"### Workbench gate: {headline(gate)}",
        "",
        f"{quote(gate.head)} against {quote(gate.base)}. {quote(sentence(gate))}",
        "",
    ]
    if gate.rows:
        lines += ["| task | " + " | ".join(HEADINGS) + " |", "|---|---|---|" + "---:|" * (len(HEADINGS) - 2)]
    for row in gate.rows:
        texts = [quote(text) for text in cells(row)]
        if row.finding in WORSE:
            texts[1] = f"**{texts[1]}**"
        lines.append(f"| {quote(row.task)} | " + " | ".join(texts) + " |")
    told = [
        f"- {quote(row.task)} {quote(row.frontend)} **{row.finding}**: {quote(reason)}" for row, reason in reasons(gate)
    ]
    lines += ["", *told] if told else []
    return "\n".join([*lines, "", *(f"<sub>{quote(note)}</sub>" for note in notes(gate) if gate.rows), ""])


def junit(gate: Gate) -> str:
    """JUnit XML: a suite per task, a case per frontend. What could not be told is skipped, or fails if strict."""
    root = Xml.Element("testsuites", name="workbench gate")
    for task, rows in by_task(gate):
        failing = [row for row in rows if _fails(row, gate)]
        skipped = [row for row in rows if row.finding in UNKNOWN and row not in failing]
        counts = {"tests": str(len(rows)), "failures": str(len(failing)), "skipped": str(len(skipped)), "errors": "0"}
        suite = Xml.SubElement(root, "testsuite", {"name": _text(task), **counts})
        for row in rows:
            case = Xml.SubElement(suite, "testcase", classname=_text(task), name=_text(row.frontend))
            if row in failing:
                Xml.SubElement(case, "failure", type=str(row.finding), message=_text(row.reason))
            elif row in skipped:
                Xml.SubElement(case, "skipped", message=_text(f"{row.finding}: {row.reason}"))
            Xml.SubElement(case, "system-out").text = _text(
                ", ".join(map(": ".join, zip(HEADINGS, cells(row), strict=True)))
            )
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _fails(row: Judgement, gate: Gate) -> bool:
    return row.finding in WORSE or (gate.strict and row.finding in UNKNOWN)


def _text(text: str) -> str:
    """What XML can hold."""
    return "".join(
        letter for letter in one_line(text) if letter not in "\ufffe\uffff" and not "\ud800" <= letter <= "\udfff"
    )


def html(gate: Gate) -> str:
    """The tables as HTML, for notebooks."""
    quote = html_escape.escape
    head = "".join(f"<th scope='col'>{quote(heading)}</th>" for heading in ("task", *HEADINGS))
    body = "".join(
        "<tr>" + "".join(f"<td>{quote(text)}</td>" for text in (row.task, *cells(row))) + "</tr>" for row in gate.rows
    )
    told = "".join(
        f"<li><code>{quote(row.task)} {quote(row.frontend)}</code> <b>{row.finding}</b>: {quote(reason)}</li>"
        for row, reason in reasons(gate)
    )
    below = "".join(f"<p><small>{quote(note)}</small></p>" for note in notes(gate))
    return (
        f"<h4>{quote(gate.head)} against {quote(gate.base)}</h4><p><b>{quote(sentence(gate))}</b></p>"
        f"<table><tr>{head}</tr>{body}</table><ul>{told}</ul>{below}"
    )
