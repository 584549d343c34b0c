"""The Typer application, options that several commands share, and flags generated from declared options."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional, TypeVar, get_origin

import typer

from workbench.errors import OptionError, WorkbenchError
from workbench.model.option import Option, Options, flag_of, parameter
from workbench.version import __version__

app = typer.Typer(
    name="workbench",
    help="Compare how the same training task looks, behaves and performs in several frameworks, with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

STDOUT = "-"


def path(text: str) -> Path:
    """The path that a text names; an empty text, such as that of an unset variable, would be the working folder."""
    if not text:
        raise typer.BadParameter("the name of the file or folder is empty")
    return Path(text)


Json = Annotated[bool, typer.Option("--json", help="Print only JSON to stdout.")]
Details = Annotated[bool, typer.Option("--details", help="Add a second table with rates, warm-up, threads and memory.")]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite existing output; a folder only if this command wrote it.")
]
Content = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads this at run time
    typer.Option(
        "--content",
        parser=path,
        help="A folder with your own tasks/ or frontends/, beside the built-in ones; repeatable.",
    ),
]
Results = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--results", "-r", parser=path, help="The folder of runs to read.  [default: results]"),
]
Frameworks = Annotated[
    list[str],
    typer.Option(
        "--frameworks", "-f", help="all, or ids, families (tensorflow, pytorch) or globs, separated by commas."
    ),
]

C = TypeVar("C", bound=Callable[..., Any])


def with_flags(kind: type[Options], command: str) -> Callable[[C], C]:
    """Replace a command's keyword argument ``request`` by a flag for each option that a class declares.

    The command is then called with an instance of that class, whose values are parsed and checked.
    """
    options = kind.options(command)

    def decorate(function: C) -> C:
        def wrapper(**values: Any) -> Any:
            flags = {name: _keyword_value(name, values.pop(name)) for name in options}
            request = kind.of(command, {name: value for name, value in flags.items() if value is not None})
            return function(**values, request=request)

        parameters = []
        for entry in inspect.signature(function, eval_str=True).parameters.values():
            flags = [_parameter(declared) for declared in options.values()]
            parameters += flags if entry.name == "request" else [entry.replace(kind=entry.KEYWORD_ONLY)]
        wrapper.__name__, wrapper.__doc__, wrapper.__module__ = function.__name__, function.__doc__, function.__module__
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {entry.name: entry.annotation for entry in parameters}
        return wrapper  # type: ignore[return-value]

    return decorate


def _parameter(declared: Option) -> inspect.Parameter:
    """A declared option as a parameter for typer."""
    text = f"{declared.help}  [default: {declared.unset}]" if declared.unset else declared.help
    flags = [declared.flag, *filter(None, [declared.short])]
    kind = _kind(declared)
    info = typer.Option(
        *flags,
        help=text,
        parser=path if kind in (list[Path] | None, Path | None) else None,
        hidden=bool(declared.refused),
        metavar=declared.notation.name if declared.notation else None,
    )
    default = None if declared.refused else declared.default
    if declared.notation and default is not None:
        default = declared.text_of(default)
    return parameter(declared.name, Annotated[kind, info], default)


def _kind(declared: Option) -> Any:
    """The type to which typer converts a flag's text."""
    if bool in declared.types and not declared.refused:
        return bool
    if any(get_origin(kind) is Sequence for kind in declared.types):
        return list[Path] | None
    if Path in declared.types:
        return Path | None
    plain: Any = str if declared.notation else declared.types[0]
    return plain | None if declared.refused or declared.default is None else plain


def _keyword_value(name: str, value: Any) -> Any:
    """A flag's value as that of the keyword argument: a list of one value becomes the value."""
    if name == "output" and value is not None:
        refuse_stdout(value, "a run is a folder of files")
    return one_or_many(value) if isinstance(value, list) else value


def one_or_many(values: list[Path] | None) -> Path | list[Path] | None:
    """The values of a repeatable flag: None, a single value, or a list."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def is_stdout(path: Path | str | None) -> bool:
    """Whether a path stands for standard output."""
    return path is not None and str(path) == STDOUT


def refuse_stdout(path: Path | str, reason: str) -> None:
    """Refuse standard output for anything but a single file.

    Args:
        path: the path that was given.
        reason: what would be written instead, such as "a run is a folder of files".

    Raises:
        OptionError: when the path stands for standard output.
    """
    if is_stdout(path):
        raise OptionError("output", path, f"{reason} and cannot go to standard output: name a folder")


_ARGUMENTS = ("path",)  # what has no flag: a run, by its folder or id
_OTHERWISE = {"folder": "output"}  # what has a flag of another name: where a site is written


def error_text(error: WorkbenchError) -> str:
    """An error's text on the command line, where a notebook's ``timeout_s`` is called ``--timeout``."""
    if not isinstance(error, OptionError):
        return str(error)
    values = error.value if isinstance(error.value, (list, tuple)) else [error.value]
    texts = [shlex.quote(str(value)) for value in values if value is not True]  # a switch has no value
    if error.option in _ARGUMENTS:
        return f"{' '.join(texts)}: {error.message}"
    flag = flag_of(_OTHERWISE.get(error.option, error.option))
    return f"{' '.join([flag, *texts])}: {error.message}"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
