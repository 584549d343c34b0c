"""Commands that write web pages: a report of runs, and a site about everything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Content, Force, Results, app, is_stdout, one_or_many, path, refuse_stdout
from workbench.cli.terminal import print_parts, print_text
from workbench.errors import one_line


@app.command()
def report(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="A run's folder, its id or the beginning of its id, or latest."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", parser=path, help="The HTML file to write; - for stdout.")
    ] = Path("report.html"),
    store: Results = None,
    content: Content = None,
    force: Force = False,
) -> None:
    """Write one or more runs as a single HTML page that works offline."""
    from workbench import api
    from workbench.catalog import catalog
    from workbench.show import report as pages

    own_content = catalog(one_or_many(content)) if content else None
    runs = [api.load(name, store) for name in names]
    if is_stdout(output):
        print_text(pages.html(runs, own_content))
        return
    written = pages.write_report(runs, output, content=own_content, force=force)
    print_parts(one_line(f"{written}"), markup=False, highlight=False, soft_wrap=True)


@app.command()
def site(
    store: Annotated[Path, typer.Argument(parser=path, metavar="RESULTS", help="The folder of runs to read.")] = Path(
        "results"
    ),
    output: Annotated[
        Path, typer.Option("--output", "-o", parser=path, help="The folder to write the site to.")
    ] = Path("site"),
    content: Content = None,
    force: Force = False,
) -> None:
    """Write a static website of tasks, frontends, code and results.

    It shows the latest results of each task.
    """
    from workbench.catalog import catalog
    from workbench.show import report as pages

    refuse_stdout(output, "a site is a folder of pages")
    own_content = catalog(one_or_many(content)) if content else None
    written = pages.write_site(store, output, content=own_content, force=force)
    print_parts(one_line(f"{written / 'index.html'}"), markup=False, highlight=False, soft_wrap=True)
