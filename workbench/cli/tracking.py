"""Commands that follow a frontend over versions and over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Content, Json, Store, app
from workbench.cli.terminal import end_quietly_when_nobody_reads, ending_signals, print_json, print_parts, say

if TYPE_CHECKING:
    from collections.abc import Mapping


@app.command()
def versions(
    requirements: Annotated[str, typer.Argument(help="Versions of one package: torch==2.12,torch==2.13.")],
    task: Annotated[str, typer.Argument(help="A task: see `workbench list`.")],
    frameworks: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this at run time
        typer.Option("--frameworks", "-f", help="Frontends to measure.  [default: those that import the package]"),
    ] = None,
    preset: Annotated[Optional[str], typer.Option("--preset", "-p", help="One of the task's presets.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="cpu, gpu, auto, or an index such as gpu:1.")] = "cpu",
    threads: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="CPU threads of every contestant, on as many CPUs.  [default: 1]"),
    ] = None,
    steps: Annotated[Optional[int], typer.Option(help="Instead of the preset's number of steps.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Of start weights, generated data and batch order.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    launches: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Fresh processes per contestant; seven allow a test.  [default: 8]"),
    ] = None,
    budget: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Go on with launches as long as this has room, such as 60s or 5m."),
    ] = None,
    rounds: Annotated[
        int, typer.Option(help="Blocks of each contestant per launch; up to four times as many where they scatter.")
    ] = 10,
    if_busy: Annotated[str, typer.Option(help="When another session measures on this host: wait or refuse.")] = "wait",
    timeout: Annotated[float, typer.Option(help="Seconds that one phase of one contestant may take.")] = 300.0,
    output: Store = None,
    content: Content = None,
    as_json: Json = False,
) -> int:
    """Measure versions of a package side by side, each in an environment of its own: speed and numeric drift."""
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # until numpy has started its threads, which inherit that
    from workbench import api
    from workbench.cli.running import outcome_of
    from workbench.comparison import versions as upgrades
    from workbench.show.progress import patient_console, progress_for
    from workbench.show.units import parse_seconds

    installed: dict[str, Mapping[str, str]] = {}

    def measure() -> api.Run:
        found = upgrades.versions(
            requirements,
            task,
            frameworks,
            preset=preset,
            device=device,
            threads=threads,
            steps=steps,
            seed=seed,
            dtype=dtype,
            launches=launches,
            budget_s=None if budget is None else parse_seconds(budget),
            rounds=rounds,
            timeout_s=timeout,
            output=output,
            content=content,
            progress=progress,
            if_busy=if_busy,
        )
        installed.update(found.environments)
        return found.run

    with progress_for(patient_console()) as progress, ending_signals():
        finished, complaint, code = outcome_of(measure)
    report = upgrades.VersionsReport(finished, installed)
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
        typer.Option("-o", "--output", help="Draw it into this file: .png, .svg or .pdf."),
    ] = None,
    results: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--results", help="The folder of runs.  [default: results]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Follow a frontend's step time over all recorded runs, with the changes that are no noise."""
    from workbench.comparison import history as timeline

    if plot is not None:
        timeline.check_plot(plot)
    found = timeline.history(task, frontend, preset=preset, results=results)
    if plot is not None:
        found.save(plot)
    if as_json:
        print_json(found.as_json())
    else:
        print_parts(*found.terminal())
    for sentence in found.skipped:
        say(f"workbench: {sentence}")
