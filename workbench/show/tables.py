"""A run's table for the terminal, for Markdown and for notebooks."""

from __future__ import annotations

import html as html_escape
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import one_line as clean
from workbench.host import noise
from workbench.show import summary
from workbench.show.units import format_bytes, format_ratio, format_seconds

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

    from workbench.store.results import Run

Row = Mapping[str, Any]

HEADINGS = ("#", "frontend", "off by", "import", "set-up", "first", "step", "within", "× best", "memory")
MEANINGS = {
    "#": "rank; rows that the data cannot tell apart share one",
    "frontend": "a framework in a style",
    "off by": "largest relative difference from float64 NumPy over every step's loss and the final result",
    "import": "of the framework, in the first fresh process",
    "set-up": "building the model and putting weights and data on the device",
    "first": "first step: tracing and compiling are in here",
    "step": "steady step: median over launches",
    "within": "how far the steady step's interval reaches",
    "× best": "steady step against the fastest's, compared round by round",
    "memory": "peak resident memory of the process",
}
KNOBS = {
    "threads": "threads",
    "matmul_precision": "matmul precision",
    "flush_to_zero": "flush-to-zero",
    "xla": "XLA",
    "allocator": "allocator",
    "deterministic": "deterministic algorithms",
    "device": "devices",
}
# What a narrow terminal can do without, first to last; number, name, step and its range stay.
DISPENSABLE = ("memory", "CPUs", "+memory", "import", "set-up", "warm-up", "off by", "threads", "first", "× best")
LEFT = ("frontend", "finding", "run", "version")
DETAILS = ("frontend", "total", "GFLOP/s", "of GEMM", "warm-up", "threads", "CPUs", "+memory")
CAPTION = "caption-side:top;text-align:left;font-weight:bold;padding:.3em 0"  # as HTML styles it


