"""The gate's decisions and what it says of them, on made-up launches."""

import dataclasses
import io
import json
import math
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from workbench import testing
from workbench.comparison import judge
from workbench.comparison.commits import ALONE, Ladder
from workbench.comparison.judge import CONFIRMATION, HEAD, SCREENING, SIDES, Finding, Judgement, Times
from workbench.comparison.sides import MetricChange
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.metric import ACCURACY
from workbench.model.outcomes import Outcome
from workbench.model.records import Covariates, Round
from workbench.session.stopping import Spent
from workbench.show import gate as report
from workbench.show.gate import Gate
from workbench.statistics import ALPHA, LADDER, minimum_launches

GOLDEN = Path(__file__).parent / "golden"
DELTA = 0.03
FRONTEND = Frontend("numpy_manual", "NumPy", "numpy", "NumPy", (), (), ("cpu",), None, None, None)


def times(count, effect=0.0, null=0.0, noise=0.004, seed=0):
    """Launches of a pair whose head takes (1 + effect) times as long."""
    random = np.random.default_rng(seed)
    base, other, head = (1e-3 * np.exp(noise * random.standard_normal(count)) for _ in range(3))
    return Times(list(base), list(other * (1 + null)), list(head * (1 + effect)))


def launches_of(side, screening, confirmation, stage="train"):
    """The launches of one side, each of three blocks."""
    made = [(SCREENING, seconds) for seconds in getattr(screening, side)]
    made += [(CONFIRMATION, seconds) for seconds in getattr(confirmation, side)]
    return [
        testing.launch(number, [seconds] * 3, stage=stage, rounds=range(3 * number, 3 * number + 3), purpose=purpose)
        for number, (purpose, seconds) in enumerate(made)
    ]


def pair(screening, confirmation=None, stage="train", **outcomes):
    """What base, null and head did, as a run records it."""
    fresh = confirmation or Times()
    return {
        side: testing.contestant(
            f"numpy_manual@{side}",
            launches_of(side, screening, fresh, stage),
            outcome=Outcome(outcomes.get(side, ("ok", ""))[0]),
            reason=outcomes.get(side, ("ok", ""))[1],
            group="numpy_manual",
            side=side,
        )
        for side in SIDES
    }


def only(sides, pairs=1):
    (row,) = judge.judge("linreg", "numpy_manual", sides, set(), delta=DELTA, pairs=pairs)
    return row


def judged(screening, confirmation=None, pairs=1, **outcomes):
    return only(pair(screening, confirmation, **outcomes), pairs)


# When a pair has enough


@pytest.mark.parametrize("made", [0, 1, 7, 9, 11, 13])
def test_between_two_looks_the_screening_goes_on(made):
    assert judge.next_purpose(times(made), times(0), DELTA, 1) == SCREENING


def test_what_is_the_same_needs_the_first_look_alone():
    assert judge.next_purpose(times(LADDER[0]), times(0), DELTA, 1) is None


def test_what_is_noisy_climbs_to_the_top_and_no_further():
    noisy = [judge.next_purpose(times(count, noise=0.2), times(0), DELTA, 1) for count in LADDER]
    assert noisy == [SCREENING, SCREENING, SCREENING, None]


@pytest.mark.parametrize("most", LADDER)
def test_the_screening_goes_on_no_longer_than_it_is_asked_to(most):
    noisy = [judge.next_purpose(times(count, noise=0.2), times(0), DELTA, 1, most) for count in LADDER]
    assert noisy == [SCREENING if count < most else None for count in LADDER]
    slow = times(LADDER[0], effect=0.5)
    assert judge.next_purpose(slow, times(0), DELTA, 1, LADDER[0]) == CONFIRMATION, "what was seen is confirmed"


