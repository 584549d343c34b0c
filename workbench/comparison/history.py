"""A frontend's step time over all recorded runs: a series per machine and settings, with the jumps that are no noise.

Series are never compared with each other. Runs of one series were made apart in time, each by itself, and so carry
drift that no statistic removes: a jump is a reason to measure both sides in one session, not a verdict.
"""

from __future__ import annotations

import html
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError, one_line, unknown
from workbench.show.units import format_range, format_seconds
from workbench.statistics.jumps import DELTA, PENALTY, SHORTEST, WINDOW, Jump, jumps
from workbench.store import index
from workbench.store.records import scrubbed
from workbench.store.results import default_store

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from workbench.show.charts.kinds import RunPoint

SHOWN = 20  # runs of a series that a terminal or a page gets, besides its jumps
HEADINGS = ("run", "step", "within", "change", "jump", "what changed")
JUMPED = HEADINGS.index("jump")
FORMATS = (".png", ".svg", ".pdf")
DRIFT = (
    "Runs made apart in time carry drift that no statistic removes: a jump is a reason to measure both sides in one "
    "session (workbench versions, workbench regress)."
)

Point = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """Runs that may be compared: one machine, one set of conditions, oldest first.

    Attributes:
        conditions: what all of them share.
        points: a run each: run, date, outcome, step_s with its interval, change against the run before, versions,
            news (what else changed since the run before), launches.
        jumps: between timed points; ``place`` counts those alone.
    """

    conditions: Mapping[str, Any]
    points: Sequence[Point]
    jumps: Sequence[Jump]

    @property
    def timed(self) -> list[Point]:
        """The points that have a time."""
        return [point for point in self.points if point["step_s"] is not None]

    @property
    def label(self) -> str:
        """The conditions in a line."""
        said = self.conditions
        words = [
            said["preset"],
            said["device"],
            "own threads" if said["threads"] is None else f"{said['threads']} thread(s)",
            said["dtype"],
            f"{said['matmul_precision']} products" if said["matmul_precision"] not in (None, said["dtype"]) else "",
            f"{said['profile']} profile",
            f"with {said['apart']}" if said["apart"] else "",
            f"problem {said['problem'][:8]}",
            f"machine {said['machine']} ({said['cpu']})",
        ]
        return one_line(" · ".join(filter(None, words)))


