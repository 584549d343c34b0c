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
    literal = _literal(file, module, "PRESETS")
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
        target = preset.values.get("accuracy", 1.0)
        if isinstance(target, bool) or not isinstance(target, int | float) or not 0 < target <= 1:
            raise WorkbenchError(
                f"{file}, line {literal.lineno}: 'accuracy' of preset {preset.name!r} must be a share of the queries, "
                "above 0 and at most 1"
            )
    spec = ast.get_docstring(module) or ""
    return Task(file.stem, spec, presets, _sweep(file, module, presets), root=file.parents[1])


def _sweep(file: Path, module: ast.Module, presets: Mapping[str, Preset]) -> Sweep | None:
    literal = _literal(file, module, "SWEEP")
    if literal is None:
        return None
    try:
        value = ast.literal_eval(literal)
        sweep = Sweep(value["preset"], value["key"], tuple(value["values"]))
        number = presets[sweep.preset].values[sweep.key]
        declared = all(_size(size) for size in (number, *sweep.values)) and len({*sweep.values}) >= 3
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        declared = False
    if not declared:
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: SWEEP must be a literal dict with a preset, a key of that preset whose "
            "value is a whole number, and at least 3 different whole numbers from 1 on as values"
        )
    return sweep


def _literal(file: Path, module: ast.Module, name: str) -> ast.expr | None:
    """What a module assigns to a name at its top level; None if nothing.

    Raises:
        WorkbenchError: when more than one statement does, of which only Python knows what comes of them.
    """
    values = [value for node in module.body if (value := assigned(node, name))]
    if len(values) > 1:
        raise WorkbenchError(f"{file}, line {values[1].lineno}: {name} must be assigned once, as a literal")
    return values[0] if values else None


def _size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < _LARGEST


def _plain(value: object) -> bool:
    """Whether a preset's value can be told to a worker in any language, and stored."""
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in value)
    if isinstance(value, int | float):
        return abs(value) < _LARGEST  # not true of nan
    return value is None or isinstance(value, str)
