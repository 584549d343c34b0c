"""Commands that measure: run, rebuild what was measured, and the self-test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Content, Details, Json, Store, app
from workbench.cli.terminal import ending_signals, print_json, print_parts, say, show_run
from workbench.errors import EXIT_INTERRUPTED, EXIT_PLOT, EXIT_UNWRITTEN, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.store.results import Run


@app.command()
def run(
    task: Annotated[Optional[str], typer.Argument(help="A task: see `workbench list`.")] = None,  # noqa: UP045
    frameworks: Annotated[
        list[str],
        typer.Option("--frameworks", "-f", help="all, ids, families (tensorflow, pytorch) or globs; with commas."),
    ] = ["all"],  # noqa: B006 - typer copies it
    preset: Annotated[str | None, typer.Option("--preset", "-p", help="One of the task's presets.")] = None,
    device: Annotated[str, typer.Option(help="cpu, gpu, auto, or an index such as gpu:1.")] = "cpu",
    profile: Annotated[str, typer.Option(help="equal: threads, CPUs, precision alike; stock: as it comes.")] = "equal",
    threads: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="CPU threads of every frontend, on as many CPUs.  [default: 1]"),
    ] = None,
    steps: Annotated[Optional[int], typer.Option(help="Instead of the preset's number of steps.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Of start weights, generated data and batch order.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    matmul_precision: Annotated[str, typer.Option(help="On a GPU: float32 or tf32.")] = "float32",
    launches: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Fresh processes per contestant.  [default: 2]"),
    ] = None,
    budget: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Go on with launches as long as this has room, such as 60s or 5m."),
    ] = None,
    precision: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Go on until every step is known to within this, such as 2%."),
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each contestant is measured per launch.")] = 10,
    sweep: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="size: measure over the task's sizes, too: overhead against throughput."),
    ] = None,
    max_alive: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="How many workers may be alive at once.  [default: what memory holds]"),
    ] = None,
    resume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="RUN", help="Measure only what an interrupted run had not finished."),
    ] = None,
    if_busy: Annotated[str, typer.Option(help="When another session measures on this host: wait or refuse.")] = "wait",
    warm_cache: Annotated[bool, typer.Option("--warm-cache", help="Keep compilers' caches between runs.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that one phase of one contestant may take.")] = 300.0,
    build_environments: Annotated[
        bool, typer.Option("--build-environments", help="Build what a frontend needs in an environment of its own.")
    ] = False,
    output: Store = None,
    content: Content = None,
    details: Details = False,
    as_json: Json = False,
) -> int:
    """Run one task in every chosen frontend: prove each, time each, write a run folder."""
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()  # until numpy has started its threads, which inherit that
    from workbench import api
    from workbench.show.progress import patient_console, progress_for
    from workbench.show.units import parse_seconds, parse_share

    if (task is None) == (resume is None):
        raise WorkbenchError("name a task (`workbench list`), or a run with --resume")
    with progress_for(patient_console()) as progress, ending_signals():

        def measure() -> Run:
            if resume is not None:
                return api.resume(resume, output, content=content, progress=progress, if_busy=if_busy)
            return api.run(
                task or "",
                frameworks,
                preset=preset,
                device=device,
                profile=profile,
                threads=threads,
                steps=steps,
                seed=seed,
                dtype=dtype,
                matmul_precision=matmul_precision,
                launches=launches,
                budget_s=None if budget is None else parse_seconds(budget),
                precision=None if precision is None else parse_share(precision),
                rounds=rounds,
                sweep=sweep,
                max_alive=max_alive,
                warm_cache=warm_cache,
                timeout_s=timeout,
                output=output,
                content=content,
                progress=progress,
                if_busy=if_busy,
                build_environments=build_environments,
            )

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
        return failure.run, str(failure), EXIT_UNWRITTEN
    return finished, "", exit_code(finished)


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or id, finished or not.")],
    output: Store = None,
) -> int:
    """Make a run's summaries, tables and plots once more from its log."""
    from workbench import api

    made, complaint, code = outcome_of(lambda: api.rebuild(name, output))
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
    say(report.said(finished.figures))
    if finished.interrupted:
        say("workbench: interrupted: this is what was recorded by then; nothing was written")
    elif write is not None:
        report.splice(write, finished.markdown())
    return finished.exit_code


def exit_code(finished: Run) -> int:
    """What a run comes to, for scripts and CI."""
    from workbench.errors import EXIT_CONTESTANT, EXIT_OK, EXIT_UNAVAILABLE

    if finished.info["interrupted"]:
        return EXIT_INTERRUPTED
    outcomes = {contestant["outcome"] for contestant in finished.contestants}
    if outcomes - {"ok", "unsupported", "unavailable"}:
        return EXIT_CONTESTANT
    return EXIT_UNAVAILABLE if "unavailable" in outcomes or "ok" not in outcomes else EXIT_OK
