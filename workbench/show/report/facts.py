"""A run's tables: times with their proof, what failed, knobs, machine, versions, and how to do it again. Pure."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from workbench.show import tables
from workbench.show.report.parts import Table, colors, interval, split
from workbench.show.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.store.results import Run

TIMES = ("frontend", "rank", "step", "interval", "× best", "off by", "import", "set-up", "first step", "memory")
MEANINGS = {
    **tables.MEANINGS,
    "rank": "rows that the data cannot tell apart share one",
    "step": "steady, the median over launches",
    "interval": "of the steady step; its kind stands in the chart of the time per step",
    "first step": "tracing and compiling are in it",
    "GFLOP/s": "the task's own count of operations over the steady step",
    "of GEMM": "share of this machine's matrix product, measured in the same session",
    "warm-up": "how the first steps went, and from which step on it was steady",
    "CPUs": "CPU time over wall time while a block ran",
    "+memory": "what training added to the memory after the import",
}


def times(run: Run) -> Table | None:
    """Rank, time with interval, proof and phases of every row that shows a speed; None when none does."""
    timed, _ = split(run)
    if not timed:
        return None
    lines = []
    for entry in timed:
        rank, name, off_by, import_, setup, first, step, _within, ratio, memory = tables.cells(entry)
        lines.append((name, rank, step, interval(entry), ratio, off_by, import_, setup, first, memory))
    return Table("Times, each with its proof", TIMES, lines, colors(run), MEANINGS)


def details(run: Run) -> Table | None:
    """Rates, warm-up, threads and counts; None when nothing was timed."""
    timed, _ = split(run)
    if not timed:
        return None
    headings = (*tables.DETAILS, "launches", "blocks", "disturbed", "energy per step")
    lines = [
        (
            *tables.details(entry),
            f"{entry['launches']}",
            f"{entry['blocks']}",
            f"{entry['dirty_blocks']}",
            "–" if entry["energy_j"] is None else f"{entry['energy_j']:.3g} J",
        )
        for entry in timed
    ]
    return Table("Further figures", headings, lines, colors(run), MEANINGS)


def failures(run: Run) -> Table | None:
    """Contestants without a time, and why; None when there is none."""
    _, others = split(run)
    lines = [
        (
            entry["frontend"],
            "no time" if entry["outcome"] == "ok" else entry["outcome"],
            entry["reason"] or "no block was measured",
            entry["verdict"],
            entry["log"],
        )
        for entry in others
    ]
    headings = ("frontend", "outcome", "reason", "result", "log")
    return Table("Without a time", headings, lines, colors(run)) if lines else None


def knobs(run: Run) -> Table | None:
    """What every contestant was observed to run with; None when nothing was timed."""
    timed, _ = split(run)
    if not timed:
        return None
    lines = [(entry["frontend"], *(_word(entry[knob]) for knob in tables.KNOBS)) for entry in timed]
    return Table("Observed settings", ("frontend", *tables.KNOBS.values()), lines, colors(run))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"


def conditions(run: Run) -> Table:
    """What was asked for, and the problem."""
    settings, problem = run.info["settings"], run.info["problem"]
    asked = {
        "profile": settings["profile"],
        "threads": "each framework's own" if settings["threads"] is None else settings["threads"],
        "CPUs": ", ".join(map(str, settings["cpus"])) or "not pinned",
        "data type": settings["dtype"],
        "matmul precision": settings["matmul_precision"] or "each framework's own",
        "device": settings["device"],
        "steps": f"{problem['steps']:,}",
        "learning rate": problem["learning_rate"],
        "work per step": f"{problem['flops']:,} FLOP, {problem['bytes']:,} bytes",
        "feeding": "resident on the device" if problem["resident"] else "fed from host memory, part of the step",
        "seed": settings["seed"],
        "rounds per launch": settings["rounds"],
        "tolerance": f"{run.info['tolerance']:.1e} relative to float64 NumPy",
        "problem's hash": problem["hash"],
    }
    return _pairs("Settings and problem", asked)


def machine(run: Run) -> Table:
    """The machine as it described itself."""
    found: Mapping[str, Any] = run.info.get("machine", {})
    gpus = [f"{gpu.get('name')} ({format_bytes(gpu.get('memory_bytes'))})" for gpu in found.get("gpus") or []]
    memory = found.get("memory_bytes")
    shown = {
        "processor": found.get("cpu_model"),
        "cores": f"{found.get('physical_cpus')}, with {found.get('logical_cpus')} logical CPUs",
        "memory": format_bytes(memory) if isinstance(memory, int | float) else None,
        "GPU": ", ".join(gpus) or "none",
        "virtual machine": found.get("virtualised"),
        "frequency governor": found.get("governor"),
        "system": f"{found.get('os_name')}, Linux {found.get('kernel')}, {found.get('libc')}",
        "Python": f"{found.get('python_implementation')} {found.get('python_version')}",
        "machine's key": run.info["machine_key"],
    }
    return _pairs("Machine", shown)


def versions(run: Run) -> Table:
    """What each contestant said it ran with."""
    lines = [
        (
            entry["frontend"],
            ", ".join(f"{name} {version}" for name, version in (entry["versions"] or {}).items()) or "–",
        )
        for entry in run.rows
    ]
    return Table("Versions", ("frontend", "packages"), lines, colors(run))


def _pairs(caption: str, shown: Mapping[str, Any]) -> Table:
    words = {True: "yes", False: "no", None: "–"}
    lines = [(name, words[v] if v is None or isinstance(v, bool) else str(v)) for name, v in shown.items()]
    return Table(caption, ("what", "value"), lines)


def command(run: Run) -> str:
    """The command that made the run, quoted for a shell; where it was none of ours, one that asks for the same."""
    called = [str(word) for word in run.info.get("command") or []]
    program = PurePath(called[0]).name if called else ""
    if program in ("workbench", "cli.py"):
        return shlex.join([*(["workbench"] if program == "workbench" else ["python", "cli.py"]), *called[1:]])
    return shlex.join(["workbench", "run", run.info["settings"]["task"], *_options(run)])


def was_called(run: Run) -> bool:
    """Whether the command is the one that was typed."""
    called = run.info.get("command") or [""]
    return PurePath(str(called[0])).name in ("workbench", "cli.py")


def _options(run: Run) -> Sequence[str]:
    settings = run.info["settings"]
    words = ["-f", ",".join(str(contestant["frontend"]) for contestant in run.contestants)]
    for name in ("preset", "seed", "steps", "dtype", "device", "profile", "threads", "launches", "rounds", "sweep"):
        if settings[name] is not None:
            words += [f"--{name}", str(settings[name])]
    return words


def took(run: Run) -> str:
    """How long the session took, and when it was."""
    import datetime

    try:
        start, end = (datetime.datetime.fromisoformat(run.info[name]) for name in ("started", "finished"))
    except (KeyError, TypeError, ValueError):
        return "at an unknown time"
    return f"{start:%Y-%m-%d %H:%M} UTC, {format_seconds((end - start).total_seconds())}"
