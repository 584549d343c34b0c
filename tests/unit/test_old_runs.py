"""Runs that earlier formats recorded: they load, show, report and compare, and their figures are what they were."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import workbench
from workbench import api
from workbench.errors import WorkbenchError
from workbench.model.events import LaunchMeasured
from workbench.show import exports, tables
from workbench.store import eventlog, index, results

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RUNS = sorted(path for path in FIXTURES.glob("format*/2*"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy of the runs that format 1 recorded, for who writes."""
    return Path(shutil.copytree(FIXTURES / "format1", tmp_path / "store"))


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_the_table_of_an_old_run_is_what_it_was(folder):
    then = pd.read_csv(folder / "summary.csv").rename(columns={"frontend": "contestant"})  # as format 1 called the id
    now = workbench.load(folder).table
    shared = [name for name in then.columns if name in now.columns]
    assert {"contestant", "outcome", "step_s", "relative_step", "rank", "total_s", "peak_bytes"} <= set(shared)
    changed = {"interval", "step_s_low", "step_s_high", "rank"}  # which have one definition since
    for name in set(shared) - changed - {"log"}:  # which is not there
        if now[name].dtype.kind == "f":
            pd.testing.assert_series_equal(now[name], then[name].astype(float), check_exact=False, rtol=1e-12)
        elif not pd.api.types.is_numeric_dtype(then[name]) and name != "warnings":
            assert [*now[name].fillna("").map(str)] == [*then[name].fillna("").map(str)]


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_an_old_run_is_shown_everywhere(folder, tmp_path):
    run = workbench.load(folder)
    assert tables.markdown(run)
    assert run._repr_html_()
    assert [*tables.terminal(run, more=True)]
    assert len(run.losses) >= 30
    workbench.write_report(run, tmp_path / "report.html")
    for to in ("csv", "latex", "markdown"):
        exports.export(run, to, tmp_path / to)


def test_old_runs_are_listed_compared_and_followed(store):
    runs, damaged = index.runs(store)
    assert (len(runs), damaged) == (len([*store.glob("2*")]), [])
    gate = workbench.compare("20261126-144355", "20261126-144401", store=store)
    assert gate.rows[0].ratio is not None
    found = workbench.history("linreg", "numpy_manual", results=store)
    assert sum(len(series.timed) for series in found.series) >= 5


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_an_old_run_is_rebuilt_from_its_log(folder, store):
    before = workbench.load(folder).table
    pd.testing.assert_frame_equal(api.rebuild(folder.name, store).table, before)


def test_a_killed_run_of_before_shows_what_it_had(store):
    name = index.unfinished(store)[0].run
    table = api.rebuild(name, store).table
    assert set(table["outcome"]) == {"ok"}
    with pytest.raises(WorkbenchError, match="cannot be resumed"):
        api.resume(name, store)


def test_a_run_that_another_version_resumed_keeps_both_of_their_launches(store):
    """The first events are of format 1, those that this workbench appends of its own."""
    folder = next(path for path in sorted(store.glob("2*")) if (path / eventlog.NAME).is_file())
    before = results.events_of(folder)
    launch = next(event for event in before if isinstance(event, LaunchMeasured))
    later = dataclasses.replace(launch, launch=dataclasses.replace(launch.launch, number=99))
    log = eventlog.EventLog(folder)
    log.append(later)
    log.close()
    assert results.events_of(folder) == [*before, later]


@pytest.mark.parametrize("missing", ["mode", "title", "framework", "folder"])
def test_what_early_runs_did_not_record_yet_is_no_damage(store, missing):
    folder = next(iter(sorted(store.glob("2*"))))
    for file in folder.glob("contestants/*/samples.json"):
        value = json.loads(file.read_text())
        del value[missing]
        for launch in value["launches"]:
            launch.pop("stage", None)
            launch.pop("wait_s", None)
            launch["observed"]["versions"] = {"numpy": "2"}  # where they stood at first
        file.write_text(json.dumps(value))
    assert len(workbench.load(folder).rows) == len(workbench.load(folder).contestants)


def test_a_rebuild_that_was_cut_short_leaves_a_readable_run(store):
    """Each file says its own format, so that new ones may stand beside old ones."""
    folder = next(path for path in sorted(store.glob("2*")) if (path / eventlog.NAME).is_file())
    old, rows = (folder / "run.json").read_bytes(), workbench.load(folder).rows
    api.rebuild(folder)
    (folder / "run.json").write_bytes(old)
    assert workbench.load(folder).rows == rows


def test_one_run_with_impossible_times_does_not_hide_the_others(store):
    folder = next(iter(sorted(store.glob("2*"))))
    for file in folder.glob("contestants/*/samples.json"):
        value = json.loads(file.read_text())
        for launch in value["launches"]:
            launch["blocks"] = [1e308 for _ in launch["blocks"]]
        file.write_text(json.dumps(value))
    runs, damaged = index.runs(store)
    assert len(damaged) == 1
    assert folder.name in damaged[0]
    assert len(runs) == len([*store.glob("2*")]) - 1


def test_two_runs_without_a_common_contestant_are_not_said_to_agree(store):
    gate = workbench.compare("20261126-144407", "20261126-144428", store=store)
    assert {row.finding for row in gate.rows} <= {"new", "removed"}
    assert gate.exit_code == 3
