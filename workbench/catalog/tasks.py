"""A task, read from its source: its specification, presets and sweep. Nothing is imported or run."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from workbench.catalog.sources import assigned, parsed
from workbench.errors import WorkbenchError
from workbench.model.content import Preset, Sweep, Task

_LARGEST = 2**63
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,59}\Z", re.ASCII)  # of a preset: it becomes a part of a folder's name


def read_task(file: Path) -> Task:
    """The task of one module, ``tasks/<name>.py`` in some root.

    Raises:
        WorkbenchError: when it is malformed; names the file and the line.
    """
    module = parsed(file)
    literal = next((value for node in module.body if (value := assigned(node, "PRESETS"))), None)
    if literal is None:
        raise WorkbenchError(f"{file}: PRESETS = {{...}} is missing at the top level")
    try:
        values = ast.literal_eval(literal)
        presets = {name: Preset(name, preset["about"], preset) for name, preset in values.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: PRESETS must be a literal dict of dicts, each with an 'about'"
        ) from None
    if not presets:
        raise WorkbenchError(f"{file}, line {literal.lineno}: PRESETS is empty")
    if odd := [name for name in presets if not isinstance(name, str) or not _NAME.match(name)]:
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: preset {str(odd[0])[:40]!r} must be named by letters, digits, _ . + "
            "and -, 60 at most"
        )
    if not all(isinstance(preset.about, str) for preset in presets.values()):
        raise WorkbenchError(f"{file}, line {literal.lineno}: the 'about' of a preset must be a text")
    for preset in presets.values():
        if odd := [key for key, value in preset.values.items() if not (isinstance(key, str) and _plain(value))]:
            raise WorkbenchError(
                f"{file}, line {literal.lineno}: {str(odd[0])[:40]!r} of preset {preset.name!r} must be a finite "
                "number, a text, True, False, None, or a list of these"
            )
    spec = ast.get_docstring(module) or ""
    return Task(file.stem, spec, presets, _sweep(file, module, presets), root=file.parents[1])


def _sweep(file: Path, module: ast.Module, presets: Mapping[str, Preset]) -> Sweep | None:
    literal = next((value for node in module.body if (value := assigned(node, "SWEEP"))), None)
    if literal is None:
        return None
    try:
        value = ast.literal_eval(literal)
        sweep = Sweep(value["preset"], value["key"], tuple(int(size) for size in value["values"]))
        keys = presets[sweep.preset].values
        declared = sweep.key in keys and len(sweep.values) >= 3
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        declared = False
    if not declared:
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: SWEEP must be a literal dict with a preset, a key of that preset and at "
            "least 3 values"
        )
    return sweep


def _plain(value: object) -> bool:
    """Whether a preset's value can be told to a worker in any language, and stored."""
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in value)
    if isinstance(value, int | float):
        return abs(value) < _LARGEST  # not true of nan
    return value is None or isinstance(value, str)
