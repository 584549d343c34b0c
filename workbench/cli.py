"""The command line. Each command imports what it needs, so that help answers at once.

Exit codes: 0 all fine; 1 a contestant failed or computed something else; 2 asked for wrongly, nothing written;
3 nothing failed, but something that was asked for is not installed or not possible here; 4 all measured and
written, but a plot failed; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from workbench import __version__
from workbench.errors import EXIT_INTERRUPTED, EXIT_PLOT, EXIT_USAGE, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from workbench.results import Run

app = typer.Typer(
    name="workbench",
    help="See and trust how the same training task looks, behaves and performs in five frameworks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
Details = Annotated[bool, typer.Option("--details", help="Rates, warm-up, threads and memory in a second table.")]
Content = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this at run time
    typer.Option("--content", help="A folder with tasks/ and frontends/ of your own."),
]
Store = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this at run time
    typer.Option("--output", "-o", help="The folder of runs.  [default: results]"),
]


def main() -> None:
    """Run the command line; what a user can mend is one line on stderr and exit code 2."""
    if sys.argv[1:2] not in (["run"], ["selftest"]) or "--help" in sys.argv:
        _end_quietly_when_nobody_reads()
    try:
        code = app(standalone_mode=False)
    except WorkbenchError as error:
        _say(f"workbench: {error}")
        sys.exit(EXIT_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        _say("workbench: interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # a usage error of click's
            _say(f"workbench: {error.format_message()} (`workbench --help`)")
            sys.exit(EXIT_USAGE)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _end_quietly_when_nobody_reads() -> None:
    """`workbench list | head`: end as other commands do. Not while measuring: a worker's pipe may break, too."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


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
    output: Store = None,
    content: Content = None,
    details: Details = False,
    as_json: Json = False,
) -> int:
    """Run one task in every chosen frontend: prove each, time each, write a run folder."""
    from workbench import api
    from workbench.progress import progress_for
    from workbench.units import parse_seconds, parse_share

    if (task is None) == (resume is None):
        raise WorkbenchError("name a task (`workbench list`), or a run with --resume")
    plot_failure = ""
    with progress_for(_console(stderr=True)) as progress, _signals():
        try:
            if resume is not None:
                finished = api.resume(resume, output, content=content, progress=progress, if_busy=if_busy)
            else:
                finished = api.run(
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
                )
        except api.PlotFailedError as failure:
            finished, plot_failure = failure.run, str(failure)
    _show(finished, as_json, details)
    if plot_failure:
        _say(f"workbench: the tables are written, but a plot failed: {plot_failure}")
        return EXIT_PLOT
    return exit_code(finished)


@app.command(name="list")
def list_(content: Content = None, as_json: Json = False) -> None:
    """List tasks, presets, frontends, and the matrix of pairs with its holes."""
    from workbench import listing
    from workbench.catalog import catalog

    found = catalog(content)
    if as_json:
        _print_json(listing.as_json(found))
    else:
        _console().print(*listing.terminal(found), sep="\n")


@app.command()
def results(output: Store = None, as_json: Json = False) -> None:
    """List the runs in a folder of runs, newest first."""
    from workbench import api, listing
    from workbench.results import default_store

    runs = api.results_of(output)
    if as_json:
        _print_json({"runs": [listing.run_facts(found) for found in runs]})
    elif runs:
        _console().print(listing.runs_table(runs))
    else:
        _say(f"no runs in {output or default_store()}: `workbench run linreg` makes one")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, its id or the beginning of it, or latest.")
    ],
    output: Store = None,
    details: Details = False,
    as_json: Json = False,
) -> None:
    """Print a run's table again."""
    from workbench import api

    _show(api.load(name, output), as_json, details)


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or id, finished or not.")],
    output: Store = None,
) -> None:
    """Make a run's summaries, tables and plots once more from its log."""
    from workbench import api

    _show(api.rebuild(name, output), as_json=False, details=False)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, which devices there are, how many threads, and what to install."""
    from workbench import listing
    from workbench.catalog import catalog

    found = listing.diagnosis(catalog())
    if as_json:
        _print_json(found)
    else:
        _console().print(*listing.diagnosis_terminal(found), sep="\n")


@app.command()
def selftest(
    full: Annotated[bool, typer.Option("--full", help="For the night: 200 comparisons, half an hour.")] = False,
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
    finished = command.selftest(catalog(), plan, " ".join(words), _say)
    if as_json:
        _print_json(finished.as_json())
    else:
        _console().print(finished.terminal())
    _say(report.said(finished.figures))
    if write is not None:
        report.splice(write, finished.markdown())
    return finished.exit_code


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a session as Ctrl-C does; a second signal ends it at once."""
    import signal

    seen: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        if seen:
            os._exit(EXIT_INTERRUPTED)  # the log is on disk, and the workers die with us
        seen.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(finished: Run) -> int:
    """What a run comes to, for scripts and CI."""
    from workbench.errors import EXIT_CONTESTANT, EXIT_OK, EXIT_UNAVAILABLE

    if finished.info["interrupted"]:
        return EXIT_INTERRUPTED
    outcomes = {contestant["outcome"] for contestant in finished.contestants}
    if outcomes - {"ok", "unsupported", "unavailable"}:
        return EXIT_CONTESTANT
    return EXIT_UNAVAILABLE if "unavailable" in outcomes or "ok" not in outcomes else EXIT_OK


def _show(finished: Run, as_json: bool, details: bool) -> None:
    _end_quietly_when_nobody_reads()
    if as_json:
        _print_json(finished.summary())
        return
    from workbench import tables

    _console().print(*tables.terminal(finished, more=details), sep="\n")
    _console().print(f"{finished.path}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
