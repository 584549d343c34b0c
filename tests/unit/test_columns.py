"""A column, a metric and a stage are one declaration each: what is planted here shows wherever a table does."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from workbench.model import metric
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.model.stage import STAGES
from workbench.show import columns, exports, renderers, tables
from workbench.show.columns import COLUMNS, TIMES, Column, View
from workbench.show.exports import frames
from workbench.show.report import facts
from workbench.show.run import Run
from workbench.testing import contestant, launch, run

README = Path(__file__).resolve().parents[2] / "README.md"
SHOWN = ("terminal", "Markdown", "HTML", "LaTeX", "CSV", "JSON", "page")


@pytest.fixture
def measured(numpy_run) -> Run:
    """A training of two contestants, and a third that failed; none has losses of its own."""
    return run(
        numpy_run.path,
        contestant("quick", [launch(0, [0.001] * 3)], proof=None),
        contestant("slow", [launch(0, [0.004] * 3)], proof=None),
        contestant("broken", outcome=Outcome.ERROR, proof=None),
    )


def with_inference(measured: Run) -> Run:
    """The same run with calls of an inference, measured beside the steps and by one contestant alone."""
    quick, slow, broken = measured.contestants
    (training,), inference = quick.launches, launch(0, [0.0002] * 3, stage="infer")
    both = dataclasses.replace(training, blocks={**training.blocks, **inference.blocks})
    quick = dataclasses.replace(quick, launches=[both])
    exported = dataclasses.replace(quick, id="exported", launches=[launch(0, [0.0001] * 3, stage="infer")])
    return Run(measured.path, dataclasses.replace(measured.record, contestants=[quick, slow, exported, broken]))


def printed(shown: Run, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(*tables.terminal(shown), sep="\n")
    return console.file.getvalue()


def everywhere(shown: Run, tmp_path: Path) -> dict[str, str]:
    """What every renderer makes of a run, by its name."""
    tmp_path.mkdir(exist_ok=True)
    folder = exports.export(shown, "csv", tmp_path / "csv")
    page = [*facts.times(shown), *facts.details(shown)]
    return {
        "terminal": printed(shown),
        "Markdown": tables.markdown(shown),
        "HTML": tables.html(shown),
        "LaTeX": exports.export(shown, "latex", tmp_path / "table.tex").read_text(),
        "CSV": "".join(path.read_text() for path in sorted(folder.glob("summary*.csv"))),
        "JSON": json.dumps(shown.summary()),
        "page": "\n".join(str((table.caption, table.headings, table.lines)) for table in page),
    }


def test_a_planted_column_is_in_every_table(measured, tmp_path, monkeypatch):
    planted: Column = Column(
        key="letters",
        heading="letters of it",
        meaning="in its name",
        value=lambda row: 1000 * len(row.id),
        text=lambda row: f"{1000 * len(row.id)} letters",
        views=TIMES,
    )
    before = everywhere(measured, tmp_path / "before")
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, planted))
    after = everywhere(measured, tmp_path / "after")
    for name in SHOWN:
        heading, cell = ("letters", "5000") if name in ("CSV", "JSON") else ("letters of it", "5000 letters")
        assert (heading in before[name], cell in before[name]) == (False, False), name
        assert (heading in after[name], cell in after[name]) == (True, True), name
    assert measured.table["letters"].tolist() == [5000, 4000, 6000]


def test_a_planted_metric_is_in_every_table_that_has_a_value_of_it(measured, tmp_path, monkeypatch):
    accuracy = Metric("accuracy", "right", "share", Direction.HIGHER, "share of examples that it gets right")
    monkeypatch.setattr(metric, "METRICS", (accuracy,))
    assert "accuracy" not in measured.table.columns, "nothing has a value of it"
    assert "right" not in printed(measured)
    measured.contestants[0].launches[0].metrics = {"accuracy": 0.975, "not declared": 1.0}
    reported = Run(measured.path, measured.record)
    shown = everywhere(reported, tmp_path)
    for name in SHOWN:
        heading, cell = ("accuracy", "0.975") if name in ("CSV", "JSON") else ("right", "97.5")
        assert (heading in shown[name], cell in shown[name]) == (True, True), name
        assert "not declared" not in shown[name], name
    assert "higher is better" in shown["HTML"], "its meaning says which way is better"
    assert reported.table["accuracy"].tolist()[0] == 0.975
    assert reported.table["accuracy"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("bytes", 1 << 20, "1.0 MiB"),
        ("s", 0.0123, "12.3 ms"),
        ("share", 0.98, "98 %"),
        ("", 12, "12"),
        ("", 1234567, "1,234,567"),
        ("J", 1.5, "1.5 J"),
        ("s", None, "–"),
    ],
)
def test_a_metric_is_read_with_its_unit(unit, value, text):
    assert columns.format_metric(Metric("m", "m", unit, Direction.NEITHER, "a metric"), value) == text


def test_an_inference_has_a_table_of_its_own_in_calls(measured, tmp_path):
    shown = everywhere(with_inference(measured), tmp_path)
    for name in ("terminal", "Markdown", "HTML", "LaTeX", "page"):
        training, heading, inference = shown[name].partition("infer: predictions for one batch")
        assert heading, name
        assert ("1.00 ms" in training, "exported" in training) == (True, False), name
        assert ("100 µs" in inference or r"100 $\mu$s" in inference, "exported" in inference) == (True, True), name
    assert "call" in shown["terminal"].partition("infer:")[2].splitlines()[1].split()
    headings = {"Markdown": "| call |", "HTML": ">call</th>", "LaTeX": "& call &", "page": "'call'"}
    assert [name for name, heading in headings.items() if heading not in shown[name]] == []
    assert {"call", "first call"} <= {
        heading for table in facts.times(with_inference(measured)) for heading in table.headings
    }
    assert {"call_s", "first_call_s", "relative_call", "block_calls"} <= set(shown["CSV"].replace("\n", ",").split(","))
    assert "call: median over launches; within: " in shown["terminal"]
    assert json.loads(shown["JSON"])["stages"]["infer"][2]["call_s"] == 0.0001


def test_an_inference_is_exported_beside_the_training(measured, tmp_path):
    both = with_inference(measured)
    exports.export(both, "csv", tmp_path / "csv")
    rows = list(csv.DictReader((tmp_path / "csv" / "summary_infer.csv").open()))
    assert {row["contestant"]: row["call_s"] for row in rows} == {
        "quick": "0.0002",
        "slow": "",
        "exported": "0.0001",
        "broken": "",
    }
    blocks = frames.blocks(both, "infer")
    assert list(blocks.columns) == ["contestant", "frontend", "launch", "round", "call_s", "calls", "dirty"]
    assert set(blocks["contestant"]) == {"quick", "exported"}
    suite = json.loads(exports.export(both, "pyperf", tmp_path / "pyperf.json").read_text())
    names = [benchmark["metadata"]["name"] for benchmark in suite["benchmarks"]]
    assert names == ["quick", "slow", "quick infer", "exported infer"]
    exports.export(both, "tensorboard", tmp_path / "events")
    (events,) = (tmp_path / "events" / "exported").iterdir()
    assert b"seconds per call/blocks" in events.read_bytes()


def test_a_run_without_a_training_shows_what_it_measured(measured):
    exported = contestant("exported", [launch(0, [0.0001] * 3, stage="infer")], proof=None)
    alone = Run(measured.path, dataclasses.replace(measured.record, contestants=[exported]))
    (table,) = tables.stage_tables(alone)
    assert (table.stage.unit, [row.id for row in table.timed]) == ("call", ["exported"])
    assert tables.untimed(alone) == []


def test_a_training_alone_needs_no_heading(measured):
    assert "train:" not in printed(measured)


def test_what_has_no_block_says_so(measured):
    idle = Run(measured.path, dataclasses.replace(measured.record, contestants=[contestant("idle", proof=None)]))
    assert "idle  no time  no block was measured" in printed(idle)
    assert "**no time**: no block was measured" in tables.markdown(idle)


def test_frames_csv_and_json_have_the_same_columns_and_keep_their_names(measured):
    written = next(csv.reader(io.StringIO(tables.csv(measured))))
    keys = list(measured.summary()["contestants"][0])
    assert keys == list(measured.table.columns)
    assert written == [key for key in keys if key not in ("versions", "color")]
    assert {
        "contestant", "frontend", "outcome", "step_s", "step_s_low", "step_s_high", "first_step_s", "relative_step",
        "rank", "total_s", "peak_bytes", "block_steps", "dirty_blocks", "steady_from",
    } <= set(keys)  # fmt: skip


def test_numbers_are_numbers_where_nothing_was_measured(measured):
    failed = Run(measured.path, dataclasses.replace(measured.record, contestants=measured.contestants[2:]))
    assert failed.table["step_s"].isna().all()
    assert failed.table["step_s"].dtype == float


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_no_two_columns_have_one_key_and_every_heading_has_a_meaning(stage):
    known = [*columns.of_run((), stage), *map(columns.metric_column, metric.METRICS)]
    keys = [column.key for column in known]
    assert len(keys) == len(set(keys))
    assert [column.key for column in known if not column.meaning] == []
    assert [
        column.key for column in known if "{" in f"{column.key}{column.heading}{column.title}{column.meaning}"
    ] == []
    assert [column.key for column in known if column.views and not column.heading] == []


def test_the_readme_has_the_columns_as_they_are_declared():
    _, _, rest = README.read_text(encoding="utf-8").partition("<!-- columns:begin -->\n")
    written, _, _ = rest.partition("<!-- columns:end -->")
    declared = (
        f"{columns.explained(View.TABLE)}\n\n`--details` adds a second table:\n\n{columns.explained(View.DETAILS)}\n"
    )
    assert written == declared


# The renderers know nothing of runs: any rows in any columns.

PEOPLE: tuple[Column[str], ...] = (
    Column(key="name", heading="name", value=lambda name: name, number=False, names_rows=True),
    Column(key="size", heading="size", meaning="of the name", value=len, drop=1),
    Column(key="loud", heading="loud", text=str.upper, number=False, strong=lambda name: name == "ab", drop=0),
)


def width(columns_: int, names) -> list[str]:
    console = Console(width=columns_, file=io.StringIO(), force_terminal=False)
    console.print(renderers.terminal(PEOPLE, names))
    return console.file.getvalue().splitlines()[0].split()


def test_a_narrow_terminal_drops_columns_in_their_order():
    assert width(40, ["abcdefgh"]) == ["name", "size", "loud"]
    assert width(16, ["abcdefgh"]) == ["name", "size"]
    assert width(9, ["abcdefgh"]) == ["name"]
    assert width(5, ["abcdefgh"]) == ["name"], "what names the rows stays"


def test_what_is_strong_is_strong_in_every_renderer():
    assert "**AB**" in renderers.markdown(PEOPLE, ["ab", "c"])
    assert "<b>AB</b>" in renderers.html(PEOPLE, ["ab", "c"])
    assert r"\textbf{AB}" in renderers.latex(PEOPLE, ["ab", "c"])
    assert "**C**" not in renderers.markdown(PEOPLE, ["ab", "c"])


def test_markdown_aligns_numbers_to_the_right():
    assert renderers.markdown(PEOPLE, ["a|b"]).splitlines()[1:] == ["|---|---:|---|", r"| a\|b | 3 | A\|B |"]


def test_no_text_is_markup_in_html_or_a_command_in_latex():
    assert "<script" not in renderers.html(PEOPLE, ["<script>"], caption="<script>")
    assert r"\textbackslash{}input" in renderers.latex(PEOPLE, [r"\input"])


def test_a_column_without_a_value_is_in_no_file():
    assert list(columns.frame(PEOPLE, ["ab"]).columns) == ["name", "size"]
    assert columns.record(PEOPLE, "ab") == {"name": "ab", "size": 2}
    assert columns.frame(PEOPLE, []).columns.tolist() == ["name", "size"]
