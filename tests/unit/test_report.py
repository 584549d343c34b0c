"""The one-file report: it says what the data support, holds every part, needs no network, and texts stay texts."""

from __future__ import annotations

import dataclasses
import functools
import re
from html.parser import HTMLParser

import pytest

from workbench.catalog import catalog
from workbench.errors import WorkbenchError
from workbench.model import metric
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.session.runner import content_hash
from workbench.show import report, sidebyside
from workbench.show.report import charts, drawing, facts
from workbench.show.report.verdict import caveats, verdict
from workbench.show.run import Run
from workbench.testing import contestant, launch, run

HOSTILE = "</script><script>alert(1)</script> {{ 7*7 }} {% raw %} <b>bold</b> \x1b[31m"
HTML = sidebyside.html
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Elements of a page, with their attributes, and what is wrong with their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(autouse=True)
def code_once(monkeypatch):
    """The code side by side, made once for all tests."""
    monkeypatch.setattr(sidebyside, "html", code_of)


@functools.cache
def _code(task, frontends):
    return HTML(task, frontends)


def code_of(task, frontends, content):
    return _code(task, tuple(frontends))


def without_library(text: str) -> str:
    return text.replace(report.page.plotly_js(), "")


def page_of(*runs: Run) -> Page:
    return Page(without_library(report.html(runs)))


def change(run: Run, place: int, **fields: object) -> None:
    """Other values in a contestant's record."""
    run.contestants[place] = dataclasses.replace(run.contestants[place], **fields)


def failed(run: Run, place: int, outcome: str, reason: str = "planted") -> None:
    change(run, place, outcome=Outcome(outcome), reason=reason)


def one_speed(run: Run, *places: int) -> None:
    """These contestants measure what the first one does."""
    for place in places:
        change(run, place, launches=run.contestants[0].launches)


def with_record(run: Run, **fields: object) -> Run:
    """The same run with other facts."""
    return Run(run.path, dataclasses.replace(run.record, **fields))


def test_the_verdict_names_the_fastest_with_its_interval(full_run):
    said = verdict(full_run)
    assert " is the fastest at " in said
    assert " to " in said
    assert "not distinguishable" not in said


def unproven(run: Run, *places: int) -> None:
    """None of the clocked blocks of these contestants proves anything."""
    for place in places:
        change(run, place, proof=dataclasses.replace(run.contestants[place].proof, judged=3, proving=0))


def test_the_verdict_names_nobody_without_a_rank(full_run):
    """Neither as the fastest nor as the next; it says why at the end."""
    before = {row.id: row.relative for row in with_record(full_run).rows}
    ids = sorted(before, key=before.get)
    places = {entry.id: place for place, entry in enumerate(full_run.contestants)}
    unproven(full_run, places[ids[0]], places[ids[2]])
    said = verdict(full_run)
    assert said.startswith(f"{ids[1]} is the fastest at ")
    assert f"the next, {ids[3]}, takes " in said
    assert sum("no rank: its clocked blocks change too little" in line for line in caveats(full_run)) == 2


def test_who_has_no_rank_is_no_next_one(full_run):
    count = len(full_run.contestants)
    one_speed(full_run, *range(1, count))
    change(full_run, 1, launches=[launch(number, [1.0] * 3) for number in range(8)])
    unproven(full_run, 1)
    said = verdict(full_run)
    assert "are not distinguishable in this run" in said
    assert full_run.contestants[1].id not in said.split(" are not ")[0].replace(",", "").split()


def test_the_only_one_with_a_rank_is_no_fastest(full_run):
    first, *others = range(len(full_run.contestants))
    unproven(full_run, *others)
    said = verdict(full_run)
    assert said.startswith(f"{full_run.contestants[first].id} takes ")
    assert "fastest" not in said


def test_a_shared_first_place_is_not_distinguishable(full_run):
    one_speed(full_run, 1, 2)
    first, second, third = (contestant.id for contestant in full_run.contestants[:3])
    assert f"{first}, {second} and {third} share first place and are not distinguishable" in verdict(full_run)


def test_all_alike_names_no_winner(full_run):
    one_speed(full_run, *range(1, len(full_run.contestants)))
    assert "are not distinguishable in this run" in verdict(full_run)
    assert "fastest" not in verdict(full_run)


