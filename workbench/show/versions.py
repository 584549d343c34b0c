"""The result of `workbench versions` for the terminal, notebooks and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.comparison.versions import VersionRow, VersionsResult
from workbench.errors import one_line
from workbench.model.outcomes import Outcome
from workbench.model.stage import Stage, stage_of
from workbench.show import columns, renderers
from workbench.show.columns import Cell, Column, View
from workbench.show.metrics import change_columns
from workbench.show.renderers import escape_html
from workbench.show.tables import disturbance
from workbench.show.units import format_error, format_range, format_ratio, format_seconds
from workbench.statistics import Comparison
from workbench.statistics.launches import Steady

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

FILES = View.FILES_ONLY


@dataclass(frozen=True)
class VersionsReport(VersionsResult):
    """The result of comparing versions of a package, as notebooks and the command line show it."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows as a frame; columns of times are named after their stage's unit, such as ``step_s``."""
        import pandas as pd

        frames = [columns.frame(columns_of(rows, stage), rows) for stage, rows in by_stage(self)]
        return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)

    def as_json(self) -> dict[str, object]:
        """The result as `workbench versions --json` prints it."""
        plain = [columns.record(columns_of(rows, stage), row) for stage, rows in by_stage(self) for row in rows]
        return {"run": self.run.id, "title": self.run.title, "rows": plain, "also_differs": self.also_differs}

    def terminal(self) -> list[RenderableType]:
        """The tables and their notes."""
        return terminal(self)

    def _repr_html_(self) -> str:
        return html(self)


def _steady(value: Callable[[Steady], Cell]) -> Callable[[VersionRow], Cell]:
    """Reads a value from a row's steady time; None for a row without one."""
    return lambda row: None if row.steady is None else value(row.steady)


def _compared(value: Callable[[Comparison], Cell]) -> Callable[[VersionRow], Cell]:
    """Reads a value from a row's comparison with the base; None for the base itself."""
    return lambda row: None if row.comparison is None else value(row.comparison)


def _extent(row: VersionRow) -> str:
    return "–" if row.steady is None else format_range(row.steady.seconds, row.steady.low, row.steady.high)


# In the order of tables and files.
COLUMNS: tuple[Column[VersionRow], ...] = (
    Column(
        key="frontend",
        heading="frontend",
        meaning="a framework in one style of use, such as eager or compiled",
        value=lambda row: row.frontend,
        number=False,
        wrap=True,
    ),
    Column(
        key="version",
        heading="version",
        meaning="the requested version",
        value=lambda row: row.version,
        number=False,
        wrap=True,
    ),
    Column(key="contestant", meaning="its id in the run", value=lambda row: row.contestant, views=FILES, number=False),
    Column(key="stage", meaning="what was timed", value=lambda row: row.stage, views=FILES, number=False),
    Column(key="outcome", meaning="how it ended", value=lambda row: str(row.outcome), views=FILES, number=False),
    Column(key="reason", meaning="why, if it failed", value=lambda row: row.reason, views=FILES, number=False),
    Column(
        key="versions",
        meaning="all package versions",
        value=lambda row: row.versions,
        views=FILES,
        number=False,
    ),
    Column(
        key="{unit}_s",
        heading="{unit}",
        meaning="time of a steady {unit}: median over launches (fresh processes)",
        value=_steady(lambda steady: steady.seconds),
        text=lambda row: format_seconds(row.steady.seconds if row.steady else None),
    ),
    Column(
        key="{unit}_s_low",
        meaning="lower end of its interval",
        value=_steady(lambda steady: steady.low),
        views=FILES,
    ),
    Column(
        key="{unit}_s_high",
        meaning="upper end of its interval",
        value=_steady(lambda steady: steady.high),
        views=FILES,
    ),
    Column(
        key="extent",
        heading="interval",
        meaning="how far the interval of the steady {unit} time by itself extends from the median, on its longer side",
        text=_extent,
    ),
    Column(key="launches", meaning="number of fresh processes measured", value=lambda row: row.launches, views=FILES),
    Column(key="base", meaning="id of the base", value=lambda row: row.base, views=FILES, number=False),
    Column(
        key="ratio",
        heading="× base",
        meaning="time relative to the first version's, compared launch by launch",
        value=_compared(lambda answer: answer.ratio),
        text=lambda row: "base" if row.comparison is None else format_ratio(row.comparison.ratio),
    ),
    Column(
        key="ratio_low",
        meaning="lower end of its interval",
        value=_compared(lambda answer: answer.low),
        views=FILES,
    ),
    Column(
        key="ratio_high",
        meaning="upper end of its interval",
        value=_compared(lambda answer: answer.high),
        views=FILES,
    ),
    Column(key="p", meaning="two-sided p value", value=_compared(lambda answer: answer.p), views=FILES),
    Column(
        key="verdict",
        heading="verdict",
        meaning="verdict of the comparison with the first version",
        value=lambda row: row.verdict,
        text=lambda row: row.verdict or "",
        number=False,
    ),
    Column(
        key="sentence",
        meaning="the verdict in a sentence",
        value=_compared(lambda answer: answer.reason),
        views=FILES,
        number=False,
    ),
    Column(
        key="off_by",
        heading="off by",
        meaning="largest relative difference of losses and result from float64 NumPy",
        value=lambda row: row.off_by,
        text=lambda row: format_error(row.off_by),
    ),
    Column(
        key="tolerance",
        meaning="largest relative difference that rounding explains",
        value=lambda row: row.tolerance,
        views=FILES,
    ),
    Column(
        key="drift",
        heading="drift",
        meaning="largest relative difference of losses and result from the first version's",
        text=lambda row: "" if row.comparison is None else format_error(row.drift.larger),
    ),
    Column(key="loss_drift", meaning="drift of the losses", value=lambda row: row.drift.losses, views=FILES),
    Column(key="result_drift", meaning="drift of the result", value=lambda row: row.drift.results, views=FILES),
)