def test_what_is_slower_is_confirmed_in_fresh_launches():
    slow = times(LADDER[0], effect=0.1)
    wanted = judge.confirmation_launches(24, judge.look(slow, DELTA))
    assert [judge.next_purpose(slow, times(made), DELTA, 24) for made in (0, wanted - 1, wanted)] == [
        CONFIRMATION,
        CONFIRMATION,
        None,
    ]


def test_what_is_faster_is_not_confirmed():
    assert judge.next_purpose(times(LADDER[0], effect=-0.1), times(0), DELTA, 1) is None


@pytest.mark.parametrize("pairs", [1, 2, 8, 24, 100])
def test_a_confirmation_can_reach_the_corrected_level(pairs):
    slow = times(8, 0.1)
    wanted = judge.confirmation_launches(pairs, judge.look(slow, DELTA))
    assert wanted == max(8, minimum_launches(ALPHA / pairs))
    assert judge.corrected([judged(slow, times(wanted, effect=0.1, seed=1), pairs)], pairs)[0].finding is Finding.SLOWER


def test_launches_that_scatter_are_confirmed_by_more():
    """Half of what was seen must be shown, as far as the ladder goes; launches that hardly scatter need the least."""
    scattered = [judge.look(times(24, effect, noise=0.03, seed=3), DELTA) for effect in (0.05, 0.1, 0.3)]
    assert all(seen.verdict.value == "slower" for seen in scattered)
    counts = [judge.confirmation_launches(2, seen) for seen in scattered]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == LADDER[-1]
    assert counts[-1] == LADDER[0]


def test_five_percent_under_scatter_is_confirmed():
    """5 % where a frontend's launches lie 2.5 % apart: the least number of launches would miss half of them."""
    least = planned = 0
    for seed in range(50):
        screening, fresh = (times(24, 0.05, noise=0.025, seed=seed + more) for more in (0, 1000))
        wanted = judge.confirmation_launches(2, judge.look(screening, DELTA))
        short, long = (
            judge.compare(fresh.base[:count], fresh.head[:count], delta=DELTA) for count in (LADDER[0], wanted)
        )
        least += short.verdict.value == "slower"
        planned += long.verdict.value == "slower"
    assert least <= 25
    assert planned >= 42


# What is found


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        (judged(times(8)), Finding.SAME),
        (judged(times(8, 0.1), times(8, 0.1, seed=1)), Finding.SLOWER),
        (judged(times(8, -0.1)), Finding.FASTER),
        (judged(times(24, noise=0.2)), Finding.INCONCLUSIVE),
        (judged(times(5)), Finding.INCONCLUSIVE),
        (judged(times(0)), Finding.INCONCLUSIVE),
        (judged(times(8, 0.1), times(8, seed=1)), Finding.INCONCLUSIVE),
        (judged(times(8, 0.1), times(5, 0.1)), Finding.INCONCLUSIVE),
        (judged(times(8, 0.1, null=0.1), times(8, 0.1, null=0.1)), Finding.INCONCLUSIVE),
        (judged(times(8, -0.1, null=-0.1)), Finding.INCONCLUSIVE),
        (judged(times(8), head=("invalid", "check_every_loss")), Finding.WRONG),
        (judged(times(8, -0.5), head=("invalid", "check_every_loss")), Finding.WRONG),
        (judged(times(8), head=("error", "ValueError")), Finding.FAILED),
        (judged(times(8), head=("unavailable", "no jax")), Finding.FAILED),
        (judged(times(8), base=("error", "x"), head=("error", "x")), Finding.NOT_COMPARABLE),
        (judged(times(8), base=("error", "x"), head=("invalid", "y")), Finding.WRONG),
        (judged(times(8), base=("error", "x")), Finding.NOT_COMPARABLE),
        (judged(times(8), null=("timeout", "x")), Finding.NOT_COMPARABLE),
        (judged(times(8), head=("interrupted", "")), Finding.NOT_COMPARABLE),
    ],
)
def test_what_is_found(row, finding):
    assert row.finding is finding
    assert row.reason


