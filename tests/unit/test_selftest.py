"""The self-test's own logic on made-up recordings, and one tiny recording of the real thing."""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from workbench import cli
from workbench.catalog import catalog
from workbench.catalog.roots import content_root, package_root
from workbench.comparison import judge
from workbench.errors import WorkbenchError
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome
from workbench.model.records import Blocks, Covariates, Launch, Round
from workbench.selftest import analysis, command, early, overhead, pool, report
from workbench.selftest.analysis import FAILS, HOLDS, NOT_JUDGED, Figure, Rules
from workbench.selftest.bare import NoBareLoopError, bare_loop, bare_source
from workbench.selftest.pool import IDENTICAL, SLOWDOWNS, Pool, Recording
from workbench.session.launcher import WorkerProcess
from workbench.session.reference import make_problem
from workbench.session.training import Training
from workbench.session.workers import Workers
from workbench.statistics import Verdict
from workbench.wire.answers import Imported

QUICK, FULL = Rules(full=False), Rules(full=True)
PAIRED = sorted((content_root() / "frontends").glob("*/linreg.py"))


def recording(slowdowns, rng, *, launches=24, spread=0.008, common=0.0, hidden=(), truth=None, noisy=None):
    """Launches with independent noise per process and noise that a launch's processes share."""
    shape = launches, len(slowdowns)
    factors = 1 + np.array(slowdowns)
    logs = rng.normal(0, spread, shape) + rng.normal(0, common, (launches, 1)) + np.log(factors)
    for place, excess in hidden:
        logs[:, place] += math.log1p(excess)
    times = 1e-5 * np.exp(logs)
    blocks = [[list(time * np.exp(rng.normal(0, 0.004, 5))) for time in row] for row in times]
    true = tuple(map(float, factors if truth is None else truth))
    return Recording(tuple(slowdowns), true, times, np.full(shape, 0.3), blocks, noisy)


def a_pool(slowdowns, sessions=4, name="quiet", **noise):
    rng = np.random.default_rng(7)
    return Pool(name, [recording(slowdowns, rng, **noise) for _ in range(sessions)])


def by_name(figures):
    return {figure.name: figure for figure in figures}


SAME, CALLED, BALANCED = (
    "identical code: p < alpha, whatever the effect",
    "identical code: called faster or slower",
    "identical code: estimates above and below 1",
)
COVERS = "interval holds the true ratio"
FAILED = "contestants that failed"


def test_a_quiet_pool_holds_every_bound():
    found = by_name(analysis.pool_figures(a_pool(SLOWDOWNS), FULL))
    assert {name: figure.verdict for name, figure in found.items() if figure.verdict != HOLDS} == {
        "3% slower": NOT_JUDGED
    }
    assert found["5% slower"].numbers["comparisons"] == 4 * 3 * 2
    assert found["5% slower"].numbers["ratio"] == pytest.approx(1.05, abs=0.004)


def test_two_hundred_comparisons_of_identical_code():
    plan = command.Plan.nightly()
    found = by_name(analysis.pool_figures(a_pool(IDENTICAL, sessions=plan.identical), FULL))
    assert found[CALLED].numbers["comparisons"] >= 200
    assert [found[name].verdict for name in (SAME, CALLED, BALANCED)] == [HOLDS] * 3


def test_methods_bounds_are_what_chance_allows():
    assert analysis.most_by_chance(200, 0.02, FULL.level) == 8
    assert analysis.most_by_chance(200, 0.0002, FULL.level) == 1
    assert analysis.fewest_by_chance(200, 0.9, 0.025) == 200 - analysis.most_by_chance(200, 0.1, 0.025)
    assert analysis.balance_p(5, 5) == 1
    assert analysis.balance_p(0, 10) == pytest.approx(2 / 1024)


def test_one_role_that_is_secretly_slower_is_found():
    """Identical by name, 8 % apart in truth, as a bias of the place in the order would be."""
    odd = [(place, 0.08) for place in (1, 3, 5, 7)]
    found = by_name(analysis.pool_figures(a_pool(IDENTICAL, hidden=odd), FULL))
    assert [found[name].verdict for name in (SAME, CALLED, BALANCED, COVERS)] == [FAILS] * 4
    found = by_name(analysis.pool_figures(a_pool(IDENTICAL, hidden=odd), QUICK))
    assert [found[name].verdict for name in (SAME, CALLED, BALANCED)] == [NOT_JUDGED, FAILS, NOT_JUDGED]


