"""Commands that look at what there is: content, runs, this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import Content, Details, Json, Results, app, one_or_many
from workbench.cli.terminal import print_json, print_parts, say, show_run


@app.command(name="list")
def list_(content: Content = None, as_json: Json = False) -> None:
    """List tasks, presets, frontends, and the matrix of pairs with its holes."""
    from workbench.catalog import catalog
    from workbench.show import listing

    found = catalog(one_or_many(content))
    if as_json:
        print_json(listing.as_json(found))
    else:
        print_parts(*listing.terminal(found))


@app.command()
def results(store: Results = None, as_json: Json = False) -> None:
    """List the runs in a folder of runs, newest first, and those that were cut off."""
    from workbench.show import listing
    from workbench.store import index
    from workbench.store.codec import plain
    from workbench.store.results import default_store

    folder = store or default_store()
    runs, damaged = index.runs(folder)
    unfinished = index.unfinished(folder)
    if as_json:
        print_json({"runs": [listing.run_facts(run, folder) for run in runs], "unfinished": plain(unfinished)})
    elif runs:
        print_parts(listing.runs_table(runs))
    elif not unfinished:
        say(f"no runs in {folder}: `workbench run linreg` makes one")
    if unfinished and not as_json:
        print_parts(*listing.unfinished_lines(unfinished))
    for sentence in damaged:
        say(f"workbench: {sentence}")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, its id or the beginning of it, or latest.")
    ],
    store: Results = None,
    details: Details = False,
    as_json: Json = False,
) -> None:
    """Print a run's table again."""
    from workbench import api

    show_run(api.load(name, store), as_json, details)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, which devices there are, how many threads, and what to install."""
    from workbench.catalog import catalog
    from workbench.show import listing
    from workbench.store.codec import plain

    found = listing.diagnosis(catalog())
    if as_json:
        print_json(plain(found))
    else:
        print_parts(*listing.diagnosis_terminal(found))
