"""Arguments of public functions, checked by their annotations: one of another type is told in one sentence."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec, TypeVar

from workbench.errors import OptionError

P = ParamSpec("P")
R = TypeVar("R")
LONGEST_NAME = 255  # bytes, of a file on most file systems


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose texts, names and paths are checked before it is called; other arguments pass as they are.

    Raises:
        OptionError: when called with an argument of another type, or a path that no file can have.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD:
                given = {key: _checked(OPTIONS.get(key, ""), key, each) for key, each in value.items()}
                bound.arguments[name] = given
            elif parameter.kind is parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(_checked(str(parameter.annotation), name, each) for each in value)
            else:
                bound.arguments[name] = _checked(str(parameter.annotation), name, value)
        return function(*bound.args, **bound.kwargs)

    return call


def _checked(annotation: str, name: str, value: object) -> object:
    check = CHECKS.get(annotation.removesuffix(" | None"))
    if check is None or (value is None and annotation.endswith(" | None")):
        return value
    return check(name, value)


def _text(name: str, value: object) -> object:
    if not isinstance(value, str):
        raise OptionError(name, value, "expected a text")
    return value


def _path(name: str, value: object) -> object:
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise OptionError(name, value, "expected a path")
    if not text:
        raise OptionError(name, "", "the name is empty")
    try:
        lengths = [len(os.fsencode(part)) for part in Path(text).parts]
    except UnicodeError:
        raise OptionError(name, text.encode(errors="replace").decode(), "no file can have such a name") from None
    if "\0" in text or max(lengths, default=0) > LONGEST_NAME:
        raise OptionError(name, text[:80], "no file can have such a name")
    return value


def _texts(name: str, value: object) -> object:
    if isinstance(value, str):
        return value
    several = tuple(value) if isinstance(value, Iterable) else None
    if several is None or not all(isinstance(each, str) for each in several):
        raise OptionError(name, value, "expected a text, or several")
    return several


def _roots(name: str, value: object) -> object:
    if value is None or isinstance(value, str | os.PathLike):
        return None if value is None else _path(name, value)
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise OptionError(name, value, "expected a path, or several")
    return [_path(name, each) for each in value]


def _progress(name: str, value: object) -> object:
    if not all(callable(getattr(value, method, None)) for method in ("phase", "round", "left")):
        raise OptionError(name, value, "expected an object with the methods phase, round and left")
    return value


def _runs(name: str, value: object) -> object:
    several = [value] if hasattr(value, "record") or not isinstance(value, Iterable) else list(value)
    if not all(hasattr(each, "record") for each in several):
        raise OptionError(name, value, "expected a run, as load() returns it, or several")
    return several


def _catalog_or_roots(name: str, value: object) -> object:
    return value if hasattr(value, "frontends") else _roots(name, value)


def _catalog(name: str, value: object) -> object:
    if not hasattr(value, "frontends"):
        raise OptionError(name, value, "expected a catalog")
    return value


# Of the options that are paths.
OPTIONS = {"output": "str | Path | None", "content": "Roots"}
# By annotation, without "| None".
CHECKS: dict[str, Callable[[str, object], object]] = {
    "str": _text,
    "str | Path": _path,
    "Path": _path,
    "str | Iterable[str]": _texts,
    "str | Sequence[str]": _texts,
    "Roots": _roots,
    "Progress": _progress,
    "StoredRun | Iterable[StoredRun]": _runs,
    "Roots | Catalog": _catalog_or_roots,
    "Catalog": _catalog,
}