def test_a_slow_down_that_does_not_show_fails():
    lost = [(SLOWDOWNS.index(share), 1 / (1 + share) - 1) for share in (0.05, 0.10)]
    blind = a_pool(SLOWDOWNS, hidden=lost)
    for rules in (QUICK, FULL):
        found = by_name(analysis.pool_figures(blind, rules))
        assert found["10% slower"].verdict == FAILS
        assert found["5% slower"].verdict == (FAILS if rules.full else NOT_JUDGED)
        assert found[COVERS].verdict == FAILS


def test_one_percent_that_is_called_slower_fails():
    found = by_name(analysis.pool_figures(a_pool(SLOWDOWNS, hidden=[(2, 0.06)]), QUICK))
    assert found["1% slower"].verdict == FAILS


def test_in_full_one_unconfirmed_alarm_at_one_percent_is_one_too_many():
    once = a_pool(SLOWDOWNS)
    once.recordings[0].times[:8, 2] *= 1.06
    full, quick = (by_name(analysis.pool_figures(once, rules))["1% slower"] for rules in (FULL, QUICK))
    assert full.numbers["slower"] > 0
    assert (full.verdict, quick.verdict) == (FAILS, HOLDS)


def test_in_full_a_slow_down_must_be_found_in_time():
    late = a_pool(SLOWDOWNS)
    for one in late.recordings:
        one.cost_s[:] = 10.0
    assert by_name(analysis.pool_figures(late, FULL))["5% slower"].verdict == FAILS


@pytest.mark.parametrize(
    ("name", "noisy", "verdict"),
    [("quiet", None, FAILS), ("quiet", "not quiet", NOT_JUDGED), ("hog on the same core", None, NOT_JUDGED)],
)
def test_in_quick_noise_excuses_what_stays_inconclusive_only_if_the_canary_says_so(name, noisy, verdict):
    blurred = a_pool(SLOWDOWNS, name=name, spread=0.3, sessions=1, noisy=noisy)
    assert by_name(analysis.pool_figures(blurred, QUICK))["10% slower"].verdict == verdict


def test_intervals_that_are_too_narrow_fail():
    wrong = a_pool(SLOWDOWNS, truth=1.03 * (1 + np.array(SLOWDOWNS)) ** 2)
    assert by_name(analysis.pool_figures(wrong, QUICK))[COVERS].verdict == FAILS


def test_a_failed_contestant_is_told_and_its_comparisons_are_left_out():
    broken = a_pool(SLOWDOWNS, sessions=1)
    broken.recordings[0].times[10:, 4] = math.nan
    told = Pool("quiet", [Recording(**{**vars(broken.recordings[0]), "failures": ("c4: error: planted",)})])
    found = by_name(analysis.pool_figures(told, QUICK))
    assert "5% slower" not in found
    assert found[FAILED].verdict == FAILS
    assert "planted" in found[FAILED].value


def test_too_few_launches_are_inconclusive_and_no_exception():
    found = by_name(analysis.pool_figures(a_pool(SLOWDOWNS, sessions=1, launches=5), QUICK))
    assert found["10% slower"].numbers["slower"] == 0
    assert found[COVERS].verdict == NOT_JUDGED


def test_identical_pairs_share_no_contestant():
    rng = np.random.default_rng(0)
    assert analysis.identical(recording(IDENTICAL, rng)) == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert analysis.identical(recording(SLOWDOWNS, rng)) == [(0, 1)]
    assert analysis.slowed(0.05)(recording(SLOWDOWNS, rng)) == [(0, 4), (1, 4)]


