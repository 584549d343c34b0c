"""The output of `list`, `results` and `doctor`, as plain values and for the terminal."""

from __future__ import annotations

import importlib.util
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import one_line
from workbench.host import machine
from workbench.host.processes import find_command
from workbench.show.units import counted, format_bytes, listed
from workbench.store.results import PARTIAL, default_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from workbench.catalog import Catalog
    from workbench.model.content import Frontend
    from workbench.model.records import MachineFacts
    from workbench.store.index import IndexedRun, UnfinishedRun


LISTED = 50  # runs, unless all are asked for


def as_json(content: Catalog) -> dict[str, object]:
    """Tasks, frontends and pairs as `workbench list --json` prints them."""
    tasks = [
        {
            "task": task.name,
            "title": task.title,
            "root": str(task.root),
            "presets": [{"preset": preset.name, **preset.values} for preset in task.presets.values()],
        }
        for task in content.tasks.values()
    ]
    pairs = [
        {"task": task, "frontend": frontend.id, "hole": content.hole(task, frontend)}
        for task in content.tasks
        for frontend in content.frontends.values()
    ]
    replaced = [
        {"names": list(replacement.names), "by": str(replacement.by), "of": str(replacement.of)}
        for replacement in content.replaced
    ]
    return {"tasks": tasks, "frontends": _folders(content), "pairs": pairs, "replaced": replaced}


def _by_folder(content: Catalog) -> list[list[Frontend]]:
    """Frontends grouped by folder and by what they need installed; a folder in another root is another."""
    folders: dict[tuple[Path, str, tuple[str, ...]], list[Frontend]] = {}
    for frontend in content.frontends.values():
        folders.setdefault((frontend.root, frontend.folder, frontend.packages), []).append(frontend)
    return list(folders.values())


def _folders(content: Catalog) -> list[dict[str, object]]:
    return [
        {
            "frontend": modes[0].folder,
            "root": str(modes[0].root),
            "title": modes[0].framework,
            "extra": modes[0].extra,
            "packages": modes[0].packages,
            "families": modes[0].families,
            "devices": modes[0].devices,
            "modes": [{"id": mode.id, "title": mode.title} for mode in modes],
        }
        for modes in _by_folder(content)
    ]


def terminal(content: Catalog) -> list[RenderableType]:
    """Numbered tasks with their presets, the matrix of pairs by these numbers, its holes, and what is replaced."""
    from rich.text import Text

    parts: list[RenderableType] = [_tasks(content), Text(""), _matrix(content), Text("")]
    holes = [
        (frontend.id, task, reason)
        for frontend in content.frontends.values()
        for task in frontend.holes
        if (reason := content.hole(task, frontend))
    ]
    parts += [Text(f"–  {one_line(line)}", style="dim") for line in hole_lines(holes)]
    parts += [Text(one_line(str(replacement)), style="yellow") for replacement in content.replaced]
    return parts


def hole_lines(holes: Iterable[tuple[str, str, str]]) -> list[str]:
    """Holes, each a frontend's id, a task and a reason, as sentences; those for the same reason in one."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for frontend, task, reason in holes:
        grouped.setdefault((task, reason), []).append(frontend)
    return [
        f"{listed(ids)} {'has' if len(ids) == 1 else 'have'} no {task}: {reason}"
        for (task, reason), ids in grouped.items()
    ]


def _tasks(content: Catalog) -> Table:
    from rich.table import Table
    from rich.text import Text

    tasks = Table(box=None, pad_edge=False, show_header=False)
    tasks.add_column(justify="right", no_wrap=True)
    tasks.add_column(no_wrap=True)
    tasks.add_column(overflow="fold")
    for number, task in enumerate(content.tasks.values(), 1):
        tasks.add_row(str(number), Text(task.name, style="bold"), Text(one_line(task.title)))
        for preset in task.presets.values():
            tasks.add_row("", Text(f"  {preset.name}"), Text(one_line(preset.about), style="dim"))
    return tasks


def _matrix(content: Catalog) -> Table:
    from rich.table import Table
    from rich.text import Text

    matrix = Table(box=None, pad_edge=False, header_style="bold")
    matrix.add_column("frontend", no_wrap=True)
    for number in range(1, len(content.tasks) + 1):
        matrix.add_column(str(number), justify="center")
    matrix.add_column("", overflow="fold")
    for frontend in content.frontends.values():
        marks = ["–" if content.hole(task, frontend) else "✓" for task in content.tasks]
        matrix.add_row(frontend.id, *marks, Text(one_line(frontend.title)))
    return matrix


def run_facts(run: IndexedRun, store: Path) -> dict[str, object]:
    """A run as `workbench results --json` prints it."""
    return {
        "run": run.run,
        "started": run.started,
        "task": run.task,
        "preset": run.preset,
        "device": run.device,
        "threads": run.threads,
        "dtype": run.dtype,
        "outcomes": run.outcomes,
        "path": str(store / run.run),
    }


def runs_table(runs: Sequence[IndexedRun]) -> Table:
    """Runs as a table, newest first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "device", "contestants"):
        table.add_column(heading, overflow="fold")
    for run in runs:
        outcomes = list(run.outcomes.values())
        counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes))
        table.add_row(*(Text(one_line(text)) for text in (run.run, run.device, counts)))
    return table


def resume_command(folder: Path, content: Sequence[str] = ()) -> str:
    """The command that finishes a run; names its folder of runs unless that is the default, and folders of content."""
    name = one_line(folder.name.removeprefix(PARTIAL))
    store = "" if folder.parent == default_store() else f" -r {shlex.quote(one_line(str(folder.parent)))}"
    return f"workbench run --resume {name}{store}" + "".join(f" --content {shlex.quote(one)}" for one in content)


