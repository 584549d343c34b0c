"""Commands that measure, rebuild a run from its log, and run the self-test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Details, Frameworks, Json, Results, app, path, with_flags
from workbench.cli.terminal import ending_signals, print_json, print_parts, say, show_run
from workbench.errors import EXIT_INTERRUPTED, EXIT_PLOT, EXIT_UNWRITTEN, WorkbenchError
from workbench.model.option import flag_of
from workbench.model.request import MATRIX, RUN, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench.show.run import Run


@app.command()
@with_flags(Request, RUN)
def run(
    task: Annotated[Optional[str], typer.Argument(help="A task; `workbench list` shows them.")] = None,  # noqa: UP045
    frameworks: Frameworks = ["all"],  # noqa: B006 - typer copies it
    *,
    request: Request,
    resume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="RUN", help="Finish an interrupted run: measure only what is missing."),
    ] = None,
    store: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--results", "-r", parser=path, help="With --resume: the folder of runs.  [default: the folder of --output]"
        ),
    ] = None,
    details: Details = False,
    as_json: Json = False,
) -> int:
    """Run a task in the chosen frontends, and prove and time each.

    The results are written to a new run folder.
    """
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # before numpy starts threads, which inherit the signal mask
    from workbench import api
    from workbench.show.progress import patient_console, progress_for

    if (task is None) == (resume is None):
        raise WorkbenchError("name either a task (`workbench list` shows them) or, with --resume, a run")
    if resume is None and store is not None:
        raise WorkbenchError("--results is the folder of runs for --resume: a new run is written to --output")
    if resume is not None:
        _refuse_measuring_options(request, frameworks)
    with progress_for(patient_console()) as progress, ending_signals():

        def measure() -> Run:
            if resume is not None:
                folder, content = store or request.output, request.content
                return api.resume(resume, folder, content=content, progress=progress, if_busy=request.if_busy)
            return api.run_request(task or "", frameworks, request, progress)

        finished, warning, code = outcome_of(measure, folders_of(request.content))
    show_run(finished, as_json, details)
    if warning:
        say(f"workbench: {warning}")
    return code


def _refuse_measuring_options(request: Request, frameworks: Sequence[str]) -> None:
    """A resumed run keeps its own options.

    Raises:
        WorkbenchError: when one is given.
    """
    kept = Request(output=request.output, content=request.content, if_busy=request.if_busy)
    names = [field.name for field in dataclasses.fields(kept)]
    flags = [flag_of(name) for name in names if getattr(kept, name) != getattr(request, name)]
    flags += [] if list(frameworks) == ["all"] else ["--frameworks"]
    if flags:
        raise WorkbenchError(f"a resumed run keeps the options that it was started with: leave out {', '.join(flags)}")


def folders_of(content: str | Path | Sequence[str | Path] | None) -> list[str]:
    """The folders of content that were given."""
    several = [content] if isinstance(content, str | Path) else content or ()
    return [str(folder) for folder in several]


def outcome_of(make: Callable[[], Run], content: Sequence[str] = ()) -> tuple[Run, str, int]:
    """A run, a warning to show below its table (or ""), and the exit code; an unwritten run is returned as well."""
    from workbench import api
    from workbench.show.listing import resume_command

    try:
        finished = make()
    except api.PlotFailedError as failure:
        return failure.run, f"the tables were written, but a plot failed: {failure}", EXIT_PLOT
    except api.NotWrittenError as failure:
        resume = f" (finish it with `{resume_command(failure.run.path, content)}`)" if failure.run.path.is_dir() else ""
        return api.Run.of(failure.run), f"{failure}{resume}", EXIT_UNWRITTEN
    warning = ""
    if reason := finished.record.cut_short:
        warning = f"the run was cut short: {reason}; finish it with `{resume_command(finished.path, content)}`"
    return finished, warning, exit_code(finished)


@app.command()
@with_flags(Request, MATRIX)
def matrix(
    tasks: Annotated[Optional[list[str]], typer.Argument(help="Tasks.  [default: all]")] = None,  # noqa: UP045
    frameworks: Frameworks = ["all"],  # noqa: B006 - typer copies it
    *,
    request: Request,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(parser=path, help="Insert the table between the matrix markers of this Markdown file."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Run every task in every frontend, and print who takes how many times as long as the fastest.

    A run for each task and preset; what the folder of runs has already is not measured again.
    """
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # before numpy starts threads, which inherit the signal mask
    from workbench import api
    from workbench.errors import EXIT_CONTESTANT, EXIT_OK, EXIT_UNWRITTEN
    from workbench.show import markers
    from workbench.show.matrix import MARKERS
    from workbench.show.progress import patient_console, progress_for

    if write is not None:
        markers.check(write, MARKERS)
    with progress_for(patient_console()) as progress, ending_signals():
        found = api.matrix_request(tasks or (), frameworks, request, progress)
    if as_json:
        print_json(found.as_json())
    else:
        print_parts(*found.terminal())
    for part in found.parts:
        if part.unwritten:
            say(f"workbench: {part.unwritten}")
            return EXIT_UNWRITTEN
    if write is not None and found.left_out:
        say(f"workbench: {write} is unchanged, because not all was measured; run it again to go on")
    elif write is not None:
        markers.splice(write, found.markdown(), MARKERS)
    if any(part.interrupted for part in found.parts):
        return EXIT_INTERRUPTED
    return EXIT_CONTESTANT if found.failures or found.left_out else EXIT_OK


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A finished or unfinished run: its folder or id.")],
    store: Results = None,
) -> int:
    """Rebuild a run's summaries, tables and plots from its log."""
    from workbench import api

    rebuilt, warning, code = outcome_of(lambda: api.rebuild(name, store))
    show_run(rebuilt, as_json=False, details=False)
    if warning:
        say(f"workbench: {warning}")
        return code
    return 0


