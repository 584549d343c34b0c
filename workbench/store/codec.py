"""Records as JSON and back: the only place where untrusted JSON becomes validated, typed values.

A value that does not fit its type raises a :class:`DamageError` that names the field. Missing fields take their
defaults and unknown fields are ignored, so runs of an older or a slightly newer workbench do not count as damaged.
"""

from __future__ import annotations

import gc
import json
import math
from typing import Any, TypeAlias, TypeVar

import msgspec

from workbench.errors import one_line

Json: TypeAlias = Any
"""A value as JSON represents it, not validated until it is decoded."""

T = TypeVar("T")
_UNCHANGED = {bool, type(None)}
_LARGEST = 1 << 64  # no integer of a record needs more bits
_SCRUBBED = (b"\x7f", *(b"\\" + letter for letter in (b"u", b"b", b"f", b"n", b"r", b"t")))
_DEEPEST = 64  # levels of lists and objects


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
    except (msgspec.ValidationError, RecursionError, OverflowError, UnicodeError) as error:
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


def quickly(type_: type[T], text: bytes) -> T | None:
    """The value of a JSON text that this workbench wrote, many times as fast as by parsing and decoding.

    None where the text has characters or escapes that may have to be removed, or does not fit the type.
    """
    if not text.isascii() or any(part in text for part in _SCRUBBED):
        return None
    collecting = gc.isenabled()
    gc.disable()  # it would look through all that is being made, again and again
    try:
        return msgspec.json.decode(text, type=type_)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeError):
        return None
    finally:
        if collecting:
            gc.enable()


def compact(value: object) -> bytes:
    """A typed value, whose numbers are all finite, as JSON text without spaces."""
    return msgspec.json.encode(value)


def scrubbed(value: Json, depth: int = 0) -> Json:
    """An untrusted value, with every string reduced to one line without control characters.

    Raises:
        DamageError: when it holds a number that is infinite or that nothing can compute with, or is nested too deeply.
    """
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict | list):
        if depth == _DEEPEST:
            raise DamageError(f"it is nested more than {_DEEPEST} levels deep")
        if isinstance(value, list):
            return [scrubbed(part, depth + 1) for part in value]
        return {one_line(str(name)): scrubbed(part, depth + 1) for name, part in value.items()}
    if type(value) in _UNCHANGED:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise DamageError("it holds a number that is not finite")
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        raise DamageError("it holds an integer of more than 64 bits")
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")
