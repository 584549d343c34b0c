"""A run's table for the terminal, for Markdown and for notebooks."""

from __future__ import annotations

import html as html_escape
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.units import format_bytes, format_ratio, format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from workbench.results import Run

Row = Mapping[str, Any]

HEADINGS = ("frontend", "off by", "import", "set-up", "first step", "step", "range", "× best", "memory")


def split(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that may show a speed, fastest first, and the others."""
    entries = run.rows
    timed = [entry for entry in entries if entry["outcome"] == "ok"]
    others = [entry for entry in entries if entry["outcome"] != "ok"]
    return sorted(timed, key=lambda entry: entry["step_s"]), others


def cells(entry: Row) -> tuple[str, ...]:
    """A timed row as texts, in the order of HEADINGS."""
    return (
        entry["frontend"],
        format_error(entry["max_relative_error"]),
        format_seconds(entry["import_s"]),
        format_seconds(entry["setup_s"]),
        format_seconds(entry["first_step_s"]),
        format_seconds(entry["step_s"]),
        format_range(entry["step_s"], entry["step_s_low"], entry["step_s_high"]),
        format_ratio(entry["relative_step"]),
        format_bytes(entry["peak_bytes"]),
    )


def format_error(error: float | None) -> str:
    """A relative difference: "exact", "1.0e-07", or "–" where nothing was compared."""
    if error is None:
        return "–"
    return "exact" if error == 0 else f"{error:.1e}"


def format_range(step: float, low: float, high: float) -> str:
    """An interval as percentages of the step, for example "-1 +3 %"."""
    below, above = 100 * (low / step - 1), 100 * (high / step - 1)
    return f"{below:+.0f} {above:+.0f} %"


def notes(run: Run) -> list[str]:
    """What a reader must know beside the table."""
    timed, _ = split(run)
    settings, problem = run.info["settings"], run.info["problem"]
    cpus = ", ".join(str(cpu) for cpu in settings["cpus"]) or "any"
    plural = "s" if settings["threads"] != 1 else ""
    lines = [
        (
            f"{problem['steps']} steps, {settings['dtype']}, {settings['threads']} thread{plural} on CPU {cpus}; "
            f"every loss and the result within {run.info['tolerance']:.1e} of float64 NumPy."
        ),
    ]
    if timed:
        launches = max(entry["launches"] for entry in timed)
        kind = f"{launches} launches" if launches > 1 else "blocks of one launch"
        lines.append(f"step: median, with the range that {kind} support; times are this machine's, today.")
    return lines


def terminal(run: Run) -> list[RenderableType]:
    """The table and what belongs to it, for an 80-column terminal and wider ones."""
    from rich.markup import escape
    from rich.text import Text

    timed, others = split(run)
    parts: list[RenderableType] = [Text(run.title, style="bold")]
    if timed:
        parts.append(_rich_table(timed))
    for entry in others:
        style = "yellow" if entry["outcome"] in ("unsupported", "unavailable") else "red"
        parts.append(
            Text.from_markup(f"[{style}]{entry['frontend']}  {entry['outcome']}[/]  {escape(clean(entry['reason']))}")
        )
        if style == "red":
            parts.append(Text(f"    log: {run.path / entry['log']}", style="dim"))
    parts += [Text(note, style="dim") for note in notes(run)]
    return parts


def _rich_table(timed: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for number, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for entry in timed:
        shown.add_row(*cells(entry))
    return shown


def markdown(run: Run) -> str:
    """The table as Markdown."""
    timed, others = split(run)
    lines = [f"### {_md(run.title)}", ""]
    if timed:
        lines += ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
        lines += ["| " + " | ".join(_md(cell) for cell in cells(entry)) + " |" for entry in timed]
        lines.append("")
    lines += [f"- `{e['frontend']}` **{e['outcome']}**: {_md(clean(e['reason']))}" for e in others]
    return "\n".join([*lines, *([""] if others else []), *(_md(note) for note in notes(run)), ""])


def html(run: Run) -> str:
    """The table as HTML, for notebooks."""
    timed, others = split(run)
    quote = html_escape.escape
    head = "".join(f"<th>{quote(heading)}</th>" for heading in HEADINGS)
    body = "".join("<tr>" + "".join(f"<td>{quote(cell)}</td>" for cell in cells(entry)) + "</tr>" for entry in timed)
    rest = "".join(
        f"<li><code>{quote(e['frontend'])}</code> <b>{quote(e['outcome'])}</b>: {quote(clean(e['reason']))}</li>"
        for e in others
    )
    below = "".join(f"<p><small>{quote(note)}</small></p>" for note in notes(run))
    return f"<h4>{quote(run.title)}</h4><table><tr>{head}</tr>{body}</table><ul>{rest}</ul>{below}"


def clean(text: str) -> str:
    """One line without control characters, so that no message can drive a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def _md(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)
