"""From what was recorded to what is shown: one row per contestant, as plain values and as pandas frames.

Pure functions on a run's recorded values: no subprocess, no content.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.statistics import median_interval

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]

PHASES = ("import_s", "setup_s", "first_step_s")
COLUMNS = (
    "frontend",
    "title",
    "color",
    "outcome",
    "reason",
    "log",
    "max_relative_error",
    "tolerance",
    "verdict",
    *PHASES,
    "step_s",
    "step_s_low",
    "step_s_high",
    "relative_step",
    "peak_bytes",
    "peak_device_bytes",
    "threads",
    "cpu_per_wall",
    "device",
    "matmul_precision",
    "launches",
    "blocks",
    "block_steps",
    "versions",
)


def rows(contestants: Sequence[Record]) -> list[dict[str, Any]]:
    """One row per contestant, in the order given; values that were not measured are None."""
    found = [row(contestant) for contestant in contestants]
    fastest = min((entry["step_s"] for entry in found if entry["step_s"]), default=None)
    for entry in found:
        entry["relative_step"] = entry["step_s"] / fastest if entry["step_s"] and fastest else None
    return found


def row(contestant: Record) -> dict[str, Any]:
    """What one contestant comes to. A contestant that is not ok shows no speed."""
    proof = contestant["proof"] or {}
    entry: dict[str, Any] = dict.fromkeys(COLUMNS)
    entry |= {name: contestant[name] for name in ("frontend", "title", "color", "outcome", "reason", "log")}
    entry["max_relative_error"] = proof.get("max_relative_error")
    entry["tolerance"] = proof.get("tolerance")
    entry["verdict"] = "agrees" if proof.get("passed") else "differs" if proof else "not compared"
    launches = contestant["launches"]
    entry["versions"] = launches[-1]["versions"] if launches else {}
    if contestant["outcome"] == "ok":
        entry |= _times(launches) | _observed(launches)
    return entry


def _times(launches: Sequence[Record]) -> dict[str, Any]:
    """Phases: medians over launches. Steady step: the median over launches of each launch's median block.

    The interval is over launches; with one launch it is over the blocks of that launch and says less.
    """
    steps = [statistics.median(launch["blocks"]) for launch in launches]
    interval = median_interval(steps if len(steps) > 1 else launches[0]["blocks"])
    return {
        **{phase: statistics.median(launch[phase] for launch in launches) for phase in PHASES},
        "step_s": statistics.median(steps),
        "step_s_low": interval.low,
        "step_s_high": interval.high,
        "launches": len(launches),
        "blocks": sum(len(launch["blocks"]) for launch in launches),
        "block_steps": launches[0]["block_steps"],
    }


def _observed(launches: Sequence[Record]) -> dict[str, Any]:
    last = launches[-1]
    observed = last["observed"]
    return {
        "peak_bytes": _largest(launches, "peak_bytes"),
        "peak_device_bytes": _largest(launches, "peak_device_bytes"),
        "cpu_per_wall": last["cpu_per_wall"],
        "threads": observed["threads"] or max(1, round(last["cpu_per_wall"] or 1)),
        "device": observed["device"],
        "matmul_precision": observed["matmul_precision"],
    }


def _largest(launches: Sequence[Record], name: str) -> int | None:
    return max((launch[name] for launch in launches if launch[name] is not None), default=None)


def table(contestants: Sequence[Record]) -> pd.DataFrame:
    """All rows as a frame, numbers as floats with NaN where nothing was measured."""
    import pandas as pd

    frame = pd.DataFrame(rows(contestants), columns=list(COLUMNS))
    numeric = [name for name in COLUMNS if name.endswith(("_s", "_low", "_high", "_bytes", "_error", "_step"))]
    numeric += ["tolerance", "cpu_per_wall", "threads", "launches", "blocks", "block_steps"]
    frame[numeric] = frame[numeric].apply(pd.to_numeric)
    return frame
