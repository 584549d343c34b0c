"""The columns of every table: each is one declaration, and all renderers, frames and files know it from here.

A new column of a run's table is one entry of :data:`COLUMNS`; a new metric is one entry of
:data:`workbench.model.metric.METRICS` and becomes a column by itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from workbench.model import metric as metrics
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.model.rows import Row
from workbench.model.stage import TRAIN, Stage, stage_of
from workbench.show.units import format_bytes, format_error, format_range, format_ratio, format_seconds, format_share

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

Cell: TypeAlias = str | int | float | bool | Sequence[str] | Mapping[str, str] | None
"""What files and frames hold in one place of a table."""


class View(Flag):
    """The tables that people see of a run; a column stands in one or several of them, or in files alone."""

    FILES_ONLY = 0
    TABLE = auto()
    """The table of times: terminal, notebook, Markdown and LaTeX."""
    DETAILS = auto()
    """The second table, for who wants details."""
    PAGE = auto()
    """The table of times on a report's page."""
    PAGE_DETAILS = auto()
    """The further figures on a report's page."""
    KNOBS = auto()
    """What each contestant was observed to run with."""
    FAILURES = auto()
    """Contestants without a time."""
    VERSIONS = auto()
    """Packages of each contestant."""


TIMES = View.TABLE | View.PAGE
FIGURES = View.DETAILS | View.PAGE_DETAILS
EVERY_VIEW = TIMES | FIGURES | View.KNOBS | View.FAILURES | View.VERSIONS


@dataclass(frozen=True, kw_only=True)
class Column(Generic[T]):
    """One column of a table whose rows are of some type.

    Attributes:
        key: its name in frames, CSV and JSON.
        heading: above it in tables.
        title: the same where there is more room, such as on a page; the heading when empty.
        meaning: one line for people: the tooltip of the heading, and the README's table of columns.
        value: what files and frames hold of a row; a column without it is in no file.
        text: what people read of a row; the value as a word when None.
        views: the tables that show it.
        number: whether it is set to the right and is NaN in frames where a row has none.
        drop: which columns a narrow terminal leaves out, lowest first; one without a number always stays.
        names_rows: whether its text says which row it is.
        wrap: whether a terminal may break its texts into several lines.
        color: the colour (``#rrggbb``) that marks a row's text as it marks the row's curve in charts.
        strong: whether a row's text is emphasised.
    """

    key: str
    heading: str = ""
    title: str = ""
    meaning: str = ""
    value: Callable[[T], Cell] | None = None
    text: Callable[[T], str] | None = None
    views: View = TIMES
    number: bool = True
    drop: int | None = None
    names_rows: bool = False
    wrap: bool = False
    color: Callable[[T], str | None] | None = None
    strong: Callable[[T], bool] | None = None

    def text_of(self, row: T) -> str:
        """What people read of a row."""
        if self.text is not None:
            return self.text(row)
        return "" if self.value is None else word(self.value(row))

    def emphasises(self, row: T) -> bool:
        """Whether a row's text is emphasised."""
        return self.strong is not None and self.strong(row)

    def at(self, stage: Stage) -> Column[T]:
        """The same column at a stage: "{unit}" and "{units}" in its words are the stage's."""

        def named(words: str) -> str:
            return words.replace("{units}", stage.units).replace("{unit}", stage.unit)

        return dataclasses.replace(
            self,
            key=named(self.key),
            heading=named(self.heading),
            title=named(self.title),
            meaning=named(self.meaning),
        )


