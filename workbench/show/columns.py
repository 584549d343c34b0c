"""The columns of a run's tables. Each is declared once, here; renderers, frames and files read the declaration.

A new column is one entry of :data:`COLUMNS`. A new metric is one entry of :data:`workbench.model.metric.METRICS` and
gets its column automatically.
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
from workbench.model.stage import EVALUATE, STAGES, TRAIN, Stage, stage_of
from workbench.show.units import format_bytes, format_error, format_range, format_ratio, format_seconds, format_share

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

Cell: TypeAlias = str | int | float | bool | Sequence[str] | Mapping[str, str] | None
"""The value of one cell in a file or a frame."""


class View(Flag):
    """The tables that show a run; a column appears in one or more of them, or only in files."""

    FILES_ONLY = 0
    TABLE = auto()
    """The main table of times: terminal, notebook, Markdown and LaTeX."""
    DETAILS = auto()
    """The second table, shown on request."""
    PAGE = auto()
    """The table of times in an HTML report."""
    PAGE_DETAILS = auto()
    """The table of further figures in an HTML report."""
    KNOBS = auto()
    """The settings that each contestant was observed to run with."""
    FAILURES = auto()
    """The contestants without a time."""
    VERSIONS = auto()
    """The packages that each contestant ran with."""


TIMES = View.TABLE | View.PAGE
FIGURES = View.DETAILS | View.PAGE_DETAILS
_SET_UP = tuple(stage for stage in STAGES if stage is not EVALUATE)  # what is evaluated is the training's
EVERY_VIEW = TIMES | FIGURES | View.KNOBS | View.FAILURES | View.VERSIONS


@dataclass(frozen=True, kw_only=True)
class Column(Generic[T]):
    """One column of a table whose rows have the type ``T``.

    Attributes:
        key: its name in frames, CSV and JSON.
        heading: its heading in tables.
        title: a longer heading for where there is room, such as an HTML page; the heading when empty.
        meaning: one line of explanation: the heading's tooltip, and an entry in the README's table of columns.
        value: a row's value in files and frames; a column without it appears in none of them.
        text: a row's text in tables for people; the formatted value when None.
        views: the tables that show it.
        number: whether it is numeric: aligned to the right, and NaN in frames where a row has no value.
        drop: the order in which a narrow terminal drops columns, lowest first; None for one that always stays.
        names_rows: whether its text identifies the row.
        wrap: whether a terminal may wrap its text over several lines.
        color: the colour (``#rrggbb``) of a dot before the row's text, the same as in charts.
        strong: whether a row's text is emphasised.
        stages: those whose tables have it.
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
    stages: tuple[Stage, ...] = STAGES

    def text_of(self, row: T) -> str:
        """A row's text in this column."""
        if self.text is not None:
            return self.text(row)
        return "" if self.value is None else format_value(self.value(row))

    def emphasises(self, row: T) -> bool:
        """Whether a row's text is emphasised."""
        return self.strong is not None and self.strong(row)

    def at(self, stage: Stage) -> Column[T]:
        """The column for one stage: "{unit}" and "{units}" in its texts are replaced by the stage's words."""

        def filled(text: str) -> str:
            return text.replace("{units}", stage.units).replace("{unit}", stage.unit)

        return dataclasses.replace(
            self,
            key=filled(self.key),
            heading=filled(self.heading),
            title=filled(self.title),
            meaning=filled(self.meaning),
        )


def format_value(value: object) -> str:
    """A value as text: "–" for None, "on" and "off" for booleans, floats without superfluous digits."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(
    key: str,
    seconds_of: Callable[[Row], float | None],
    *,
    heading: str = "",
    title: str = "",
    meaning: str,
    views: View = View.FILES_ONLY,
    drop: int | None = None,
    stages: tuple[Stage, ...] = STAGES,
) -> Column[Row]:
    """A column of a time in seconds."""
    return Column(
        key=key,
        heading=heading,
        title=title,
        meaning=meaning,
        value=seconds_of,
        text=lambda row: format_seconds(seconds_of(row)),
        views=views,
        drop=drop,
        stages=stages,
    )


def _file(key: str, value: Callable[[Row], Cell], meaning: str, *, number: bool = True) -> Column[Row]:
    """A column that appears only in files and frames."""
    return Column(key=key, meaning=meaning, value=value, views=View.FILES_ONLY, number=number)


def _knob(key: str, heading: str, value: Callable[[Row], Cell], meaning: str) -> Column[Row]:
    """A column of a setting that the framework was observed to use."""
    return Column(key=key, heading=heading, meaning=meaning, value=value, views=View.KNOBS, number=False)


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
    """The outcome of a contestant without a time, in words."""
    return "no time" if row.outcome is Outcome.OK else str(row.outcome)


def reason_of(row: Row) -> str:
    """Why a contestant has no time."""
    return row.reason or "no block was measured"


def _three_digits(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:.3g}{unit}"


# In the order of tables and files.
COLUMNS: tuple[Column[Row], ...] = (
    Column(
        key="rank",
        heading="#",
        title="rank",
        meaning="rank: one more than the number of rows that are certainly faster; rows that share one cannot be "
        "told apart",
        value=lambda row: row.rank,
    ),
    Column(
        key="contestant",
        heading="frontend",
        meaning="a framework in one style of use, such as eager or compiled",
        value=lambda row: row.id,
        views=EVERY_VIEW,
        number=False,
        names_rows=True,
        color=lambda row: row.color,
    ),
    _file("frontend", lambda row: row.frontend, "the frontend's id; several contestants may share it", number=False),
    _file("title", lambda row: row.title, "the frontend's title", number=False),
    _file("color", lambda row: row.color, "the frontend's colour in charts", number=False),
    Column(
        key="outcome",
        heading="outcome",
        meaning="how the contestant ended",
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
        meaning="file with its output, in the run's folder",
        value=lambda row: row.log,
        views=View.FAILURES,
        number=False,
    ),
    Column(
        key="max_relative_error",
        heading="off by",
        meaning="largest relative deviation of any loss from float64 NumPy in the process that was timed, on the scale "
        "of the geometric mean of that loss and the largest one",
        value=lambda row: row.max_relative_error,
        text=lambda row: format_error(row.max_relative_error),
        drop=5,
    ),
    _file("tolerance", lambda row: row.tolerance, "largest relative deviation that is allowed over the whole curve"),
    Column(
        key="float64_error",
        heading="in float64",
        meaning="largest relative deviation from float64 NumPy of all losses and of the state at the end, of the same "
        "training in float64, which runs in a process of its own",
        value=lambda row: row.float64_error,
        text=lambda row: format_error(row.float64_error),
        views=FIGURES,
    ),
    _file("float64_limit", lambda row: row.float64_limit, "what rounding explains of it"),
    _file("float64_steps", lambda row: row.float64_steps, "how many of the task's steps were trained in float64"),
    Column(
        key="blocks_proving",
        heading="proven blocks",
        meaning="clocked blocks that the reference repeated from the contestant's own state and in which leaving the "
        "updates out would have been seen",
        value=lambda row: row.blocks_proving,
        views=FIGURES,
    ),
    _file("blocks_judged", lambda row: row.blocks_judged, "clocked blocks that the reference repeated"),
    Column(
        key="compilations",
        heading="compiled",
        meaning="what the framework compiled in a process, by its own counters",
        value=lambda row: row.compilations,
        views=FIGURES,
    ),
    _file(
        "compilations_while_timed",
        lambda row: row.compilations_while_timed,
        "how many of these happened after the first block began",
    ),
    _file("graph_breaks", lambda row: row.graph_breaks, "places at which a compiler left code to the interpreter"),
    _seconds(
        "import_s",
        lambda row: row.import_s,
        heading="import",
        meaning="importing the framework; import, set-up and first {unit} come from the first fresh process, with cold "
        "compiler caches and no other contestant running",
        views=TIMES,
        drop=2,
    ),
    _seconds(
        "setup_s",
        lambda row: row.setup_s,
        heading="set-up",
        meaning="building the model and copying weights and data to the device",
        views=TIMES,
        drop=3,
        stages=_SET_UP,
    ),
    _seconds(
        "first_{unit}_s",
        lambda row: row.first_s,
        heading="first",
        title="first {unit}",
        meaning="first {unit}, including tracing and compiling",
        views=TIMES,
        drop=6,
        stages=_SET_UP,
    ),
    _seconds(
        "{unit}_s",
        lambda row: row.unit_s,
        heading="{unit}",
        meaning="time of a steady {unit}: median over launches (fresh processes)",
        views=TIMES,
    ),
    Column(
        key="within",
        heading="within",
        meaning="how far the interval by which rows are compared extends around × best; one row is certainly "
        "faster than another if their intervals around × best do not overlap",
        text=lambda row: format_range(row.unit_s, row.unit_s_low, row.unit_s_high),
        views=View.TABLE,
    ),
    _seconds("{unit}_s_low", lambda row: row.unit_s_low, meaning="lower end of the steady {unit} time's interval"),
    _seconds("{unit}_s_high", lambda row: row.unit_s_high, meaning="upper end of the steady {unit} time's interval"),
    Column(
        key="interval",
        heading="interval",
        meaning="interval of the steady {unit} time; the note under Time per {unit} says how it was obtained",
        value=lambda row: row.interval,
        text=_interval,
        views=View.PAGE,
        number=False,
    ),
    Column(
        key="relative_{unit}",
        heading="× best",
        meaning="steady {unit} time relative to the fastest contestant's, compared round by round",
        value=lambda row: row.relative,
        text=lambda row: format_ratio(row.relative),
        drop=7,
    ),
    Column(
        key="step_ratio",
        heading="step / loss",
        meaning="time of a training step as a multiple of the time of its loss alone: what gradients and update cost",
        value=lambda row: row.step_ratio,
        text=lambda row: format_ratio(row.step_ratio),
        stages=(EVALUATE,),
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
        meaning="time from process start to the task's last step",
        views=FIGURES,
    ),
    Column(
        key="samples_per_s",
        heading="samples/s",
        meaning="samples that a steady {unit} trains on, per second; of sequences of tokens, tokens",
        value=lambda row: row.samples_per_s,
        text=lambda row: "–" if row.samples_per_s is None else f"{float(f'{row.samples_per_s:.3g}'):,.0f}",
        views=FIGURES,
        drop=6,
    ),
    _seconds(
        "target_s",
        lambda row: row.target_s,
        heading="to accuracy",
        meaning="time of the steady {units} until the accuracy that the preset names is reached; of a training in "
        "phases, those of the last one",
        views=FIGURES,
        drop=3,
    ),
    _seconds(
        "target_total_s",
        lambda row: row.target_total_s,
        heading="from start",
        title="from start to accuracy",
        meaning="the same, with import, set-up and first {unit}",
        views=FIGURES,
        drop=1,
    ),
    _file("break_even", lambda row: row.break_even, "{units} after which it catches up with the style it compiles"),
    _file("break_even_low", lambda row: row.break_even_low, "lower end of that number's interval"),
    _file("break_even_high", lambda row: row.break_even_high, "upper end of that number's interval"),
    _file("break_even_against", lambda row: row.break_even_against, "id of the style it compiles", number=False),
    Column(
        key="gflops",
        heading="GFLOP/s",
        meaning="the task's operation count divided by the steady {unit} time",
        value=lambda row: row.gflops,
        text=lambda row: _three_digits(row.gflops),
        views=FIGURES,
    ),
    _file("gbytes", lambda row: row.gbytes, "the task's byte count divided by the steady {unit} time, in GB/s"),
    Column(
        key="matrix_share",
        heading="of GEMM",
        meaning="GFLOP/s as a share of this machine's matrix product (GEMM), measured in the same session",
        value=lambda row: row.matrix_share,
        text=lambda row: "–" if row.matrix_share is None else f"{row.matrix_share:.1%}",
        views=FIGURES,
    ),
    Column(
        key="memory_share",
        heading="of memory",
        meaning="bytes that a {unit} must at least read and write, per second, as a share of the rate at which this "
        "machine copies memory; above 100 % where a cache holds them",
        value=lambda row: row.memory_share,
        text=lambda row: "–" if row.memory_share is None else f"{row.memory_share:.1%}",
        views=FIGURES,
        drop=2,
    ),
    Column(
        key="warmup",
        heading="warm-up",
        meaning="how the time changed over the first {units}, and the {unit} from which it was steady",
        value=lambda row: row.warmup,
        text=_warmup,
        views=FIGURES,
        number=False,
        drop=3,
    ),
    _file("steady_from", lambda row: row.steady_from, "the {unit} from which its time was steady"),
    Column(
        key="threads",
        heading="threads",
        meaning="number of threads observed",
        value=lambda row: row.threads,
        text=lambda row: "–" if row.threads is None else f"{row.threads:g}",
        views=FIGURES | View.KNOBS,
        drop=4,
    ),
    Column(
        key="cpu_per_wall",
        heading="CPUs",
        meaning="CPU time divided by wall time while blocks ran",
        value=lambda row: row.cpu_per_wall,
        text=lambda row: "–" if row.cpu_per_wall is None else f"{row.cpu_per_wall:.2f}",
        views=FIGURES,
        drop=1,
    ),
    Column(
        key="added_bytes",
        heading="+memory",
        meaning="memory added after the import",
        text=lambda row: format_bytes(_added_bytes(row)),
        views=FIGURES,
        drop=2,
    ),
    _file("import_bytes", lambda row: row.import_bytes, "resident memory after the import"),
    _file("peak_device_bytes", lambda row: row.peak_device_bytes, "peak memory on the GPU"),
    Column(
        key="code_lines",
        heading="lines",
        title="lines of code",
        meaning="lines of code of its content file; blank lines, comments and docstrings do not count",
        value=lambda row: row.code_lines,
        views=FIGURES,
        drop=0,
    ),
    Column(
        key="api_names",
        heading="names",
        title="API names",
        meaning="different names of the framework that its content file uses, such as tf.nn.relu",
        value=lambda row: row.api_names,
        views=FIGURES,
        drop=0,
    ),
    Column(
        key="launches",
        heading="launches",
        meaning="number of fresh processes measured",
        value=lambda row: row.launches,
        views=View.PAGE_DETAILS,
    ),
    Column(
        key="blocks",
        heading="blocks",
        meaning="number of timed blocks of {units}, over all launches",
        value=lambda row: row.blocks,
        views=View.PAGE_DETAILS,
    ),
    Column(
        key="dirty_blocks",
        heading="disturbed",
        meaning="number of blocks in rounds during which the machine was disturbed",
        value=lambda row: row.disturbed_blocks,
        views=View.PAGE_DETAILS,
    ),
    _file("block_{units}", lambda row: row.block_units, "{units} per block"),
    Column(
        key="energy_j",
        heading="energy per {unit}",
        meaning="energy of one {unit}, where the machine reports it",
        value=lambda row: row.energy_j,
        text=lambda row: _three_digits(row.energy_j, " J"),
        views=View.PAGE_DETAILS,
    ),
    _knob("matmul_precision", "matmul precision", lambda row: row.matmul_precision, "precision of matrix products"),
    _knob("flush_to_zero", "flush-to-zero", lambda row: row.flush_to_zero, "whether denormals are flushed to zero"),
    _knob("xla", "XLA", lambda row: row.xla, "whether XLA compiles its {units}"),
    _knob("allocator", "allocator", lambda row: row.allocator, "memory allocator in use"),
    _knob("deterministic", "deterministic algorithms", lambda row: row.deterministic, "whether they were requested"),
    _knob("device", "devices", lambda row: row.device, "device it computed on"),
    _file("warnings", lambda row: list(row.warnings), "requested settings that it was seen to ignore", number=False),
    Column(
        key="versions",
        heading="packages",
        meaning="package versions it ran with",
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
    """A metric's value with its unit; "–" for None."""
    if value is None:
        return "–"
    formats = {"bytes": format_bytes, "s": format_seconds, "share": format_share}
    if metric.unit in formats:
        return formats[metric.unit](value)
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
    return f"{number} {metric.unit}".strip()


def of_run(rows: Iterable[Row], stage: Stage | None = None) -> tuple[Column[Row], ...]:
    """All columns of a run's table for one stage.

    Args:
        rows: of the stage; a metric gets a column if any of them has a value for it.
        stage: its unit appears in keys and headings; the first row's stage when None.
    """
    stage_rows = tuple(rows)
    chosen = stage or (stage_of(stage_rows[0].stage) if stage_rows else TRAIN)
    present = {name for row in stage_rows for name in row.metrics}
    declared = (metric_column(metric) for metric in metrics.METRICS if metric.name in present)
    columns = (column.at(chosen) for column in COLUMNS if chosen in column.stages or chosen not in STAGES)
    return (*columns, *declared)


def seen(columns: Iterable[Column[T]], view: View) -> tuple[Column[T], ...]:
    """The columns that a view shows."""
    return tuple(column for column in columns if view in column.views)


def explained(view: View, stage: Stage = TRAIN) -> str:
    """The meaning of a view's columns, as a Markdown table for the README."""
    shown = [column for column in seen(of_run((), stage), view) if view is View.TABLE or not column.names_rows]
    lines = [f"| {column.heading} | {column.meaning} |" for column in shown]
    return "\n".join(["| column | meaning |", "|---|---|", *lines])


def texts(columns: Iterable[Column[T]], row: T) -> tuple[str, ...]:
    """A row's texts, one per column."""
    return tuple(column.text_of(row) for column in columns)


def record(columns: Iterable[Column[T]], row: T) -> dict[str, Cell]:
    """A row's values by key, as in JSON."""
    return {column.key: column.value(row) for column in columns if column.value is not None}


def frame(columns: Iterable[Column[T]], rows: Sequence[T], *, flat: bool = False) -> pd.DataFrame:
    """Rows as a pandas frame; numeric columns are NaN where a row has no value.

    Args:
        columns: of the frame; those without a value are left out.
        rows: of the frame.
        flat: turn lists and mappings into JSON strings.
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
