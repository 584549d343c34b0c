"""Runs on disk: found by folder, id, the beginning of one or latest; damaged or newer ones are one clear sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

import workbench
from workbench.catalog import catalog
from workbench.errors import WorkbenchError
from workbench.model.records import Blocks, Launch, Settings
from workbench.session import runner
from workbench.store import upgrade


@pytest.fixture
def store(tmp_path, numpy_run):
    """A store with one run in it."""
    shutil.copytree(numpy_run.path, tmp_path / "20260101-000000-linreg-points-aaaaaa")
    return tmp_path


@pytest.fixture
def run(store):
    """The folder of that run, to be damaged."""
    return next(store.iterdir())


@pytest.fixture
def two(store, run):
    """A store with a newer run besides, and with what is no run at all."""
    shutil.copytree(run, store / "20260102-000000-linreg-points-aaaabb")
    shutil.copytree(run, store / ".partial-20260103-000000-linreg-points-cccccc")
    (store / "baselines").mkdir()
    (store / "README.md").touch()
    return store


def refused(path, store=None) -> str:
    with pytest.raises(WorkbenchError) as raised:
        workbench.load(path, store)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


def change_json(path, change) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("name", ["20260101-000000-linreg-points-aaaaaa", "20260101", "latest"])
def test_a_run_is_found_by_its_id_or_the_beginning_of_it(store, run, name):
    assert workbench.load(name, store).path == run


def test_a_run_is_found_by_its_folder(run):
    assert workbench.load(run).id == workbench.load(str(run)).id == run.name


def test_latest_is_the_newest_finished_run(two):
    assert workbench.load("latest", two).id == "20260102-000000-linreg-points-aaaabb"
    assert [found.id[:8] for found in workbench.results_of(two)] == ["20260102", "20260101"]


def test_a_whole_id_is_no_beginning_of_another(store, run):
    shutil.copytree(run, run.with_name(f"{run.name}-backup"))
    assert workbench.load(run.name, store).path == run


def test_a_beginning_that_fits_two_is_refused(two):
    assert "'2026' matches 2 runs" in refused("2026", two)


@pytest.mark.parametrize("name", ["latest", "2026", "no/such/folder", ".."])
def test_what_is_not_there_is_refused_with_what_lists_the_runs(tmp_path, name):
    assert "`workbench results` lists the runs" in refused(name, tmp_path / "empty")


@pytest.mark.parametrize("name", ["20260103", "20260103-000000-linreg-points-cccccc", ".partial-20260103"])
def test_an_unfinished_run_is_not_called_missing(name, two):
    said = "run 20260103-000000-linreg-points-cccccc is unfinished: `workbench results` says how to finish it"
    assert said in refused(name, two)
    folder = two / ".partial-20260103-000000-linreg-points-cccccc"
    (folder / "run.json").unlink()  # as of one that was cut off
    assert said in refused(name, two)
    assert said in refused(folder, two)


@pytest.mark.parametrize("seconds", [5e-324, 1e-300, 1e-16])
def test_a_time_in_which_nothing_can_happen_is_damage(run, seconds):
    """One such time made the history of all runs end in a traceback."""
    file = run / "contestants/numpy_manual/samples.json"
    record = json.loads(file.read_text())
    record["launches"][0]["blocks"]["train"]["seconds"][0] = seconds
    file.write_text(json.dumps(record))
    with pytest.raises(WorkbenchError, match=r"is damaged: samples.json: .*times of blocks must be above 1e-15 s"):
        workbench.load(run)


def test_a_store_that_is_not_there_has_no_runs(tmp_path):
    assert workbench.results_of(tmp_path / "nowhere") == []


def test_a_loaded_run_is_the_run_that_was_measured(run, numpy_run):
    again = workbench.load(run)
    assert again.record == numpy_run.record
    assert again.table.equals(numpy_run.table)
    assert again.losses.equals(numpy_run.losses)
    assert again.losses.columns.tolist() == ["reference", "numpy_manual"]
    assert set(again.result("numpy_manual")) == {"parameters/w", "parameters/b", "predictions"}


def test_a_run_folder_holds_what_its_docstring_promises(run):
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    mine = {f"contestants/numpy_manual/{name}" for name in ("samples.json", "proof.npz", "log.txt")}
    summaries = {"summary.json", "summary.csv", "summary.md", "losses.csv"}
    pictures = {"loss.png", "loss.svg", "time.png", "time.svg"}
    assert names >= {"run.json", "problem.npz", "reference.npz"} | mine | summaries | pictures
    assert not [name for name in names if "partial" in name]


def test_a_run_says_how_it_was_made(run):
    info = json.loads((run / "run.json").read_text())
    assert info["format"] == upgrade.FORMAT
    assert info["workbench"] == workbench.__version__
    assert {"machine", "machine_key", "settings", "problem", "started", "finished", "command"} <= set(info)
    assert info["settings"]["seed"] == 0
    assert info["started"] <= info["finished"]


def test_a_result_that_is_not_there_is_refused_with_those_that_are(run):
    with pytest.raises(WorkbenchError, match="no result of 'jax_jit': choose from reference, numpy_manual"):
        workbench.load(run).result("jax_jit")


def test_who_failed_before_it_was_timed_has_a_proof_and_no_losses(run):
    """In float64, say: the others' losses are there all the same. Who has a time left its losses, too."""
    (run / "contestants" / "numpy_manual" / "proof.npz").unlink()
    file = run / "contestants" / "numpy_manual" / "samples.json"
    samples = json.loads(file.read_text())
    assert samples["proof"]["checks"]
    file.write_text(json.dumps({**samples, "outcome": "invalid", "reason": "in float64, check_first_loss: planted"}))
    found = workbench.load(run)
    assert found.losses.columns.tolist() == ["reference"]
    assert found.table["outcome"].tolist() == ["invalid"]
    with pytest.raises(WorkbenchError, match=r"no result of 'numpy_manual': choose from reference$"):
        found.result("numpy_manual")


