"""Records as JSON and back: the only place where untrusted JSON becomes validated, typed values.

A value that does not fit its type raises a :class:`DamageError` that names the field. Missing fields take their
defaults and unknown fields are ignored, so runs of an older or a slightly newer workbench do not count as damaged.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias, TypeVar

import msgspec

from workbench.errors import one_line

Json: TypeAlias = Any
"""A value as JSON represents it, not validated until it is decoded."""

T = TypeVar("T")
_PLAIN = {float, int, bool, type(None)}


class DamageError(ValueError):
    """A value that was read does not fit its type; says where."""


def plain(value: object) -> Json:
    """A typed value as JSON represents it."""
    return msgspec.to_builtins(value)


def decoded(type_: type[T], value: Json) -> T:
    """A JSON value, converted to a type and validated.

    Raises:
        DamageError: when it does not fit.
    """
    try:
        return msgspec.convert(value, type_)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        raise DamageError(one_line(str(error))) from None


def text_of(value: object) -> str:
    """A typed value as JSON text, indented.

    Raises:
        ValueError: when it contains a number that is not finite.
    """
    return json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False)


def parsed(text: str | bytes) -> Json:
    """The value of a JSON text, with every string reduced to one line without control characters.

    Raises:
        DamageError: when it is not valid JSON.
    """
    try:
        return scrubbed(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise DamageError(one_line(str(error))) from None


def scrubbed(value: Json) -> Json:
    """An untrusted value, with every string reduced to one line without control characters."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line(str(name)): scrubbed(part) for name, part in value.items()}
    return [scrubbed(part) for part in value] if isinstance(value, list) else value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")
