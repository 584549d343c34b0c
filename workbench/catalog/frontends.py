"""A frontend, read from its ``frontend.toml``: title, packages, devices, and its modes with their ids."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from workbench.catalog.sources import text_of
from workbench.errors import WorkbenchError
from workbench.model.content import Float64, Frontend

_PROGRAM = re.compile(r"([\w.+/-]+|\$\{\w+:-[\w.+/-]+\})\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}\Z")
_PACKAGE = re.compile(r"(?!__)[A-Za-z_]\w{0,99}\Z", re.ASCII)
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
_TASK = re.compile(r"[\w.+-]{1,100}\Z")
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
    "float64": dict,
    "python": str,
    "command": list,
    "programs": dict,
}
_OF_A_MODE = ("families", "packages", "extra", "gpu_install")  # a mode's own take the place of the folder's
_MODE_KEYS = ("title", "color", "compiles", "environment", "holes", "float64", "programs", *_OF_A_MODE)
_BY_TASK = ("holes", "float64")
_TYPE_NAMES: dict[type, str] = {str: "string", list: "list", dict: "table"}
_DEVICES = ("cpu", "gpu")
_REQUIRED = ("title", "families", "packages", "devices", "modes")


def read_frontends(file: Path) -> list[Frontend]:
    """The modes of one ``frontends/<folder>/frontend.toml`` in some root.

    Raises:
        WorkbenchError: when it is malformed; names the file and the line or key.
    """
    table = _table(file)
    for key, value in table.items():
        if key not in _KEYS:
            raise WorkbenchError(f"{file}: unknown key {key!r}; choose from {', '.join(_KEYS)}")
        _check_type(file, key, value)
    if missing := [key for key in _REQUIRED if key not in table]:
        several = f"keys {', '.join(map(repr, missing))} are"
        raise WorkbenchError(f"{file}: {several if missing[1:] else f'key {missing[0]!r} is'} missing")
    _check_color(file, table.get("color"))
    if unexpected := set(table["devices"]) - set(_DEVICES):
        raise WorkbenchError(
            f"{file}: unknown device {min(unexpected)!r} in 'devices'; choose from {', '.join(_DEVICES)}"
        )
    return [_mode(file, table, name, mode) for name, mode in table["modes"].items()]


def _check_type(file: Path, key: str, value: Any) -> None:
    if not isinstance(value, _KEYS[key]):
        raise WorkbenchError(f"{file}: key {key!r} must be a {_TYPE_NAMES[_KEYS[key]]}")
    if not isinstance(value, list):
        return
    if not all(isinstance(item, str) for item in value):
        raise WorkbenchError(f"{file}: key {key!r} must be a list of strings")
    odd = [name for name in value if not _PACKAGE.match(name)] if key == "packages" else []
    if odd:
        raise WorkbenchError(f"{file}: {odd[0][:40]!r} in 'packages': expected what is imported, such as torch")


def _check_color(file: Path, color: str | None) -> None:
    if color is not None and not _COLOR.match(color):
        raise WorkbenchError(f"{file}: color = {color[:40]!r}: expected hexadecimal digits such as '#0072B2'")


def _table(file: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        WorkbenchError: when it cannot be read, or is no TOML.
    """
    text = text_of(file)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of TOML, or integers and nesting that Python refuses
        raise WorkbenchError(f"{file}: {error}") from None


