"""The history of a frontend for the terminal, notebooks and files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.comparison.history import Point, Series, Timeline
from workbench.errors import WorkbenchError
from workbench.host import files
from workbench.model import metric as metrics
from workbench.model.arguments import checked
from workbench.model.metric import Metric
from workbench.show import columns, renderers
from workbench.show.columns import Column, format_metric
from workbench.show.renderers import escape_html
from workbench.show.units import counted, format_range, format_seconds
from workbench.statistics.jumps import DELTA, PENALTY, SHORTEST, WINDOW

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

SHOWN = 20  # latest runs of a series in a table; earlier ones appear only where the series jumps
DRIFT = (
    "Runs made at different times include drift of the machine, which no statistics can remove: treat a jump as a "
    "reason to measure both sides in one session (workbench versions, workbench regress)."
)


FORMATS = (".png", ".svg", ".pdf")
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}  # the same history is the same file


@dataclass(frozen=True)
class History(Timeline):
    """All recorded runs of one frontend and task, as notebooks and the command line show them."""

    @cached_property
    def rows(self) -> list[dict[str, object]]:
        """A row per run as plain values: number and conditions of its series, then the values of its point."""
        return [row for number, series in enumerate(self.series) for row in _rows(number, series, series.stage.unit)]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows as a frame: dates as timestamps, level_s as the level of the runs between two jumps."""
        return _frame(self.rows)

    def plot(self) -> Figure:
        """A figure of the times over runs, a panel per series, with the level between jumps."""
        from workbench.show import plots

        return plots.history(self.series, title=self.title)

    @checked
    def save(self, path: str | Path) -> Path:
        """Draw the figure into a file.

        Raises:
            WorkbenchError: when the file is not a .png, .svg or .pdf, or cannot be written.
        """
        from workbench.show.plots.style import styled

        target = check_plot(Path(path))
        drawn = io.BytesIO()
        with styled():
            kind = target.suffix[1:].lower()
            self.plot().savefig(drawn, format=kind, dpi=150, metadata=UNDATED.get(kind))
        try:
            files.write_bytes(target, drawn.getvalue())
        except OSError as error:
            raise WorkbenchError(f"cannot write {target}: {error.strerror}") from None
        return target

    def svg(self) -> str:
        """The plot as SVG."""
        from workbench.show.plots.style import styled

        drawn = io.StringIO()
        with styled():
            self.plot().savefig(drawn, format="svg", metadata=UNDATED["svg"])
        return drawn.getvalue()

    def as_json(self) -> dict[str, object]:
        """The history as `workbench history --json` prints it."""
        plain = [
            {
                "conditions": series.plain_conditions(),
                "points": [point.plain(series.stage.unit) for point in series.points],
                "jumps": [{"run": series.timed[jump.start].run, "ratio": jump.ratio} for jump in series.jumps],
            }
            for series in self.series
        ]
        return {"task": self.task, "frontend": self.frontend, "series": plain, "skipped": list(self.skipped)}

    def terminal(self) -> list[RenderableType]:
        """The latest runs of each series and its jumps, for a terminal."""
        return terminal(self)

    def _repr_html_(self) -> str:
        return html(self)


def _rows(number: int, series: Series, unit: str) -> Iterator[dict[str, object]]:
    for point in series.points:
        level = {"level_s": point.level_s, "jump": point.jump}
        yield {"series": number, **series.plain_conditions(), **point.plain(unit), **level}


def _frame(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows)
    times = [name for name in map(str, frame) if name.endswith(("_s", "_s_low", "_s_high"))]
    frame = frame.assign(**{name: pd.to_numeric(frame[name]) for name in (*times, "change", "jump")})
    metrics = pd.DataFrame([point.get("metrics") for point in rows], index=frame.index)
    return (
        frame.assign(date=pd.to_datetime(frame.date, errors="coerce", utc=True)).drop(columns="metrics").join(metrics)
    )