@dataclass(frozen=True)
class History:
    """All recorded runs of a frontend at a task; ``skipped`` says in a line each which runs could not be read."""

    task: str
    frontend: str
    series: Sequence[Series]
    skipped: Sequence[str] = field(default_factory=tuple)

    @property
    def title(self) -> str:
        """Task and frontend."""
        return one_line(f"{self.task} · {self.frontend}")

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A row per run as plain values: its series' number and conditions, then what a point of a series holds."""
        return [
            {"series": number, **series.conditions, **point, **levels}
            for number, series in enumerate(self.series)
            for point, levels in zip(series.points, _levels(series), strict=True)
        ]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows as a frame; dates as timestamps, level_s the level of the runs between two jumps."""
        import pandas as pd

        frame = pd.DataFrame(self.rows)
        numbers = ["step_s", "step_s_low", "step_s_high", "change", "level_s", "jump"]
        frame[numbers] = frame[numbers].apply(pd.to_numeric)
        return frame.assign(date=pd.to_datetime(frame["date"], errors="coerce", utc=True))

    def plot(self) -> Figure:
        """Step times over runs, a panel per series, with the level between jumps."""
        from workbench.show import plots
        from workbench.show.charts import kinds

        drawn = [kinds.Series(series.label, _points(series)) for series in self.series]
        return plots.history(drawn, title=self.title)

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

    def as_json(self) -> dict[str, Any]:
        """What `workbench history --json` prints."""
        series = [
            {
                "conditions": one.conditions,
                "points": one.points,
                "jumps": [{"run": one.timed[jump.place]["run"], "ratio": jump.ratio} for jump in one.jumps],
            }
            for one in self.series
        ]
        return {"task": self.task, "frontend": self.frontend, "series": series, "skipped": list(self.skipped)}

    def terminal(self) -> list[RenderableType]:
        """The last runs of each series and its jumps."""
        return _terminal(self)

    def _repr_html_(self) -> str:
        return _html(self)


def history(task: str, frontend: str, *, preset: str | None = None, results: str | Path | None = None) -> History:
    """All recorded runs of a frontend at a task, in series that may be compared.

    Args:
        task: a task's name.
        frontend: a frontend's id, or the id that a contestant had, such as "numpy_manual@2.4.6".
        preset: runs of this preset alone.
        results: the folder of runs; ./results when None.

    Raises:
        WorkbenchError: when no run has it.
    """
    store = Path(results) if results is not None else default_store()
    runs, skipped = index.measured(store)
    _known("task", task, {run["task"] for run in runs}, store)
    runs = [run for run in runs if run["task"] == task]
    if preset is not None:
        _known(f"preset of {task}", preset, {run["preset"] for run in runs}, store)
        runs = [run for run in runs if run["preset"] == preset]
    frontends = {name for run in runs for name in run["contestants"]}
    _known(f"frontend in the runs of {task}", frontend, frontends, store)
    found: dict[str, list[dict[str, Any]]] = {}
    for run in sorted(runs, key=lambda run: (run["started"] or "", run["run"])):
        if frontend in run["contestants"]:
            one = {**run, **run["contestants"][frontend]}
            found.setdefault(json.dumps(_conditions(one), sort_keys=True), []).append(one)
    series = [_series(of_one) for of_one in found.values()]
    latest_first = sorted(series, key=lambda one: one.points[-1]["date"], reverse=True)
    return History(task, frontend, latest_first, tuple(skipped))


def check_plot(path: Path) -> Path:
    """A path that a plot can be written to.

    Raises:
        WorkbenchError: when it ends otherwise than in .png, .svg or .pdf.
    """
    if path.suffix.lower() not in FORMATS:
        raise WorkbenchError(f"{path}: a plot's name ends in {', '.join(FORMATS)}")
    return path


def _known(kind: str, name: str, names: set[str], store: Path) -> None:
    if not names:
        raise WorkbenchError(f"no runs in {store}: `workbench run linreg` makes one")
    if name not in names:
        raise unknown(kind, name, {one_line(known) for known in names})


def _conditions(run: Mapping[str, Any]) -> dict[str, Any]:
    """What must be alike for two runs' times to be comparable."""
    conditions: dict[str, Any] = scrubbed(
        {
            **{name: run[name] for name in ("preset", "device", "threads", "dtype")},
            **{name: value for name, value in run["conditions"].items() if name != "machine"},
            "apart": json.dumps(run["apart"], sort_keys=True) if run["apart"] else None,
            "machine": run["conditions"]["machine"],
        }
    )
    return conditions


def _series(runs: Sequence[Mapping[str, Any]]) -> Series:
    """Runs of the same conditions, oldest first, as a series."""
    points: list[Point] = []
    timed: Mapping[str, Any] | None = None
    for run in runs:
        names = ("outcome", "step_s", "step_s_low", "step_s_high", "interval", "versions")
        point = scrubbed({"run": run["run"], "date": run["started"] or "", **{name: run[name] for name in names}})
        point |= {"launches": len(run["steps_s"]), "change": None, "news": ""}
        if run["step_s"] is not None:
            if timed is not None:
                point |= {"change": run["step_s"] / timed["step_s"] - 1, "news": ", ".join(_news(timed, run))}
            timed = run
        points.append(point)
    conditions = {**_conditions(runs[-1]), "cpu": scrubbed(runs[-1]["cpu"])}
    return Series(conditions, points, jumps([point["step_s"] for point in points if point["step_s"] is not None]))