def test_the_verdict_counts_failures_but_not_what_is_not_installed(full_run):
    failed(full_run, 0, "invalid")
    failed(full_run, 1, "unavailable")
    count, names = len(full_run.contestants), [contestant.id for contestant in full_run.contestants]
    assert f"1 of {count} failed: {names[0]} (invalid)" in verdict(full_run)
    assert f"{names[1]} (unavailable)" in " ".join(caveats(full_run))


def test_a_machine_that_was_not_quiet_is_in_the_verdict(full_run):
    assert "not quiet" not in verdict(full_run)
    rounds = [dataclasses.replace(entry, flags=("steal 9 %",)) for entry in full_run.record.rounds]
    disturbed = with_record(full_run, rounds=rounds)
    assert "the machine was not quiet" in verdict(disturbed)
    said = " ".join(caveats(disturbed))
    assert "not quiet in 24 of 24 rounds" in said
    assert "differences under about" in said


def test_few_launches_are_said_to_be_few(full_run, numpy_run):
    assert "too few for a confidence interval" not in " ".join(caveats(full_run))
    assert "Only 1 launch per frontend: too few for a confidence interval" in " ".join(caveats(numpy_run))


def test_the_page_holds_every_part(full_run):
    shown = page_of(full_run)
    titles = ("Loss", "Deviation from the reference", "Time per step", "Phases", "Break-even", "Memory", "Conditions")
    assert [title for title in (*titles, "How to reproduce", "The code") if title not in shown.words] == []
    assert [chart.key for chart in charts.of_run(full_run) if drawing.figure(chart) is None] == []
    assert all(contestant.id in shown.words for contestant in full_run.contestants)
    assert full_run.record.machine.cpu_model in shown.words


def test_every_launch_is_a_point(full_run):
    chart = next(chart for chart in charts.of_run(full_run) if chart.key == "time")
    points = [trace for trace in drawing.figure(chart).data if not trace.error_x.array]
    assert [len(trace.x) for trace in points] == [8] * len(full_run.contestants)


def test_nothing_is_fetched(full_run):
    text = report.html(full_run)
    assert text.count("Plotly.newPlot(") > text.count(report.page.plotly_js()) == 1
    shown = Page(without_library(text))
    fetched = [attributes.get(name) for _, attributes in shown.elements for name in ("src", "href", "srcset", "data")]
    assert [link for link in fetched if link and not link.startswith(("#", "data:"))] == []
    assert "default-src 'none'" in str(shown.all("meta"))
    assert not re.search(r"@import|url\(", report.page.style())


def test_the_page_can_be_heard_and_walked_through(full_run, numpy_run):
    shown = page_of(full_run, numpy_run)
    levels = [int(name[1]) for name, _ in shown.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels, strict=False))
    assert len(shown.all("main")) == len(shown.all("header")) == len(shown.all("footer")) == 1
    assert shown.all("a")[0]["href"] == "#main"
    assert shown.all("html")[0]["lang"] == "en"
    assert all(attributes.get("scope") for attributes in shown.all("th"))
    ours = [attributes for attributes in shown.all("table") if "sbs" not in str(attributes)]
    assert len(shown.all("caption")) == len(ours)
    pictures = [attributes for attributes in shown.all("div") if attributes.get("role") == "group"]
    assert len(pictures) > 8
    assert all(picture["aria-label"].startswith("Chart: ") for picture in pictures)
    assert all(attributes.get("aria-label") for attributes in shown.all("nav"))


def test_ids_are_unique_and_links_lead_somewhere(full_run, numpy_run):
    shown = page_of(full_run, numpy_run)
    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [
        attributes.get(name) for _, attributes in shown.elements for name in ("aria-labelledby", "aria-describedby")
    ]
    targets = {link["href"].removeprefix("#") for link in shown.all("a")} | {name for name in named if name}
    assert targets <= set(ids)


def test_every_chart_has_its_numbers(full_run):
    assert [chart.key for chart in charts.of_run(full_run) if chart.numbers is None or not chart.numbers.lines] == []


def test_several_runs_have_an_index_and_the_library_once(full_run, numpy_run):
    text = report.html([full_run, numpy_run])
    assert text.count(report.page.plotly_js()) == 1
    shown = Page(without_library(text))
    assert {"#run-1", "#run-2"} <= {link["href"] for link in shown.all("a")}
    assert "2 runs" in shown.words


@pytest.mark.parametrize("field", ["reason", "title", "frontend", "id", "color", "framework"])
def test_texts_of_a_contestant_stay_texts(full_run, field):
    failed(full_run, 1, "error")
    change(full_run, 1, **{field: HOSTILE})
    stays_text(report.html(full_run), shown=field in ("reason", "id"))


