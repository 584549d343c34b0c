"""Commands that compare what was measured: base against head, run against run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Frameworks, Json, Results, app, asks_for
from workbench.cli.terminal import ending_signals, print_json, print_parts, say
from workbench.errors import WorkbenchError
from workbench.model.request import COMPARE, REGRESS, GateRequest, Judging

if TYPE_CHECKING:
    from types import ModuleType

    from workbench.api import Gate

Report = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this at run time
    typer.Option(metavar="FILE", help="Add the summary as Markdown to this file, such as $GITHUB_STEP_SUMMARY."),
]
Junit = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help="Write JUnit XML for other CI systems."),
]


@app.command()
@asks_for(GateRequest, REGRESS)
def regress(
    tasks: Annotated[Optional[list[str]], typer.Argument(help="Tasks.  [default: all]")] = None,  # noqa: UP045
    base: Annotated[str, typer.Option(help="The commit that is measured against: a branch, tag or hash.")] = "",
    head: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The commit that is judged.  [default: the working tree as it is]"),
    ] = None,
    frameworks: Frameworks = ["all"],  # noqa: B006 - typer copies it
    *,
    request: GateRequest,
    summary: Report = None,
    junit: Junit = None,
    as_json: Json = False,
) -> int:
    """Compare two commits: whether any frontend became slower, wrong, or broke.

    Exit code: 0 fine; 1 something is slower, wrong or broken; 3 it could not be told (1 with --strict); 2 asked for
    wrongly.
    """
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()
    from workbench import api
    from workbench.show import gate as report
    from workbench.show.progress import patient_console, progress_for

    if not base:
        raise WorkbenchError("--base is missing: name the commit to compare with, such as --base main")
    check_writable(summary, junit)
    with progress_for(patient_console()) as progress, ending_signals():
        gate = api.regress_request(base, head, tasks or (), frameworks, request, progress)
    _tell(gate, report, summary, junit, as_json)
    for run in gate.runs:
        say(f"{run.path}")
    return gate.exit_code


@app.command()
@asks_for(Judging, COMPARE)
def compare(
    base: Annotated[str, typer.Argument(metavar="RUN_A", help="What is measured against: a run's folder or id.")],
    head: Annotated[str, typer.Argument(metavar="RUN_B", help="What is judged: a folder, an id, or latest.")],
    *,
    request: Judging,
    summary: Report = None,
    junit: Junit = None,
    store: Results = None,
    as_json: Json = False,
) -> int:
    """Compare two runs that were made at different times, as far as they can be compared.

    Exit codes as those of regress.
    """
    from workbench import api
    from workbench.show import gate as report

    check_writable(summary, junit)
    gate = api.compare_request(base, head, request, store)
    _tell(gate, report, summary, junit, as_json)
    return gate.exit_code


def _tell(gate: Gate, report: ModuleType, summary: Path | None, junit: Path | None, as_json: bool) -> None:
    if summary is not None:
        append(summary, report.markdown(gate))
    if junit is not None:
        write(junit, report.junit(gate))
    if as_json:
        print_json(gate.as_json())
    else:
        print_parts(*report.terminal(gate))


def check_writable(*files: Path | None) -> None:
    """Refuse a file whose folder is missing now, not after minutes of measuring.

    Raises:
        WorkbenchError: names it.
    """
    for file in files:
        if file is not None and not file.parent.is_dir():
            raise WorkbenchError(f"cannot write {file}: there is no folder {file.parent}")


def append(file: Path, text: str) -> None:
    """Add a text to a file.

    Raises:
        WorkbenchError: when it cannot be written.
    """
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise WorkbenchError(f"cannot write {file}: {error.strerror}") from None


def write(file: Path, text: str) -> None:
    """Write a file.

    Raises:
        WorkbenchError: when it cannot be written.
    """
    from workbench.host.files import write_text

    try:
        write_text(file, text)
    except OSError as error:
        raise WorkbenchError(f"cannot write {file}: {error.strerror}") from None
