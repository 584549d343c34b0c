"""A static site: the matrix of tasks and frontends, a page for each, and the latest results; all links are relative."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError, one_line
from workbench.model.arguments import checked
from workbench.show.charts.kinds import Table
from workbench.show.report import page
from workbench.show.report.parts import interval
from workbench.show.units import format_error, format_seconds
from workbench.store import results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.catalog import Catalog, Roots
    from workbench.model.content import Frontend, Task
    from workbench.model.rows import Row
    from workbench.store.results import StoredRun

NOTES = "What trips"  # the words that begin the notes at the end of a task's specification
HEADINGS = ("task", "preset", "device", "outcome", "step", "interval", "rank", "off by", "run")


@dataclass(frozen=True)
class Cell:
    """A pair in the matrix: ``kind`` is "hole", "none", "ok" or "failed"; ``why`` the reason for a hole or failure."""

    text: str
    kind: str
    why: str = ""


@dataclass(frozen=True)
class Block:
    """A block of a specification; ``kind`` is "text", "list" or "code"."""

    kind: str
    lines: Sequence[str]


@checked
def write_site(store: str | Path, folder: str | Path, *, content: Roots | Catalog = None, force: bool = False) -> Path:
    """Write the site for a folder of runs, atomically: readers see the whole site or none.

    Args:
        store: the folder of runs; unreadable ones are left out.
        folder: the site's folder, which any static web server can serve.
        content: content folders besides the built-in content, or a catalog; only the built-in content when None.
        force: replace an existing site.

    Returns:
        the site's folder.

    Raises:
        WorkbenchError: when the folder of runs does not exist, or the site's folder exists or cannot be written.
    """
    from workbench.catalog import Catalog, catalog
    from workbench.host import files

    if not Path(store).is_dir():
        raise WorkbenchError(f"no such folder of runs: {store}; `workbench run` creates one")
    shown = content if isinstance(content, Catalog) else catalog(content)
    runs = latest(readable(Path(store)))
    with files.new_folder(Path(folder), force=force) as temporary:
        for name, text in pages(shown, runs).items():
            file = temporary / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(folder)


def readable(store: Path) -> list[StoredRun]:
    """The runs of a folder that can be read and shown, newest first."""
    runs = []
    for folder in results.folders(store):
        try:
            run = results.load(folder)
            runs += [run] if run.rows is not None else []
        except WorkbenchError:
            continue
    return runs


def latest(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """The newest run of each task, preset and device; ``runs`` are newest first."""
    newest: dict[tuple[str, ...], StoredRun] = {}
    for run in runs:
        newest.setdefault(_conditions(run), run)
    return list(newest.values())


def pages(content: Catalog, runs: Sequence[StoredRun]) -> dict[str, str]:
    """The content of every file of the site, by its path in the site's folder."""
    tasks = {
        f"tasks/{task.name}.html": _task(content, task, [run for run in runs if _task_name(run) == task.name])
        for task in content.tasks.values()
    }
    frontends = {
        f"frontends/{frontend.id}.html": _frontend(content, frontend, runs) for frontend in content.frontends.values()
    }
    assets = {"assets/style.css": page.style(), "assets/plotly.min.js": page.plotly_js(), ".nojekyll": ""}
    return {**assets, "index.html": _index(content, runs), **tasks, **frontends}


def _conditions(run: StoredRun) -> tuple[str, str, str]:
    """Task, preset and device."""
    settings = run.record.settings
    return settings.task, settings.preset, str(settings.device)


def _task_name(run: StoredRun) -> str:
    return run.record.settings.task


def _index(content: Catalog, runs: Sequence[StoredRun]) -> str:
    cells = {
        frontend.id: {task: _cell(content, task, frontend, runs) for task in content.tasks}
        for frontend in content.frontends.values()
    }
    return page.render("index.html.j2", title="Framework comparison workbench", root="", content=content, cells=cells)


def _cell(content: Catalog, task: str, frontend: Frontend, runs: Sequence[StoredRun]) -> Cell:
    if reason := content.hole(task, frontend):
        return Cell("–", "hole", reason)
    for run in runs:
        for row in run.rows if _task_name(run) == task else ():
            if row.id == frontend.id:
                if row.timed:
                    return Cell(f"{format_seconds(row.unit_s)} ({run.record.settings.preset})", "ok")
                return Cell(row.outcome, "failed", one_line(row.reason))
    return Cell("not run yet", "none")


def _task(content: Catalog, task: Task, runs: Sequence[StoredRun]) -> str:
    spec, _, notes = task.spec.partition(f"\n{NOTES}")
    presets = Table(
        "Presets",
        ("preset", "description", "settings"),
        [(name, preset.about, _settings(preset.values)) for name, preset in task.presets.items()],
    )
    return page.render(
        "task.html.j2",
        title=task.title,
        root="../",
        task=task,
        spec=blocks(spec),
        notes=blocks(NOTES + notes if notes else ""),
        presets=presets,
        code=code(content, task.name, "all"),
        sections=[page.section(run, f"run-{number}", content, code=False) for number, run in enumerate(runs, start=1)],
    )


def _settings(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if name != "about")


def _frontend(content: Catalog, frontend: Frontend, runs: Sequence[StoredRun]) -> str:
    lines = [_result(run, row) for run in runs for row in run.rows if row.id == frontend.id]
    tasks = [task for task in content.tasks if not content.hole(task, frontend)]
    holes = {task: why for task in frontend.holes if task in content.tasks and (why := content.hole(task, frontend))}
    return page.render(
        "frontend.html.j2",
        title=frontend.title,
        root="../",
        frontend=frontend,
        results=Table("Latest results", HEADINGS, lines) if lines else None,
        codes={task: code(content, task, frontend.id) for task in tasks},
        holes=holes,
    )


def _result(run: StoredRun, row: Row) -> tuple[str, ...]:
    where = _conditions(run)
    if not row.timed:
        return (*where, f"{row.outcome}: {row.reason}", "–", "–", "–", "–", run.id)
    ranked = sum(other.rank is not None for other in run.rows)
    rank = "–" if row.rank is None else f"{row.rank} of {ranked}"
    return (*where, "ok", format_seconds(row.unit_s), interval(row), rank, format_error(row.max_relative_error), run.id)


def code(content: Catalog, task: str, frontends: str) -> str:
    """A task's code side by side; empty if there is none."""
    from workbench.show import sidebyside

    try:
        return sidebyside.html(task, frontends, content)
    except WorkbenchError:
        return ""


def blocks(spec: str) -> list[Block]:
    """A docstring as blocks: paragraphs, lists, and indented lines as code."""
    parts = []
    for block in spec.strip("\n").split("\n\n"):
        lines = block.strip("\n").splitlines()
        if not any(line.strip() for line in lines):
            continue
        if all(line.startswith("    ") for line in lines if line):
            parts.append(Block("code", textwrap.dedent("\n".join(lines)).splitlines()))
        elif lines[0].startswith("- "):
            items = "\n".join(lines).removeprefix("- ").split("\n- ")
            parts.append(Block("list", [" ".join(item.split()) for item in items]))
        else:
            parts.append(Block("text", [" ".join(" ".join(lines).split())]))
    return parts