@app.command()
def selftest(
    full: Annotated[
        bool, typer.Option("--full", help="The full self-test: 200 comparisons, one to two hours.")
    ] = False,
    comparisons: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="With --full: number of comparisons of identical code; the rest scales with it.", min=1),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(parser=path, help="Insert the table between the selftest markers of this Markdown file."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Test the workbench itself: false positives, power, overhead.

    Also whether it catches a planted frontend that answers before its work is done.
    """
    from workbench.catalog import catalog
    from workbench.selftest import command, report
    from workbench.show import markers

    if comparisons is not None and not full:
        raise WorkbenchError("--comparisons is a number of the full self-test: add --full")
    if write is not None:
        markers.check(write, report.MARKERS)
    plan = command.Plan.nightly(comparisons or command.COMPARISONS) if full else command.Plan.quick()
    words = ["workbench selftest", *["--full"] * full, *[f"--comparisons {comparisons}"] * (comparisons is not None)]
    finished = command.selftest(catalog(), plan, " ".join(words), say)
    if as_json:
        print_json(finished.as_json())
    else:
        print_parts(finished.terminal())
    say(report.counted(finished.figures))
    if finished.interrupted:
        say("workbench: interrupted; the table shows what was recorded by then, and no file was changed")
    elif write is not None:
        markers.splice(write, finished.markdown(), report.MARKERS)
    return finished.exit_code


def exit_code(finished: Run) -> int:
    """The exit code of a run, for scripts and CI."""
    from workbench.errors import EXIT_CONTESTANT, EXIT_OK, EXIT_UNAVAILABLE

    if finished.record.interrupted:
        return EXIT_CONTESTANT if finished.record.cut_short else EXIT_INTERRUPTED
    outcomes = {contestant.outcome for contestant in finished.contestants}
    if outcomes - {"ok", "unsupported", "unavailable"}:
        return EXIT_CONTESTANT
    return EXIT_UNAVAILABLE if "unavailable" in outcomes or "ok" not in outcomes else EXIT_OK