def test_the_name_of_a_timed_contestant_stays_text_in_the_charts(full_run):
    folder = full_run.path / "contestants"
    name = "<script>alert(1)<"
    (folder / full_run.contestants[1].id).rename(folder / name)
    change(full_run, 1, id=name + "/script> {{ 7*7 }}")
    (folder / name / "script> {{ 7*7 }}").mkdir(parents=True)
    (folder / name / "proof.npz").rename(folder / name / "script> {{ 7*7 }}" / "proof.npz")
    text = without_library(report.html(full_run))
    assert "<script>alert" not in text
    assert "49" not in re.findall(r"alert\(1\)[^{]{0,40}", text)
    assert "&lt;script" in text or "\\u0026lt;script" in text


def stays_text(text: str, *, shown: bool) -> None:
    page = Page(without_library(text))
    assert "alert(1)" not in "".join(re.findall(r"<script[^>]*>(.*?)</script>", without_library(text), re.DOTALL))
    assert "\x1b" not in text
    if shown:
        assert "</script><script>alert(1)</script> {{ 7*7 }} {% raw %} <b>bold</b>" in page.words


@pytest.mark.parametrize(("part", "field"), [("machine", "cpu_model"), ("settings", "task"), ("problem", "hash")])
def test_texts_of_a_run_stay_texts(full_run, part, field):
    changed = dataclasses.replace(getattr(full_run.record, part), **{field: HOSTILE})
    stays_text(report.html(with_record(full_run, **{part: changed})), shown=True)


def test_the_machines_key_stays_text(full_run):
    stays_text(report.html(with_record(full_run, machine_key=HOSTILE)), shown=True)


def test_the_command_stays_text_and_is_quoted(full_run):
    command = ["/somewhere/bin/workbench", "run", "linreg", "-o", "a b; rm -rf ~", HOSTILE]
    called = with_record(full_run, command=command)
    stays_text(report.html(called), shown=True)
    assert facts.command(called).startswith("workbench run linreg -o 'a b; rm -rf ~' ")
    assert "This run was made by" in page_of(called).words


def test_a_run_from_python_shows_a_command_that_asks_for_the_same(numpy_run):
    shown = facts.command(with_record(numpy_run, command=["-c"]))
    assert shown.startswith("workbench run linreg -f numpy_manual --preset points --seed 0 --steps 5")


@pytest.mark.parametrize("outcome", ["invalid", "unsupported", "unavailable", "error", "timeout", "out-of-memory"])
def test_a_run_without_any_time_is_a_page_all_the_same(full_run, outcome):
    for place in range(len(full_run.contestants)):
        failed(full_run, place, outcome)
    shown = page_of(full_run)
    assert "No frontend has a valid time" in shown.words
    assert "planted" in shown.words


def test_nothing_at_all_is_a_page_all_the_same(full_run):
    nothing = {"outcome": Outcome.INTERRUPTED, "reason": "", "proof": None, "launches": [], "sweep": []}
    for place in range(len(full_run.contestants)):
        change(full_run, place, **nothing)
    assert "interrupted" in page_of(full_run).words


def test_proven_but_never_timed_is_a_page_all_the_same(full_run):
    change(full_run, 0, launches=[])
    assert "no block was measured" in page_of(full_run).words


def test_one_launch_of_one_frontend_is_a_page(numpy_run):
    shown = page_of(numpy_run)
    assert "no other valid time to compare with" in shown.words
    assert "No compiled style was timed" in shown.words


def test_losses_that_are_no_numbers_are_a_gap(full_run):
    full_run.losses.iloc[2:, 1] = float("nan")
    full_run.losses.iloc[1, 2] = float("inf")
    shown = page_of(full_run)
    assert "Not every step has a finite loss in" in shown.words


def test_damaged_losses_cost_two_charts_and_no_more(full_run):
    (full_run.path / "reference.npz").write_bytes(b"")
    found = {chart.key: chart for chart in charts.of_run(full_run)}
    assert "reference.npz" in found["loss"].about
    assert drawing.figure(found["loss"]) is drawing.figure(found["deviation"]) is None
    assert drawing.figure(found["time"]) is not None


def test_values_that_are_none_of_ours_are_one_sentence(full_run):
    change(full_run, 0, launches="launches")
    with pytest.raises(WorkbenchError, match="is damaged") as raised:
        report.html(full_run)
    assert len(str(raised.value).splitlines()) == 1