def word(value: object) -> str:
    """A value as people read it: "–" for what is not known, "on" and "off", a number without needless digits."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(
    key: str,
    of: Callable[[Row], float | None],
    *,
    heading: str = "",
    title: str = "",
    meaning: str,
    views: View = View.FILES_ONLY,
    drop: int | None = None,
) -> Column[Row]:
    """A column of a time in seconds."""
    return Column(
        key=key,
        heading=heading,
        title=title,
        meaning=meaning,
        value=of,
        text=lambda row: format_seconds(of(row)),
        views=views,
        drop=drop,
    )


def _file(key: str, of: Callable[[Row], Cell], meaning: str, *, number: bool = True) -> Column[Row]:
    """A column that stands in files and frames alone."""
    return Column(key=key, meaning=meaning, value=of, views=View.FILES_ONLY, number=number)


def _knob(key: str, heading: str, of: Callable[[Row], Cell], meaning: str) -> Column[Row]:
    """A column of a setting as a framework was observed to use it."""
    return Column(key=key, heading=heading, meaning=meaning, value=of, views=View.KNOBS, number=False)


def _warmup(row: Row) -> str:
    if row.warmup is None:
        return "–"
    return f"{row.warmup} ({row.steady_from})" if row.steady_from else row.warmup


def _added_bytes(row: Row) -> int | None:
    if row.peak_bytes is None or not row.import_bytes:
        return None
    return row.peak_bytes - row.import_bytes


def _interval(row: Row) -> str:
    return f"{format_seconds(row.unit_s_low)} to {format_seconds(row.unit_s_high)}"


def outcome_of(row: Row) -> str:
    """How a contestant without a time ended."""
    return "no time" if row.outcome is Outcome.OK else str(row.outcome)


def reason_of(row: Row) -> str:
    """Why a contestant has no time."""
    return row.reason or "no block was measured"


def _three_digits(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:.3g}{unit}"


# In the order in which tables and files have them.
COLUMNS: tuple[Column[Row], ...] = (
    Column(
        key="rank",
        heading="#",
        title="rank",
        meaning="rank; rows that the data cannot tell apart share one",
        value=lambda row: row.rank,
    ),
    Column(
        key="contestant",
        heading="frontend",
        meaning="a framework in a style",
        value=lambda row: row.id,
        views=EVERY_VIEW,
        number=False,
        names_rows=True,
        color=lambda row: row.color,
    ),
    _file("frontend", lambda row: row.frontend, "id of the frontend; several contestants may share it", number=False),
    _file("title", lambda row: row.title, "the frontend's title", number=False),
    _file("color", lambda row: row.color, "the frontend's colour in charts", number=False),
    Column(
        key="outcome",
        heading="outcome",
        meaning="how it ended",
        value=lambda row: str(row.outcome),
        text=outcome_of,
        views=View.FAILURES,
        number=False,
    ),
    Column(
        key="reason",
        heading="reason",
        meaning="why it has no time",
        value=lambda row: row.reason,
        text=reason_of,
        views=View.FAILURES,
        number=False,
    ),
    Column(
        key="verdict",
        heading="result",
        meaning="whether its losses and result agree with float64 NumPy",
        value=lambda row: row.verdict,
        views=View.FAILURES,
        number=False,
    ),
    Column(
        key="log",
        heading="log",
        meaning="its output, inside the run's folder",
        value=lambda row: row.log,
        views=View.FAILURES,
        number=False,
    ),
    Column(
        key="max_relative_error",
        heading="off by",
        meaning="largest relative difference from float64 NumPy over every step's loss and the final result",
        value=lambda row: row.max_relative_error,
        text=lambda row: format_error(row.max_relative_error),
        drop=5,
    ),
    _file("tolerance", lambda row: row.tolerance, "the largest relative difference that counts as agreeing"),
    _seconds(
        "import_s",
        lambda row: row.import_s,
        heading="import",
        meaning="of the framework; import, set-up and first {unit} are those of the first fresh process, with cold "
        "compiler caches and nothing else running",
        views=TIMES,
        drop=2,
    ),
    _seconds(
        "setup_s",
        lambda row: row.setup_s,
        heading="set-up",
        meaning="building the model and putting weights and data on the device",
        views=TIMES,
        drop=3,
    ),
    _seconds(
        "first_{unit}_s",
        lambda row: row.first_s,
        heading="first",
        title="first {unit}",
        meaning="first {unit}, with tracing and compiling in it",
        views=TIMES,
        drop=6,
    ),
    _seconds(
        "{unit}_s",
        lambda row: row.unit_s,
        heading="{unit}",
        meaning="steady {unit}: median over launches (fresh processes)",
        views=TIMES,
    ),
    Column(
        key="within",
        heading="within",
        meaning="how far the steady {unit}'s interval reaches",
        text=lambda row: format_range(row.unit_s, row.unit_s_low, row.unit_s_high),
        views=View.TABLE,
    ),
    _seconds("{unit}_s_low", lambda row: row.unit_s_low, meaning="lower end of the steady {unit}'s interval"),
    _seconds("{unit}_s_high", lambda row: row.unit_s_high, meaning="upper end of the steady {unit}'s interval"),
    Column(
        key="interval",
        heading="interval",
        meaning="of the steady {unit}; its kind stands in the chart of the time per {unit}",
        value=lambda row: row.interval,
        text=_interval,
        views=View.PAGE,
        number=False,
    ),
    Column(
        key="relative_{unit}",
        heading="× best",
        meaning="steady {unit} against the fastest's, compared round by round",
        value=lambda row: row.relative,
        text=lambda row: format_ratio(row.relative),
        drop=7,
    ),
    Column(
        key="peak_bytes",
        heading="memory",
        meaning="peak resident memory of the process",
        value=lambda row: row.peak_bytes,
        text=lambda row: format_bytes(row.peak_bytes),
        drop=1,
    ),
    _seconds(
        "total_s",
        lambda row: row.total_s,
        heading="total",
        meaning="from the start of the process to the task's last step",
        views=FIGURES,
    ),
    _file("break_even", lambda row: row.break_even, "{units} after which it has overtaken the style it compiles"),
    _file("break_even_low", lambda row: row.break_even_low, "the earliest that it may have"),
    _file("break_even_high", lambda row: row.break_even_high, "the latest that it may have"),
    _file("break_even_against", lambda row: row.break_even_against, "the style it compiles", number=False),
    Column(
        key="gflops",
        heading="GFLOP/s",
        meaning="the task's own count of operations over the steady {unit}",
        value=lambda row: row.gflops,
        text=lambda row: _three_digits(row.gflops),
        views=FIGURES,
    ),
    _file("gbytes", lambda row: row.gbytes, "the task's own count of bytes over the steady {unit}, in GB/s"),
    Column(
        key="matrix_share",
        heading="of GEMM",
        meaning="share of this machine's matrix product, measured in the same session",
        value=lambda row: row.matrix_share,
        text=lambda row: "–" if row.matrix_share is None else f"{row.matrix_share:.1%}",
        views=FIGURES,
    ),
    Column(
        key="warmup",
        heading="warm-up",
        meaning="how the first {units} went, and from which {unit} on it was steady",
        value=lambda row: row.warmup,
        text=_warmup,
        views=FIGURES,
        number=False,
        drop=3,
    ),
    _file("steady_from", lambda row: row.steady_from, "the {unit} from which on it was steady"),
    Column(
        key="threads",
        heading="threads",
        meaning="threads observed",
        value=lambda row: row.threads,
        text=lambda row: "–" if row.threads is None else f"{row.threads:g}",
        views=FIGURES | View.KNOBS,
        drop=4,
    ),
    Column(
        key="cpu_per_wall",
        heading="CPUs",
        meaning="CPU time over wall time while a block ran",
        value=lambda row: row.cpu_per_wall,
        text=lambda row: "–" if row.cpu_per_wall is None else f"{row.cpu_per_wall:.2f}",
        views=FIGURES,
        drop=1,
    ),
    Column(
        key="added_bytes",
        heading="+memory",
        meaning="what it added to the memory after the import",
        text=lambda row: format_bytes(_added_bytes(row)),
        views=FIGURES,
        drop=2,
    ),
    _file("import_bytes", lambda row: row.import_bytes, "resident memory after the import"),
    _file("peak_device_bytes", lambda row: row.peak_device_bytes, "peak memory on the GPU"),
    Column(
        key="launches",
        heading="launches",
        meaning="fresh processes that were measured",
        value=lambda row: row.launches,
        views=View.PAGE_DETAILS,
    ),
    Column(
        key="blocks",
        heading="blocks",
        meaning="{units} are timed in blocks: how many there are of all launches",
        value=lambda row: row.blocks,
        views=View.PAGE_DETAILS,
    ),
    Column(
        key="dirty_blocks",
        heading="disturbed",
        meaning="blocks of rounds in which the machine was disturbed",
        value=lambda row: row.disturbed_blocks,
        views=View.PAGE_DETAILS,
    ),
    _file("block_{units}", lambda row: row.block_units, "{units} of a block"),
    Column(
        key="energy_j",
        heading="energy per {unit}",
        meaning="where the machine shows it",
        value=lambda row: row.energy_j,
        text=lambda row: _three_digits(row.energy_j, " J"),
        views=View.PAGE_DETAILS,
    ),
    _knob("matmul_precision", "matmul precision", lambda row: row.matmul_precision, "of matrix products"),
    _knob("flush_to_zero", "flush-to-zero", lambda row: row.flush_to_zero, "whether tiny numbers become zero"),
    _knob("xla", "XLA", lambda row: row.xla, "whether XLA compiles it"),
    _knob("allocator", "allocator", lambda row: row.allocator, "where memory comes from"),
    _knob("deterministic", "deterministic algorithms", lambda row: row.deterministic, "whether they are asked for"),
    _knob("device", "devices", lambda row: row.device, "where it computed"),
    _file("warnings", lambda row: list(row.warnings), "requests that were observed to be ignored", number=False),
    Column(
        key="versions",
        heading="packages",
        meaning="packages it ran with",
        value=lambda row: row.versions,
        text=lambda row: ", ".join(f"{name} {version}" for name, version in row.versions.items()) or "–",
        views=View.VERSIONS,
        number=False,
    ),
)


def metric_column(metric: Metric) -> Column[Row]:
    """The column of a declared metric."""
    better = "" if metric.direction is Direction.NEITHER else f" ({metric.direction})"
    return Column(
        key=metric.name,
        heading=metric.heading,
        meaning=f"{metric.meaning}{better}",
        value=lambda row: row.metrics.get(metric.name),
        text=lambda row: format_metric(metric, row.metrics.get(metric.name)),
        drop=4,
    )


def format_metric(metric: Metric, value: float | None) -> str:
    """A metric's value with its unit; "–" where there is none."""
    if value is None:
        return "–"
    known = {"bytes": format_bytes, "s": format_seconds, "share": format_share}
    if metric.unit in known:
        return known[metric.unit](value)
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
    return f"{number} {metric.unit}".strip()