DAMAGE = {
    "empty": b"",
    "truncated": b'{"format": 1, "settings": {',
    "garbage": b"\xff\xfe\x00garbage",
    "list": b"[1, 2]",
    "null": b"null",
    "number": b"3",
    "half_an_object": b'{"format": 2}',
    "contestants_of_another_kind": b'{"format": 2, "contestants": 3}',
    "half_of_an_older_one": b'{"format": 1}',
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_one_sentence(run, damage):
    (run / "run.json").write_bytes(DAMAGE[damage])
    assert f"run {run.name} is damaged: run.json" in refused(run)


@pytest.mark.parametrize("name", ["../victim", "x/y", "", "n" * 300, "Train", "\0", "in fer"])
def test_a_stage_of_another_name_than_files_can_have_is_damage(run, name):
    """What is drawn and exported has the stage's name in that of its file."""
    (path,) = run.glob("contestants/*/samples.json")
    samples = json.loads(path.read_text())
    samples["launches"][0]["blocks"][name] = samples["launches"][0]["blocks"]["train"]
    path.write_text(json.dumps(samples))
    assert "is no name of a stage" in refused(run)


def test_a_run_that_lists_a_contestant_twice_is_damaged(run):
    """Its table would have two rows of one id."""
    change_json(run / "run.json", lambda value: value["contestants"].append("numpy_manual"))
    assert "run.json: it lists 'numpy_manual' twice" in refused(run)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_samples_are_one_sentence(run, damage):
    (run / "contestants" / "numpy_manual" / "samples.json").write_bytes(DAMAGE[damage])
    said = refused(run)
    assert f"run {run.name} is damaged: " in said
    assert "samples.json" in said


def test_samples_that_are_gone_are_one_sentence(run):
    (run / "contestants" / "numpy_manual" / "samples.json").unlink()
    assert "contestants/numpy_manual/samples.json" in refused(run)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_does_not_hide_the_others(two, run, damage):
    (run / "run.json").write_bytes(DAMAGE[damage])
    assert [found.id[:8] for found in workbench.results_of(two)] == ["20260102"]


@pytest.mark.parametrize("file", ["reference.npz", "contestants/numpy_manual/proof.npz"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "gone", "without_losses"])
def test_damaged_arrays_are_one_sentence_and_the_table_is_still_there(run, file, damage):
    if damage == "gone":
        (run / file).unlink()
    elif damage == "without_losses":
        np.savez(run / file, other=np.zeros(3))
    else:
        (run / file).write_bytes(DAMAGE[damage])
    found = workbench.load(run)
    assert found.table["outcome"].tolist() == ["ok"]
    with pytest.raises(WorkbenchError, match=f"run {run.name} is damaged: {file}") as raised:
        assert found.losses.empty
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("version", [upgrade.FORMAT + 1, 99])
def test_a_newer_format_is_refused(run, version):
    change_json(run / "run.json", lambda value: value.update(format=version))
    said = refused(run)
    assert f"has format {version}, but" in said
    assert "use a newer workbench" in said


@pytest.mark.parametrize("version", ["1", None, 1.5, 0])
def test_what_is_no_format_number_is_damage(run, version):
    change_json(run / "run.json", lambda value: value.update(format=version))
    assert f"{str(version)!r} is not a valid format number" in refused(run)


def test_two_runs_at_once_never_meet(tmp_path, quick):
    first, second = (workbench.run("linreg", "numpy", steps=2, output=tmp_path, **quick) for _ in range(2))
    assert first.id != second.id
    assert {path.name for path in tmp_path.iterdir()} == {first.id, second.id}


@pytest.mark.parametrize("file", ["run.json", "contestants/numpy_manual/samples.json"])
def test_a_field_that_is_not_known_yet_is_no_damage(run, file):
    before = workbench.load(run).record
    change_json(run / file, lambda value: value.update(from_the_future={"a": [1]}))
    assert workbench.load(run).record == before


def test_a_field_that_was_added_later_is_no_damage(run):
    """Every field with a default may be missing: a run of before it was added stays whole."""
    optional = {field.name for field in dataclasses.fields(Launch) if field.default_factory is not dataclasses.MISSING}
    optional |= {field.name for field in dataclasses.fields(Launch) if field.default is not dataclasses.MISSING}

    def strip(value):
        for launch in value["launches"]:
            for name in optional:
                del launch[name]

    change_json(run / "contestants" / "numpy_manual" / "samples.json", strip)
    (launch,) = workbench.load(run).contestants[0].launches
    assert (launch.blocks, launch.metrics, launch.purpose) == ({}, {}, "")


def test_a_field_of_another_type_is_damage(run):
    change_json(run / "run.json", lambda value: value["settings"].update(rounds="many"))
    assert "run.json: Expected `int`, got `str` - at `$.settings.rounds`" in refused(run)


def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(two, monkeypatch):
    def denied(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", denied)
    assert "the folder of runs cannot be read: Permission denied" in refused("latest", two)


@pytest.mark.parametrize("stage", ["nope", None, b"x", []])
def test_a_stage_that_does_not_exist_is_told(store, stage):
    with pytest.raises(WorkbenchError, match=r"has no stage .*: choose from train"):
        workbench.load("latest", store).rows_of(stage)


def test_a_folder_that_cannot_hold_runs_is_refused_before_anything_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(runner, "_exclusively", lambda *_: pytest.fail("it waited for other sessions"))
    settings = Settings(task="linreg", preset="points")
    with pytest.raises(WorkbenchError, match=r"cannot write results to .*runs: Not a directory; choose another"):
        runner.measure(catalog(), [], settings, tmp_path / "file" / "runs")


def test_blocks_without_a_round_each_are_refused():
    with pytest.raises(ValueError, match="2 blocks have 1 rounds, expected one each"):
        Blocks(seconds=[1e-3, 1e-3], rounds=[0])
