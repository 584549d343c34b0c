"""Version against version: what is asked for, what each environment holds, and what the report says."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

import workbench
from workbench import testing
from workbench.catalog import catalog
from workbench.comparison import versions as upgrades
from workbench.errors import WorkbenchError
from workbench.host import venvs
from workbench.model import metric
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.show import versions as show
from workbench.show.run import Run


def test_versions_of_one_package_are_read_from_a_text_or_a_list():
    assert upgrades.parse("torch==2.12, torch==2.13") == upgrades.parse(["torch==2.12", "torch == 2.13"])
    assert upgrades.parse("jax[cuda13]==0.9.2,jax==0.10.2")[0] == upgrades.Version("jax", "0.9.2", "jax[cuda13]==0.9.2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numpy", "'numpy' does not pin a version"),
        ("numpy>=2,numpy==2.4", "'numpy>=2' does not pin a version"),
        ("numpy==2.*,numpy==2.4", "does not pin a version"),
        ("numpy==2.2", "two or more different versions"),
        ("numpy==2.2,numpy==2.2", "two or more different versions"),
        ("", "two or more different versions"),
        ("numpy==2.2,jax==0.9", "not of numpy and jax"),
        ("--index-url=x,numpy==2.2", "does not pin a version"),
        ("numpy===2.2,numpy==2.4", "'numpy===2.2' does not pin a version"),
        ("numpy==2.2; python_version>'3',numpy==2.4", "does not pin a version"),
        ("numpy @ https://example.org/numpy.whl,numpy==2.4", "does not pin a version"),
    ],
)
def test_what_names_no_two_versions_is_one_sentence(text, said):
    with pytest.raises(WorkbenchError, match=said.replace("*", r"\*")):
        upgrades.parse(text)


def test_the_frontends_are_those_that_import_the_package():
    found = catalog()
    assert [frontend.id for frontend in upgrades.frontends_of(found, "jax", "linreg")] == [
        "jax_jit",
        "jax_scan",
        "jax_op_by_op",
        "keras_jax",
    ]
    assert {frontend.folder for frontend in upgrades.frontends_of(found, "tensorflow-cpu", "linreg")} == {
        "tf1",
        "tf2",
        "keras",
    }
    assert [frontend.id for frontend in upgrades.frontends_of(found, "numpy", "linreg")] == ["numpy_manual"]
    with pytest.raises(WorkbenchError, match="no frontend imports scipy directly"):
        upgrades.frontends_of(found, "scipy", "linreg")


def test_every_version_is_a_contestant_of_one_session_and_compared_within_its_frontend():
    chosen = catalog().select(["pytorch"])
    made = upgrades.contestants_of(catalog(), chosen, upgrades.parse("torch==2.12,torch==2.13"))
    assert [contestant.id for contestant in made] == [
        f"{frontend.id}@{version}" for frontend in chosen for version in ("2.12", "2.13")
    ]
    assert [contestant.group for contestant in made] == [frontend.id for frontend in chosen for _ in range(2)]
    assert made[1].source == "torch==2.13"


@pytest.fixture
def tested(monkeypatch):
    """Constraints of a checkout."""
    lines = ("numpy==2.4.6", "jax==0.10.2", "jaxlib==0.10.2", "tensorflow-cpu==2.21.0", "pandas==3.1.1")
    monkeypatch.setattr(venvs, "tested_versions", lambda: lines)


def test_all_packages_but_the_varied_one_are_held_to_the_tested_versions(tested):
    needed, stages = upgrades.needs(catalog().frontends["jax_jit"], "jax==0.9.2")
    assert needed == ["jax==0.9.2", "jaxlib", "numpy", "threadpoolctl"]
    assert stages[0] == ("numpy==2.4.6", "jaxlib==0.10.2", "tensorflow-cpu==2.21.0", "pandas==3.1.1")
    assert stages[1] == ("numpy==2.4.6", "tensorflow-cpu==2.21.0", "pandas==3.1.1")  # a jaxlib belongs to its jax
    assert stages[2] == ()


def test_numpy_can_be_varied_below_another_frontend(tested):
    needed, stages = upgrades.needs(catalog().frontends["pytorch_eager"], "numpy==2.2.6")
    assert needed == ["numpy==2.2.6", "torch", "threadpoolctl"]
    assert "numpy==2.4.6" not in stages[0]
    assert "jax==0.10.2" in stages[0]


def test_one_build_of_a_framework_takes_the_place_of_another(tested):
    needed, _ = upgrades.needs(catalog().frontends["tf2_eager"], "tensorflow==2.20.0")
    assert needed == ["tensorflow==2.20.0", "numpy", "threadpoolctl"]


@pytest.fixture
def make_run(tmp_path, numpy_run):
    """Makes a run of two versions from one: head takes ``factor`` times as long over 8 launches, and may fail."""

    def make(factor=1.1, shift=0.0, stages=("train",), metrics=((), ()), **head) -> Run:
        path = tmp_path / "20260101-000000-linreg-points-aaaaaa"
        shutil.copytree(numpy_run.path, path)
        noise = np.random.default_rng(0).normal(0, 0.002, (2, 8, 5))
        contestants = []
        for number, version in enumerate(("2.2.6", "2.4.6")):
            launches = [
                testing.launch(launch, [1e-4 * factor**number * float(np.exp(x)) for x in noise[number, launch]])
                for launch in range(8)
            ]
            for launch in launches:
                launch.blocks = {stage: launch.of() for stage in stages}
                launch.metrics = dict(metrics[number])
            name = f"numpy_manual@{version}"
            shutil.copytree(path / "contestants" / "numpy_manual", path / "contestants" / name)
            one = testing.contestant(
                name,
                launches,
                frontend="numpy_manual",
                group="numpy_manual",
                side=version,
                source=f"numpy=={version}",
                proof=numpy_run.contestants[0].proof,
            )
            contestants.append(one)
        proof = path / "contestants" / "numpy_manual@2.4.6" / "proof.npz"
        arrays = dict(np.load(proof))
        arrays["losses"] = arrays["losses"] * (1 + shift)
        arrays["result/parameters/w"] = arrays["result/parameters/w"] * (1 + shift)
        np.savez(proof, **arrays)
        contestants[1] = dataclasses.replace(contestants[1], **head)
        return Run(path, dataclasses.replace(numpy_run.record, rounds=[], contestants=contestants))

    return make


def test_a_slower_version_is_found_with_its_ratio(make_run):
    base, head = show.VersionsReport(make_run(1.1)).rows
    assert (base.verdict, base.comparison) == (None, None)
    assert head.verdict == "slower"
    assert head.comparison.low < 1.1 < head.comparison.high
    assert head.base == "numpy_manual@2.2.6"
    assert "numpy_manual@2.4.6 takes more time than numpy_manual@2.2.6" in head.comparison.reason


def test_every_stage_has_its_rows_and_its_unit(make_run):
    report = show.VersionsReport(make_run(1.1, stages=("train", "infer")))
    assert [(row.stage, row.verdict) for row in report.rows] == [
        ("train", None),
        ("train", "slower"),
        ("infer", None),
        ("infer", "slower"),
    ]
    assert report.table["call_s"].isna().tolist() == [True, True, False, False]
    assert report.table["step_s"].isna().tolist() == [False, False, True, True]
    assert "call_s" in report.as_json()["rows"][3]
    assert ">call</th>" in report._repr_html_()


def test_metrics_stand_in_a_column_with_their_change_from_the_base(make_run, monkeypatch):
    monkeypatch.setattr(metric, "METRICS", (Metric("artefact", "artefact", "bytes", Direction.LOWER, "its size"),))
    report = show.VersionsReport(make_run(metrics=({"artefact": 2048.0}, {"artefact": 1024.0})))
    assert "2.0 KiB → 1.0 KiB (-50.0 %)" in report._repr_html_()
    assert report.table["artefact"].tolist() == [2048, 1024]
    assert report.as_json()["rows"][1]["artefact_change"] == -0.5


def test_the_same_version_twice_is_the_same(make_run):
    assert upgrades.rows(make_run(1.0))[1].verdict == "same"


def test_numbers_that_did_not_move_are_exact_and_those_that_did_are_told(make_run, tmp_path):
    still = upgrades.rows(make_run())[1]
    assert still.drift == upgrades.Drift(0, 0)
    shutil.rmtree(next(tmp_path.iterdir()))
    moved = upgrades.rows(make_run(shift=1e-3))[1]
    assert 1e-4 < moved.drift.losses <= 1.1e-3
    assert 1e-4 < moved.drift.results <= 1.1e-3
    assert moved.off_by == still.off_by


@pytest.mark.parametrize(
    "change", [{"outcome": Outcome.UNAVAILABLE, "launches": [], "proof": None}, {"outcome": Outcome.ERROR}]
)
def test_a_version_without_a_time_is_not_comparable_and_keeps_its_reason(make_run, change):
    run = make_run(**change, reason="cannot be installed: <no> matching")
    report = show.VersionsReport(run)
    head = report.rows[1]
    assert (head.verdict, head.comparison.ratio, head.steady) == ("not comparable", None, None)
    assert any("cannot be installed" in note for note in show.notes(report))
    assert "&lt;no&gt;" in report._repr_html_()
    assert "<no>" not in report._repr_html_()


def test_results_of_other_shapes_or_that_are_not_finite_have_no_drift():
    one = {"parameters/w": np.ones(3)}
    assert upgrades.result_drift(one, {"parameters/w": np.ones(2)}) is None
    assert upgrades.result_drift(one, {"parameters/v": np.ones(3)}) is None
    assert upgrades.result_drift(one, {"parameters/w": np.array([1.0, np.nan, 1.0])}) is None
    assert upgrades.result_drift(one, {"parameters/w": np.array([1.0, 1.5, 1.0])}) == 0.5


def test_other_packages_that_differ_are_named_and_the_compared_one_is_not(make_run):
    packages = {
        "numpy_manual@2.2.6": {"numpy": "2.2.6", "scipy": "1.16.0", "pip": "1"},
        "numpy_manual@2.4.6": {"numpy": "2.4.6", "scipy": "1.17.1", "pip": "1"},
    }
    report = show.VersionsReport(make_run(), packages)
    assert report.also_differs == {"numpy_manual": {"scipy": ["1.16.0", "1.17.1"]}}
    assert any("scipy 1.16.0 / 1.17.1" in note for note in show.notes(report))


def test_the_report_is_a_frame_a_page_and_json(make_run):
    report = show.VersionsReport(make_run())
    assert list(report.table["version"]) == ["numpy==2.2.6", "numpy==2.4.6"]
    assert report.table["ratio"].isna().tolist() == [True, False]
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["rows"][1]["verdict"] == "slower"
    assert "numpy==2.4.6" in report._repr_html_()


def test_a_version_that_cannot_be_installed_is_a_row_and_the_others_are_measured(tmp_path, monkeypatch, quick):
    import sys

    def provide(requirements, constraints, say, root):
        say(f"installing {requirements[0]}")
        if requirements[0] == "numpy==99":
            raise venvs.BuildFailedError("No matching distribution found for numpy==99")
        return venvs.Environment(sys.executable, {"numpy": "2.4.6"}, ())

    monkeypatch.setattr(venvs, "provide", provide)
    report = workbench.versions("numpy==99,numpy==2.4.6", "linreg", steps=3, output=tmp_path, **quick)
    assert list(report.table["outcome"]) == ["unavailable", "ok"]
    assert report.rows[0].reason == "cannot be installed: No matching distribution found for numpy==99"
    assert report.rows[1].verdict == "not comparable"
    assert workbench.load(report.run.path).rows[0].outcome is Outcome.UNAVAILABLE


def test_versions_are_measured_with_the_options_of_a_run(tmp_path, monkeypatch, quick):
    import sys

    monkeypatch.setattr(venvs, "provide", lambda *_: venvs.Environment(sys.executable, {"numpy": "2.4.6"}, ()))
    options = {"profile": "stock", "sweep": "size", "warm_cache": True, "max_alive": 1, "timeout_s": "2m"}
    report = workbench.versions("numpy==2.2.6,numpy==2.4.6", "linreg", steps=3, output=tmp_path, **options, **quick)
    settings = report.run.record.settings
    assert (settings.profile, settings.warm_cache, settings.max_alive) == ("stock", True, 1)
    assert settings.timeout_s == 120
    assert set(report.run.sweep["contestant"]) == {"numpy_manual@2.2.6", "numpy_manual@2.4.6"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["numpy==1", "linreg"], "two or more"),
        (["numpy==1,numpy==2", "linregg"], "did you mean linreg?"),
        (["numpy==1,numpy==2", "linreg", "--launches", "0"], "--launches 0"),
        (["numpy==1,numpy==2", "linreg", "-f", "nump"], "did you mean"),
    ],
)
def test_the_command_line_refuses_what_makes_no_sense_and_writes_nothing(cli, tmp_path, words, said):
    done = cli("versions", *words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
