"""The command that shows a task's code in several frontends."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import Content, Frameworks, Json, app, one_or_many
from workbench.cli.terminal import print_json, print_parts


@app.command()
def code(
    task: Annotated[str, typer.Argument(help="A task; `workbench list` shows them.")],
    frameworks: Frameworks = ["all"],  # noqa: B006 - typer copies it
    content: Content = None,
    as_json: Json = False,
) -> None:
    """Show the code of a task in several frontends, side by side."""
    from workbench.catalog import catalog
    from workbench.show import sidebyside

    chosen = catalog(one_or_many(content))
    comparison = sidebyside.compare(task, frameworks, chosen)
    if as_json:
        print_json(sidebyside.as_json(comparison))
    else:
        print_parts(*sidebyside.terminal(comparison, chosen.task(task).title))