def test_code_that_has_changed_since_is_said_to_have(full_run):
    assert "have changed since this run" not in page_of(full_run).words
    assert "have changed since this run" in page_of(with_record(full_run, content_hash="another")).words


def test_a_further_stage_has_a_chart_a_table_and_a_verdict_in_its_units(tmp_path):
    fast, slow = ([launch(number, [seconds] * 3, stage="infer") for number in range(2)] for seconds in (2e-5, 9e-5))
    inferring = run(tmp_path, contestant("jax_jit", fast), contestant("tf1_graph", slow))
    found = {chart.key: chart for chart in charts.of_run(inferring)}
    assert {"time", "phases"} & set(found) == set()
    assert found["time_infer"].title == "Time per call"
    assert list(found["time_infer"].numbers.lines[0]) == [
        "jax_jit",
        "20.0 µs",
        "20.0 µs to 20.0 µs",
        "20.0 µs, 20.0 µs",
    ]
    assert "infer: jax_jit is the fastest at 20.0 µs per steady call" in verdict(inferring)
    shown = page_of(inferring)
    assert "Time per call" in shown.words
    assert any(attributes.get("id") == "run-1-time_infer" for attributes in shown.all("figure"))


def test_every_declared_metric_has_a_chart_the_best_first(tmp_path, monkeypatch):
    accuracy = Metric("accuracy", "accuracy", "share", Direction.HIGHER, "share of the test set that is right")
    monkeypatch.setattr(metric, "METRICS", (accuracy,))
    entries = []
    for name, value in (("jax_jit", 0.5), ("tf1_graph", 0.75), ("keras", None)):
        launches = [dataclasses.replace(launch(0, [1e-5] * 3), metrics={} if value is None else {"accuracy": value})]
        entries.append(contestant(name, launches))
    (chart,) = [chart for chart in charts.of_run(run(tmp_path, *entries)) if chart.key.startswith("metric")]
    assert (chart.key, chart.title) == ("metric_accuracy", "accuracy")
    assert chart.about == "share of the test set that is right; higher is better."
    assert [list(line) for line in chart.numbers.lines] == [["tf1_graph", "75 %"], ["jax_jit", "50 %"]]
    assert [trace.x[0] for trace in drawing.figure(chart).data if trace.x[0] is not None] == [0.75, 0.5]
    assert 'id="run-1-metric_accuracy"' in report.html(run(tmp_path, *entries))
    monkeypatch.setattr(metric, "METRICS", ())
    assert "metric_accuracy" not in without_library(report.html(run(tmp_path, *entries)))


def test_a_run_of_content_that_once_replaced_the_built_in_one_is_recognised(full_run, content):
    """Such a run holds the hash of that folder alone."""
    found = catalog(content.root)
    old = with_record(full_run, content_hash=content_hash(found.roots[-1:]))
    assert "have changed since this run" not in Page(without_library(report.html(old, found))).words
    (content.numpy / "linreg.py").write_text("# changed")
    assert "have changed since this run" in Page(without_library(report.html(old, catalog(content.root)))).words


def test_colours_can_be_told_from_light_and_dark_paper(full_run):
    def luminance(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    papers = re.findall(r"--paper: (#[0-9a-f]{6})", report.page.style())
    assert len(papers) == 2
    for color in report.parts.colors(full_run).values():
        for paper in papers:
            dark, light = sorted([luminance(color), luminance(paper)])
            assert (light + 0.05) / (dark + 0.05) >= 2, (color, paper)


def test_a_report_is_written_once_and_replaced_when_asked(full_run, tmp_path):
    target = tmp_path / "page.html"
    assert report.write_report(full_run, target) == target
    before = target.read_bytes()
    with pytest.raises(WorkbenchError, match=r"exists: .*force"):
        report.write_report(full_run, target)
    report.write_report(full_run, target, force=True)
    assert target.read_bytes()[:100] == before[:100]
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_report_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(WorkbenchError, match="no run to report"):
        report.write_report([], tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_writes_a_report(cli, numpy_run, tmp_path):
    target = tmp_path / "page.html"
    done = cli("report", "latest", "-o", target, "--results", numpy_run.path.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(target)
    again = cli("report", numpy_run.path, "-o", target)
    assert again.returncode == 2
    assert again.stderr.startswith(f"workbench: {target} already exists")
