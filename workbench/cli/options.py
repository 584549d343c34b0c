"""The command line's application and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from workbench import __version__

app = typer.Typer(
    name="workbench",
    help="See and trust how the same training task looks, behaves and performs in five frameworks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
Details = Annotated[bool, typer.Option("--details", help="Rates, warm-up, threads and memory in a second table.")]
Content = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads this at run time
    typer.Option("--content", help="A folder with tasks/ or frontends/ of your own; may be given several times."),
]
Store = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this at run time
    typer.Option("--output", "-o", help="The folder of runs.  [default: results]"),
]


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
