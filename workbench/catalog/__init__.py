"""What there is: tasks, presets, frontends, modes, and the matrix of pairs with its declared holes.

Everything is derived from the tree, by reading: a task's docstring and literal ``PRESETS`` from its source, a
frontend from its ``frontend.toml``. Nothing is imported or executed.
"""

from __future__ import annotations

import ast
import fnmatch
import os
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalog.content import content_root
from workbench.errors import OptionError, WorkbenchError, unknown
from workbench.model.content import Frontend, Preset, Sweep, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

REFERENCE = "numpy_manual"
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Catalog:
    """The content below one root folder."""

    root: Path

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Tasks by name."""
        files = sorted((self.root / "tasks").glob("*.py"))
        return {file.stem: read_task(file) for file in files if not file.stem.startswith("_")}

    @cached_property
    def frontends(self) -> dict[str, Frontend]:
        """Frontends by id, in the folders' alphabetical order."""
        found: dict[str, Frontend] = {}
        for file in sorted((self.root / "frontends").glob("*/frontend.toml")):
            for frontend in read_frontends(file):
                if frontend.id in found:
                    raise WorkbenchError(f"{file}: mode {frontend.id!r} stands in two folders; rename one")
                found[frontend.id] = frontend
        for frontend in found.values():
            if frontend.compiles is not None and frontend.compiles not in found:
                raise WorkbenchError(
                    f"frontends/{frontend.folder}/frontend.toml: {frontend.id} compiles {frontend.compiles!r}, "
                    "which is no mode of any frontend"
                )
        return found

    def hole(self, task: str, frontend: Frontend) -> str | None:
        """Why a pair does not exist, or None when it does.

        Raises:
            WorkbenchError: when it neither exists nor is declared, or both.
        """
        exists = (self.root / "frontends" / frontend.folder / f"{task}.py").is_file()
        reason = frontend.holes.get(task)
        if exists and reason:
            raise WorkbenchError(f"frontends/{frontend.folder}: {task} is declared a hole, yet {task}.py exists")
        if not exists and not reason:
            raise WorkbenchError(
                f"frontends/{frontend.folder}: neither {task}.py nor a reason under [holes] in frontend.toml"
            )
        return reason

    def task(self, name: str) -> Task:
        """The task of that name, or an error that suggests one."""
        if name not in self.tasks:
            raise unknown("task", name, self.tasks)
        return self.tasks[name]

    def preset(self, task: Task, name: str | None) -> str:
        """The name of an existing preset, the task's first when none is named."""
        if name is None:
            return task.default_preset
        if name not in task.presets:
            raise unknown(f"preset of {task.name}", name, task.presets)
        return name

    def select(self, patterns: Iterable[str]) -> list[Frontend]:
        """Frontends chosen by ids, families, globs or ``all``, each once, in the catalog's order.

        Raises:
            WorkbenchError: for a pattern that matches nothing.
        """
        chosen: set[str] = set()
        for pattern in patterns:
            matching = {f.id for f in self.frontends.values() if _matches(pattern, f)}
            if not matching:
                families = {family for f in self.frontends.values() for family in f.families}
                raise unknown("frontend", pattern, {"all", *self.frontends, *families})
            chosen |= matching
        return [frontend for frontend in self.frontends.values() if frontend.id in chosen]


def _matches(pattern: str, frontend: Frontend) -> bool:
    names = (frontend.id, frontend.folder, *frontend.families)
    return pattern == "all" or any(fnmatch.fnmatchcase(name, pattern) for name in names)


