"""The command line. Each command imports what it needs, so that help answers at once.

Exit codes: 0 all fine; 1 a contestant failed or computed something else; 2 asked for wrongly, nothing written;
3 nothing failed, but something that was asked for is not installed or not possible here; 4 all measured and
written, but a plot failed; 5 what was measured is shown, but could not all be written or printed; 130 interrupted.
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
from workbench.errors import EXIT_INTERRUPTED, EXIT_PLOT, EXIT_UNWRITTEN, EXIT_USAGE, WorkbenchError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    _open_what_is_closed()
    if sys.argv[1:2] not in (["run"], ["selftest"]) or "--help" in sys.argv:
        _end_quietly_when_nobody_reads()
    try:
        code = app(standalone_mode=False)
    except WorkbenchError as error:
        _say(f"workbench: {error}")
        sys.exit(EXIT_USAGE)
    except (_InterruptedError, KeyboardInterrupt, typer.Abort):
        _say("workbench: interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except _CannotPrintError as error:
        _say(f"workbench: cannot print: {error}")
        sys.exit(EXIT_UNWRITTEN)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # a usage error of click's
            _say(f"workbench: {error.format_message()} (`workbench --help`)")
            sys.exit(EXIT_USAGE)
        raise
    sys.exit(code if isinstance(code, int) else 0)


class _InterruptedError(Exception):
    """A signal came before there was anything to show; typer would swallow a KeyboardInterrupt."""


class _CannotPrintError(Exception):
    """Stdout leads nowhere: a full disk, a terminal that has hung up."""


def _open_what_is_closed() -> None:
    """Started with stdin, stdout or stderr closed, the next file we open would take its place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


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
    from workbench.launcher import leave_signals_to_main

    leave_signals_to_main()  # until numpy has started its threads, which inherit that
    from workbench import api
    from workbench.progress import patient_console, progress_for
    from workbench.units import parse_seconds, parse_share

    if (task is None) == (resume is None):
        raise WorkbenchError("name a task (`workbench list`), or a run with --resume")
    with progress_for(patient_console()) as progress, _signals():

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
            )

        finished, complaint, code = _outcome(measure)
    _show(finished, as_json, details)
    if complaint:
        _say(f"workbench: {complaint}")
    return code


def _outcome(make: Callable[[], Run]) -> tuple[Run, str, int]:
    """A run, what to say of it beside its table, and the exit code; what could not be written is shown all the same."""
    from workbench import api

    try:
        finished = make()
    except api.PlotFailedError as failure:
        return failure.run, f"the tables are written, but a plot failed: {failure}", EXIT_PLOT
    except api.NotWrittenError as failure:
        return failure.run, str(failure), EXIT_UNWRITTEN
    return finished, "", exit_code(finished)


@app.command(name="list")
def list_(content: Content = None, as_json: Json = False) -> None:
    """List tasks, presets, frontends, and the matrix of pairs with its holes."""
    from workbench import listing
    from workbench.catalog import catalog

    found = catalog(content)
    if as_json:
        _print_json(listing.as_json(found))
    else:
        _print(*listing.terminal(found))


@app.command()
def results(output: Store = None, as_json: Json = False) -> None:
    """List the runs in a folder of runs, newest first, and those that were cut off."""
    from workbench import index, listing
    from workbench.results import default_store

    store = output or default_store()
    runs, damaged = index.runs(store)
    unfinished = index.unfinished(store)
    if as_json:
        _print_json({"runs": runs, "unfinished": unfinished})
    elif runs:
        _print(listing.runs_table(runs))
    elif not unfinished:
        _say(f"no runs in {store}: `workbench run linreg` makes one")
    if unfinished and not as_json:
        _print(*listing.unfinished_lines(unfinished))
    for sentence in damaged:
        _say(f"workbench: {sentence}")


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
) -> int:
    """Make a run's summaries, tables and plots once more from its log."""
    from workbench import api

    made, complaint, code = _outcome(lambda: api.rebuild(name, output))
    _show(made, as_json=False, details=False)
    if complaint:
        _say(f"workbench: {complaint}")
        return code
    return 0


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, which devices there are, how many threads, and what to install."""
    from workbench import listing
    from workbench.catalog import catalog

    found = listing.diagnosis(catalog())
    if as_json:
        _print_json(found)
    else:
        _print(*listing.diagnosis_terminal(found))


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
        _print(finished.terminal())
    _say(report.said(finished.figures))
    if write is not None:
        report.splice(write, finished.markdown())
    return finished.exit_code


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a session as Ctrl-C does; a second signal ends it at once."""
    import signal

    from workbench.launcher import ENDING

    seen: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        if seen:
            os._exit(EXIT_INTERRUPTED)  # the log is on disk, and the workers die with us
        seen.append(number)
        raise KeyboardInterrupt

    ignored = signal.SIG_IGN  # as nohup has it
    heeded = [n for n in ENDING if signal.getsignal(n) != ignored]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        yield
    except KeyboardInterrupt:
        raise _InterruptedError from None
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
    from workbench import tables

    if as_json:
        _print_json(finished.summary())
        return
    with finished.reading():
        parts = tables.terminal(finished, more=details)
    _print(*parts)
    _print(one_line(f"{finished.path}"), style="dim", markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _print(*parts: Any, **how: Any) -> None:
    with _printing():
        _console().print(*parts, **{"sep": "\n", **how})


def _print_json(value: Any) -> None:
    with _printing():
        sys.stdout.write(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        from workbench.progress import abandon

        abandon(sys.stdout)
        raise _CannotPrintError(error.strerror) from None


def _say(line: str) -> None:
    try:
        sys.stderr.write(one_line(line) + "\n")
        sys.stderr.flush()
    except OSError:
        from workbench.progress import abandon

        abandon(sys.stderr)
