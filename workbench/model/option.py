"""How an option is declared once, and what is derived from it: a check, a keyword argument, a sentence of help.

A class of options is a frozen dataclass derived from :class:`Options`, with fields made by :func:`option`. Its checks
come from :meth:`Options.of`, its keyword arguments and their documentation from :func:`keywords`, and its flags from
:mod:`workbench.cli.options`.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import numbers
import os
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from workbench.errors import OptionError

METADATA = "option"
PLACEHOLDER = re.compile(r"^    \*\*options:.*$", re.MULTILINE)
WIDTH = 112

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Notation:
    """A way to write a number as a string: its name, how to parse and format it, and what a plain number means."""

    name: str
    number: str
    parse: Callable[[str], float]
    format: Callable[[float], str]


def parse_seconds(text: str) -> float:
    """Seconds from "60", "60s", "1.5m" or "2h".

    Raises:
        ValueError: for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if match is None:
        raise ValueError("write a duration in seconds or minutes, such as 60s or 5m")
    return float(match[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[match[2] or "s"]


def parse_share(text: str) -> float:
    """A share from "2%" or "0.02".

    Raises:
        ValueError: for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%)?", text.strip())
    if match is None:
        raise ValueError("write a percentage, such as 2%")
    return float(match[1]) / (100 if match[2] else 1)


SECONDS = Notation("DURATION", "A number is in seconds.", parse_seconds, lambda seconds: f"{plainly(seconds)}s")
SHARE = Notation("SHARE", "A number is a share, such as 0.02.", parse_share, lambda share: f"{100 * share:g}%")


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes:
        help: a sentence that suits both a notebook and a terminal.
        name: the keyword argument.
        type: its annotation.
        default: its value when it is not given.
        unset: what None stands for, in words.
        short: a one-letter flag, such as "-p".
        notation: how its number may be written as a string, if at all.
        choices: the only allowed values, if there are few.
        least: the smallest allowed number.
        most: the largest allowed number.
        between: an open interval that the number must lie in.
        refused: why a command does not accept it; empty where it does.
        variants: by command, the attributes that differ there.
    """

    help: str
    name: str = ""
    type: Any = None
    default: Any = None
    unset: str = ""
    short: str = ""
    notation: Notation | None = None
    choices: Sequence[Any] = ()
    least: float | None = None
    most: float | None = None
    between: tuple[float, float] | None = None
    refused: str = ""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return flag_of(self.name)

    @property
    def types(self) -> tuple[Any, ...]:
        """The members of its type if that is a union, else just its type."""
        union = typing.get_origin(self.type) in (typing.Union, types.UnionType)
        return typing.get_args(self.type) if union else (self.type,)

    def accept(self, value: Any) -> Any:
        """The given value, checked; parsed first if its notation is a string.

        Raises:
            OptionError: when it is not allowed; says what is.
        """
        if self.refused:
            raise OptionError(self.name, value, self.refused)
        if value is None and type(None) in self.types:
            return None
        try:
            parsed = self.notation.parse(value) if self.notation and isinstance(value, str) else value
        except ValueError as error:
            raise OptionError(self.name, value, str(error)) from None
        if not any(_is_a(type_, parsed) for type_ in self.types):
            raise OptionError(self.name, value, f"must be {_either(_WORDS.get(type_, type_) for type_ in self.types)}")
        parsed = _plain(parsed)
        if self.choices and parsed not in self.choices:
            raise OptionError(self.name, value, f"choose {_either(self.choices)}")
        if self.least is not None and not parsed >= self.least:  # "not >=" also rejects NaN
            raise OptionError(self.name, value, f"must be at least {self.text_of(self.least)}")
        if self.most is not None and not parsed <= self.most:
            raise OptionError(self.name, value, f"must be at most {self.text_of(self.most)}")
        if self.between and not self.between[0] < parsed < self.between[1]:
            raise OptionError(self.name, value, f"must lie between {' and '.join(map(self.text_of, self.between))}")
        return parsed

    def text_of(self, number: float) -> str:
        """A number in this option's notation."""
        return self.notation.format(number) if self.notation else plainly(number)


def plainly(number: float) -> str:
    """A number without an exponent, where it is whole."""
    return f"{number:.0f}" if number == int(number) else f"{number:g}"


def option(default: Any, help: str, **attributes: Any) -> Any:  # noqa: A002 - the usual name for it
    """A field of a class of options; ``attributes`` are those of :class:`Option`."""
    return field(default=default, metadata={METADATA: Option(help, default=default, **attributes)})


@dataclass(frozen=True)
class Options:
    """The base of every class of options."""

    @classmethod
    def options(cls, command: str) -> dict[str, Option]:
        """The options in the variants of one command, by name, including those that it refuses."""
        hints = typing.get_type_hints(cls)
        options = {}
        for entry in dataclasses.fields(cls):
            declared: Option = entry.metadata[METADATA]
            changes = declared.variants.get(command, {})
            options[entry.name] = dataclasses.replace(declared, name=entry.name, type=hints[entry.name], **changes)
        return options

    @classmethod
    def of(cls, command: str, values: Mapping[str, Any]) -> Self:
        """The options given to a command, parsed and checked; all others have their defaults.

        Raises:
            OptionError: for a value that is not allowed, or an option that this command refuses.
            TypeError: for an unknown name.
        """
        options = cls.options(command)
        for name in values:
            if name not in options:
                accepted = [option.name for option in options.values() if not option.refused]
                close = difflib.get_close_matches(name, accepted, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise TypeError(f"{command}() got an unexpected keyword argument {name!r}{hint}")
        return cls(**{name: options[name].accept(value) for name, value in values.items()})


def keywords(options: type[Options], command: str) -> Callable[[F], F]:
    """Show the options of a class as the keyword arguments of a function that takes ``**options``.

    The signature lists them for help and completion, and the line of the docstring that begins with ``**options:`` is
    replaced by one line per option.
    """

    def document(function: F) -> F:
        accepted = [option for option in options.options(command).values() if not option.refused]
        signature = inspect.signature(function)
        own = [entry for entry in signature.parameters.values() if entry.kind is not entry.VAR_KEYWORD]
        added = [parameter(option.name, option.type, option.default) for option in accepted]
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        if function.__doc__:  # there is none under -OO
            lines = "\n".join(map(_documentation, accepted))
            function.__doc__ = PLACEHOLDER.sub(lambda _: lines, inspect.cleandoc(function.__doc__))
        return function

    return document


def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """A keyword argument of a signature."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def flag_of(name: str) -> str:
    """The flag of a keyword argument: "--timeout" for "timeout_s"; on the command line the value carries the unit."""
    return f"--{name.removesuffix('_s').replace('_', '-')}"


def _documentation(declared: Option) -> str:
    number = f" {declared.notation.number}" if declared.notation else ""
    unset = f" When None: {declared.unset}." if declared.unset else ""
    line = f"{declared.name}: {declared.help}{number}{unset}"
    return textwrap.fill(line, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False)


_ACCEPTED: Mapping[Any, Any] = {int: numbers.Integral, float: numbers.Real, Path: os.PathLike}
_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a string",
    Path: "a path",
    type(None): "None",
}


def _is_a(type_: Any, value: object) -> bool:
    if isinstance(value, bool):
        return type_ is bool
    origin = typing.get_origin(type_) or type_
    return isinstance(value, _ACCEPTED.get(origin, origin))


def _plain(value: Any) -> Any:
    """A NumPy number, a fraction or the like as Python's own; its record is JSON."""
    if isinstance(value, bool | Path):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    return str(value) if isinstance(value, str) else value


def _either(words: Iterable[object]) -> str:
    *first, last = map(str, words)
    return f"{', '.join(first)} or {last}" if first else last
