"""A history's series for the terminal and for notebooks."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.comparison.history import Point, Series, Timeline
from workbench.errors import WorkbenchError
from workbench.model import metric as metrics
from workbench.model.metric import Metric
from workbench.show import columns, renderers
from workbench.show.columns import Column, format_metric
from workbench.show.renderers import escape_html
from workbench.show.units import format_range, format_seconds
from workbench.statistics.jumps import DELTA, PENALTY, SHORTEST, WINDOW

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

SHOWN = 20  # runs of a series that a terminal or a page gets, besides its jumps
DRIFT = (
    "Runs made apart in time carry drift that no statistic removes: a jump is a reason to measure both sides in one "
    "session (workbench versions, workbench regress)."
)


FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class History(Timeline):
    """All recorded runs of a frontend at a task, as notebooks and the command line show them."""

    @cached_property
    def rows(self) -> list[dict[str, object]]:
        """A row per run as plain values: its series' number and conditions, then what a point of a series holds."""
        return [row for number, series in enumerate(self.series) for row in _rows(number, series, series.stage.unit)]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows as a frame; dates as timestamps, level_s the level of the runs between two jumps."""
        return _frame(self.rows)

    def plot(self) -> Figure:
        """Times over runs, a panel per series, with the level between jumps."""
        from workbench.show import plots

        return plots.history(self.series, title=self.title)

    def save(self, path: str | Path) -> Path:
        """Draw it into a file.

        Raises:
            WorkbenchError: when it is no .png, .svg or .pdf, or cannot be written.
        """
        from workbench.show.plots.style import styled

        target = check_plot(Path(path))
        figure = self.plot()
        try:
            with styled():
                figure.savefig(target, dpi=150)
        except OSError as error:
            raise WorkbenchError(f"cannot write {target}: {error.strerror}") from None
        return target

    def svg(self) -> str:
        """The plot as SVG."""
        from workbench.show.plots.style import styled

        drawn = io.StringIO()
        with styled():
            self.plot().savefig(drawn, format="svg", metadata={"Date": None})
        return drawn.getvalue()

    def as_json(self) -> dict[str, object]:
        """What `workbench history --json` prints."""
        series = [
            {
                "conditions": of_one.plain_conditions(),
                "points": [point.plain(of_one.stage.unit) for point in of_one.points],
                "jumps": [{"run": of_one.timed[jump.start].run, "ratio": jump.ratio} for jump in of_one.jumps],
            }
            for of_one in self.series
        ]
        return {"task": self.task, "frontend": self.frontend, "series": series, "skipped": list(self.skipped)}

    def terminal(self) -> list[RenderableType]:
        """The last runs of each series and its jumps."""
        return terminal(self)

    def _repr_html_(self) -> str:
        return html(self)


def _rows(number: int, series: Series, unit: str) -> Iterator[dict[str, object]]:
    for point in series.points:
        own = {"level_s": point.level_s, "jump": point.jump}
        yield {"series": number, **series.plain_conditions(), **point.plain(unit), **own}


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
    """A path that a plot can be written to.

    Raises:
        WorkbenchError: when it ends otherwise than in .png, .svg or .pdf.
    """
    if path.suffix.lower() not in FORMATS:
        raise WorkbenchError(f"{path}: a plot's name ends in {', '.join(FORMATS)}")
    return path


def _time(point: Point) -> str:
    return str(point.outcome) if point.steady is None else format_seconds(point.steady.seconds)


def _within(point: Point) -> str:
    return "" if point.steady is None else format_range(point.steady.seconds, point.steady.low, point.steady.high)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{round(share, 3) + 0.0:+.1%}"


COLUMNS: tuple[Column[Point], ...] = (
    Column(key="run", heading="run", meaning="its id", text=lambda point: point.run, number=False),
    Column(key="{unit}", heading="{unit}", meaning="steady {unit}: median over launches (fresh processes)", text=_time),
    Column(key="within", heading="within", meaning="how far the steady {unit}'s interval reaches", text=_within),
    Column(
        key="change",
        heading="change",
        meaning="against the timed run before",
        text=lambda point: _percent(point.change),
    ),
    Column(
        key="jump",
        heading="jump",
        meaning="a change of level that is no noise",
        text=lambda point: _percent(point.jump),
    ),
    Column(
        key="news",
        heading="what changed",
        meaning="besides the time, since the timed run before",
        text=lambda point: point.news,
        number=False,
        wrap=True,
    ),
)


def columns_of(series: Series) -> tuple[Column[Point], ...]:
    """The columns of a series' table; that of what changed is the last."""
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
    """The last runs of a series, and earlier ones where it jumps."""
    first = len(series.points) - SHOWN
    return [point for index, point in enumerate(series.points) if index >= first or point.jump is not None]


def lines(series: Series) -> list[tuple[str, ...]]:
    """The same as texts."""
    return [columns.texts(columns_of(series), point) for point in shown(series)]


def notes(series: Series) -> list[str]:
    """How many runs there are, and what was looked for in them."""
    count, timed = len(series.points), len(series.timed)
    left_out = f", the last {SHOWN} shown and those at a jump" if count > SHOWN else ""
    if timed < 2 * SHORTEST:
        return [f"{count} run(s){left_out}: jumps are looked for from {2 * SHORTEST} timed runs on."]
    jumped = {0: "no jump", 1: "1 jump"}.get(len(series.jumps), f"{len(series.jumps)} jumps")
    rule = (
        f"{DELTA:.0%} or more, {SHORTEST} runs or more on either side, {WINDOW} looked at, penalty {PENALTY:g} s² log n"
    )
    return [f"{count} runs{left_out}; {jumped} ({rule})."]


def terminal(history: Timeline) -> list[RenderableType]:
    """The last runs of each series and its jumps."""
    from rich.text import Text

    parts: list[RenderableType] = [Text(history.title, style="bold")]
    for series in history.series:
        table = renderers.terminal(columns_of(series), shown(series), style=_style)
        parts += [Text(series.label), table, *(Text(note, style="dim") for note in notes(series)), Text("")]
    return [*parts, Text(DRIFT, style="dim")]


def _style(point: Point) -> str:
    return "" if point.jump is None else "bold yellow"


def html(history: Timeline) -> str:
    """The same for notebooks."""
    parts = [f"<h4>{escape_html(history.title)}</h4>"]
    for series in history.series:
        below = "".join(f"<p><small>{escape_html(note)}</small></p>" for note in notes(series))
        table = renderers.html(columns_of(series), shown(series))
        parts.append(f"<p>{escape_html(series.label)}</p>{table}{below}")
    return "".join([*parts, f"<p><small>{escape_html(DRIFT)}</small></p>"])