def test_a_false_alarm_that_other_launches_do_not_show_is_not_confirmed():
    rng = np.random.default_rng(1)
    once = recording((0.0, 0.0), rng)
    once.times[:8, 1] *= 1.2
    first, *others = analysis.comparisons(Pool("quiet", [once]), analysis.identical)
    assert (first.verdict, first.confirmed) == (Verdict.slower, False)
    assert all(other.verdict is not Verdict.slower or not other.confirmed for other in others)
    always = recording((0.0, 0.0), rng, hidden=[(1, 0.2)])
    assert all(found.confirmed for found in analysis.comparisons(Pool("quiet", [always]), analysis.identical))


# Faults planted in the gate's rule: the self-test's figures must show them


def figures_of(pool):
    return by_name(analysis.pool_figures(pool, FULL))


def test_a_gate_that_takes_any_difference_for_significant_fails_the_self_test(monkeypatch):
    same = a_pool(IDENTICAL, sessions=8)
    assert figures_of(same)[SAME].verdict == HOLDS
    monkeypatch.setattr(judge, "alpha_at", lambda _: 0.5)
    assert figures_of(same)[SAME].verdict == FAILS


def test_a_gate_that_looks_once_alone_fails_the_self_test(monkeypatch):
    scattered = a_pool(SLOWDOWNS, spread=0.03, launches=24)
    before = figures_of(scattered)["5% slower"].numbers
    monkeypatch.setattr(judge, "next_purpose", lambda seen, *_, **__: judge.SCREENING if len(seen) < 8 else None)
    after = figures_of(scattered)["5% slower"].numbers
    assert before["launches"] > after["launches"] == 8
    assert before["slower"] > after["slower"]


def test_a_gate_that_does_not_wait_for_its_confirmation_fails_the_self_test(monkeypatch):
    once = a_pool(SLOWDOWNS)
    once.recordings[0].times[:8, 2] *= 1.06
    monkeypatch.setattr(judge, "DEPENDENT", 0.0)  # the order of launches would show it as well
    assert by_name(analysis.pool_figures(once, QUICK))["1% slower"].verdict == HOLDS
    monkeypatch.setattr(judge, "_confirmed", lambda row, *_: dataclasses.replace(row, p=0.0))
    assert by_name(analysis.pool_figures(once, QUICK))["1% slower"].verdict == FAILS


def test_a_gate_that_forgets_its_null_fails_the_self_test(monkeypatch):
    """Three of the same code: what differs from its own null is the machine's doing, and no alarm that is confirmed."""
    shaken = a_pool((0.0, 0.0, 0.0), hidden=[(1, 0.2), (2, 0.1)])
    assert analysis.null_of(shaken.recordings[0], 0, 1) == 2
    found = figures_of(shaken)[CALLED].numbers
    assert (found["alarms"], found["confirmed"]) == (12, 0)

    def forgetful(row, *times, **how):
        return real(row, *(dataclasses.replace(part, null=part.base) for part in times), **how)

    real = judge.judge_times
    monkeypatch.setattr(judge, "judge_times", forgetful)
    assert figures_of(shaken)[CALLED].numbers["confirmed"] == 12


def test_an_alarm_stands_where_nothing_is_left_to_confirm_it():
    short = a_pool((0.0, 0.0), sessions=1, launches=8, hidden=[(1, 0.2)])
    (only,) = analysis.comparisons(short, analysis.identical)
    assert (only.verdict, only.confirmed) == (Verdict.slower, True)


def test_what_is_faster_is_confirmed_with_base_and_head_exchanged():
    always = a_pool((0.0, 0.0), sessions=1, hidden=[(1, -0.2)])
    found = analysis.comparisons(always, analysis.identical)
    assert {(one.verdict, one.confirmed) for one in found} == {(Verdict.faster, True)}
    once = a_pool((0.0, 0.0), sessions=1)
    once.recordings[0].times[:8, 1] *= 0.8
    first, *_ = analysis.comparisons(once, analysis.identical)
    assert (first.verdict, first.confirmed) == (Verdict.faster, False)


def rates(figures, how):
    parts = [figure for figure in figures if figure.part.endswith(how)]
    return {figure.name: false / n for figure in parts for false, n in figure.numbers["rates"].values()}