def test_a_wrong_result_shows_no_speed():
    row = judged(times(8, -0.5), head=("invalid", "check_every_loss"))
    assert (row.ratio, row.low, row.high) == (None, None, None)


def test_a_frontend_that_only_the_head_has_is_proven():
    assert only({HEAD: pair(times(1))[HEAD]}).finding is Finding.NEW
    assert only({HEAD: pair(times(1), head=("invalid", "check_first_loss"))[HEAD]}).finding is Finding.WRONG


def all_launches(sides):
    return [sides[side].launches for side in SIDES]


def test_what_a_round_did_to_all_sides_is_taken_out():
    launches = all_launches(pair(times(8, noise=0.0)))
    for launch in (launch for of_side in launches for launch in of_side):
        blocks = launch.of()
        blocks.seconds = [seconds * factor for seconds, factor in zip(blocks.seconds, (1, 7, 3), strict=True)]
    seen = judge.times_of(launches, "train", set(), SCREENING)
    np.testing.assert_allclose(np.array(seen.head) / np.array(seen.base), 1.0)


def test_a_launch_that_one_side_has_not_finished_does_not_count():
    sides = pair(times(8))
    del sides["null"].launches[3]
    assert len(judge.times_of(all_launches(sides), "train", set(), SCREENING)) == 7


def test_holm_takes_all_pairs_into_account():
    slow = judged(times(8, 0.1), times(8, 0.1, seed=1), pairs=1)
    assert slow.p == 2 / 2**8
    assert judge.corrected([slow], 1)[0].finding is Finding.SLOWER
    kept = judge.corrected([slow], 24)[0]
    assert kept.finding is Finding.INCONCLUSIVE
    assert "Holm" in kept.reason


def test_holm_steps_down():
    """The second smallest p value is held against a level for one pair less."""
    one, two = (dataclasses.replace(judged(times(8, 0.1), times(8, 0.1)), p=p) for p in (0.009, 0.019))
    assert [row.finding for row in judge.corrected([two, one], 2)] == [Finding.SLOWER, Finding.SLOWER]
    assert [row.finding for row in judge.corrected([two, one], 3)] == [Finding.INCONCLUSIVE] * 2


def test_identical_code_gates_less_often_than_alpha():
    """400 pairs without any change, in gates of 4, with launches that scatter: at most 2 % of the gates may fail."""
    failed = 0
    for gate in range(100):
        rows = []
        for pair in range(4):
            seed = 1000 * gate + pair
            screening = next(
                found
                for count in LADDER
                if judge.next_purpose(found := _first(times(24, noise=0.03, seed=seed), count), times(0), DELTA, 4)
                != SCREENING
            )
            fresh = judge.confirmation_launches(4, judge.look(screening, DELTA))
            rows.append(judged(screening, times(fresh, noise=0.03, seed=seed + 500), 4))
        failed += any(row.finding is Finding.SLOWER for row in judge.corrected(rows, 4))
    assert failed <= 2


def _first(found, count):
    return Times(found.base[:count], found.null[:count], found.head[:count])


# The plan


def contestants(made=0, sides=SIDES, effect=0.0, stage="train", noise=0.004):
    found = times(made, effect, noise=noise)
    members = [
        Contestant(f"numpy_manual@{side}", FRONTEND, Path(), Path(), group="numpy_manual", side=side) for side in sides
    ]
    for member in members:
        for number, seconds in enumerate(getattr(found, member.side)):
            member.launches.append(testing.launch(number, [seconds], stage=stage, rounds=[number], purpose=SCREENING))
    rounds = [Round(number, number, False, 1e-3, None, Covariates(span_ns=1)) for number in range(made)]
    return members, rounds


def test_the_plan_launches_a_pair_until_it_is_settled():
    plan = Ladder(DELTA, pairs=1)
    seen = [plan.purposes(*contestants(made), Spent(made, 1.0, 0.1)) for made in (0, 1, 7, 8)]
    assert seen == [{"numpy_manual": SCREENING}] * 3 + [{}]


