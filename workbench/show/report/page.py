"""A page of one or more runs: a self-contained HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError, one_line
from workbench.model.arguments import checked
from workbench.show.charts.kinds import Chart, Table
from workbench.show.report import charts, facts
from workbench.show.report.verdict import caveats, verdict
from workbench.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

    from workbench.catalog import Catalog
    from workbench.store.results import StoredRun

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """One run on a page."""

    id: str
    run: StoredRun
    title: str
    verdict: str
    caveats: Sequence[str]
    times: Sequence[Table]
    details: Sequence[Table]
    failures: Table | None
    charts: Sequence[Chart]
    knobs: Table | None
    about: Sequence[Table]
    command: str
    was_called: bool
    session_time: str
    code: str
    code_changed: bool


def section(run: StoredRun, identifier: str, content: Catalog | None, *, code: bool = True) -> Section:
    """A run as a section of a page.

    Args:
        run: the run.
        identifier: prefix of the ids in this section.
        content: the catalog to show code from; the built-in content when None.
        code: whether to show the code.

    Raises:
        WorkbenchError: when the run's values do not fit a table.
    """
    with run.reading():
        return Section(
            id=identifier,
            run=run,
            title=one_line(run.title),
            verdict=verdict(run),
            caveats=caveats(run),
            times=facts.times(run),
            details=facts.details(run),
            failures=facts.failures(run),
            charts=charts.of_run(run),
            knobs=facts.knobs(run),
            about=[facts.conditions(run), facts.machine(run), facts.versions(run)],
            command=facts.command(run),
            was_called=facts.was_called(run),
            session_time=facts.session_time(run),
            code=_code(run, content) if code else "",
            code_changed=_changed(run, content),
        )


def html(runs: StoredRun | Iterable[StoredRun], content: Catalog | None = None) -> str:
    """One or more runs as a page that needs no network.

    Args:
        runs: one run or several; several become sections below an index.
        content: the catalog to show code from; the built-in content when None.

    Raises:
        WorkbenchError: when there is no run, or when a run's values do not fit a table.
    """
    from workbench.store.results import StoredRun

    reported = [runs] if isinstance(runs, StoredRun) else list(runs)
    if not reported:
        raise WorkbenchError("no run to report: give one or more runs, such as latest")
    sections = [section(run, f"run-{number}", content) for number, run in enumerate(reported, start=1)]
    title = sections[0].title if len(sections) == 1 else f"{len(sections)} runs"
    return render("report.html.j2", title=title, sections=sections, plotly=plotly_js(), style=style())


@checked
def write_report(
    runs: StoredRun | Iterable[StoredRun], path: str | Path, *, content: Catalog | None = None, force: bool = False
) -> Path:
    """Write :func:`html` to a file, atomically: readers see the whole page or none.

    Args:
        runs: one run or several.
        path: the file, such as "report.html".
        content: the catalog to show code from; the built-in content when None.
        force: replace an existing file.

    Returns:
        the file.

    Raises:
        WorkbenchError: when the file exists and ``force`` is off, or cannot be written; and as :func:`html`.
    """
    from workbench.host import files

    target = Path(path)
    with files.new_file(target, force=force) as temporary:
        temporary.write_text(html(runs, content), encoding="utf-8", errors="backslashreplace")
    return target


def render(template: str, **values: object) -> str:
    """A page from a template; all values are escaped as text unless the template says otherwise."""
    return _environment().get_template(template).render(version=__version__, **values)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {
        "line": lambda text: one_line(str(text)),
        "drawn": lambda chart, identifier: Markup(charts.fragment(chart, identifier)),  # noqa: S704 - Plotly escapes its JSON
    }
    environment.filters.update(filters)
    return environment


def plotly_js() -> str:
    """The JavaScript library that draws the charts, needed once per page or site."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source


def style() -> str:
    """The style sheet of pages, including that of the code side by side."""
    from workbench.show import sidebyside

    return (TEMPLATES / "style.css").read_text(encoding="utf-8") + sidebyside.css()


def _code(run: StoredRun, content: Catalog | None) -> str:
    """The code of the run's frontends side by side, as far as the content has it; empty without any."""
    from workbench.catalog import catalog
    from workbench.show import sidebyside

    try:
        source = content or catalog()
        names = dict.fromkeys(contestant.frontend for contestant in run.contestants)
        available = [name for name in names if name in source.frontends]
        return sidebyside.html(run.record.settings.task, available, source) if available else ""
    except WorkbenchError:
        return ""


def _changed(run: StoredRun, content: Catalog | None) -> bool:
    """Whether tasks or frontends have changed since they were measured."""
    from workbench.catalog import catalog
    from workbench.session.runner import content_hash

    try:
        roots = (content or catalog()).roots
    except WorkbenchError:
        return True
    # --content used to replace the built-in content; runs from that time recorded the hash of that folder alone.
    return run.record.content_hash not in {content_hash(roots), content_hash(roots[-1:])}