def test_noise_between_processes_misleads_other_rules_and_not_ours():
    """Blocks of one process agree; processes differ: the fact that pooled rules leave out."""
    found = rates(analysis.rule_figures([a_pool(IDENTICAL, sessions=16, spread=0.08)]), "interleaved")
    assert found["workbench"] <= 0.03
    assert found["pyperf"] >= 0.2
    assert found["pytest-benchmark mean:5%"] >= 0.1


def test_drift_misleads_whoever_measures_one_after_the_other():
    drifting = a_pool(IDENTICAL)
    for one in drifting.recordings:
        ramp = np.linspace(1, 1.2, len(one.times))
        one.times[:] = one.times * ramp[:, None]
        one.blocks[:] = [[[t * f for t in times] for times in row] for row, f in zip(one.blocks, ramp, strict=True)]
    found = analysis.rule_figures([drifting])
    assert rates(found, "interleaved")["workbench"] == 0
    assert rates(found, "base, then head")["pytest-benchmark mean:5%"] == 1


# The bare loop


@pytest.mark.parametrize("path", PAIRED, ids=lambda path: path.parent.name)
def test_every_frontend_has_a_bare_loop(path):
    module = bare_source(path.read_text(encoding="utf-8"))
    compile(module, str(path), "exec")
    (function,) = module.body
    yields = [node for node in ast.walk(function) if isinstance(node, ast.Yield | ast.YieldFrom)]
    ready, turn = map(ast.unparse, yields)
    assert "state" in ready, "where set-up ends"
    assert turn == "(yield)", "where a turn ends"
    assert [argument.arg for argument in function.args.args] == ["problem", "_turns", "_wait", "_seconds"]


SOURCE = """
def train(problem):
    total = 0
    batches = iter(range(problem))

    def state():
        return total

    yield state

    for x in batches:
        total += x
        seen.append(x)
        yield note(x)
"""


def test_a_bare_loop_does_each_turns_steps_and_times_them(tmp_path):
    path = tmp_path / "content.py"
    path.write_text(SOURCE)
    seen, noted, waited, seconds = [], [], [], []
    bare = bare_loop(path, {"seen": seen, "note": noted.append})

    def turns():
        yield 2
        assert seen == [0, 1]
        assert len(seconds) == len(waited) == 1
        yield 3

    state, *ends = bare(10, turns(), lambda: waited.append(1), seconds)
    assert ends == [None, None]
    assert state() == 0 + 1 + 2 + 3 + 4
    assert seen == noted == [0, 1, 2, 3, 4]
    assert len(seconds) == 2
    assert all(value > 0 for value in seconds)


def test_a_style_of_many_steps_per_call_is_called_once_per_turn(tmp_path):
    path = tmp_path / "content.py"
    path.write_text(
        "def train(problem):\n    steps = yield Calls(state)\n    while True:\n        calls.append(steps)\n"
        "        steps = yield [0] * steps\n"
    )
    calls, seconds = [], []
    names = {"calls": calls, "Calls": str, "state": "ready"}
    assert list(bare_loop(path, names)(None, [4, 6], int, seconds)) == ["ready", None, None]
    assert calls == [4, 6]
    assert len(seconds) == 2


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "def train(problem):\n    yield state",
        "def train(problem):\n    for x in y:\n        yield x",
        "def train(problem):\n    yield state\n    yield state\n    for x in y:\n        yield x",
        "def train(problem):\n    yield state\n    for x in y:\n        print((yield x))",
        "def train(problem):\n    yield state\n    for x in y:\n        steps = yield x",
        "def train(problem):\n    yield state\n    for x in y:\n        yield from x",
        "def train(problem):\n    yield state\n    while True:\n        yield x",
        "def train(problem):\n    n = yield Calls(state)\n    while n:\n        n = yield x",
        "def train(problem):\n    n = yield Calls(state)\n    while True:\n        yield x",
        "def train(problem):\n    n = yield Calls(state)\n    while True:\n        m = yield x",
    ],
)
def test_a_train_of_another_form_is_refused(source):
    with pytest.raises(NoBareLoopError):
        bare_source(source)


# Overhead figures


def measured(ratio, pairs=40, spread=0.004):
    rng = np.random.default_rng(3)
    bare = 0.02 * np.exp(rng.normal(0, spread, pairs))
    harness = ratio * 0.02 * np.exp(rng.normal(0, spread, pairs))
    return overhead.Overhead("planted", 1000, (tuple(harness),), (tuple(bare),))