def test_the_plan_confirms_what_is_slower():
    assert Ladder(DELTA, pairs=1).purposes(*contestants(8, effect=0.2), Spent(8, 1.0, 0.1)) == {
        "numpy_manual": CONFIRMATION
    }


def test_the_plan_leaves_a_pair_alone_of_which_a_side_has_failed():
    assert Ladder(DELTA, pairs=1).purposes(*contestants(3, ("base", "null")), Spent(3, 1.0, 0.1)) == {}


def test_the_plan_proves_a_frontend_without_a_base_once():
    plan = Ladder(DELTA, pairs=0)
    assert plan.purposes(*contestants(0, (HEAD,)), Spent(0, 0.0, 0.0)) == {"numpy_manual": ALONE}
    assert plan.purposes(*contestants(1, (HEAD,)), Spent(1, 1.0, 0.1)) == {}


def test_the_plan_keeps_to_its_budget():
    plan = Ladder(DELTA, pairs=1, budget_s=10.0)
    assert plan.purposes(*contestants(3), Spent(3, 9.0, 0.5)) != {}
    assert plan.purposes(*contestants(3), Spent(3, 9.0, 1.5)) == {}


# Stages and metrics


def test_every_stage_that_all_sides_measured_is_judged_by_itself():
    """The training is the same; the inference of the head takes a tenth longer, which a second sample confirms."""
    sides = pair(times(8), times(8))
    calls = pair(times(8, 0.1), times(8, 0.1, seed=1), stage="infer")
    for side, did in sides.items():
        for launch, other in zip(did.launches, calls[side].launches, strict=True):
            launch.blocks |= other.blocks
    rows = judge.judge("linreg", "numpy_manual", sides, set(), delta=DELTA, pairs=1)
    assert [(row.stage, row.finding) for row in rows] == [("train", Finding.SAME), ("infer", Finding.SLOWER)]
    found = Gate("base", "head", judge.corrected(rows, 1), [], DELTA)
    assert found.worse == [rows[1]]
    assert "linreg numpy_manual infer slower" in report.sentence(found)
    assert "time per step or call of head" in report.notes(found)[0]
    assert "| task | frontend | stage | finding |" in report.markdown(found)
    assert 'name="numpy_manual infer"' in report.junit(found)
    assert list(found.table["stage"]) == ["train", "infer"]


def test_each_stage_of_a_pair_is_one_more_comparison():
    """Twelve pairs at two stages are confirmed and corrected as 24 comparisons are."""
    members, _ = contestants(24, effect=0.2)
    for launch in (launch for member in members for launch in member.launches):
        launch.blocks["infer"] = launch.of()
        launch.purpose = SCREENING if launch.number < 8 else CONFIRMATION
    enough = judge.confirmation_launches(24, judge.look(times(8, effect=0.2), DELTA))
    assert enough > judge.confirmation_launches(12, judge.look(times(8, effect=0.2), DELTA))

    def purpose(fresh):
        launches = [member.launches[: 8 + fresh] for member in members]
        return judge.purpose_of_pair(launches, set(), delta=DELTA, pairs=12)

    assert [purpose(fresh) for fresh in (enough - 1, enough)] == [CONFIRMATION, None]
    row = dataclasses.replace(judged(times(8, 0.1), times(8, 0.1)), p=ALPHA / 20)
    alone, beside = judge.corrected([row], 12), judge.corrected([row, dataclasses.replace(row, stage="infer")], 12)
    assert [found.finding for found in (*alone, *beside)] == [Finding.SLOWER] + [Finding.INCONCLUSIVE] * 2


def test_a_stage_that_one_side_lacks_is_not_judged():
    sides = pair(times(8), stage="infer")
    for launch, other in zip(sides[HEAD].launches, pair(times(8))[HEAD].launches, strict=True):
        launch.blocks |= other.blocks
    assert only(sides).stage == "infer"