def of_run(rows: Iterable[Row], stage: Stage | None = None) -> tuple[Column[Row], ...]:
    """All columns of a run's table of one stage.

    Args:
        rows: of the stage; a metric has a column wherever one of them has a value of it.
        stage: gives the unit its name; that of the first row when None.
    """
    several = tuple(rows)
    chosen = stage or (stage_of(several[0].stage) if several else TRAIN)
    present = {name for row in several for name in row.metrics}
    declared = (metric_column(metric) for metric in metrics.METRICS if metric.name in present)
    return (*(column.at(chosen) for column in COLUMNS), *declared)


def seen(columns: Iterable[Column[T]], view: View) -> tuple[Column[T], ...]:
    """The columns that a view shows."""
    return tuple(column for column in columns if view in column.views)


def explained(view: View, stage: Stage = TRAIN) -> str:
    """What the columns of a view mean, as a table in Markdown; the README has it."""
    shown = [column for column in seen(of_run((), stage), view) if view is View.TABLE or not column.names_rows]
    lines = [f"| {column.heading} | {column.meaning} |" for column in shown]
    return "\n".join(["| column | what it is |", "|---|---|", *lines])


def texts(columns: Iterable[Column[T]], row: T) -> tuple[str, ...]:
    """A row as people read it."""
    return tuple(column.text_of(row) for column in columns)


def record(columns: Iterable[Column[T]], row: T) -> dict[str, Cell]:
    """A row as JSON has it, by key."""
    return {column.key: column.value(row) for column in columns if column.value is not None}


def frame(columns: Iterable[Column[T]], rows: Sequence[T], *, flat: bool = False) -> pd.DataFrame:
    """Rows as a pandas frame; numbers are NaN where a row has none.

    Args:
        columns: of the frame; what has no value is left out.
        rows: of the frame.
        flat: write lists and mappings as JSON texts.
    """
    import pandas as pd

    series = {}
    for column in columns:
        if (value := column.value) is not None:
            cells = [_flat(value(row)) if flat else value(row) for row in rows]
            values = pd.Series(cells, dtype=None if rows else object)
            series[column.key] = pd.to_numeric(values) if column.number and rows else values
    return pd.DataFrame(series)


def _flat(cell: Cell) -> Cell:
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell
