"""The command that writes a run in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from workbench.cli.options import app
from workbench.cli.terminal import print_parts
from workbench.errors import one_line


@app.command()
def export(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, its id or the beginning of it, or latest.")
    ],
    to: Annotated[str, typer.Option("--format", "-t", help="tensorboard, csv, parquet, latex, markdown or pyperf.")],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this at run time
        typer.Option("--output", "-o", metavar="PATH", help="The file or folder to make.  [default: named as the run]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what an earlier export wrote there.")] = False,
    store: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--results", help="The folder of runs.  [default: results]"),
    ] = None,
) -> None:
    """Write a run for other tools, such as TensorBoard or pyperf."""
    from workbench import api
    from workbench.show import exports

    written = exports.export(api.load(name, store), to, output, force=force)
    print_parts(one_line(f"{written}"), markup=False, highlight=False, soft_wrap=True)
