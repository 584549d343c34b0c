"""A task, read from its source: its specification, presets and sweep. Nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from workbench.catalog.sources import assigned, parsed
from workbench.errors import WorkbenchError
from workbench.model.content import Preset, Sweep, Task


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
    except (ValueError, TypeError, KeyError, AttributeError):
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: PRESETS must be a literal dict of dicts, each with an 'about'"
        ) from None
    if not presets:
        raise WorkbenchError(f"{file}, line {literal.lineno}: PRESETS is empty")
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
    except (ValueError, TypeError, KeyError, AttributeError):
        keys, sweep = {}, Sweep("", "", ())
    if sweep.key not in keys or len(sweep.values) < 3:
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: SWEEP must be a literal dict with a preset, a key of that preset and at "
            "least 3 values"
        )
    return sweep