@pytest.mark.parametrize(("ratio", "verdict"), [(1.005, HOLDS), (1.05, FAILS)])
def test_overhead_is_judged_in_full(ratio, verdict):
    (full,), (quick,) = (overhead.figures([measured(ratio)], rules) for rules in (FULL, QUICK))
    assert full.verdict == verdict
    assert quick.verdict == NOT_JUDGED
    assert full.numbers["low"] < ratio < full.numbers["high"]


def test_an_estimate_beyond_the_bound_fails_however_wide_its_interval():
    (figure,) = overhead.figures([measured(1.05, pairs=20, spread=0.1)], FULL)
    assert figure.numbers["low"] < analysis.OVERHEAD < figure.numbers["ratio"]
    assert figure.verdict == FAILS


def test_processes_that_differ_widen_the_interval():
    (figure,) = overhead.figures([overhead.merged([measured(0.99), measured(1.0), measured(1.05)])], FULL)
    assert figure.verdict == HOLDS
    assert figure.numbers["ratio"] == pytest.approx(1.0, abs=0.005)
    assert figure.numbers["low"] < 0.99
    assert figure.numbers["high"] > 1.05
    broken = overhead.Overhead("planted", outcome=Outcome.ERROR, reason="planted")
    assert overhead.merged([measured(1.0), broken]).outcome is Outcome.ERROR


def test_a_frontend_that_is_not_installed_is_no_failure_and_one_that_breaks_is():
    gone = overhead.Overhead("gone", outcome=Outcome.UNAVAILABLE, reason="pip install it")
    broken = overhead.Overhead("broken", outcome=Outcome.ERROR, reason="planted")
    assert [figure.verdict for figure in overhead.figures([gone, broken], QUICK)] == [NOT_JUDGED, FAILS]


# The report


GOOD = Figure("quiet", "a | b", "1 of 2", "≤ 1", HOLDS, {"value": math.inf, "rates": {"quiet": (1, 2)}})
BAD = Figure("quiet", "planted", "3", "≤ 1", FAILS)
FACTS = {"command": "`workbench selftest`", "machine": "a CPU"}


def test_the_exit_code_tells():
    assert report.Report([GOOD], FACTS).exit_code == 0
    assert report.Report([GOOD, BAD], FACTS).exit_code == 1


def test_the_table_and_the_json_show_every_figure():
    finished = report.Report([GOOD, BAD], FACTS)
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(finished.terminal())
    text = console.export_text()
    assert all(word in text for word in ("a | b", "1 of 2", "holds", "planted", "FAILS"))
    plain = json.loads(json.dumps(finished.as_json(), allow_nan=False))
    assert plain["holds"] is False
    assert plain["figures"][0]["numbers"] == {"value": None, "rates": {"quiet": [1, 2]}}


def test_markdown_is_a_table_with_its_facts():
    lines = report.Report([GOOD, BAD], FACTS).markdown().splitlines()
    assert lines[0] == "- command: `workbench selftest`"
    table = [line for line in lines if line.startswith("|")]
    assert table[2] == "| quiet | a \\| b | 1 of 2 | ≤ 1 | holds |"
    assert table[3] == "|  | planted | 3 | ≤ 1 | FAILS |"


@pytest.mark.parametrize(("figures", "code"), [([GOOD], 0), ([GOOD, BAD], 1)])
def test_the_command_prints_writes_and_tells(monkeypatch, tmp_path, figures, code):
    plans = []

    def stand_in(content, plan, line, say):
        plans.append((plan, line))
        return report.Report(figures, FACTS)

    monkeypatch.setattr(command, "selftest", stand_in)
    page = tmp_path / "METHODOLOGY.md"
    page.write_text("\n".join([*report.MARKERS, ""]))
    done = CliRunner().invoke(cli.app, ["selftest", "--full", "--json", "--write", str(page)], standalone_mode=False)
    assert done.return_value == code
    assert json.loads(done.stdout)["holds"] is (code == 0)
    assert "| quiet |" in page.read_text()
    assert plans == [(command.Plan.nightly(), "workbench selftest --full")]


