"""What trainings in float64 computed, kept between runs: arrays, never verdicts.

The key covers everything that the result can depend on: the pair's files and all content that they import, the
contract and the worker, the problem, the device, the CPU's model, the threads, the environment, and every installed
distribution of the interpreter.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.catalog import Catalog
from workbench.catalog.depends import files_of
from workbench.host import files, machine
from workbench.model.contestant import Contestant
from workbench.model.device import Device
from workbench.model.proof import Trained
from workbench.model.records import Settings
from workbench.wire import exchange

if TYPE_CHECKING:
    from workbench.contract import Array, Arrays

MOST_BYTES = 1 << 30  # of all that is kept; the longest unused go first
LARGEST_BYTES = 1 << 26  # of one result; larger ones are computed again
_PLAIN, _PLAIN_STEPS = "plain/", "plain_steps"


@dataclass(frozen=True)
class Computed:
    """A training in float64 and, where it was asked for, the state after a plain SGD step, or a call's many."""

    trained: Trained
    plain: Arrays = field(default_factory=dict)
    plain_steps: int = 1


def folder() -> Path:
    """Where results are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "framework-workbench", "float64")


def load(key: str | None) -> Computed | None:
    """What was computed under a key; None if nothing is known."""
    if key is None:
        return None
    file = folder() / f"{key}.npz"
    try:
        arrays = exchange.load_arrays(files.open_regular(file))
        plain: dict[str, Array] = {
            name.removeprefix(_PLAIN): array for name, array in arrays.items() if name.startswith(_PLAIN)
        }
        found = Computed(Trained.of(arrays), plain, int(arrays.get(_PLAIN_STEPS, np.array(1))))
        os.utime(file)
    except Exception:  # noqa: BLE001 - absent, damaged or unreadable: it is computed again
        return None
    return found


def save(key: str, computed: Computed) -> None:
    """Keep what was computed; not if it is too large or cannot be written, since it can be computed again."""
    target = folder()
    arrays = {
        **computed.trained.arrays(),
        **{f"{_PLAIN}{name}": array for name, array in computed.plain.items()},
        _PLAIN_STEPS: np.array(computed.plain_steps),
    }
    if sum(array.nbytes for array in arrays.values()) > LARGEST_BYTES:
        return
    with contextlib.suppress(OSError):
        target.mkdir(parents=True, exist_ok=True)
        temporary = target / f"{secrets.token_hex(8)}.partial.npz"
        exchange.save_arrays(temporary, arrays)
        temporary.replace(target / f"{key}.npz")
        _prune(target)


def _prune(target: Path) -> None:
    """Remove what was not used for longest, until the rest is small enough."""
    files = sorted(target.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > MOST_BYTES:
            file.unlink(missing_ok=True)


def key_of(
    content: Catalog, contestant: Contestant, settings: Settings, problem_hash: str, threads: int | None
) -> str | None:
    """The key of a contestant's training; None if nobody knows what it depends on.

    That is so if the interpreter's distributions cannot be listed, if a file has gone meanwhile, and for every worker
    in another language.
    """
    distributions = installed(contestant.interpreter)
    if distributions is None or contestant.frontend.command:
        return None
    device = contestant.device or settings.device
    facts = {
        "problem": problem_hash,
        "frontend": contestant.frontend.id,
        "device": [device.kind, *(str(gpu) for gpu in machine.gpus() if device == Device("gpu", gpu.index))],
        "cpu": machine.facts().cpu_model,
        "threads": threads,
        "profile": settings.profile,
        "precision": settings.matmul_precision,
        "environment": sorted({**contestant.frontend.environment, **contestant.environment}.items()),
        "python": contestant.interpreter,
        "distributions": distributions,
        "steps": [
            special.steps if (special := contestant.frontend.float64.get(settings.task)) is not None else None,
        ],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    harness = [contestant.package / "contract.py", *sorted((contestant.package / "wire").glob("*.py"))]
    try:
        for file in [*files_of(content, settings.task, contestant.frontend), *harness]:
            digest.update(f"{file.name}\n".encode() + files.read_bytes(file))
    except OSError:
        return None
    return digest.hexdigest()


@cache
def installed(interpreter: str) -> tuple[str, ...] | None:
    """Name and version of every distribution of an interpreter; None if it is not known where they are."""
    if interpreter == sys.executable:
        found = importlib.metadata.distributions()
        return tuple(sorted(f"{entry.name} {entry.version}" for entry in found))
    prefix = Path(interpreter).parent.parent
    names = sorted(path.name for path in prefix.glob("lib/python*/site-packages/*.dist-info"))
    return tuple(names) or None
