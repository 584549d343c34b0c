"""Runs that earlier formats recorded: they load, show, report and compare, and their figures are what they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import workbench
from workbench import api
from workbench.errors import WorkbenchError
from workbench.show import exports, tables
from workbench.store import index

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
    for name in shared:
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
