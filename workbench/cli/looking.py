"""Commands that show what there is: content, runs, this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import Content, Details, Json, Results, app, one_or_many
from workbench.cli.terminal import print_json, print_parts, say, show_run
from workbench.errors import WorkbenchError


@app.command(name="list")
def list_(content: Content = None, as_json: Json = False) -> None:
    """List tasks, presets, frontends, and which pairs exist."""
    from workbench.catalog import catalog
    from workbench.show import listing

    shown = catalog(one_or_many(content))
    if as_json:
        print_json(listing.as_json(shown))
    else:
        print_parts(*listing.terminal(shown))


@app.command()
def results(
    store: Results = None,
    every: Annotated[bool, typer.Option("--all", help="List every run.  [default: the newest 50]")] = False,
    as_json: Json = False,
) -> None:
    """List the runs in a folder, newest first.

    Unfinished runs are listed as well.
    """
    from workbench.show import listing
    from workbench.store import index
    from workbench.store.codec import plain
    from workbench.store.results import default_store

    if store is not None and not store.is_dir():
        raise WorkbenchError(f"there is no folder {store}: name the folder that a run was written to (--output)")
    folder = store or default_store()
    runs, damaged = index.runs(folder)
    unfinished = index.unfinished(folder)
    if as_json:
        print_json({"runs": [listing.run_facts(run, folder) for run in runs], "unfinished": plain(unfinished)})
    elif runs:
        print_parts(listing.runs_table(runs if every else runs[: listing.LISTED]))
        if not every and len(runs) > listing.LISTED:
            say(f"the newest {listing.LISTED} of {len(runs):,} runs; --all lists every one")
    elif not unfinished:
        say(f"no runs in {folder}: measure one first, for example with `workbench run linreg`")
    if unfinished and not as_json:
        print_parts(*listing.unfinished_lines(unfinished))
    for sentence in damaged:
        say(f"workbench: {sentence}")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, its id or the beginning of its id, or latest.")
    ],
    store: Results = None,
    details: Details = False,
    as_json: Json = False,
) -> None:
    """Show the table of a recorded run."""
    from workbench import api

    show_run(api.load(name, store), as_json, details)


@app.command()
def doctor(content: Content = None, as_json: Json = False) -> None:
    """Show the available frameworks, devices and threads.

    For a framework that is missing, show how to install it.
    """
    from workbench.catalog import catalog
    from workbench.show import listing
    from workbench.store.codec import plain

    diagnosis = listing.diagnosis(catalog(one_or_many(content)))
    if as_json:
        print_json(plain(diagnosis))
    else:
        print_parts(*listing.diagnosis_terminal(diagnosis))
