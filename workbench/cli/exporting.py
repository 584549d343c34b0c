"""The command that exports a run to the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from workbench.cli.options import STDOUT, Force, Results, app, is_stdout, path, refuse_stdout
from workbench.cli.terminal import print_parts, print_text
from workbench.errors import one_line


@app.command()
def export(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, its id or the beginning of its id, or latest.")
    ],
    to: Annotated[
        str, typer.Option("--format", "-t", help="The format: tensorboard, csv, parquet, latex, markdown or pyperf.")
    ],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this at run time
        typer.Option(
            "--output",
            "-o",
            parser=path,
            metavar="PATH",
            help="The file or folder to write; - writes a file to stdout.  [default: named after the run]",
        ),
    ] = None,
    force: Force = False,
    store: Results = None,
) -> None:
    """Export a run for another tool, such as TensorBoard or pyperf."""
    from workbench import api
    from workbench.show import exports

    if is_stdout(output):
        if exports.format_of(to).folder:
            refuse_stdout(STDOUT, f"{to} is a folder of files")
        print_text(exports.text(api.load(name, store), to))
        return
    written = exports.export(api.load(name, store), to, output, force=force)
    print_parts(one_line(f"{written}"), markup=False, highlight=False, soft_wrap=True)
