"""Commands that follow a frontend over versions and over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Json, Results, app, asks_for, is_stdout
from workbench.cli.terminal import (
    end_quietly_when_nobody_reads,
    ending_signals,
    print_json,
    print_parts,
    print_text,
    say,
)
from workbench.errors import WorkbenchError
from workbench.model.request import VERSIONS, Request

if TYPE_CHECKING:
    from collections.abc import Mapping


@app.command()
@asks_for(Request, VERSIONS)
def versions(
    requirements: Annotated[str, typer.Argument(help="Versions of one package: torch==2.12,torch==2.13.")],
    task: Annotated[str, typer.Argument(help="A task: see `workbench list`.")],
    frameworks: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this at run time
        typer.Option("--frameworks", "-f", help="Frontends to measure.  [default: those that import the package]"),
    ] = None,
    *,
    request: Request,
    as_json: Json = False,
) -> int:
    """Measure versions of a package side by side, each in an environment of its own: speed and numeric drift."""
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # until numpy has started its threads, which inherit that
    from workbench import api
    from workbench.cli.running import outcome_of
    from workbench.comparison import versions as upgrades
    from workbench.show.progress import patient_console, progress_for
    from workbench.show.versions import VersionsReport

    installed: dict[str, Mapping[str, str]] = {}

    def measure() -> api.Run:
        found = upgrades.compare_versions(requirements, task, frameworks, request, progress)
        installed.update(found.environments)
        return api.publish(found.run)

    with progress_for(patient_console()) as progress, ending_signals():
        finished, complaint, code = outcome_of(measure)
    report = VersionsReport(finished, installed)
    end_quietly_when_nobody_reads()
    if as_json:
        print_json(report.as_json())
    else:
        print_parts(*report.terminal())
        print_parts(f"{finished.path}", style="dim", markup=False, highlight=False, soft_wrap=True)
    if complaint:
        say(f"workbench: {complaint}")
    return code


@app.command()
def history(
    task: Annotated[str, typer.Argument(help="A task.")],
    frontend: Annotated[str, typer.Argument(help="A frontend's id, or a contestant's such as numpy_manual@2.4.6.")],
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--preset", "-p", help="One preset alone.  [default: all, each a series]"),
    ] = None,
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Draw it into this file: .png, .svg or .pdf; - for SVG alone on stdout."),
    ] = None,
    results: Results = None,
    as_json: Json = False,
) -> None:
    """Follow a frontend's step time over all recorded runs, with the changes that are no noise."""
    from workbench import api
    from workbench.show.history import check_plot

    if is_stdout(plot) and as_json:
        raise WorkbenchError("--json and --output - both write to standard output: choose one of them")
    if plot is not None and not is_stdout(plot):
        check_plot(plot)
    found = api.history(task, frontend, preset=preset, results=results)
    if plot is not None and not is_stdout(plot):
        found.save(plot)
    if is_stdout(plot):
        print_text(found.svg())
    elif as_json:
        print_json(found.as_json())
    else:
        print_parts(*found.terminal())
    for sentence in found.skipped:
        say(f"workbench: {sentence}")