def split(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that may show a speed, fastest first, and the others."""
    entries = run.rows
    timed = [entry for entry in entries if entry["outcome"] == "ok"]
    others = [entry for entry in entries if entry["outcome"] != "ok"]
    return sorted(timed, key=lambda entry: entry["relative_step"]), others


def cells(entry: Row) -> tuple[str, ...]:
    """A timed row as texts, in the order of HEADINGS."""
    return (
        "–" if entry["rank"] is None else str(entry["rank"]),
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


def details(entry: Row) -> tuple[str, ...]:
    """A timed row's further figures as texts, in the order of DETAILS."""
    share, steady = entry["matrix_share"], entry["steady_from"]
    return (
        entry["frontend"],
        format_seconds(entry["total_s"]),
        f"{entry['gflops']:.3g}",
        "–" if share is None else f"{share:.1%}",
        entry["warmup"] + (f" ({steady})" if steady else ""),
        f"{entry['threads']:g}",
        "–" if entry["cpu_per_wall"] is None else f"{entry['cpu_per_wall']:.2f}",
        format_bytes(entry["peak_bytes"] - entry["import_bytes"] if entry["import_bytes"] else None),
    )


def format_range(step: float, low: float, high: float) -> str:
    """How far the interval reaches from the step, for example "±3 %"."""
    share = max(high / step - 1, 1 - low / step)
    return f"±{100 * share:.{1 if share < 0.01 else 0}f} %"


def notes(run: Run, *, more: bool = False) -> list[str]:
    """What a reader must know beside the table; ``more`` adds what belongs to the second one."""
    timed, _ = split(run)
    settings, problem = run.info["settings"], run.info["problem"]
    where = f"on CPU {', '.join(str(cpu) for cpu in settings['cpus'])}" if settings["cpus"] else "unpinned"
    threads = "each framework's own threads" if settings["threads"] is None else f"{settings['threads']} thread(s)"
    agreed = f"Every loss and the result lie within {run.info['tolerance']:.1e} of float64 NumPy."
    lines = [
        f"{problem['steps']} steps, {settings['dtype']}, {settings['profile']} profile: {threads} {where}. {agreed}"
    ]
    if timed:
        kinds = ", ".join(dict.fromkeys(entry["interval"] for entry in timed))
        lines.append(f"step: median; within: {kinds}. Rows that share a rank (#) cannot be told apart.")
    lines += _reached(settings, timed)
    lines += _break_even_notes(timed)
    lines += _energy(timed) if more else []
    lines += [f"{entry['frontend']}: {warning}" for entry in timed for warning in entry["warnings"]]
    lines += ledger(timed)
    noisy = disturbance(run)
    return [*lines, noisy] if noisy else lines


def disturbance(run: Run) -> str | None:
    """One sentence when the machine was not quiet, and what could not be told apart for that."""
    least = summary.least_difference(run.info, run.contestants)
    return noise.sentence([tuple(found["flags"]) for found in run.info["rounds"]], least)


def _reached(settings: Mapping[str, Any], timed: list[dict[str, Any]]) -> list[str]:
    """What became of a precision that was asked for."""
    wanted = settings["precision"]
    if wanted is None or not timed:
        return []
    reached = {
        entry["frontend"]: max(entry["step_s_high"] / entry["step_s"] - 1, 1 - entry["step_s_low"] / entry["step_s"])
        for entry in timed
    }
    missed = [f"{name} ±{share:.1%}" for name, share in reached.items() if share > wanted]
    launches = max(entry["launches"] for entry in timed)
    outcome = f"not reached by {', '.join(missed)}" if missed else "reached by all"
    return [f"asked for ±{wanted:.1%}: {outcome}, after {launches} launches."]


def _energy(timed: list[dict[str, Any]]) -> list[str]:
    measured = [f"{entry['frontend']} {entry['energy_j']:.3g} J" for entry in timed if entry["energy_j"] is not None]
    return [f"energy per step: {', '.join(measured) or 'not readable here'}."]


def _break_even_notes(timed: list[dict[str, Any]]) -> list[str]:
    lines = []
    for entry in timed:
        if eager := entry["break_even_against"]:
            after, latest = entry["break_even"], entry["break_even_high"]
            when = "never" if after is None else f"after {after:,} steps"
            sure = "" if after is None or latest else ", or never, for all that is known"
            lines.append(f"{entry['frontend']} overtakes {eager}: {when}{sure}.")
    return lines


def ledger(timed: list[dict[str, Any]]) -> list[str]:
    """Every knob that was observed to differ between the contestants."""
    lines = []
    for knob, words in KNOBS.items():
        values: dict[str, list[str]] = {}
        for entry in timed:
            if entry[knob] is not None:
                values.setdefault(_word(entry[knob]), []).append(entry["frontend"])
        if len(values) > 1:
            parts = "; ".join(f"{value}: {', '.join(names)}" for value, names in values.items())
            lines.append(f"{words} differ{'' if words.endswith('s') else 's'}: {parts}.")
    return lines


def _word(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"


def terminal(run: Run, *, more: bool = False) -> list[RenderableType]:
    """The table and what belongs to it, for an 80-column terminal and wider ones; ``more`` adds a second table."""
    from rich.text import Text

    timed, others = split(run)
    parts: list[RenderableType] = [Text(run.title, style="bold")]
    if timed:
        parts.append(_Fitting(HEADINGS, [cells(entry) for entry in timed]))
    if timed and more:
        parts += [Text(""), _Fitting(DETAILS, [details(entry) for entry in timed]), Text("")]
    for entry in others:
        style = "yellow" if entry["outcome"] in ("unsupported", "unavailable") else "red"
        parts.append(Text.assemble((f"{entry['frontend']}  {entry['outcome']}", style), f"  {clean(entry['reason'])}"))
        if style == "red":
            parts.append(Text(f"    log: {run.path / entry['log']}", style="dim"))
    parts += [Text(note, style="dim") for note in notes(run, more=more)]
    return parts


def plain_table(
    headings: Sequence[str], lines: Sequence[Sequence[str]], *, dispensable: Sequence[str] = ()
) -> RenderableType:
    """A table without lines, its first column to the left, that leaves out what a narrow terminal has no room for.

    Args:
        headings: of the columns.
        lines: their texts.
        dispensable: headings that may go, first to last.
    """
    return _Fitting(headings, lines, dispensable)


@dataclass(frozen=True)
class _Fitting:
    """A table that leaves out what tells least, column by column, where a terminal is too narrow for all."""

    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    dispensable: Sequence[str] = DISPENSABLE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        shown = list(range(len(self.headings)))
        table = _rich_table(self.headings, self.lines)
        for name in self.dispensable:
            if console.measure(table, options=options.update(width=1000)).maximum <= options.max_width:
                break
            shown = [place for place in shown if self.headings[place] != name]
            lines = [[line[place] for place in shown] for line in self.lines]
            table = _rich_table([self.headings[place] for place in shown], lines)
        yield table


def _rich_table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in headings:
        shown.add_column(heading, justify="left" if heading in LEFT else "right", no_wrap=True)
    for line in lines:
        shown.add_row(*(Text(cell) for cell in line))
    return shown


def markdown(run: Run) -> str:
    """The table as Markdown."""
    timed, others = split(run)
    lines = [f"### {escape_markdown(run.title)}", ""]
    if timed:
        lines += ["| " + " | ".join(HEADINGS) + " |", "|---:|---|" + "---:|" * (len(HEADINGS) - 2)]
        lines += ["| " + " | ".join(escape_markdown(cell) for cell in cells(entry)) + " |" for entry in timed]
        lines.append("")
    lines += [f"- `{e['frontend']}` **{e['outcome']}**: {escape_markdown(clean(e['reason']))}" for e in others]
    return "\n".join([*lines, *([""] if others else []), *(escape_markdown(note) for note in notes(run)), ""])


def html(run: Run) -> str:
    """The table as HTML, for notebooks: numbers to the right, what failed beneath in the same table, then the notes."""
    timed, others = split(run)
    quote = html_escape.escape
    head = "".join(
        f'<th scope="col" title="{quote(MEANINGS[name])}" style="{_aligned(name)}">{quote(name)}</th>'
        for name in HEADINGS
    )
    body = "".join(_html_row(entry) for entry in timed) + "".join(_html_failure(entry) for entry in others)
    below = "".join(f"<li>{quote(clean(note))}</li>" for note in notes(run))
    return (
        f'<table style="font-variant-numeric:tabular-nums"><caption style="{CAPTION}">{quote(clean(run.title))}'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<ul style="font-size:smaller;opacity:.8;margin-top:.5em">{below}</ul>'
    )


def _aligned(heading: str) -> str:
    return f"text-align:{'left' if heading in LEFT else 'right'};white-space:nowrap"


def _html_row(entry: Row) -> str:
    texts = zip(HEADINGS, cells(entry), strict=True)
    return "<tr>" + "".join(_html_cell(entry, heading, text) for heading, text in texts) + "</tr>"


def _html_cell(entry: Row, heading: str, text: str) -> str:
    mark = _dot(entry["color"]) if heading == "frontend" else ""
    return f'<td style="{_aligned(heading)}">{mark}{html_escape.escape(text)}</td>'


def _html_failure(entry: Row) -> str:
    """A row without a speed: why there is none, over all columns of numbers."""
    reason, outcome = (html_escape.escape(clean(entry[name])) for name in ("reason", "outcome"))
    why = f'<td colspan="{len(HEADINGS) - 2}" style="text-align:left"><b>{outcome}</b>: {reason}</td>'
    return f"<tr><td></td>{_html_cell(entry, 'frontend', entry['frontend'])}{why}</tr>"


def _dot(color: object) -> str:
    """A dot in the frontend's colour, as in the figures."""
    known = isinstance(color, str) and re.fullmatch(r"#[0-9A-Fa-f]{6}", color)
    return f'<span aria-hidden="true" style="color:{color}">●</span> ' if known else ""


def escape_markdown(text: str) -> str:
    """A text without anything that Markdown would take for markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)
