"""Code side by side as HTML: a column per file, a row per part; columns can be hidden without a script."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from workbench.show.sidebyside.anatomy import PARTS
from workbench.show.sidebyside.highlight import Piece, pieces
from workbench.show.sidebyside.sources import common_indent, compare
from workbench.show.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.catalog import Catalog
    from workbench.show.sidebyside.sources import Comparison, Source

MOST_COLUMNS = 24
LEGEND = (
    "A bar in the margin marks code that is not in every file; <b>underlined</b> names come from the framework. "
    "Line numbers are those of the file. A line that does two jobs is listed in both sections."
)


def html(task: str, frontends: str | Iterable[str] = "all", content: Catalog | None = None) -> str:
    """A task's files side by side, as a section for a page whose style sheet includes :func:`css`.

    Args:
        task: a task's name.
        frontends: ids, families, globs or "all". Modes of one folder share a column.
        content: the catalog with the files; the built-in content when None.

    Raises:
        WorkbenchError: for an unknown task or frontend.
    """
    comparison = compare(task, frontends, content)
    holes = "".join(
        f"<li>{escape(task)} is not available in {escape(name)}: {escape(why)}</li>"
        for name, why in comparison.holes.items()
    )
    legend = f'<p class="sbs-legend">{LEGEND}</p>' if len(comparison.sources) > 1 else ""
    return (
        f'<section class="sbs">{legend}{_figures(comparison)}{_switches(comparison)}'
        f'<div class="sbs-scroll" tabindex="0" role="region" aria-label="{escape(task)} side by side">'
        f"{_table(comparison)}</div>{f'<ul>{holes}</ul>' if holes else ''}</section>"
    )


def _figures(comparison: Comparison) -> str:
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("frontend", "lines of code", "API names used", "helpers")
    )
    rows = "".join(_figure(source) for source in comparison.sources)
    return f'<table class="sbs-figures"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _figure(source: Source) -> str:
    names = ", ".join(f"<code>{escape(name)}</code>" for name in source.api)
    api = f"<details><summary>{len(source.api)}</summary>{names}</details>" if names else "0"
    shared = "share " if len(source.frontends) > 1 else ""
    helpers = ", ".join(
        f"<code>{escape(name)}</code> ({counted(lines, 'line')})" for name, lines in source.helpers.items()
    )
    return (
        f'<tr><th scope="row">{escape(source.name)}<br><small>{shared}{escape(source.file)}</small></th>'
        f"<td>{len(source.code)}</td><td>{api}</td><td>{helpers or '–'}</td></tr>"
    )


def _switches(comparison: Comparison) -> str:
    if len(comparison.sources) < 2:
        return ""
    boxes = "".join(
        f'<label><input type="checkbox" checked data-column="{index}"> {escape(source.name)}</label>'
        for index, source in enumerate(comparison.sources)
    )
    return f'<fieldset class="sbs-switches"><legend>Columns shown</legend>{boxes}</fieldset>'


def _table(comparison: Comparison) -> str:
    heads = "".join(
        f'<th scope="col" class="sbs-{index}">{escape(source.name)}</th>'
        for index, source in enumerate(comparison.sources)
    )
    highlighted = [pieces(source) for source in comparison.sources]
    body = ""
    for part, row in comparison.rows.items():
        cells = "".join(_cell(comparison, highlighted[index], index, numbers) for index, numbers in enumerate(row))
        title = f'<th scope="rowgroup" colspan="{len(row)}"><span>{escape(PARTS[part])}</span></th>'
        title = f'<tr class="sbs-part">{title}</tr>'
        body += f'<tbody data-part="{part}">{title}<tr>{cells}</tr></tbody>'
    return f'<table class="sbs-code"><thead><tr>{heads}</tr></thead>{body}</table>'


def _cell(comparison: Comparison, highlighted: Sequence[Sequence[Piece]], index: int, numbers: Sequence[int]) -> str:
    source, marked = comparison.sources[index], comparison.marked[index]
    name = f'<span class="sbs-name">{escape(source.name)}</span>'
    if not numbers:
        return f'<td class="sbs-{index}">{name}<p class="sbs-none">– {comparison.nothing}</p></td>'
    indent = common_indent(source.lines, numbers)
    lines = "".join(_line(number, highlighted[number - 1], indent, differs=number in marked) for number in numbers)
    return f'<td class="sbs-{index}">{name}<pre>{lines}</pre></td>'


def _line(number: int, line: Sequence[Piece], indent: int, *, differs: bool) -> str:
    from pygments.token import STANDARD_TYPES

    code = ""
    for piece in line:
        text, indent = piece.text[indent:], max(0, indent - len(piece.text))
        kind = STANDARD_TYPES.get(piece.kind, "")
        shown = f'<span class="{kind}">{escape(text)}</span>' if kind else escape(text)
        code += f"<b>{shown}</b>" if piece.api and text else shown if text else ""
    mark = ' class="sbs-differs"' if differs else ""
    return f'<span data-line="{number}"{mark}>{code}\n</span>'


def css() -> str:
    """The style sheet that :func:`html` needs, scoped to the class ``sbs``, for light and dark pages."""
    from pygments.formatters.html import HtmlFormatter

    light, dark = (_colours(HtmlFormatter(style=style)) for style in ("default", "github-dark"))
    hidden = ",\n".join(
        f'.sbs:has(input[data-column="{index}"]:not(:checked)) .sbs-{index}' for index in range(MOST_COLUMNS)
    )
    dark_scheme = f"@media (prefers-color-scheme: dark) {{\n{_DARK}\n{dark}\n}}"
    return "\n".join([_LAYOUT, f"{hidden} {{ display: none; }}", light, dark_scheme, ""])


def _colours(formatter: object) -> str:
    rules = formatter.get_style_defs(".sbs pre").splitlines()  # type: ignore[attr-defined]
    return "\n".join(rule for rule in rules if rule.startswith(".sbs pre .") and "linenos" not in rule)


_LAYOUT = """.sbs { --sbs-line: #d0d7de; --sbs-soft: #59636e; --sbs-mark: #bc4c00; --sbs-code: #f6f8fa;
  --sbs-text: #1f2328; }
.sbs-scroll { overflow-x: auto; }
.sbs table { border-collapse: collapse; }
.sbs th { text-align: left; font-weight: 600; }
.sbs-legend, .sbs-none { color: var(--sbs-soft); }
.sbs-figures th, .sbs-figures td { padding: .25em 1em .25em 0; vertical-align: top; }
.sbs-figures small { color: var(--sbs-soft); font-weight: 400; }
.sbs-figures summary { cursor: pointer; }
.sbs-switches { border: 1px solid var(--sbs-line); border-radius: 6px; margin: 1em 0; padding: .4em .8em; }
.sbs-switches label { display: inline-block; margin-right: 1.2em; white-space: nowrap; }
.sbs-code { width: 100%; }
.sbs-code thead th { padding: .3em .6em; white-space: nowrap; }
.sbs-code td { border: 1px solid var(--sbs-line); background: var(--sbs-code); padding: 0; vertical-align: top; }
.sbs-part th { padding: 1em 0 .3em; }
.sbs-part span { position: sticky; left: 0; }
.sbs-name { display: none; }
.sbs-none { margin: .4em .6em; }
.sbs-code td { min-width: 28rem; }
.sbs pre b, .sbs-legend b { font-weight: inherit; text-decoration: underline; text-underline-offset: .2em; }
.sbs pre { color: var(--sbs-text); margin: 0; padding: .4em 0; font-size: .8rem;
  line-height: 1.5; background: none; border: 0; }
.sbs pre > span { display: block; padding: 0 .8em 0 5em; text-indent: -4.6em; border-left: 4px solid transparent;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.sbs pre > span::before { content: attr(data-line); display: inline-block; width: 2em; margin-right: .8em;
  text-indent: 0; text-align: right; color: var(--sbs-soft); user-select: none; }
.sbs pre > .sbs-differs { border-left-color: var(--sbs-mark); }
@media (max-width: 50em) {
  .sbs-code, .sbs-code tbody, .sbs-code tr, .sbs-code td, .sbs-part th { display: block; }
  .sbs-code thead { display: none; }
  .sbs-code td { min-width: 0; border-bottom: 0; }
  .sbs-code tbody tr:last-child { border-bottom: 1px solid var(--sbs-line); }
  .sbs-name { display: block; padding: .3em .6em 0; font-weight: 600; font-size: .85rem; }
}"""
_DARK = (
    ".sbs { --sbs-line: #3d444d; --sbs-soft: #9198a1; --sbs-mark: #f0883e; --sbs-code: #151b23; --sbs-text: #e6edf3; }"
)
