"""The content files of one task, ready for comparison: their parts, marked lines and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.catalog import catalog, figures
from workbench.catalog.sources import NOT_PYTHON, not_python, parsed, text_of
from workbench.errors import WorkbenchError
from workbench.show.sidebyside import metrics
from workbench.show.sidebyside.anatomy import PARTS, lines_of, split

if TYPE_CHECKING:
    from workbench.catalog import Catalog
    from workbench.model.content import Frontend


@dataclass(frozen=True)
class Source:
    """One content file and the modes that share it.

    Attributes:
        file: its path relative to its content root.
        frontends: the modes that share it.
        text: the file's content.
        parts: the numbers of its lines by part, in the order of PARTS.
        code: the numbers of the lines with code.
        api: full names that it uses from the framework.
        helpers: names that it imports from modules beside it, with their lines of code.
    """

    file: str
    frontends: tuple[Frontend, ...]
    text: str
    parts: Mapping[str, Sequence[int]]
    code: frozenset[int]
    api: tuple[str, ...]
    helpers: Mapping[str, int]

    @property
    def lines(self) -> list[str]:
        """The file's lines without line ends; line n is at index n - 1."""
        return lines_of(self.text)

    @property
    def in_python(self) -> bool:
        """Whether it is, so that its parts can be told apart."""
        return not self.frontends[0].command

    @property
    def name(self) -> str:
        """The ids of its modes."""
        return ", ".join(frontend.id for frontend in self.frontends)


@dataclass(frozen=True)
class Comparison:
    """One task in several frontends.

    Attributes:
        task: the task's name.
        sources: one per file, in the catalog's order.
        marked: per source, the lines of code that are not in every other source; none if there is only one.
        holes: the reason why a chosen frontend has no such file, or none that can be read, by id.
    """

    task: str
    sources: tuple[Source, ...]
    marked: tuple[frozenset[int], ...]
    holes: Mapping[str, str]

    @property
    def rows(self) -> dict[str, list[list[int]]]:
        """Each source's line numbers by part, without blank lines at the ends; parts without any lines are left out."""
        rows = {part: [trimmed(source.lines, source.parts[part]) for source in self.sources] for part in PARTS}
        return {part: row for part, row in rows.items() if any(row)}

    @property
    def nothing(self) -> str:
        """What to write in place of a part that a source does not have."""
        return "no line of this part" if all(source.in_python for source in self.sources) else "nothing listed here"


def compare(task: str, frontends: str | Iterable[str] = "all", content: Catalog | None = None) -> Comparison:
    """The content files of a task in the frontends chosen by ids, families, globs or "all".

    Raises:
        WorkbenchError: for an unknown task or frontend, or when no chosen frontend has the task.
    """
    searched = content or catalog()
    searched.task(task)
    patterns = [frontends] if isinstance(frontends, str) else list(frontends)
    chosen = searched.select(
        [part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()], task
    )
    holes = {mode.id: reason for mode in chosen if (reason := searched.hole(task, mode))}
    sharing: dict[tuple[Path, Path | None], list[Frontend]] = {}
    for mode in chosen:
        file, runtime = searched.file(task, mode), searched.module(mode, "runtime")
        if file is not None and mode.id not in holes:
            sharing.setdefault((file, runtime), []).append(mode)
    if not sharing:
        reason = "; ".join(f"{name}: {why}" for name, why in holes.items()) or "choose frontends by id, family or all"
        raise WorkbenchError(f"no code to show for {task}: {reason}")
    sources: list[Source] = []
    for (file, _), modes in sharing.items():
        try:
            sources.append(_source(searched, file, modes))
        except WorkbenchError as error:  # of one file: the others are shown
            holes |= {mode.id: str(error) for mode in modes}
    if not sources:
        raise WorkbenchError("; ".join(dict.fromkeys(holes[mode.id] for modes in sharing.values() for mode in modes)))
    return Comparison(task, tuple(sources), _marked(sources), holes)


def parts(task: str, frontend: str, content: Catalog | None = None) -> dict[str, list[tuple[int, str]]]:
    """The number and text of each line of one frontend's file, by part, in the order of PARTS; no line is left out."""
    source = compare(task, [frontend], content).sources[0]
    return {part: [(number, source.lines[number - 1]) for number in numbers] for part, numbers in source.parts.items()}


def as_json(comparison: Comparison) -> dict[str, object]:
    """A comparison as `workbench code --json` prints it."""
    return {
        "task": comparison.task,
        "files": [
            {
                "file": source.file,
                "frontends": [frontend.id for frontend in source.frontends],
                "code_lines": len(source.code),
                "api": source.api,
                "helpers": source.helpers,
                "parts": {
                    part: [
                        {"line": number, "text": source.lines[number - 1], "differs": number in marked}
                        for number in numbers
                    ]
                    for part, numbers in source.parts.items()
                },
            }
            for source, marked in zip(comparison.sources, comparison.marked, strict=True)
        ],
        "holes": comparison.holes,
    }


def trimmed(lines: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """The line numbers without blank lines at either end of each run of consecutive lines."""
    kept: list[int] = []
    blank: list[int] = []  # since the last line with text, in the same run
    before = 0
    for number in numbers:
        if number != before + 1:
            blank = []
        if lines[number - 1].strip():
            kept += [*blank, number]
            blank = []
        elif blank or (kept and kept[-1] == number - 1):
            blank.append(number)
        before = number
    return kept


def common_indent(lines: Sequence[str], numbers: Sequence[int]) -> int:
    """The number of spaces that all of these lines begin with; blank lines do not count."""
    written = [lines[number - 1] for number in numbers if lines[number - 1].strip()]
    return min((len(line) - len(line.lstrip(" ")) for line in written), default=0)


def _source(content: Catalog, path: Path, modes: Sequence[Frontend]) -> Source:
    folder = modes[0].folder
    file = f"frontends/{folder}/{path.name}"
    text = text_of(path, file)
    if modes[0].command:
        parts = {**dict.fromkeys(PARTS, range(0)), "whole": range(1, len(lines_of(text)) + 1)}
        code = metrics.code_lines_in_any_language(text, file)
        return Source(file, tuple(modes), text, parts, frozenset(code), (), {})
    beside = _beside(content, path, modes[0])
    try:
        return Source(
            file,
            tuple(modes),
            text,
            split(text),
            frozenset(figures.code_lines(text)),
            tuple(figures.api_names(text, modes[0].packages)),
            metrics.helpers(text, folder, beside),
        )
    except NOT_PYTHON as error:
        raise not_python(file, error) from None


def _beside(content: Catalog, path: Path, frontend: Frontend) -> dict[str, str]:
    """The text of each module beside a content file that it imports from.

    Raises:
        WorkbenchError: when one of them, or the file, is not valid Python.
    """
    folder = f"frontends/{frontend.folder}"
    names = metrics.helper_modules(parsed(path, f"{folder}/{path.name}"), frontend.folder)
    files = {name: file for name in names if (file := content.module(frontend, name)) is not None}
    for file in files.values():
        parsed(file, f"{folder}/{file.name}")
    return {name: text_of(file) for name, file in files.items()}


def _marked(sources: Sequence[Source]) -> tuple[frozenset[int], ...]:
    texts = [{line.strip() for line in source.lines} for source in sources]
    return tuple(
        frozenset(n for n in source.code if not all(source.lines[n - 1].strip() in text for text in texts))
        for source in sources
    )
