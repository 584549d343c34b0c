"""The small index of a store: a line per run and contestant, so that a thousand runs are not opened one by one.

It is a convenience and never required: what is missing, damaged or out of date in it is read from the run itself.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.host import files
from workbench.show import listing, summary
from workbench.store import eventlog, results
from workbench.store.records import scrubbed

NAME = "index.json"
FORMAT = 2  # 2: with what was measured
KEYS = {"run", "started", "task", "preset", "device", "threads", "dtype", "outcomes"}

NO_STEP = dict.fromkeys(("step_s", "step_s_low", "step_s_high", "interval"))

Facts = dict[str, Any]


def runs(store: Path) -> tuple[list[Facts], list[str]]:
    """Every readable finished run of a store in a line each, newest first; and a sentence for each that is not."""
    entries, damaged = _entries(store)
    return [{**entry["facts"], "path": str(store / name)} for name, entry in entries.items()], damaged


def measured(store: Path) -> tuple[list[Facts], list[str]]:
    """As :func:`runs`, with all that :func:`measurements` gives."""
    entries, damaged = _entries(store)
    return [{**entry["facts"], **entry["measured"]} for entry in entries.values()], damaged


def measurements(run: results.Run) -> Facts:
    """What was measured in a run, and under which conditions; times in seconds per step, one per launch."""
    with run.reading():
        info, settings = run.info, run.info["settings"]
        dirty = summary.dirty_rounds(info)
        return {
            "conditions": {
                "machine": info["machine_key"],
                "problem": info["problem"]["hash"],
                **{name: settings[name] for name in ("profile", "matmul_precision")},
            },
            "cpu": info["machine"].get("cpu_model"),
            "workbench": info["workbench"],
            "content": info["content_hash"],
            "contestants": {entry["frontend"]: _measured(entry, dirty) for entry in run.contestants},
        }


def _measured(contestant: Mapping[str, Any], dirty: set[tuple[int, int]]) -> Facts:
    """One contestant's times, versions, and what sets it apart from others of its frontend."""
    launches = [launch for launch in contestant["launches"] if launch["blocks"]]
    apart = {name: contestant.get(name) for name in ("threads", "device", "slowdown")}
    apart["environment"] = {name: value for name, value in (contestant.get("environment") or {}).items() if value}
    return {
        "outcome": contestant["outcome"],
        "apart": {name: value for name, value in apart.items() if value},
        "versions": launches[-1]["versions"] if launches else {},
        "steps_s": [summary.launch_step(launch, dirty) for launch in launches],
        **(summary.steady_step(launches, dirty) if launches and contestant["outcome"] == "ok" else NO_STEP),
    }


def _entries(store: Path) -> tuple[dict[str, Any], list[str]]:
    """The index, brought up to date: an entry per readable run, newest first; and what could not be read."""
    known = _read(store)
    entries, damaged = {}, []
    for folder in results.folders(store):
        try:
            about = (folder / "run.json").stat()
            stamp = [about.st_mtime_ns, about.st_size]
            entries[folder.name] = _entry(known.get(folder.name), stamp, folder)
        except OSError:  # removed meanwhile
            continue
        except WorkbenchError as error:
            damaged.append(str(error))
    if entries != known:
        text = json.dumps({"format": FORMAT, "runs": entries}, allow_nan=False, ensure_ascii=False)
        with contextlib.suppress(OSError):  # a store that can only be read is still a store
            files.write_text(store / NAME, text)
    return entries, damaged


def unfinished(store: Path) -> list[Facts]:
    """Runs that have no end: what each has finished, and whether a session is still at work on it."""
    found = []
    for folder in results.unfinished_folders(store):
        with contextlib.suppress(WorkbenchError):
            launches = [event for event in results.events_of(folder) if event["event"] == "launch"]
            found.append(
                {
                    "run": folder.name.removeprefix(results.PARTIAL),
                    "path": str(folder),
                    "launches": len(launches),
                    "measuring": eventlog.in_use(folder),
                }
            )
    return sorted(found, key=lambda facts: facts["run"], reverse=True)


def _entry(known: Any, stamp: list[int], folder: Path) -> Facts:
    if (
        isinstance(known, dict)
        and known.get("stamp") == stamp
        and _whole(known.get("facts"), folder.name)
        and _sound(known.get("measured"))
    ):
        return {**known, "facts": scrubbed(known["facts"])}
    run = results.load(folder)
    return {"stamp": stamp, "facts": listing.run_facts(run), "measured": measurements(run)}


def _sound(found: Any) -> bool:
    """Whether that is what :func:`measurements` gives; its texts are scrubbed by who shows them."""
    return (
        isinstance(found, dict)
        and set(found) == {"conditions", "cpu", "workbench", "content", "contestants"}
        and isinstance(found["conditions"], dict)
        and set(found["conditions"]) == {"machine", "problem", "profile", "matmul_precision"}
        and isinstance(found["contestants"], dict)
        and all(isinstance(entry, dict) and _sound_contestant(entry) for entry in found["contestants"].values())
    )


def _sound_contestant(entry: Facts) -> bool:
    times = [entry.get(name) for name in ("step_s", "step_s_low", "step_s_high")]
    return (
        set(entry) == {"outcome", "apart", "versions", "steps_s", *NO_STEP}
        and isinstance(entry["apart"], dict)
        and isinstance(entry["versions"], dict)
        and isinstance(entry["steps_s"], list)
        and all(isinstance(seconds, float) and seconds > 0 for seconds in entry["steps_s"])
        and (times == [None] * 3 or all(isinstance(seconds, float) and seconds > 0 for seconds in times))
    )


def _whole(facts: Any, name: str) -> bool:
    return (
        isinstance(facts, dict)
        and set(facts) == KEYS
        and facts["run"] == name
        and all(isinstance(value, str | int | None) for key, value in facts.items() if key != "outcomes")
        and isinstance(facts["outcomes"], dict)
        and all(isinstance(value, str) for value in facts["outcomes"].values())
    )


def _read(store: Path) -> dict[str, Any]:
    try:
        found = json.loads((store / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("runs"), dict):
        return {}
    kept: dict[str, Any] = found["runs"]
    return kept