def columns_of(rows: Sequence[VersionRow], stage: Stage) -> tuple[Column[VersionRow], ...]:
    """All columns of a stage's table."""
    return (*(column.at(stage) for column in COLUMNS), *change_columns(lambda row: row.metrics, rows, drop=1))


def by_stage(report: VersionsResult) -> list[tuple[Stage, list[VersionRow]]]:
    """Each stage with its rows."""
    stages = dict.fromkeys(row.stage for row in report.rows)
    return [(stage_of(name), [row for row in report.rows if row.stage == name]) for name in stages]


def notes(report: VersionsResult) -> list[str]:
    """What a reader must know besides the tables."""
    failed = {row.contestant: row for row in report.rows if row.outcome is not Outcome.OK}
    lines = [f"{name} {row.outcome}: {row.reason}" for name, row in failed.items()]
    lines += [f"{row.comparison.reason}." for row in report.rows if row.comparison and row.outcome is Outcome.OK]
    for frontend, packages in report.also_differs.items():
        parts = ", ".join(f"{name} {' / '.join(values)}" for name, values in packages.items())
        lines.append(f"{frontend}: the environments also differ in other packages: {parts}.")
    lines.append(
        "off by: largest relative difference of losses and result from float64 NumPy; drift: from the base version. "
        f"Rounding explains differences up to {report.run.record.tolerance:.1e}."
    )
    noisy = disturbance(report.run)
    return [one_line(line) for line in [*lines, *([noisy] if noisy else [])]]


def _tables(report: VersionsResult) -> list[tuple[str, list[Column[VersionRow]], list[VersionRow]]]:
    """Title, columns and rows per stage; a single frontend is named in the title instead of in a column."""
    tables = []
    for stage, rows in by_stage(report):
        frontends = {row.frontend for row in rows}
        shown = columns.seen(columns_of(rows, stage), View.TABLE)
        kept = [column for column in shown if len(frontends) > 1 or column.key != "frontend"]
        parts = [report.run.title, *([stage.name] if len(by_stage(report)) > 1 else [])]
        tables.append((" · ".join([*parts, *(frontends if len(frontends) == 1 else ())]), kept, rows))
    return tables


def terminal(report: VersionsResult) -> list[RenderableType]:
    """The tables and their notes, for a terminal."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for title, shown, rows in _tables(report):
        parts += [Text(one_line(title), style="bold"), renderers.terminal(shown, rows)]
    return [*parts, *(Text(line, style="dim") for line in notes(report))]


def html(report: VersionsResult) -> str:
    """The tables and their notes, as HTML for notebooks."""
    tables = [f"<h4>{escape_html(title)}</h4>{renderers.html(shown, rows)}" for title, shown, rows in _tables(report)]
    return "".join([*tables, *(f"<p><small>{escape_html(line)}</small></p>" for line in notes(report))])
