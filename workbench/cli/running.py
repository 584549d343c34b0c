"""Commands that measure: run, rebuild what was measured, and the self-test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Details, Frameworks, Json, Results, app, asks_for
from workbench.cli.terminal import ending_signals, print_json, print_parts, say, show_run
from workbench.errors import EXIT_INTERRUPTED, EXIT_PLOT, EXIT_UNWRITTEN, WorkbenchError
from workbench.model.request import RUN, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.show.run import Run


@app.command()
@asks_for(Request, RUN)
def run(
    task: Annotated[Optional[str], typer.Argument(help="A task: see `workbench list`.")] = None,  # noqa: UP045
    frameworks: Frameworks = ["all"],  # noqa: B006 - typer copies it
    *,
    request: Request,
    resume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="RUN", help="Measure only what an interrupted run had not finished."),
    ] = None,
    store: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--results", "-r", help="With --resume: the folder of runs.  [default: that of --output]"),
    ] = None,
    details: Details = False,
    as_json: Json = False,
) -> int:
    """Run one task in every chosen frontend: prove each, time each, write a run folder."""
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # until numpy has started its threads, which inherit that
    from workbench import api
    from workbench.show.progress import patient_console, progress_for

    if (task is None) == (resume is None):
        raise WorkbenchError("name a task (`workbench list`), or a run with --resume")
    with progress_for(patient_console()) as progress, ending_signals():

        def measure() -> Run:
            if resume is not None:
                where, content = store or request.output, request.content
                return api.resume(resume, where, content=content, progress=progress, if_busy=request.if_busy)
            return api.run_request(task or "", frameworks, request, progress)

        finished, complaint, code = outcome_of(measure)
    show_run(finished, as_json, details)
    if complaint:
        say(f"workbench: {complaint}")
    return code


def outcome_of(make: Callable[[], Run]) -> tuple[Run, str, int]:
    """A run, what to say of it beside its table, and the exit code; what could not be written is shown all the same."""
    from workbench import api

    try:
        finished = make()
    except api.PlotFailedError as failure:
        return failure.run, f"the tables are written, but a plot failed: {failure}", EXIT_PLOT
    except api.NotWrittenError as failure:
        resume = f" (`workbench run --resume {failure.run.id}`)" if failure.run.path.is_dir() else ""
        return api.Run.of(failure.run), f"{failure}{resume}", EXIT_UNWRITTEN
    return finished, "", exit_code(finished)


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or id, finished or not.")],
    store: Results = None,
) -> int:
    """Make a run's summaries, tables and plots once more from its log."""
    from workbench import api

    made, complaint, code = outcome_of(lambda: api.rebuild(name, store))
    show_run(made, as_json=False, details=False)
    if complaint:
        say(f"workbench: {complaint}")
        return code
    return 0


@app.command()
def selftest(
    full: Annotated[bool, typer.Option("--full", help="For the night: 200 comparisons, one to two hours.")] = False,
    comparisons: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="With --full: this many comparisons of identical code, the rest in proportion.", min=1),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Put the table between the selftest markers of this Markdown file."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure the instrument itself: false alarms, injected slow-downs, overhead, a planted early return."""
    from workbench.catalog import catalog
    from workbench.selftest import command, report

    if write is not None:
        report.check_markers(write)
    plan = command.Plan.nightly(comparisons or command.COMPARISONS) if full else command.Plan.quick()
    words = ["workbench selftest", *["--full"] * full, *[f"--comparisons {comparisons}"] * (comparisons is not None)]
    finished = command.selftest(catalog(), plan, " ".join(words), say)
    if as_json:
        print_json(finished.as_json())
    else:
        print_parts(finished.terminal())
    say(report.counted(finished.figures))
    if finished.interrupted:
        say("workbench: interrupted: this is what was recorded by then; nothing was written")
    elif write is not None:
        report.splice(write, finished.markdown())
    return finished.exit_code


def exit_code(finished: Run) -> int:
    """What a run comes to, for scripts and CI."""
    from workbench.errors import EXIT_CONTESTANT, EXIT_OK, EXIT_UNAVAILABLE

    if finished.record.interrupted:
        return EXIT_INTERRUPTED
    outcomes = {contestant.outcome for contestant in finished.contestants}
    if outcomes - {"ok", "unsupported", "unavailable"}:
        return EXIT_CONTESTANT
    return EXIT_UNAVAILABLE if "unavailable" in outcomes or "ok" not in outcomes else EXIT_OK
