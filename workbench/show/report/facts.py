"""A run's tables: times with their proof, what failed, knobs, machine, versions, and how to do it again. Pure."""

from __future__ import annotations

import datetime
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from workbench.show import columns, tables
from workbench.show.columns import View
from workbench.show.report.parts import Table, colors
from workbench.show.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.model.rows import Row
    from workbench.show.columns import Column
    from workbench.store.results import StoredRun

Pairs = list[tuple[str, object]]


def times(run: StoredRun) -> list[Table]:
    """Per stage rank, time with interval, proof and phases of every row that shows a speed; none when none does."""
    return _of_stages(run, View.PAGE, "Times, each with its proof")


def details(run: StoredRun) -> list[Table]:
    """Per stage rates, warm-up, threads and counts; none when nothing was timed."""
    return _of_stages(run, View.PAGE_DETAILS, "Further figures")


def _of_stages(run: StoredRun, view: View, caption: str) -> list[Table]:
    return [
        _table(run, table.titled(caption), table.seen(view), table.timed)
        for table in tables.stage_tables(run)
        if table.timed
    ]


def failures(run: StoredRun) -> Table | None:
    """Contestants without a time, and why; None when there is none."""
    return _table_of(run, View.FAILURES, "Without a time", tables.untimed(run))


def knobs(run: StoredRun) -> Table | None:
    """What every contestant was observed to run with; None when nothing was timed."""
    timed = {row.id: row for table in tables.stage_tables(run) for row in table.timed}
    return _table_of(run, View.KNOBS, "Observed settings", list(timed.values()))


def versions(run: StoredRun) -> Table:
    """What each contestant said it ran with."""
    return _table(run, "Versions", columns.seen(columns.of_run(run.rows), View.VERSIONS), run.rows)


def _table_of(run: StoredRun, view: View, caption: str, rows: Sequence[Row]) -> Table | None:
    return _table(run, caption, columns.seen(columns.of_run(rows), view), rows) if rows else None


def _table(run: StoredRun, caption: str, shown: Sequence[Column[Row]], rows: Sequence[Row]) -> Table:
    """A table as the page has it: what names a row comes first."""
    ordered = sorted(shown, key=lambda column: not column.names_rows)
    headings = [column.title or column.heading for column in ordered]
    meanings = {heading: column.meaning for heading, column in zip(headings, ordered, strict=True) if column.meaning}
    return Table(caption, headings, [columns.texts(ordered, row) for row in rows], colors(run), meanings)


def conditions(run: StoredRun) -> Table:
    """What was asked for, and the problem."""
    settings, problem = run.record.settings, run.record.problem
    asked: Pairs = [
        ("profile", settings.profile),
        ("threads", "each framework's own" if settings.threads is None else settings.threads),
        ("CPUs", ", ".join(map(str, settings.cpus)) or "not pinned"),
        ("data type", settings.dtype),
        ("matmul precision", settings.matmul_precision or "each framework's own"),
        ("device", settings.device),
        ("steps", f"{problem.steps:,}"),
        ("learning rate", problem.learning_rate),
        ("work per step", f"{_count(problem.flops)} FLOP, {_count(problem.bytes)} bytes"),
        ("feeding", "resident on the device" if problem.resident else "fed from host memory, part of the step"),
        ("seed", settings.seed),
        ("rounds per launch", settings.rounds),
        ("tolerance", f"{run.record.tolerance:.1e} relative to float64 NumPy"),
        ("problem's hash", problem.hash),
    ]
    return _pairs("Settings and problem", asked)


def _count(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,}"


def machine(run: StoredRun) -> Table:
    """The machine as it described itself."""
    facts = run.record.machine
    gpus = [f"{gpu.name} ({format_bytes(gpu.memory_bytes)})" for gpu in facts.gpus]
    shown: Pairs = [
        ("processor", facts.cpu_model),
        ("cores", f"{facts.physical_cpus}, with {facts.logical_cpus} logical CPUs"),
        ("memory", None if facts.memory_bytes is None else format_bytes(facts.memory_bytes)),
        ("GPU", ", ".join(gpus) or "none"),
        ("virtual machine", facts.virtualised),
        ("frequency governor", facts.governor),
        ("system", f"{facts.os_name}, Linux {facts.kernel}, {facts.libc}"),
        ("Python", f"{facts.python_implementation} {facts.python_version}"),
        ("machine's key", run.record.machine_key),
    ]
    return _pairs("Machine", shown)


def _pairs(caption: str, shown: Pairs) -> Table:
    return Table(caption, ("what", "value"), [(name, _plain(value)) for name, value in shown])


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def command(run: StoredRun) -> str:
    """The command that made the run, quoted for a shell; where it was none of ours, one that asks for the same."""
    program, *words = run.record.command or [""]
    name = PurePath(program).name
    if was_called(run):
        return shlex.join([*(["workbench"] if name == "workbench" else ["python", "cli.py"]), *words])
    return shlex.join(["workbench", "run", run.record.settings.task, *_options(run)])


def was_called(run: StoredRun) -> bool:
    """Whether the command is the one that was typed."""
    program = next(iter(run.record.command), "")
    return PurePath(program).name in ("workbench", "cli.py")


def _options(run: StoredRun) -> Sequence[str]:
    settings = run.record.settings
    words = ["-f", ",".join(dict.fromkeys(contestant.frontend for contestant in run.contestants))]
    for name in ("preset", "seed", "steps", "dtype", "device", "profile", "threads", "launches", "rounds", "sweep"):
        value = getattr(settings, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    return words


def took(run: StoredRun) -> str:
    """How long the session took, and when it was."""
    try:
        start, end = (datetime.datetime.fromisoformat(text or "") for text in (run.record.started, run.record.finished))
    except ValueError:
        return "at an unknown time"
    return f"{start:%Y-%m-%d %H:%M} UTC, {format_seconds((end - start).total_seconds())}"