def read_task(file: Path) -> Task:
    """A task's name, specification and presets, read from its source without running it."""
    try:
        module = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except SyntaxError as error:
        raise WorkbenchError(f"{file}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # not UTF-8, or a null byte
        raise WorkbenchError(f"{file}: {error}") from None
    literal = next((value for node in module.body if (value := _assigned(node, "PRESETS"))), None)
    if literal is None:
        raise WorkbenchError(f"{file}: no PRESETS = {{...}} at the top level")
    try:
        values = ast.literal_eval(literal)
        presets = {name: Preset(name, preset["about"], preset) for name, preset in values.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: PRESETS must be a literal dict of dicts, each with an 'about'"
        ) from None
    if not presets:
        raise WorkbenchError(f"{file}, line {literal.lineno}: PRESETS is empty")
    return Task(file.stem, ast.get_docstring(module) or "", presets, _sweep(file, module, presets))


def _sweep(file: Path, module: ast.Module, presets: Mapping[str, Preset]) -> Sweep | None:
    literal = next((value for node in module.body if (value := _assigned(node, "SWEEP"))), None)
    if literal is None:
        return None
    try:
        value = ast.literal_eval(literal)
        sweep = Sweep(value["preset"], value["key"], tuple(int(size) for size in value["values"]))
        known = presets[sweep.preset].values
    except (ValueError, TypeError, KeyError, AttributeError):
        known, sweep = {}, Sweep("", "", ())
    if sweep.key not in known or len(sweep.values) < 3:
        raise WorkbenchError(
            f"{file}, line {literal.lineno}: SWEEP must be a literal dict with a preset, a key of it and >= 3 values"
        )
    return sweep


def _assigned(node: ast.stmt, name: str) -> ast.expr | None:
    """What a statement assigns to a name, if it does."""
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
        return node.value
    return None


_KEYS: dict[str, type] = {
    "title": str,
    "families": list,
    "packages": list,
    "devices": list,
    "modes": dict,
    "extra": str,
    "gpu_install": str,
    "color": str,
    "environment": dict,
    "holes": dict,
    "requirements": list,
}
_MODE_KEYS = ("title", "color", "compiles", "environment", "holes")
_DEVICES = ("cpu", "gpu")
_REQUIRED = ("title", "families", "packages", "devices", "modes")


def read_frontends(file: Path) -> list[Frontend]:
    """The modes of one frontend.toml.

    Raises:
        WorkbenchError: naming file, line or key when it is malformed.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"{file}: {error}") from None
    for key in _REQUIRED:
        if key not in table:
            raise WorkbenchError(f"{file}: key {key!r} is missing")
    for key, value in table.items():
        if key not in _KEYS:
            raise WorkbenchError(f"{file}: unknown key {key!r}; known are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise WorkbenchError(f"{file}: key {key!r} must be a {_KEYS[key].__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise WorkbenchError(f"{file}: key {key!r} must be a list of texts in quotes")
    if strange := set(table["devices"]) - set(_DEVICES):
        raise WorkbenchError(f"{file}: unknown device {min(strange)!r} in 'devices'; known are {', '.join(_DEVICES)}")
    return [_mode(file, table, name, mode) for name, mode in table["modes"].items()]


def _mode(file: Path, table: Mapping[str, Any], name: str, mode: Any) -> Frontend:
    if not _NAME.match(name):
        raise WorkbenchError(f"{file}: mode {name!r} must be lower-case letters, digits and underscores")
    if not isinstance(mode, dict) or not isinstance(mode.get("title"), str):
        raise WorkbenchError(f"{file}: [modes.{name}] needs a title")
    if strange := set(mode) - set(_MODE_KEYS):
        raise WorkbenchError(
            f"{file}: unknown key {min(strange)!r} in [modes.{name}]; known are {', '.join(_MODE_KEYS)}"
        )
    return Frontend(
        id=name,
        title=mode["title"],
        folder=file.parent.name,
        framework=table["title"],
        families=tuple(table["families"]),
        packages=tuple(table["packages"]),
        devices=tuple(table["devices"]),
        extra=table.get("extra"),
        color=mode.get("color", table.get("color")),
        compiles=mode.get("compiles"),
        gpu_install=table.get("gpu_install"),
        environment=_texts(file, table, mode, "environment"),
        holes=_texts(file, table, mode, "holes"),
        requirements=tuple(table.get("requirements", ())),
    )


def _texts(file: Path, table: Mapping[str, Any], mode: Mapping[str, Any], key: str) -> dict[str, str]:
    """A table of texts, the mode's entries over the folder's."""
    if not isinstance(mode.get(key, {}), dict):
        raise WorkbenchError(f"{file}: key {key!r} of a mode must be a dict")
    entries = {**table.get(key, {}), **mode.get(key, {})}
    for name, value in entries.items():
        if not isinstance(value, str):
            raise WorkbenchError(f"{file}: [{key}] {name} must be a text in quotes")
    return entries


def catalog(root: str | Path | Sequence[str | Path] | None = None) -> Catalog:
    """The content below ``root``, or the content that comes with this workbench.

    Raises:
        WorkbenchError: when ``root`` is no folder with tasks/ and frontends/.
    """
    if root is None:
        return Catalog(content_root())
    if not isinstance(root, (str, os.PathLike)):
        if len(root) != 1:
            raise OptionError("content", root, "name one folder")
        root = root[0]
    folder = Path(root).resolve()
    for part in ("tasks", "frontends"):
        if not (folder / part / "__init__.py").is_file():
            raise OptionError("content", root, f"no {part}/__init__.py there; it needs tasks/ and frontends/")
    return Catalog(folder)