def test_the_screening_goes_on_while_any_stage_needs_it_and_then_each_is_confirmed():
    def purpose(made, **effects):
        members, rounds = contestants(made, effect=effects.get("train", 0.0))
        calls, _ = contestants(made, effect=effects.get("infer", 0.0), stage="infer", noise=effects.get("noise", 0.004))
        for member, other in zip(members, calls, strict=True):
            for launch, call in zip(member.launches, other.launches, strict=True):
                launch.blocks |= call.blocks
        return Ladder(DELTA, pairs=1).purposes(members, rounds, Spent(made, 1.0, 0.1)).get("numpy_manual")

    assert purpose(8) is None
    assert purpose(8, infer=0.2) == CONFIRMATION
    assert purpose(8, train=0.2, noise=0.2) == SCREENING
    assert purpose(24, train=0.2, noise=0.2) == CONFIRMATION


def with_metric(name=ACCURACY.name, **values):
    sides = pair(times(8))
    for side, value in values.items():
        for launch in sides[side].launches:
            launch.metrics[name] = value
    return only(sides)


def test_a_metric_is_compared_and_shown_and_fails_no_gate():
    row = with_metric(base=0.5, null=0.5, head=0.25)
    assert row.metrics == (MetricChange("accuracy", 0.5, 0.25, -0.5),)
    found = Gate("base", "head", [row], [], DELTA)
    assert (row.finding, found.exit_code) == (Finding.SAME, 0)
    for shown in (report.markdown(found), report.html(found), report.junit(found)):
        assert "50 % → 25 % (-50.0 %)" in shown
    line = found.as_json()["rows"][0]
    assert (line["accuracy"], line["accuracy_base"], line["accuracy_change"]) == (0.25, 0.5, -0.5)
    assert found.table["accuracy"].tolist() == [0.25]


def test_a_metric_that_one_side_reports_has_no_change():
    assert with_metric(head=0.25).metrics == (MetricChange("accuracy", None, 0.25),)
    assert with_metric(base=0.0, head=0.25).metrics == (MetricChange("accuracy", 0.0, 0.25),)


def test_a_metric_that_is_not_declared_is_in_no_table():
    row = with_metric("artefact", base=0.5, head=0.25)
    assert row.metrics == ()
    assert "artefact" not in report.markdown(Gate("base", "head", [row], [], DELTA))


# What is said

ROW = Judgement(
    "linreg",
    "numpy_manual",
    Finding.SAME,
    "head takes the same time as base to within 3.0%",
    ratio=1.001,
    low=0.99,
    high=1.012,
    smallest_detectable=0.012,
    null_ratio=0.9996,
    launches=8,
    max_relative_error=1e-7,
    run="20260101-000000-linreg-points-abcdef",
)
OTHER = dataclasses.replace(ROW, frontend="jax_jit")


def change(finding, reason, **figures):
    none = dict.fromkeys(("ratio", "low", "high", "smallest_detectable", "null_ratio"))
    return dataclasses.replace(ROW, finding=finding, reason=reason, **{**none, **figures})


