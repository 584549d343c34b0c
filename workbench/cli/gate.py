"""Commands that compare two sides: base and head commits, or two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from workbench.cli.options import Frameworks, Json, Results, app, path, with_flags
from workbench.cli.terminal import ending_signals, print_json, print_parts, say
from workbench.errors import WorkbenchError
from workbench.model.request import COMPARE, REGRESS, GateRequest, Judging

if TYPE_CHECKING:
    from types import ModuleType

    from workbench.api import Gate

Report = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this at run time
    typer.Option(
        parser=path, metavar="FILE", help="Append the summary as Markdown to this file, such as $GITHUB_STEP_SUMMARY."
    ),
]
Junit = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(parser=path, metavar="FILE", help="Write JUnit XML to this file, for other CI systems."),
]


@app.command()
@with_flags(GateRequest, REGRESS)
def regress(
    tasks: Annotated[Optional[list[str]], typer.Argument(help="Names of tasks.  [default: all]")] = None,  # noqa: UP045
    base: Annotated[str, typer.Option(help="The baseline commit: a branch, tag or hash.")] = "",
    head: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The commit under test.  [default: the working tree, with uncommitted changes]"),
    ] = None,
    frameworks: Frameworks = ["all"],  # noqa: B006 - typer copies it
    *,
    request: GateRequest,
    summary: Report = None,
    junit: Junit = None,
    as_json: Json = False,
) -> int:
    """Compare two commits and report every regression.

    A regression is a frontend that became slower, computes something else, or broke.

    Exit codes: 0 no regression; 1 something is slower, wrong or broken; 2 invalid usage; 3 no regression found, but
    some comparison is inconclusive or not possible (1 with --strict).
    """
    from workbench.session.launcher import leave_signals_to_main

    leave_signals_to_main()
    from workbench import api
    from workbench.host.files import check_writable
    from workbench.show import gate as report
    from workbench.show.progress import patient_console, progress_for

    if not base:
        raise WorkbenchError("--base is missing: name the baseline commit, such as --base main")
    check_writable(summary, junit)
    with progress_for(patient_console()) as progress, ending_signals():
        gate = api.regress_request(base, head, tasks or (), frameworks, request, progress)
    _report(gate, report, summary, junit, as_json)
    for run in gate.runs:
        say(f"{run.path}")
    return gate.exit_code


@app.command()
@with_flags(Judging, COMPARE)
def compare(
    base: Annotated[str, typer.Argument(metavar="RUN_A", help="The baseline: a run's folder or id, or latest.")],
    head: Annotated[str, typer.Argument(metavar="RUN_B", help="The run under test: a folder, an id, or latest.")],
    *,
    request: Judging,
    summary: Report = None,
    junit: Junit = None,
    store: Results = None,
    as_json: Json = False,
) -> int:
    """Compare two runs that were measured at different times.

    Whatever changed on the machine in between is part of the difference; regress measures both sides at once. Exit
    codes are those of regress.
    """
    from workbench import api
    from workbench.host.files import check_writable
    from workbench.show import gate as report

    check_writable(summary, junit)
    gate = api.compare_request(base, head, request, store)
    _report(gate, report, summary, junit, as_json)
    return gate.exit_code


def _report(gate: Gate, report: ModuleType, summary: Path | None, junit: Path | None, as_json: bool) -> None:
    from workbench.host import files

    for file, write, text in (
        (summary, files.append_text, report.markdown),
        (junit, files.write_text, report.junit),
    ):
        if file is not None:
            try:
                write(file, text(gate))
            except OSError as error:
                raise WorkbenchError(f"cannot write {file}: {error.strerror}") from None
    if as_json:
        print_json(gate.as_json())
    else:
        print_parts(*report.terminal(gate))
