"""The command line's application, the options that several commands share, and flags made from declared options."""

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
    help="See and trust how the same training task looks, behaves and performs in five frameworks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

STDOUT = "-"

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
Details = Annotated[bool, typer.Option("--details", help="Rates, warm-up, threads and memory in a second table.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there; a folder only if it was written by this.")]
Content = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads this at run time
    typer.Option("--content", help="A folder with your own tasks/ or frontends/; may be given several times."),
]
Results = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--results", "-r", help="The folder of runs that is read.  [default: results]"),
]
Frameworks = Annotated[
    list[str],
    typer.Option("--frameworks", "-f", help="all, ids, families (tensorflow, pytorch) or globs; with commas."),
]

C = TypeVar("C", bound=Callable[..., Any])


def asks_for(asked: type[Options], command: str) -> Callable[[C], C]:
    """Give a command a flag for each option that a class declares, in place of its keyword argument ``request``.

    The command is then called with what was asked for, read and checked.
    """
    options = asked.options(command)

    def asking(function: C) -> C:
        def called(**values: Any) -> Any:
            given = {name: _tidied(name, values.pop(name)) for name in options}
            request = asked.of(command, {name: value for name, value in given.items() if value is not None})
            return function(**values, request=request)

        shown = []
        for entry in inspect.signature(function, eval_str=True).parameters.values():
            flags = [_parameter(declared) for declared in options.values()]
            shown += flags if entry.name == "request" else [entry.replace(kind=entry.KEYWORD_ONLY)]
        called.__name__, called.__doc__, called.__module__ = function.__name__, function.__doc__, function.__module__
        called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        called.__annotations__ = {entry.name: entry.annotation for entry in shown}
        return called  # type: ignore[return-value]

    return asking


def _parameter(declared: Option) -> inspect.Parameter:
    """A declared option as typer reads it from a signature."""
    about = f"{declared.help}  [default: {declared.unset}]" if declared.unset else declared.help
    flags = [declared.flag, *filter(None, [declared.short])]
    info = typer.Option(
        *flags,
        help=about,
        hidden=bool(declared.refused),
        metavar=declared.notation.name if declared.notation else None,
    )
    default = None if declared.refused else declared.default
    if declared.notation and default is not None:
        default = declared.text_of(default)
    return parameter(declared.name, Annotated[_kind(declared), info], default)


def _kind(declared: Option) -> Any:
    """The type that typer reads a flag's text as."""
    if bool in declared.types and not declared.refused:
        return bool
    if any(get_origin(kind) is Sequence for kind in declared.types):
        return list[Path] | None
    if Path in declared.types:
        return Path | None
    plain: Any = str if declared.notation else declared.types[0]
    return plain | None if declared.refused or declared.default is None else plain


def _tidied(name: str, value: Any) -> Any:
    """A flag's value as a keyword argument has it: a list of one as that one."""
    if name == "output" and value is not None:
        refuse_stdout(value, "a run is a folder of files: name the folder that receives it")
    return one_or_many(value) if isinstance(value, list) else value


def one_or_many(values: list[Path] | None) -> Path | list[Path] | None:
    """What a repeatable flag was given: nothing, one value, or all of them."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def is_stdout(path: Path | str | None) -> bool:
    """Whether a path stands for standard output."""
    return path is not None and str(path) == STDOUT


def refuse_stdout(path: Path | str, reason: str) -> None:
    """Refuse standard output where something else than one file is written.

    Raises:
        OptionError: with the reason.
    """
    if is_stdout(path):
        raise OptionError("output", path, reason)


def worded(error: WorkbenchError) -> str:
    """An error as the command line says it: what a notebook calls ``timeout_s`` is ``--timeout`` here."""
    if not isinstance(error, OptionError):
        return str(error)
    values = error.value if isinstance(error.value, (list, tuple)) else [error.value]
    texts = [shlex.quote(str(value)) for value in values if value is not True]  # what is only switched on has no value
    return f"{' '.join([flag_of(error.option), *texts])}: {error.message}"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
