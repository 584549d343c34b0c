"""The small index of a store: a line per run, so that listing a thousand runs does not open each.

It is a convenience and never required: what is missing, damaged or out of date in it is read from the run itself.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from workbench import eventlog, listing, results
from workbench.errors import WorkbenchError
from workbench.records import scrubbed

NAME = "index.json"
FORMAT = 1
KEYS = {"run", "started", "task", "preset", "device", "threads", "dtype", "outcomes"}

Facts = dict[str, Any]


def runs(store: Path) -> tuple[list[Facts], list[str]]:
    """Every readable finished run of a store in a line each, newest first; and a sentence for each that is not."""
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
        with contextlib.suppress(OSError):  # a store that can only be read is still a store
            results.write_json(store / NAME, {"format": FORMAT, "runs": entries})
    return [{**entry["facts"], "path": str(store / name)} for name, entry in entries.items()], damaged


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
    if isinstance(known, dict) and known.get("stamp") == stamp and _whole(known.get("facts"), folder.name):
        return {"stamp": stamp, "facts": scrubbed(known["facts"])}
    return {"stamp": stamp, "facts": listing.run_facts(results.load(folder))}


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