SITUATIONS = {
    "fine": [ROW, OTHER],
    "slower": [
        change(
            Finding.SLOWER,
            "confirmed in 8 fresh launches: head takes more time than base",
            ratio=1.051,
            low=1.043,
            high=1.06,
            smallest_detectable=0.011,
            null_ratio=1.002,
            launches=16,
            p=0.0078,
        ),
        OTHER,
    ],
    "faster": [
        change(
            Finding.FASTER,
            "head takes less time than base",
            ratio=0.8,
            low=0.79,
            high=0.81,
            smallest_detectable=0.011,
            null_ratio=1.002,
        ),
        OTHER,
    ],
    "inconclusive": [
        change(
            Finding.INCONCLUSIVE,
            "head may or may not differ from base by 3.0% or more",
            ratio=1.02,
            low=0.9,
            high=1.15,
            smallest_detectable=0.14,
            null_ratio=0.97,
            launches=24,
        ),
        OTHER,
    ],
    "failed": [change(Finding.FAILED, "error: ValueError: a | pipe, *stars* and <b>markup</b>", launches=0), OTHER],
    "wrong": [change(Finding.WRONG, "invalid: check_every_loss: step 3 is off by 0.1", launches=0), OTHER],
    "not comparable": [change(Finding.NOT_COMPARABLE, "the task's problem differs between the two sides", launches=0)],
    "nothing to compare": [],
    "new and removed": [
        change(Finding.NEW, "nothing to compare with", launches=0),
        change(Finding.REMOVED, "only the base has it", launches=0),
    ],
}
CODES = {
    "fine": 0,
    "slower": 1,
    "faster": 0,
    "inconclusive": 3,
    "failed": 1,
    "wrong": 1,
    "not comparable": 3,
    "nothing to compare": 3,
    "new and removed": 0,
}


def gate(situation, strict=False):
    return Gate("main (123456789)", "the working tree (abcdef012)", SITUATIONS[situation], [], DELTA, strict)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_summary_of_each_situation_reads_as_agreed(situation):
    """Made anew with WORKBENCH_GOLDEN=1; read the difference before keeping it."""
    file = GOLDEN / f"gate-{situation.replace(' ', '-')}.md"
    text = report.markdown(gate(situation))
    if os.environ.get("WORKBENCH_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_exit_code_of_each_situation(situation):
    assert gate(situation).exit_code == CODES[situation]
    assert gate(situation, strict=True).exit_code == min(CODES[situation], 1)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_junit_counts_what_fails(situation):
    for strict in (False, True):
        found = gate(situation, strict)
        root = ElementTree.fromstring(report.junit(found))
        assert len(root.findall(".//testcase")) == len(found.rows)
        assert bool(root.findall(".//failure")) == (found.exit_code == 1 and bool(found.rows))
        assert all(int(suite.get("tests")) == len(suite.findall("testcase")) for suite in root)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_terminal_shows_every_row_within_its_width(situation, width):
    from rich.console import Console

    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(*report.terminal(gate(situation)), sep="\n")
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= width
    assert all(row.frontend in shown and str(row.finding) in shown for row in SITUATIONS[situation])


def test_rows_are_json_and_a_frame():
    found = gate("slower")
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["rows"][0]["finding"] == "slower"
    assert list(found.table["finding"]) == ["slower", "same"]
    assert math.isclose(found.table["ratio"][0], 1.051)


def test_markup_in_a_reason_comes_out_as_text():
    assert "<b>markup" not in report.html(gate("failed"))
    assert "<b>markup" not in report.markdown(gate("failed"))


def test_an_outcome_of_every_kind_has_a_finding():
    for outcome in Outcome:
        row = judged(times(8), head=(str(outcome), "because"))
        assert isinstance(row.finding, Finding)


@pytest.mark.parametrize("finding", list(Finding))
@pytest.mark.parametrize(("shared", "withdrawn"), [(0.0, False), (0.5, False), (0.51, True), (1.0, True)])
def test_times_from_a_cpu_that_others_use_say_nothing_about_speed(finding, shared, withdrawn):
    """A slice of somebody else's is a part of every block: 5 % were read as 3 %, with intervals around it."""
    row = judge.Judgement("t", "f", finding, "why", ratio=1.05, low=1.04, high=1.06, p=0.001)
    found = judge.without_shared_cpu(row, shared)
    if withdrawn and finding in (Finding.SLOWER, Finding.FASTER, Finding.SAME):
        assert (found.finding, found.low, found.high, found.p) == (Finding.INCONCLUSIVE, None, None, None)
        assert f"another process ran on the measured CPU in {shared:.0%} of the rounds" in found.reason
    else:
        assert found == row