def test_after_an_interrupt_what_was_recorded_is_judged_and_nothing_written(monkeypatch, tmp_path, found):
    def cut_short(content, scenario, slowdowns, **options):
        yield recording(slowdowns, np.random.default_rng(7))
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "record_pool", cut_short)
    told = command.selftest(found, command.Plan.nightly(), "workbench selftest --full", lambda _: None)
    assert (told.interrupted, told.exit_code) == (True, 130)
    assert {figure.part for figure in told.figures} >= {"quiet, identical code"}
    page = tmp_path / "METHODOLOGY.md"
    page.write_text("\n".join([*report.MARKERS, ""]))
    called = ["selftest", "--full", "--json", "--write", str(page)]
    done = CliRunner().invoke(cli.app, called, standalone_mode=False)
    assert done.return_value == 130
    assert json.loads(done.stdout)["interrupted"] is True
    assert page.read_text() == "\n".join([*report.MARKERS, ""])


def test_an_interrupt_before_anything_was_recorded_shows_no_empty_table(monkeypatch, found):
    def cut_short(*_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(command, "record_pool", cut_short)
    with pytest.raises(KeyboardInterrupt):
        command.selftest(found, command.Plan.quick(), "workbench selftest", lambda _: None)


def test_a_number_of_comparisons_without_the_full_self_test_is_refused(monkeypatch):
    monkeypatch.setattr(command, "selftest", lambda *_: pytest.fail("it was measured"))
    done = CliRunner().invoke(cli.app, ["selftest", "--comparisons", "5"], standalone_mode=False)
    assert str(done.exception) == "--comparisons is a number of the full self-test: add --full"


def test_markers_are_looked_for_before_anything_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "selftest", lambda *_: pytest.fail("it was measured"))
    done = CliRunner().invoke(cli.app, ["selftest", "--write", str(tmp_path / "missing.md")], standalone_mode=False)
    assert isinstance(done.exception, WorkbenchError)


# The real thing, as small as it can be


def test_true_factor_counts_whole_steps():
    assert pool.true_factor(1000, 0.05) == 1.05
    assert pool.true_factor(30, 0.05) == 32 / 30
    assert pool.true_factor(1000, 0.0) == 1


def test_a_recording_takes_launches_as_a_table_does_and_tells_of_disturbance(found):
    """Of five rounds two are disturbed, as the canary says; their blocks are left out."""
    slow = {2, 3}
    one = Contestant("c0", found.frontends["numpy_manual"], found.roots, package_root(), slowdown=0.1)
    blocks = [9.0 if number in slow else 1.0 + number / 100 for number in range(5)]
    launch = Launch(0, True, 0.1, 0.1, 0.1, bring_up_s=2.0)
    launch.blocks = {"train": Blocks(units=30, seconds=blocks, rounds=list(range(5)))}
    one.launches.append(launch)
    shares = [0.5, 0.0, 0.0, 0.0, None]
    seen = [Covariates(span_ns=10**9, steal_share=share) for share in shares]
    canaries = [2e-3 if number in slow else 1e-3 for number in range(5)]
    rounds = [Round(0, number, False, canary, None, seen[number]) for number, canary in enumerate(canaries)]
    made = pool.recording_of(SimpleNamespace(contestants=[one], rounds=rounds))
    assert made.times.tolist() == [[1.01]]
    assert made.cost_s.tolist() == [[7.0]]
    assert made.factors == (1.1,)
    assert "2 of 5 rounds" in made.noisy
    assert made.stolen == 0.125
    told = by_name(analysis.pool_figures(Pool("quiet", [made]), QUICK))
    assert "; 12% of the CPU's time stolen" in told[FAILED].value


@pytest.fixture(scope="module")
def found():
    return catalog()


def test_a_recording_knows_its_true_ratios(found):
    drift = pool.Scenario("drift", drift=1.0)
    made = pool.record(found, drift, (0.0, 4.0), launches=2, rounds=2)
    assert made.failures == ()
    assert made.times.shape == made.cost_s.shape == (2, 2)
    assert (made.times > 0).all()
    assert made.factors == (1, 5)
    assert (made.times[:, 1] > made.times[:, 0]).any()  # five times: no machine is that noisy twice
    assert len(made.blocks[0][0]) >= 2