def check_plot(path: Path) -> Path:
    """The path, if a plot can be written in its format.

    Raises:
        WorkbenchError: when it does not end in .png, .svg or .pdf, or cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise WorkbenchError(f"{path}: a plot's name must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    files.check_writable(path)
    return path


def _time(point: Point) -> str:
    return str(point.outcome) if point.steady is None else format_seconds(point.steady.seconds)


def _extent(point: Point) -> str:
    return "" if point.steady is None else format_range(point.steady.seconds, point.steady.low, point.steady.high)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{round(share, 3) + 0.0:+.1%}"


COLUMNS: tuple[Column[Point], ...] = (
    Column(key="run", heading="run", meaning="id of the run", text=lambda point: point.run, number=False),
    Column(
        key="{unit}",
        heading="{unit}",
        meaning="time of a steady {unit}: median over launches (fresh processes)",
        text=_time,
    ),
    Column(
        key="extent",
        heading="interval",
        meaning="how far the interval of the steady {unit} time by itself extends from the median, on its longer side",
        text=_extent,
    ),
    Column(
        key="change",
        heading="change",
        meaning="change from the previous timed run",
        text=lambda point: _percent(point.change),
    ),
    Column(
        key="jump",
        heading="jump",
        meaning="change of level that exceeds the noise",
        text=lambda point: _percent(point.jump),
    ),
    Column(
        key="news",
        heading="what changed",
        meaning="what else changed since the previous timed run",
        text=lambda point: point.news,
        number=False,
        wrap=True,
    ),
)


def columns_of(series: Series) -> tuple[Column[Point], ...]:
    """The columns of a series' table, with what changed as the last one."""
    *first, last = (column.at(series.stage) for column in COLUMNS)
    present = {name for point in series.points for name in point.metrics}
    return (*first, *(_metric(metric) for metric in metrics.METRICS if metric.name in present), last)


def _metric(metric: Metric) -> Column[Point]:
    return Column(
        key=metric.name,
        heading=metric.heading,
        meaning=f"{metric.meaning} ({metric.direction})",
        text=lambda point: format_metric(metric, point.metrics.get(metric.name)),
        drop=1,
    )


def shown(series: Series) -> list[Point]:
    """The latest runs of a series, and earlier ones at a jump."""
    first = len(series.points) - SHOWN
    return [point for index, point in enumerate(series.points) if index >= first or point.jump is not None]


def lines(series: Series) -> list[tuple[str, ...]]:
    """The table of a series as texts."""
    return [columns.texts(columns_of(series), point) for point in shown(series)]


def notes(series: Series) -> list[str]:
    """How many runs there are, how many jumps, and what counts as one."""
    count, timed = len(series.points), len(series.timed)
    listing = f" (listed: the last {SHOWN} and those at a jump)" if count > SHOWN else ""
    runs = f"{counted(count, 'run')}{listing}"
    if timed < 2 * SHORTEST:
        return [f"{runs}; too few to look for jumps, which takes {2 * SHORTEST} timed runs."]
    rule = (
        f"at least {DELTA:.0%}, with at least {SHORTEST} runs on either side, of which up to {WINDOW} count; "
        f"penalty {PENALTY:g} s² log n"
    )
    return [f"{runs}; {counted(len(series.jumps), 'jump') if series.jumps else 'no jumps'} ({rule})."]


def terminal(history: Timeline) -> list[RenderableType]:
    """The latest runs of each series and its jumps, for a terminal."""
    from rich.text import Text

    parts: list[RenderableType] = [Text(history.title, style="bold")]
    for series in history.series:
        table = renderers.terminal(columns_of(series), shown(series), style=_style)
        parts += [Text(series.label), table, *(Text(note, style="dim") for note in notes(series)), Text("")]
    return [*parts, Text(DRIFT, style="dim")]


def _style(point: Point) -> str:
    return "" if point.jump is None else "bold yellow"


def html(history: Timeline) -> str:
    """The same as HTML for notebooks."""
    parts = [f"<h4>{escape_html(history.title)}</h4>"]
    for series in history.series:
        below = "".join(f"<p><small>{escape_html(note)}</small></p>" for note in notes(series))
        table = renderers.html(columns_of(series), shown(series))
        parts.append(f"<p>{escape_html(series.label)}</p>{table}{below}")
    return "".join([*parts, f"<p><small>{escape_html(DRIFT)}</small></p>"])
