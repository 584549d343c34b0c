"""A run's tables for a page: times, failures, settings, machine, versions, and the command to repeat it. Pure."""

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
    """A table per stage: rank, time with interval, proof and phases of every row with a time; none without times."""
    return _of_stages(run, View.PAGE, "Times with proof")


def details(run: StoredRun) -> list[Table]:
    """A table per stage: rates, warm-up, threads and counts of every row with a time; none without times."""
    return _of_stages(run, View.PAGE_DETAILS, "Further figures")


def _of_stages(run: StoredRun, view: View, caption: str) -> list[Table]:
    return [
        _table(run, table.titled(caption), table.seen(view), table.timed)
        for table in tables.stage_tables(run)
        if table.timed
    ]


def failures(run: StoredRun) -> Table | None:
    """The contestants without a time and the reasons; None if all have one."""
    return _table_of(run, View.FAILURES, "Without a time", tables.untimed(run))


def knobs(run: StoredRun) -> Table | None:
    """The settings that every contestant was observed to run with; None if nothing was timed."""
    timed = {row.id: row for table in tables.stage_tables(run) for row in table.timed}
    return _table_of(run, View.KNOBS, "Observed settings", list(timed.values()))


def versions(run: StoredRun) -> Table:
    """The package versions that each contestant reported."""
    return _table(run, "Versions", columns.seen(columns.of_run(run.rows), View.VERSIONS), run.rows)


def _table_of(run: StoredRun, view: View, caption: str, rows: Sequence[Row]) -> Table | None:
    return _table(run, caption, columns.seen(columns.of_run(rows), view), rows) if rows else None


def _table(run: StoredRun, caption: str, shown: Sequence[Column[Row]], rows: Sequence[Row]) -> Table:
    """A table for the page, with the column that identifies a row as the first one."""
    ordered = sorted(shown, key=lambda column: not column.names_rows)
    headings = [column.title or column.heading for column in ordered]
    meanings = {heading: column.meaning for heading, column in zip(headings, ordered, strict=True) if column.meaning}
    return Table(caption, headings, [columns.texts(ordered, row) for row in rows], colors(run), meanings)


def conditions(run: StoredRun) -> Table:
    """The requested settings, and the problem."""
    settings, problem = run.record.settings, run.record.problem
    requested: Pairs = [
        ("profile", settings.profile),
        ("threads", "each framework's default" if settings.threads is None else settings.threads),
        ("CPUs", ", ".join(map(str, settings.cpus)) or "not pinned"),
        ("data type", settings.dtype),
        ("matmul precision", settings.matmul_precision or "each framework's default"),
        ("device", settings.device),
        ("steps", f"{problem.steps:,}"),
        ("learning rate", problem.learning_rate),
        ("work per step", f"{_count(problem.flops)} FLOP, {_count(problem.bytes)} bytes"),
        ("feeding", "resident on the device" if problem.resident else "fed from host memory, as part of the step"),
        ("seed", settings.seed),
        ("rounds per launch", settings.rounds),
        ("tolerance of a loss", f"{run.record.tolerance:.1e} relative to float64 NumPy"),
        ("problem hash", problem.hash),
    ]
    return _pairs("Settings and problem", requested)


def _count(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,}"


def machine(run: StoredRun) -> Table:
    """The machine, as it reports itself."""
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
        ("machine key", run.record.machine_key),
    ]
    return _pairs("Machine", shown)


def _pairs(caption: str, shown: Pairs) -> Table:
    return Table(caption, ("name", "value"), [(name, _plain(value)) for name, value in shown])


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def command(run: StoredRun) -> str:
    """The command that made the run, quoted for a shell; for a run started from Python, an equivalent command."""
    program, *words = run.record.command or [""]
    name = PurePath(program).name
    if was_called(run):
        return shlex.join([*(["workbench"] if name == "workbench" else ["python", "cli.py"]), *words])
    return shlex.join(["workbench", "run", run.record.settings.task, *_options(run)])


def was_called(run: StoredRun) -> bool:
    """Whether the run was started from the command line, so that its command is known."""
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


def session_time(run: StoredRun) -> str:
    """When the session started, and how long it took."""
    try:
        started, took_s = datetime.datetime.fromisoformat(run.record.started), run.record.took_s
    except ValueError:
        return "at an unknown time"
    return f"{started:%Y-%m-%d %H:%M} UTC" + ("" if took_s is None else f", {format_seconds(took_s)}")