def test_a_hog_computes_beside_and_is_gone_afterwards(found, monkeypatch):
    hogs = []
    send = WorkerProcess.send

    def watched(worker, do, **arguments):
        if arguments.get("steps") == pool.ENDLESS:
            hogs.append(worker)
        send(worker, do, **arguments)

    monkeypatch.setattr(WorkerProcess, "send", watched)
    made = pool.record(found, pool.Scenario("hog", hog="same"), (0.0,), launches=1, rounds=1)
    assert made.failures == ()
    assert len(hogs) == 1
    assert not Path(f"/proc/{hogs[0].pid}").exists()


def test_the_planted_early_return_is_caught(found):
    figure = early.early_return(found)
    assert figure.verdict == HOLDS
    assert early.CHECK in figure.numbers["reason"]


def test_an_early_return_that_nobody_catches_fails(found, monkeypatch):
    monkeypatch.setattr("workbench.session.timed.Timed.check", lambda *_: None)
    assert early.early_return(found).verdict == FAILS


@pytest.mark.parametrize(("frontend", "package"), [("numpy_manual", "numpy"), ("jax_scan", "jax")])
def test_overhead_is_measured_of_a_step_and_of_ten_per_call(found, frontend, package):
    pytest.importorskip(package)
    made = overhead.measure(found, found.frontends[frontend], 4)
    assert (made.outcome, made.reason) == (Outcome.OK, "")
    assert [len(times) for times in (*made.harness_s, *made.bare_s)] == [4, 4]
    assert dict(made.versions)[package]


def test_drift_lengthens_what_is_timed_and_leaves_the_state_as_it_is(found, tmp_path):
    """Planted: a pace of 4, in every other block."""
    pace = itertools.cycle([1.0, 4.0])
    settings = pool.settings_for(launches=1, budget_s=None, seed=0, alive=1)
    workers = Workers(found, settings, tmp_path, functools.partial(pool.SelftestWorker, pace=lambda: next(pace)))
    (tmp_path / "contestants").mkdir()
    frontend = found.frontends["numpy_manual"]
    trainings, states, block_s = [], [], {1.0: [], 4.0: []}
    try:
        for name in ("drifting", "calm"):
            worker = workers.start(Contestant(name, frontend, found.roots, package_root()))
            trainings.append(training := Training(worker, 60.0, workers.scratch_of(name)))
            if name == "drifting":
                make_problem(worker, workers.problem_file, 60.0)
            worker.ask("import", Imported, 60.0)
            training.set_up(workers.problem_file)
        drifting, calm = trainings
        for factor in (1.0, 4.0) * 5:
            block_s[factor].append(drifting.run(500, warm=1))
            calm.run(501)
            states.append([training.state() for training in trainings])
    finally:
        for training in trainings:
            training.worker.close()
        workers.close()
    for one, other in states:
        assert one.keys() == other.keys()
        assert all((one[key] == other[key]).all() for key in one)
    assert min(block_s[4.0]) > 2 * min(block_s[1.0])


STEP = "        yield loss"
UPDATE = "w -= problem.learning_rate * dloss_dw"
PLANTED = {
    "NoBareLoopError": (STEP, "        w += 0.01 * (yield loss)"),
    "compute different parameters/w": (UPDATE, f"{UPDATE}; w += 0.01 * ('_turns' in locals())"),
}


@pytest.mark.parametrize("said", PLANTED)
def test_a_bare_loop_that_would_compute_something_else_is_refused(found, tmp_path, said):
    old, new = PLANTED[said]
    planted = early.plant(found, tmp_path)
    source = (content_root() / "frontends" / "numpy" / "linreg.py").read_text(encoding="utf-8")
    assert source.count(old) == 1
    (planted.roots[-1] / "frontends" / early.PLANTED / "linreg.py").write_text(source.replace(old, new))
    made = overhead.measure(planted, planted.frontends[early.PLANTED], 4)
    assert made.outcome is Outcome.ERROR
    assert said in made.reason