def unfinished_lines(runs: Sequence[UnfinishedRun]) -> list[RenderableType]:
    """A line per unfinished run, with what can be done about it."""
    from rich.text import Text

    lines: list[RenderableType] = []
    for run in runs:
        name = one_line(run.run)
        if run.damage:
            lines.append(Text(one_line(run.damage), style="yellow"))
            continue
        if run.measuring:
            hint = "is being measured"
        elif run.launches:
            launches = counted(run.launches, "finished launch", "finished launches")
            hint = f"was cut off after {launches}; to resume it: `{resume_command(Path(run.path))}`"
        else:
            hint = f"was cut off before anything was measured; its folder can be deleted: {one_line(run.path)}"
        lines.append(Text(f"{name} {hint}", style="yellow"))
    return lines


@dataclass(frozen=True)
class Installed:
    """Whether the packages and the program of one frontend folder are installed, and how to install them if not.

    ``lacking`` says, for each mode that cannot compile here, what to do about it; ``doubtful`` what may be wrong.
    """

    frontend: str
    modes: list[str]
    installed: bool
    versions: dict[str, str]
    install: str | None
    lacking: dict[str, str] = field(default_factory=dict)
    doubtful: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The machine, and the frameworks installed on it."""

    machine: MachineFacts
    machine_key: str
    frontends: list[Installed]


def diagnosis(content: Catalog) -> Diagnosis:
    """The machine, the installed packages of each frontend, and how to install those that are missing."""
    facts = machine.facts()
    return Diagnosis(facts, machine.stable_key(facts), [_installed(modes) for modes in _by_folder(content)])


def _installed(modes: Sequence[Frontend]) -> Installed:
    frontend = modes[0]
    missing = [name for name in frontend.packages if importlib.util.find_spec(name) is None]
    without = _missing_program(frontend)
    return Installed(
        frontend=frontend.folder,
        modes=[mode.id for mode in modes],
        installed=not missing and not without,
        versions=_versions(frontend),
        install=frontend.install if missing else without,
        lacking=_lacking(modes),
        doubtful=_overlaid(frontend),
    )


def _lacking(modes: Sequence[Frontend]) -> dict[str, str]:
    from workbench.session.workers import missing_to_compile

    temporary = Path(tempfile.gettempdir())
    found = {mode.id: missing_to_compile(mode.programs, mode.environment, temporary) for mode in modes}
    return {name: reason for name, reason in found.items() if reason}


def _overlaid(frontend: Frontend) -> str:
    """What to do where several distributions have installed the same package: the later one overwrote the earlier."""
    from importlib.metadata import packages_distributions

    distributions = packages_distributions()
    for name in frontend.packages:
        if len(several := sorted(set(distributions.get(name, [])))) > 1:
            remedy = f"pip uninstall {' '.join(several)}, then install one of them"
            return f"{' and '.join(several)} both provide {name}, so its files are a mixture: {remedy}"
    return ""


def _missing_program(frontend: Frontend) -> str | None:
    """What to do where the program is missing that starts the workers of a frontend in another language."""
    folder = frontend.root / "frontends" / frontend.folder
    if not frontend.command or find_command(frontend.command, [folder], frontend.environment.get("PATH")):
        return None
    return f"install a program {frontend.command[0]!r} on the PATH"


def _versions(frontend: Frontend) -> dict[str, str]:
    """Versions of a frontend's packages; a distribution's name may differ from that of the package it provides."""
    from importlib.metadata import packages_distributions

    distributions = packages_distributions()
    names = {name: distributions.get(name, [name])[0] for name in frontend.packages}
    versions = machine.package_versions(names.values())
    return {name: version for name in names.values() if (version := versions[name])}


def diagnosis_terminal(diagnosis: Diagnosis) -> list[RenderableType]:
    """The diagnosis for a terminal."""
    from rich.table import Table
    from rich.text import Text

    facts = diagnosis.machine
    cpus = len(facts.usable_cpus or [])
    gpus = [f"{gpu.name} ({format_bytes(gpu.memory_bytes)})" for gpu in facts.gpus]
    lines = [
        f"{facts.cpu_model}, {facts.physical_cpus} cores; this process may use {counted(cpus, 'CPU')}",
        f"{format_bytes(facts.memory_bytes)} memory, {facts.os_name}, Python {facts.python_version}",
        f"GPU: {', '.join(gpus) or 'none reported by the NVIDIA driver'}",
        f"threads: 1 by default, on one CPU; at most {cpus}",
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("framework", "installed", "frontends, or how to install"):
        table.add_column(heading, overflow="fold")
    warnings: list[RenderableType] = []
    for entry in diagnosis.frontends:
        versions = ", ".join(f"{name} {version}" for name, version in entry.versions.items())
        state = Text(versions, style="green") if entry.installed else Text("not installed", style="yellow")
        able = [mode for mode in entry.modes if mode not in entry.lacking]
        table.add_row(entry.frontend, state, Text(one_line(entry.install or ", ".join(able))))
        warnings += [Text(one_line(f"{mode}: {reason}"), style="yellow") for mode, reason in entry.lacking.items()]
        warnings += [Text(f"{entry.frontend}: {entry.doubtful}", style="yellow")] if entry.doubtful else []
    return [*(Text(line) for line in lines), Text(""), table, *warnings]
