"""Runs made at different times: what is compared, what is not, and the unpaired statistics behind it."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench import testing
from workbench.comparison import unpaired
from workbench.errors import WorkbenchError
from workbench.model import metric
from workbench.model.device import Device
from workbench.model.metric import Direction, Metric
from workbench.model.outcomes import Outcome
from workbench.show import gate as report
from workbench.show.gate import Gate
from workbench.show.run import Run
from workbench.statistics import ALPHA, Verdict, compare_unpaired

# Statistics


def noisy(seed, count, change=0.0, noise=0.01):
    return 1e-3 * (1 + change) * np.exp(noise * np.random.default_rng(seed).standard_normal(count))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [(0.0, Verdict.same), (0.1, Verdict.slower), (-0.1, Verdict.faster), (0.027, Verdict.inconclusive)],
)
def test_the_verdict(change, verdict):
    assert compare_unpaired(noisy(0, 20, noise=0.005), noisy(1, 20, change, noise=0.005)).verdict is verdict


@given(st.integers(5, 12), st.integers(5, 12), st.integers(0, 10_000))
def test_its_p_value_is_scipys_and_its_interval_inverts_the_test(n, m, seed):
    base, head = noisy(seed, n), noisy(seed + 1, m, 0.02)
    found = compare_unpaired(base, head)

    def p(shift):
        return stats.mannwhitneyu(np.log(head) - shift, np.log(base), method="exact").pvalue

    assert found.p == pytest.approx(p(0.0))
    assert found.low <= found.ratio <= found.high
    for end, inwards in ((found.low, 1e-9), (found.high, -1e-9)):
        assert p(math.log(end) + inwards) >= ALPHA > p(math.log(end) - inwards)


def test_exchanging_the_sides_exchanges_the_verdict():
    there, back = compare_unpaired(noisy(0, 9), noisy(1, 12, 0.1)), compare_unpaired(noisy(1, 12, 0.1), noisy(0, 9))
    assert (there.verdict, back.verdict) == (Verdict.slower, Verdict.faster)
    assert there.ratio == pytest.approx(1 / back.ratio)


def test_identical_code_is_called_otherwise_less_often_than_alpha():
    verdicts = [
        compare_unpaired(noisy(2 * s, 8, noise=0.1), noisy(2 * s + 1, 8, noise=0.1)).verdict for s in range(300)
    ]
    assert sum(verdict in (Verdict.slower, Verdict.faster) for verdict in verdicts) <= 0.02 * 300 + 3 * 2.4


@pytest.mark.parametrize("counts", [(1, 1), (2, 2), (4, 4), (1, 20)])
def test_few_launches_are_inconclusive_and_give_the_range(counts):
    base, head = noisy(0, counts[0]), noisy(1, counts[1], 0.5)
    found = compare_unpaired(base, head)
    assert (found.verdict, found.p) == (Verdict.inconclusive, None)
    assert found.more_launches >= 1
    assert (found.low, found.high) == pytest.approx((head.min() / base.max(), head.max() / base.min()))


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        (None, [1.0], Verdict.not_comparable),
        ([], [1.0], Verdict.failed),
        ([1.0], [math.nan], Verdict.failed),
        ([1.0] * 9, [1.0] * 9, Verdict.same),
        ([1.0] * 9, [2.0] * 8, Verdict.slower),
    ],
)
def test_every_kind_of_data_gets_an_answer(base, head, verdict):
    assert compare_unpaired(base, head).verdict is verdict


def test_a_mistake_in_the_call_is_said():
    with pytest.raises(ValueError, match="delta"):
        compare_unpaired([1.0], [1.0], delta=-1)
    with pytest.raises(ValueError, match="alpha"):
        compare_unpaired([1.0], [1.0], alpha=0)


# Rows


def launches(seed, change=0.0, stage="train"):
    """Eight launches of one block each."""
    times = enumerate(noisy(seed, 8, change))
    return [testing.launch(number, [float(seconds)], stage=stage, rounds=[number]) for number, seconds in times]


def run(name, *contestants, **fields):
    rounds = [dataclasses.replace(testing.rounds(1, 1)[0], launch=number, number=number) for number in range(8)]
    return testing.run(Path(name), *contestants, **{"rounds": rounds, **fields})


@pytest.fixture
def runs():
    """Two runs of eight launches each, the second a tenth slower, to be changed."""
    return [
        run(name, testing.contestant("numpy_manual", launches(seed, change)))
        for seed, (name, change) in enumerate({"base": 0.0, "head": 0.1}.items())
    ]


def changed(found, **fields):
    return Run(found.path, dataclasses.replace(found.record, **fields))


def only(runs):
    (row,) = unpaired.rows(*runs, delta=0.03)
    return row


def test_runs_of_one_machine_and_problem_are_compared(runs):
    row = only(runs)
    assert row.finding == "slower"
    assert row.ratio == pytest.approx(1.1, rel=0.02)
    assert (row.stage, row.launches, row.run) == ("train", 16, "head")
    gate = Gate("base", "head", [row], [], 0.03, unpaired=True)
    assert gate.exit_code == 1
    for text in (report.markdown(gate), report.html(gate)):
        assert "no statistics can remove that" in text


def test_every_stage_that_both_runs_measured_is_compared(runs):
    for found, change in zip(runs, (0.0, -0.1), strict=True):
        for launch, other in zip(found.contestants[0].launches, launches(5, change, "infer"), strict=True):
            launch.blocks |= other.blocks
    rows = unpaired.rows(*runs, delta=0.03)
    assert [(row.stage, row.finding) for row in rows] == [("train", "slower"), ("infer", "faster")]
    for launch in runs[0].contestants[0].launches:
        del launch.blocks["train"]
    assert only(runs).stage == "infer"


def test_metrics_are_compared_whatever_is_said_of_the_times(runs, monkeypatch):
    monkeypatch.setattr(metric, "METRICS", (Metric("compilations", "compilations", "", Direction.LOWER, "made"),))
    for found, count in zip(runs, (2.0, 3.0), strict=True):
        for launch in found.contestants[0].launches:
            launch.metrics["compilations"] = count
    different = [runs[0], changed(runs[1], machine_key="another")]
    for row in (only(runs), only(different)):
        assert "| 2 → 3 (+50.0 %) |" in report.markdown(Gate("base", "head", [row], [], 0.03, unpaired=True))


def with_settings(found, **settings):
    return changed(found, settings=dataclasses.replace(found.record.settings, **settings))


def with_blas(found):
    for launch in found.contestants[0].launches:
        launch.observed["blas"] = "mkl"
    return found


DIFFERENT = {
    "machine": lambda found: changed(found, machine_key="another"),
    "problem": lambda found: changed(found, problem=dataclasses.replace(found.record.problem, hash="another")),
    "threads": lambda found: with_settings(found, threads=2),
    "profile": lambda found: with_settings(found, profile="stock"),
    "device": lambda found: with_settings(found, device=Device("gpu")),
    "dtype": lambda found: with_settings(found, dtype="float64"),
    "matmul precision": lambda found: with_settings(found, matmul_precision="tf32"),
    "numbers of CPUs": lambda found: with_settings(found, cpus=(0, 1, 2, 3)),
    "blas": with_blas,
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_is_named_and_there_is_no_ratio(runs, what):
    row = only([runs[0], DIFFERENT[what](runs[1])])
    assert row.finding == "not comparable"
    assert "different" in row.reason
    assert what in row.reason
    assert (row.ratio, row.low, row.high) == (None, None, None)


@pytest.mark.parametrize("name", ["task", "preset"])
def test_another_task_is_refused(runs, name):
    with pytest.raises(WorkbenchError, match=f"compare two runs of one {name}"):
        only([runs[0], with_settings(runs[1], **{name: "another"})])


def test_other_versions_are_what_is_compared_and_are_named(runs):
    for launch in runs[1].contestants[0].launches:
        launch.versions["numpy"] = "99.0"
    assert "numpy" in only(runs).reason
    assert "to 99.0" in only(runs).reason


@pytest.mark.parametrize(("outcome", "finding"), [("invalid", "wrong"), ("error", "failed"), ("timeout", "failed")])
def test_what_has_failed_shows_no_speed(runs, outcome, finding):
    failed = testing.contestant("numpy_manual", launches(1), outcome=Outcome(outcome))
    row = only([runs[0], run("head", failed)])
    assert (row.finding, row.ratio) == (finding, None)


def test_frontends_of_one_run_alone_are_new_or_removed(runs):
    renamed = run("head", testing.contestant("renamed", launches(1)))
    assert {row.frontend: row.finding for row in unpaired.rows(runs[0], renamed, delta=0.03)} == {
        "numpy_manual": "removed",
        "renamed": "new",
    }


def test_the_command_compares_two_runs(cli, numpy_run):
    done = cli("compare", numpy_run.path, numpy_run.path)
    assert done.returncode == 3, "one launch tells nothing"
    assert "no statistics can remove that" in " ".join(done.stdout.split())
    assert cli("compare", numpy_run.path, numpy_run.path, "--strict").returncode == 1
    refused = cli("compare", numpy_run.path, "nowhere")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_rows_stay_plain(runs):
    assert dataclasses.asdict(only(runs))["run"] == "head"