def _mode(file: Path, table: Mapping[str, Any], name: str, mode: Any) -> Frontend:
    if not _NAME.match(name):
        raise WorkbenchError(
            f"{file}: mode name {name[:80]!r} must be lower-case letters, digits and underscores, starting with a "
            "letter, 60 at most"
        )
    if not isinstance(mode, dict) or not isinstance(mode.get("title"), str):
        raise WorkbenchError(f"{file}: [modes.{name}] needs a title")
    if name == "reference":
        raise WorkbenchError(f"{file}: mode 'reference' has the name of the reference's process; choose another")
    for key in ("color", "compiles"):
        if not isinstance(mode.get(key, ""), str):
            raise WorkbenchError(f"{file}: key {key!r} of [modes.{name}] must be a string")
    if unexpected := set(mode) - set(_MODE_KEYS):
        raise WorkbenchError(
            f"{file}: unknown key {min(unexpected)!r} in [modes.{name}]; choose from {', '.join(_MODE_KEYS)}"
        )
    _check_color(file, mode.get("color"))
    for key in _OF_A_MODE:
        if key in mode:
            _check_type(file, key, mode[key])
            table = {**table, key: mode[key]}
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
        environment=_environment(file, table, mode),
        holes=_strings(file, table, mode, "holes"),
        folder_holes=frozenset(table.get("holes", ())),
        requirements=tuple(table.get("requirements", ())),
        python=_python(file, table.get("python", "")),
        float64=_float64(file, _entries(file, table, mode, "float64")),
        command=tuple(table.get("command", ())),
        programs=_programs(file, table, mode),
        root=file.parents[2],
    )


def _entries(file: Path, table: Mapping[str, Any], mode: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table's entries; the mode's override the folder's."""
    if not isinstance(mode.get(key, {}), dict):
        raise WorkbenchError(f"{file}: key {key!r} of a mode must be a table")
    entries = {**table.get(key, {}), **mode.get(key, {})}
    if key in _BY_TASK and (odd := [name for name in entries if not _TASK.match(name)]):
        raise WorkbenchError(f"{file}: [{key}] {odd[0][:40]!r}: expected the name of a task")
    return entries


def _strings(file: Path, table: Mapping[str, Any], mode: Mapping[str, Any], key: str) -> dict[str, str]:
    """The entries of a table of strings."""
    entries = _entries(file, table, mode, key)
    for name, value in entries.items():
        if not isinstance(value, str):
            raise WorkbenchError(f"{file}: [{key}] {name} must be a string")
    return entries


def _environment(file: Path, table: Mapping[str, Any], mode: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables of a worker, such as the system accepts."""
    variables = _strings(file, table, mode, "environment")
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value:
            raise WorkbenchError(f"{file}: [environment] {name!r}: a variable needs a name without =, and no NUL")
    return variables


def _programs(file: Path, table: Mapping[str, Any], mode: Mapping[str, Any]) -> dict[str, str]:
    """Programs by name, or as "${VARIABLE:-name}"."""
    programs = _strings(file, table, mode, "programs")
    if odd := [name for name in programs if not _PROGRAM.match(name)]:
        raise WorkbenchError(f"{file}: [programs] {odd[0]!r}: expected a program's name, or such as '${{CXX:-g++}}'")
    return programs


def _python(file: Path, versions: str) -> str:
    """A specification of Python versions."""
    try:
        SpecifierSet(versions)
    except InvalidSpecifier:
        raise WorkbenchError(f"{file}: python = {versions!r}: expected versions such as '<3.14'") from None
    return versions


def _float64(file: Path, entries: Mapping[str, Any]) -> dict[str, Float64]:
    """What is special about the proofs in float64, by task."""
    found = {}
    for task, entry in entries.items():
        where = f"{file}: [float64] {task}"
        if not isinstance(entry, dict) or not isinstance(entry.get("reason"), str):
            raise WorkbenchError(f"{where} must be a table with a reason, and optionally limit and steps")
        if unexpected := set(entry) - {"reason", "limit", "steps"}:
            raise WorkbenchError(f"{where}: unknown key {min(unexpected)!r}; choose from reason, limit, steps")
        limit, steps = entry.get("limit"), entry.get("steps")
        if limit is not None and not (isinstance(limit, float) and 0 < limit < 1):
            raise WorkbenchError(f"{where}: limit must be a number between 0 and 1")
        if steps is not None and not (type(steps) is int and steps > 0):
            raise WorkbenchError(f"{where}: steps must be a whole number of at least 1")
        found[task] = Float64(entry["reason"], limit, steps)
    return found
