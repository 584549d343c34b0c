"""pyperf's JSON: a benchmark per proven frontend, a pyperf run per launch, its blocks as values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.show.exports.frames import timed_launches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workbench.store.results import Run

FORMAT = "1.0"  # pyperf's


def write(run: Run, target: Path) -> None:
    """Write a suite of benchmarks into a file that pyperf reads.

    Raises:
        WorkbenchError: when the run has no timed frontend.
    """
    target.write_text(json.dumps(suite(run), indent=1, allow_nan=False), encoding="utf-8")


def suite(run: Run) -> dict[str, Any]:
    """The suite as plain values; seconds per step."""
    benchmarks: dict[str, list[dict[str, Any]]] = {}
    for contestant, launch in timed_launches(run):
        benchmarks.setdefault(contestant["frontend"], []).append(_launch(run, contestant, launch))
    if not benchmarks:
        raise WorkbenchError(f"run {run.id} has no timed frontend, and pyperf reads no empty file")
    return {
        "version": FORMAT,
        "metadata": _machine(run),
        "benchmarks": [{"metadata": {"name": name}, "runs": runs} for name, runs in benchmarks.items()],
    }


def _launch(run: Run, contestant: Mapping[str, Any], launch: Mapping[str, Any]) -> dict[str, Any]:
    versions = {f"{package}_version": version for package, version in launch["versions"].items()}
    metadata = {
        **_texts(versions),
        **_texts({"title": contestant["title"], "launch": str(launch["launch"])}),
        "date": run.info["started"][:19].replace("T", " "),
        "loops": max(1, launch["block_steps"]),
    }
    return {"metadata": metadata, "values": launch["blocks"]}


def _machine(run: Run) -> dict[str, Any]:
    facts, settings = run.info.get("machine", {}), run.info["settings"]
    texts = {
        "cpu_model_name": facts.get("cpu_model"),
        "platform": " ".join(str(facts[name]) for name in ("os_name", "kernel") if facts.get(name)),
        "workbench_version": run.info.get("workbench"),
        "workbench_run": run.id,
        **{name: settings[name] for name in ("task", "preset", "device", "dtype", "profile")},
        "cpu_affinity": ",".join(str(cpu) for cpu in settings["cpus"]),
    }
    return {"unit": "second", **_texts(texts)}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """What is known, as texts; pyperf takes no empty ones."""
    return {name: str(value).strip() for name, value in values.items() if value is not None and str(value).strip()}
