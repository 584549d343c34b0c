"""Commands that follow a frontend across versions and over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Json, Results, app, is_stdout, path, with_flags
from workbench.cli.terminal import (
    end_quietly_on_broken_pipe,
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
@with_flags(Request, VERSIONS)
def versions(
    requirements: Annotated[
        str, typer.Argument(help="Versions of one package, such as torch==2.12,torch==2.13; the first is the base.")
    ],
    task: Annotated[str, typer.Argument(help="A task; `workbench list` shows them.")],
    frameworks: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this at run time
        typer.Option("--frameworks", "-f", help="Frontends to measure.  [default: those that import the package]"),
    ] = None,
    *,
    request: Request,
    as_json: Json = False,
) -> int:
    """Compare versions of a package in speed and numeric drift.

    Each version is measured in an environment of its own, side by side with the others.
    """
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # before numpy starts threads, which inherit the signal mask
    from workbench import api
    from workbench.cli.running import outcome_of
    from workbench.comparison import versions as upgrades
    from workbench.show.progress import patient_console, progress_for
    from workbench.show.versions import VersionsReport

    installed: dict[str, Mapping[str, str]] = {}

    def measure() -> api.Run:
        result = upgrades.compare_versions(requirements, task, frameworks, request, progress)
        installed.update(result.environments)
        return api.publish(result.run)

    with progress_for(patient_console()) as progress, ending_signals():
        finished, warning, code = outcome_of(measure)
    report = VersionsReport(finished, installed)
    end_quietly_on_broken_pipe()
    if as_json:
        print_json(report.as_json())
    else:
        print_parts(*report.terminal())
        print_parts(f"{finished.path}", style="dim", markup=False, highlight=False, soft_wrap=True)
    if warning:
        say(f"workbench: {warning}")
    return code


@app.command()
def history(
    task: Annotated[str, typer.Argument(help="A task; `workbench list` shows them.")],
    frontend: Annotated[str, typer.Argument(help="A frontend's id, or a contestant's id such as numpy_manual@2.4.6.")],
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--preset", "-p", help="Only this preset.  [default: all, each a series of its own]"),
    ] = None,
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            parser=path,
            help="Write a plot to this file: .png, .svg or .pdf; - writes only the SVG to stdout.",
        ),
    ] = None,
    results: Results = None,
    as_json: Json = False,
) -> None:
    """Show a frontend's step time over all runs, and its jumps."""
    from workbench import api
    from workbench.show.history import check_plot

    if is_stdout(plot) and as_json:
        raise WorkbenchError("--json and --output - both write to standard output: use only one of them")
    if plot is not None and not is_stdout(plot):
        check_plot(plot)
    timeline = api.history(task, frontend, preset=preset, results=results)
    if plot is not None and not is_stdout(plot):
        timeline.save(plot)
    if is_stdout(plot):
        print_text(timeline.svg())
    elif as_json:
        print_json(timeline.as_json())
    else:
        print_parts(*timeline.terminal())
    for sentence in timeline.skipped:
        say(f"workbench: {sentence}")
