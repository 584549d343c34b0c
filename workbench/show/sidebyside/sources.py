"""The content files of one task as they stand next to each other: parts, marks, and what each comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.catalog import catalog
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
        file: its path below its root of content.
        frontends: the modes that it is the source of.
        text: the file as it stands.
        parts: the numbers of its lines by part, in the order of PARTS.
        code: the numbers of the lines that hold code.
        api: full names used of the framework.
        helpers: what it takes from its folder's runtime, with the lines of code there.
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
        """The file's lines without their ends; line n stands at n - 1."""
        return lines_of(self.text)

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
        marked: per source, the lines of code that do not stand in every other source; none where there is one alone.
        holes: why a chosen frontend has no such file, by id.
    """

    task: str
    sources: tuple[Source, ...]
    marked: tuple[frozenset[int], ...]
    holes: Mapping[str, str]

    @property
    def rows(self) -> dict[str, list[list[int]]]:
        """By part, each source's line numbers without blank lines at the ends; parts that nobody has are left out."""
        rows = {part: [trimmed(source.lines, source.parts[part]) for source in self.sources] for part in PARTS}
        return {part: row for part, row in rows.items() if any(row)}


def compare(task: str, frontends: str | Iterable[str] = "all", content: Catalog | None = None) -> Comparison:
    """The content files of a task, chosen by frontends' ids, families, globs or "all".

    Raises:
        WorkbenchError: for a task or frontend that is not there, and when no chosen frontend has the task.
    """
    found = content or catalog()
    found.task(task)
    patterns = [frontends] if isinstance(frontends, str) else list(frontends)
    chosen = found.select([part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()], task)
    holes = {mode.id: reason for mode in chosen if (reason := found.hole(task, mode))}
    sharing: dict[tuple[Path, Path | None], list[Frontend]] = {}
    for mode in chosen:
        file, runtime = found.file(task, mode), found.module(mode, "runtime")
        if file is not None and mode.id not in holes:
            sharing.setdefault((file, runtime), []).append(mode)
    if not sharing:
        reason = "; ".join(f"{name}: {why}" for name, why in holes.items()) or "give ids, families or all"
        raise WorkbenchError(f"nothing to show of {task}: {reason}")
    sources = tuple(_source(file, runtime, modes) for (file, runtime), modes in sharing.items())
    return Comparison(task, sources, _marked(sources), holes)


def parts(task: str, frontend: str, content: Catalog | None = None) -> dict[str, list[tuple[int, str]]]:
    """One frontend's file in parts, in the order of PARTS: each line's number and text. No line is left out."""
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
    """Line numbers without those of blank lines at the ends of each run of neighbouring lines."""
    kept: list[int] = []
    for place, number in enumerate(numbers):
        after_a_gap = not kept or kept[-1] != number - 1
        before_a_gap = place + 1 == len(numbers) or not any(
            lines[later - 1].strip() for later in _run_from(numbers, place)
        )
        if lines[number - 1].strip() or not (after_a_gap or before_a_gap):
            kept.append(number)
    return kept


def dedented(lines: Sequence[str], numbers: Sequence[int]) -> int:
    """How many spaces these lines all begin with; blank lines do not count."""
    found = [lines[number - 1] for number in numbers if lines[number - 1].strip()]
    return min((len(line) - len(line.lstrip(" ")) for line in found), default=0)


def _run_from(numbers: Sequence[int], place: int) -> Sequence[int]:
    """The numbers from a place on, as far as they are neighbours."""
    end = place + 1
    while end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
        end += 1
    return numbers[place:end]


def _source(path: Path, runtime_path: Path | None, modes: Sequence[Frontend]) -> Source:
    folder = modes[0].folder
    file = f"frontends/{folder}/{path.name}"
    text, runtime = _read(path), _read(runtime_path) if runtime_path else ""
    try:
        return Source(
            file,
            tuple(modes),
            text,
            split(text),
            frozenset(metrics.code_lines(text)),
            tuple(metrics.api_names(text, modes[0].packages)),
            metrics.helpers(text, folder, runtime),
        )
    except (SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise WorkbenchError(f"{file}{where}: no Python: {getattr(error, 'msg', error)}") from None


def _read(path: Path) -> str:
    name = "/".join(path.parts[-3:])
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(f"{name}: {error.strerror}") from None
    except ValueError as error:
        raise WorkbenchError(f"{name}: {error}") from None


def _marked(sources: Sequence[Source]) -> tuple[frozenset[int], ...]:
    texts = [{line.strip() for line in source.lines} for source in sources]
    return tuple(
        frozenset(n for n in source.code if not all(source.lines[n - 1].strip() in text for text in texts))
        for source in sources
    )
