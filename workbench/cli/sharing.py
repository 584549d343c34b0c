"""Commands that make pages: a report of runs, and a site of all there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from workbench.cli.options import Content, app
from workbench.cli.terminal import print_parts
from workbench.errors import one_line

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


@app.command()
def report(
    names: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="A run's folder, its id or the beginning of it, or latest.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    store: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this at run time
        typer.Option("--results", help="The folder of runs.  [default: results]"),
    ] = None,
    content: Content = None,
    force: Force = False,
) -> None:
    """Write one or several runs as one HTML page that needs no network."""
    from workbench import api
    from workbench.catalog import catalog
    from workbench.show import report as pages

    found = catalog(content) if content else None
    written = pages.write_report([api.load(name, store) for name in names], output, content=found, force=force)
    print_parts(one_line(f"{written}"), markup=False, highlight=False, soft_wrap=True)


@app.command()
def site(
    store: Annotated[Path, typer.Argument(metavar="RESULTS", help="The folder of runs.")] = Path("results"),
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the site.")] = Path("site"),
    content: Content = None,
    force: Force = False,
) -> None:
    """Write a static site: tasks, frontends, their code and the latest results."""
    from workbench.show import report as pages

    written = pages.write_site(store, output, content=content, force=force)
    print_parts(one_line(f"{written / 'index.html'}"), markup=False, highlight=False, soft_wrap=True)