def _news(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What changed from one run to the next besides its time."""
    old, new = before["versions"], after["versions"]
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield one_line(f"{name} {old.get(name, 'none')} → {new.get(name, 'none')}")
    if before["workbench"] != after["workbench"]:
        yield one_line(f"workbench {before['workbench']} → {after['workbench']}")
    if before["content"] != after["content"]:
        yield "tasks or frontends"


def _levels(series: Series) -> list[dict[str, float | None]]:
    """By point the level between the jumps around it, and the jump (relative) if one leads to it."""
    steps = [point["step_s"] for point in series.timed]
    ratios = {jump.place: jump.ratio - 1 for jump in series.jumps}
    edges = [0, *ratios, len(steps)]
    spans = itertools.pairwise(edges)
    by_place = [level for start, end in spans for level in [median(steps[start:end])] * (end - start)] if steps else []
    places = iter(range(len(steps)))
    none: dict[str, float | None] = {"level_s": None, "jump": None}
    return [
        none if point["step_s"] is None else {"level_s": by_place[place := next(places)], "jump": ratios.get(place)}
        for point in series.points
    ]


def _points(series: Series) -> list[RunPoint]:
    """The timed runs of a series, as a chart shows them."""
    from workbench.show.charts.kinds import RunPoint

    names = ("step_s", "step_s_low", "step_s_high")
    return [
        RunPoint(point["date"], *(point[name] for name in names), level["level_s"] or 0.0, level["jump"])
        for point, level in zip(series.points, _levels(series), strict=True)
        if point["step_s"] is not None
    ]


def lines(series: Series) -> list[tuple[str, ...]]:
    """The last runs of a series, and earlier ones where it jumps, as texts in the order of HEADINGS."""
    levels = _levels(series)
    first = len(series.points) - SHOWN
    shown = [place for place, level in enumerate(levels) if place >= first or level["jump"] is not None]
    return [_cells(series.points[place], levels[place]) for place in shown]


def _cells(point: Point, level: Mapping[str, float | None]) -> tuple[str, ...]:
    step = point["step_s"]
    if step is None:
        return (point["run"], point["outcome"], "", "", "", "")
    return (
        point["run"],
        format_seconds(step),
        format_range(step, point["step_s_low"], point["step_s_high"]),
        _percent(point["change"]),
        _percent(level["jump"]),
        point["news"],
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{round(share, 3) + 0.0:+.1%}"


def notes(series: Series) -> list[str]:
    """How many runs there are, and what was looked for in them."""
    count, timed = len(series.points), len(series.timed)
    left_out = f", the last {SHOWN} shown and those at a jump" if count > SHOWN else ""
    if timed < 2 * SHORTEST:
        return [f"{count} run(s){left_out}: jumps are looked for from {2 * SHORTEST} timed runs on."]
    found = {0: "no jump", 1: "1 jump"}.get(len(series.jumps), f"{len(series.jumps)} jumps")
    rule = (
        f"{DELTA:.0%} or more, {SHORTEST} runs or more on either side, {WINDOW} looked at, penalty {PENALTY:g} s² log n"
    )
    return [f"{count} runs{left_out}; {found} ({rule})."]


def _terminal(found: History) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(found.title, style="bold")]
    for series in found.series:
        shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for heading in HEADINGS:
            left = heading in ("run", "what changed")
            whole = heading != "what changed"
            shown.add_column(heading, justify="left" if left else "right", no_wrap=whole, overflow="fold")
        for line in lines(series):
            shown.add_row(*(Text(cell, style="bold yellow" if line[JUMPED] else "") for cell in line))
        parts += [Text(series.label), shown, *(Text(note, style="dim") for note in notes(series)), Text("")]
    return [*parts, Text(DRIFT, style="dim")]


def _html(found: History) -> str:
    quote = html.escape
    head = "".join(f"<th>{quote(heading)}</th>" for heading in HEADINGS)
    parts = [f"<h4>{quote(found.title)}</h4>"]
    for series in found.series:
        body = "".join("<tr>" + "".join(f"<td>{quote(cell)}</td>" for cell in line) + "</tr>" for line in lines(series))
        below = "".join(f"<p><small>{quote(note)}</small></p>" for note in notes(series))
        parts.append(f"<p>{quote(series.label)}</p><table><tr>{head}</tr>{body}</table>{below}")
    return "".join([*parts, f"<p><small>{quote(DRIFT)}</small></p>"])
