"""A frontend's step time over runs: series apart, jumps found, noise and drift not, and its index."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import shutil

import numpy as np
import pytest

import workbench
from workbench import testing
from workbench.errors import WorkbenchError
from workbench.model import metric
from workbench.model.device import Device
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.model.records import ProblemFacts
from workbench.show import history as show
from workbench.show import listing
from workbench.statistics.jumps import jumps
from workbench.store import index, records, results
from workbench.store.codec import text_of

SERIES = 100


def noise(rng, n, sd=0.01):
    return rng.normal(0, sd, n)


def planted(place, n, by=1.05):
    return np.where(np.arange(n) >= place, math.log(by), 0.0)


def test_a_planted_jump_is_found_at_the_right_run():
    rng = np.random.default_rng(1)
    found = [jumps(np.exp(noise(rng, 60, 0.005) + planted(30, 60))) for _ in range(SERIES)]
    assert all([jump.start for jump in one] == [30] for one in found)
    assert abs(float(np.median([one[0].ratio for one in found])) - 1.05) < 0.005


@pytest.mark.parametrize("place", [3, 30, 57])
def test_a_large_jump_is_found_with_three_runs_on_either_side(place):
    rng = np.random.default_rng(2)
    found = jumps(np.exp(noise(rng, 60, 0.005) + planted(place, 60, 1.3)))
    assert [jump.start for jump in found] == [place]


def test_a_jump_and_its_return_are_two():
    rng = np.random.default_rng(3)
    found = jumps(np.exp(noise(rng, 90, 0.005) + planted(30, 90, 1.08) - planted(60, 90, 1.08)))
    assert [jump.start for jump in found] == [30, 60]
    assert found[0].ratio > 1 > found[1].ratio


@pytest.mark.parametrize("sd", [0.003, 0.01, 0.04])
@pytest.mark.parametrize("n", [6, 20, 200])
def test_pure_noise_has_no_jumps(sd, n):
    rng = np.random.default_rng(4)
    assert sum(bool(jumps(np.exp(noise(rng, n, sd)))) for _ in range(SERIES)) <= 1


@pytest.mark.parametrize("n", [20, 60, 200])
def test_a_steady_drift_of_a_fifth_is_no_jump(n):
    rng = np.random.default_rng(5)
    drift = np.linspace(0, 0.2, n)
    assert sum(bool(jumps(np.exp(noise(rng, n) + drift))) for _ in range(SERIES)) <= 1


def test_a_jump_within_a_drift_is_found_at_its_place():
    rng = np.random.default_rng(6)
    series = np.linspace(0, 0.2, 100) + noise(rng, 100, 0.005) + planted(50, 100, 1.08)
    assert [jump.start for jump in jumps(np.exp(series))] == [50]


def test_a_stray_run_and_a_change_of_two_percent_are_no_jumps():
    rng = np.random.default_rng(7)
    stray = noise(rng, 40, 0.003)
    stray[20] += 0.5
    assert jumps(np.exp(stray)) == []
    assert jumps(np.exp(noise(rng, 200, 0.003) + planted(100, 200, 1.02))) == []


def test_few_runs_or_none_have_no_jumps_and_nonsense_is_refused():
    assert jumps([]) == jumps([1.0] * 5) == jumps([1.0] * 50) == []
    with pytest.raises(ValueError, match="positive"):
        jumps([1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="delta"):
        jumps([1.0] * 6, delta=0)


FIRST = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Store:
    """A folder of made-up runs, a day apart, of one launch each."""

    def __init__(self, root) -> None:
        self.root, self.count = root, 0

    def add(self, step_s=1e-4, outcome="ok", versions=None, settings=None, stages=None, metrics=None, **fields):
        """One more run, of a launch of each stage; its folder."""
        started = FIRST + datetime.timedelta(days=self.count)
        folder = self.root / f"{started:%Y%m%d-%H%M%S}-linreg-points-{self.count:06x}"
        launch = testing.launch(0, [])
        launch.versions, launch.metrics = versions or {"numpy": "2.4.6"}, metrics or {}
        launch.blocks = {
            stage: testing.launch(0, [0.99 * unit_s, unit_s, 1.01 * unit_s]).of()
            for stage, unit_s in ({"train": step_s} if stages is None else stages).items()
        }
        contestant = testing.contestant("numpy_manual", [launch], outcome=Outcome(outcome))
        made = testing.record(contestant, **{"started": started.isoformat(), **fields})
        made = dataclasses.replace(made, settings=dataclasses.replace(made.settings, **(settings or {})))
        (folder / "contestants" / "numpy_manual").mkdir(parents=True)
        (folder / "run.json").write_text(text_of(records.facts_of(made)))
        (folder / "contestants" / "numpy_manual" / "samples.json").write_text(text_of(contestant))
        self.count += 1
        return folder

    def fill(self, steps):
        """A run per step time."""
        for step_s in steps:
            self.add(float(step_s))

    def history(self, **how):
        """The history of its frontend."""
        return workbench.history("linreg", "numpy_manual", results=self.root, **how)


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return Store(tmp_path / "results")


def test_a_history_has_every_run_with_its_step_and_the_change_against_the_one_before(store):
    store.fill([1e-4, 1.1e-4])
    table = store.history().table
    assert table["step_s"].tolist() == [1e-4, 1.1e-4]
    assert (table["step_s_low"] < table["step_s"]).all()
    assert table["change"].round(6).tolist()[1:] == [0.1]
    assert str(table["date"][0].date()) == "2026-01-01"


def test_a_jump_stands_at_its_run_with_what_else_changed(store):
    rng = np.random.default_rng(8)
    for place, step in enumerate(np.exp(noise(rng, 20, 0.004) + planted(12, 20, 1.1))):
        store.add(1e-4 * float(step), versions={"numpy": "2.4.6" if place >= 12 else "2.2.6"})
    found = store.history()
    jumped = found.table[found.table["jump"].notna()]
    assert jumped.index.tolist() == [12]
    assert jumped["news"].tolist() == ["numpy 2.2.6 → 2.4.6"]
    assert found.table["level_s"].nunique() == 2
    assert "1 jump (at least 3%" in show.notes(found.series[0])[0]


APART = {
    "machine": {"machine_key": "another00000"},
    "problem": {"problem": ProblemFacts("0" * 64, 101, 0.1, 10, 1e6, 2e6, True)},
    **{
        name: {"settings": {name: value}}
        for name, value in {
            "preset": "other",
            "device": Device("gpu"),
            "threads": 2,
            "profile": "stock",
            "dtype": "float64",
            "matmul_precision": "tf32",
        }.items()
    },
}


@pytest.mark.parametrize("condition", APART)
def test_runs_under_other_conditions_are_a_series_of_their_own_and_never_compared(store, condition):
    store.add(1e-4)
    store.add(9e-4, **APART[condition])
    found = store.history()
    assert [len(series.points) for series in found.series] == [1, 1]
    assert found.table["change"].isna().all()
    assert found.series[0].label != found.series[1].label


def test_each_stage_is_a_series_of_its_own_with_its_unit(store):
    for call_s in (1e-5, 2e-5):
        store.add(stages={"train": 1e-4, "infer": call_s})
    store.add(outcome="error", stages={"evaluate": 1.0})
    store.add(outcome="error", stages={})
    found = store.history()
    by_stage = {series.stage.name: series for series in found.series}
    assert {name: len(series.timed) for name, series in by_stage.items()} == {"train": 2, "infer": 2, "evaluate": 0}
    assert all(series.points[-1].launches == 0 for series in found.series), "what has no time is a row in each"
    assert "infer" in by_stage["infer"].label
    assert found.table["call_s"].dropna().tolist() == [1e-5, 2e-5]
    assert found.table["step_s"].dropna().tolist() == [1e-4, 1e-4]
    assert found.as_json()["series"][found.series.index(by_stage["infer"])]["points"][1]["call_s"] == 2e-5
    assert ">call</th>" in found._repr_html_()
    assert len(found.plot().axes) == 3


def test_metrics_stand_beside_the_times(store, monkeypatch):
    monkeypatch.setattr(metric, "METRICS", (Metric("accuracy", "accuracy", "share", Direction.HIGHER, "of it"),))
    store.add(metrics={"accuracy": 0.5})
    store.add(metrics={"accuracy": 0.25, "undeclared": 1.0})
    found = store.history()
    assert found.table["accuracy"].tolist() == [0.5, 0.25]
    assert ">25 %</td>" in found._repr_html_()
    assert "undeclared" not in found._repr_html_()
    assert [point["metrics"]["accuracy"] for point in found.as_json()["series"][0]["points"]] == [0.5, 0.25]


def test_a_preset_can_be_chosen_and_one_that_is_not_there_is_refused(store):
    store.add()
    store.add(settings={"preset": "other"})
    assert len(store.history(preset="other").series) == 1
    with pytest.raises(WorkbenchError, match="did you mean other"):
        store.history(preset="othr")


def test_a_run_without_a_time_is_a_row_and_takes_no_part_in_the_changes(store):
    store.add(1e-4)
    store.add(outcome="invalid")
    store.add(1.2e-4)
    table = store.history().table
    assert table["outcome"].tolist() == ["ok", "invalid", "ok"]
    assert table["change"].round(6).tolist()[2] == 0.2
    assert table["step_s"].isna().tolist() == [False, True, False]


def test_damaged_and_newer_runs_are_skipped_with_a_line_each(store):
    store.fill([1e-4] * 4)
    folders = sorted(store.root.iterdir())
    (folders[0] / "run.json").write_text("{")
    about = json.loads((folders[1] / "run.json").read_text())
    (folders[1] / "run.json").write_text(json.dumps(about | {"format": 99}))
    shutil.rmtree(folders[2] / "contestants")
    found = store.history()
    assert len(found.table) == 1
    assert len(found.skipped) == 3
    assert any("use a newer workbench" in sentence for sentence in found.skipped)
    assert all(len(sentence.splitlines()) == 1 for sentence in found.skipped)


def test_where_no_run_can_be_read_it_says_why(store):
    store.fill([1e-4] * 2)
    for folder in store.root.iterdir():
        (folder / "run.json").write_text("{")
    with pytest.raises(WorkbenchError, match=r"no run in .* can be read: run .* is damaged: run\.json: "):
        store.history()


def test_with_an_index_no_run_is_opened(store, monkeypatch):
    store.fill([1e-4, 2e-4])
    cold = store.history().rows
    monkeypatch.setattr(results, "load", lambda *_: pytest.fail("a run was opened"))
    assert store.history().rows == cold


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1, "runs": {}}', None])
def test_an_index_that_is_lost_old_or_damaged_is_made_again(store, damage):
    store.fill([1e-4, 2e-4])
    before = store.history().rows
    file = store.root / index.NAME
    kept = file.read_text()
    file.unlink() if damage is None else file.write_text(damage)
    assert store.history().rows == before
    assert file.read_text() == kept


def steady_of(entry):
    return entry["contestants"]["numpy_manual"]["stages"]["train"]["steady"]


LIES = {
    "text_for_a_time": lambda entry: steady_of(entry).update(seconds="fast"),
    "negative_time": lambda entry: steady_of(entry).update(seconds=-1.0),
    "no_contestants": lambda entry: entry.update(contestants=None),
    "no_machine": lambda entry: entry.update(machine={}),
    "half_an_entry": lambda entry: entry.pop("workbench"),
    "another_outcome": lambda entry: entry["contestants"]["numpy_manual"].update(outcome="fine"),
    "another_run": lambda entry: entry.update(run="../elsewhere"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_entry_that_makes_no_sense_is_read_from_its_run(store, lie):
    store.fill([1e-4, 2e-4])
    before = store.history().rows
    file = store.root / index.NAME
    value = json.loads(file.read_text())
    LIES[lie](next(iter(value["runs"].values()))["about"])
    file.write_text(json.dumps(value))
    assert store.history().rows == before


def test_a_run_that_changed_is_read_again(store):
    folder = store.add(1e-4)
    store.history()
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(about | {"machine_key": "changed00000"}))
    assert store.history().series[0].conditions.machine == "changed00000"


def test_the_list_of_runs_and_the_history_share_the_index(store):
    store.fill([1e-4, 2e-4])
    listed, _ = index.runs(store.root)
    assert [run.run for run in listed] == [row["run"] for row in reversed(store.history().rows)]
    assert "contestants" not in listing.run_facts(listed[0], store.root)


def test_texts_of_runs_are_one_harmless_line(store):
    store.add(versions={"numpy": "1"})
    store.add(versions={"numpy": "<b>\x1b[31m\n2"})
    page = store.history()._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "\x1b" not in page


def test_what_no_run_has_is_refused_with_the_nearest_that_is_there(store):
    with pytest.raises(WorkbenchError, match="no runs in"):
        store.history()
    store.add()
    with pytest.raises(WorkbenchError, match="did you mean numpy_manual"):
        workbench.history("linreg", "numpy_manua", results=store.root)
    with pytest.raises(WorkbenchError, match="did you mean linreg"):
        workbench.history("linreq", "numpy_manual", results=store.root)


def test_the_plot_has_a_panel_per_series_a_line_per_level_and_the_size_of_the_jump(store, tmp_path):
    rng = np.random.default_rng(9)
    store.fill(1e-4 * np.exp(noise(rng, 20, 0.004) + planted(12, 20, 1.1)))
    store.add(machine_key="another00000")
    found = store.history()
    figure = found.plot()
    assert len(figure.axes) == 2
    assert [text.get_text()[:3] for axes in figure.axes for text in axes.texts] == [
        f"{found.table['jump'].max():+.1%}"[:3]
    ]
    assert found.save(tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_series_without_a_time_are_drawn_as_such(store):
    store.add(outcome="error")
    assert [text.get_text() for text in store.history().plot().axes[0].texts] == ["no run has a time"]


def test_the_command_line_prints_the_last_runs_and_the_jumps_and_all_of_them_as_json(store, cli, tmp_path):
    rng = np.random.default_rng(10)
    store.fill(1e-4 * np.exp(noise(rng, 40, 0.004) + planted(8, 40, 1.1)))
    done = cli("history", "linreg", "numpy_manual", "--results", store.root, "-o", tmp_path / "plot.svg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("-linreg-points-") == show.SHOWN + 1
    assert "drift of the machine, which no statistics can remove" in " ".join(done.stdout.split())
    assert (tmp_path / "plot.svg").is_file()
    value = json.loads(cli("history", "linreg", "numpy_manual", "--results", store.root, "--json").stdout)
    assert len(value["series"][0]["points"]) == 40
    assert len(value["series"][0]["jumps"]) == 1


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
@pytest.mark.parametrize("epoch", ["abc", "99999999999999999"])
def test_a_plot_has_no_date_so_none_can_be_odd(store, monkeypatch, tmp_path, kind, epoch):
    store.fill([1e-4, 1e-4])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert store.history().save(tmp_path / f"plot.{kind}").stat().st_size > 0


def test_a_plot_of_another_kind_is_refused_before_anything_is_read(cli, tmp_path):
    done = cli("history", "linreg", "numpy_manual", "-o", "plot.txt", cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert ".png, .svg or .pdf" in done.stderr
