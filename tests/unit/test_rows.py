"""From records to rows: phases add up, the launch is the unit, nothing that failed shows a speed."""

import dataclasses
import math

import numpy as np
import pytest

from workbench.model.outcomes import Outcome
from workbench.model.proof import Exact
from workbench.model.records import Settings, SweepPoint
from workbench.model.stage import EVALUATE, INFER
from workbench.statistics.launches import unit_times
from workbench.statistics.rows import least_difference, rows, sweep_fits, sweep_points
from workbench.testing import contestant, launch, proof, record, rounds

FAILED = [outcome for outcome in Outcome if outcome not in (Outcome.OK, Outcome.UNSUPPORTED, Outcome.UNAVAILABLE)]


def by_id(*contestants, stage="train", **fields):
    return {row.id: row for row in rows(record(*contestants, **fields), stage)}


def flagged(*flags):
    """Rounds of launch 0, each with these flags."""
    return [
        dataclasses.replace(entry, flags=of_one)
        for entry, of_one in zip(rounds(1, len(flags)), map(tuple, flags), strict=True)
    ]


def test_phases_add_up_to_the_total():
    row = by_id(contestant("a", [launch(0, [0.01, 0.01, 0.01])]))["a"]
    assert row.total_s == pytest.approx(1.0 + 0.5 + 0.25 + 100 * 0.01)


def test_only_the_timed_launch_shows_its_start():
    row = by_id(contestant("a", [launch(0, [0.01] * 3), launch(1, [0.01] * 3)]))["a"]
    assert row.import_s == 1.0


def test_the_launch_is_the_unit():
    many_fast_blocks = launch(0, [0.010] * 50)
    few_slow_blocks = [launch(number, [0.020] * 3) for number in (1, 2)]
    row = by_id(contestant("a", [many_fast_blocks, *few_slow_blocks]))["a"]
    assert row.unit_s == 0.020


def test_disturbed_rounds_are_left_out_unless_most_are():
    measured = contestant("a", [launch(0, [0.01, 0.01, 0.05])])
    row = by_id(measured, rounds=flagged([], [], ["steal 9 %"]))["a"]
    assert (row.unit_s, row.unit_s_high, row.disturbed_blocks) == (0.01, 0.01, 1)
    assert by_id(measured, rounds=flagged([], ["x"], ["x"]))["a"].unit_s_high == 0.05


def test_six_launches_have_an_interval_and_fewer_a_span():
    steps = [0.010, 0.011, 0.012, 0.013, 0.014, 0.015]
    launches = [launch(number, [step] * 5) for number, step in enumerate(steps)]
    assert by_id(contestant("a", launches))["a"].interval == "95 % over 6 launches"
    assert "range" in by_id(contestant("a", launches[:2]))["a"].interval


@pytest.mark.parametrize("outcome", FAILED)
def test_what_is_not_ok_shows_no_speed(outcome):
    row = by_id(contestant("a", [launch(0, [0.01] * 3)], outcome=outcome))["a"]
    assert [row.unit_s, row.total_s, row.gflops, row.rank] == [None] * 4
    assert not row.timed


def test_the_relative_step_is_compared_round_by_round():
    """A machine that is slow for a while, while one's blocks run and then the other's, is no difference of theirs."""
    slow = [1.0, 1.0, 1.0, 1.5, 1.5]
    first = contestant("a", [launch(0, [0.010 * part for part in slow])])
    second = contestant("b", [launch(0, [0.020 * part for part in [1.0, 1.5, 1.5, 1.5, 1.5]])])
    compared = by_id(first, second)
    assert compared["a"].relative == 1
    assert compared["b"].relative == pytest.approx(2)
    assert compared["b"].unit_s / compared["a"].unit_s == pytest.approx(3)


def test_the_relative_step_of_unequal_launches_is_that_of_the_steps():
    compared = by_id(contestant("a", [launch(0, [0.01])]), contestant("b", [launch(n, [0.03]) for n in (0, 1)]))
    assert [row.relative for row in compared.values()] == [1, pytest.approx(3)]


def test_break_even_counts_set_up_and_first_step_but_not_the_import():
    late = dataclasses.replace(launch(0, [0.005] * 5), first_s=10.25, import_s=99.0)
    eager, compiled = contestant("eager", [launch(0, [0.010] * 5)]), contestant("compiled", [late], compiles="eager")
    row = by_id(eager, compiled)["compiled"]
    # 10 s more at the start, 5 ms less at each step
    assert row.break_even == pytest.approx(2001, abs=1)
    assert row.break_even_against == "eager"


def test_a_slower_compiled_style_never_breaks_even():
    late = dataclasses.replace(launch(0, [0.020] * 5), first_s=10.0)
    eager, compiled = contestant("eager", [launch(0, [0.010] * 5)]), contestant("compiled", [late], compiles="eager")
    assert by_id(eager, compiled)["compiled"].break_even is None


def test_contestants_that_cannot_be_told_apart_share_a_rank():
    a = contestant("a", [launch(0, [0.010, 0.012, 0.011] * 4)])
    b = contestant("b", [launch(0, [0.0125, 0.0115, 0.0105] * 4)])
    c = contestant("c", [launch(0, [0.030, 0.031, 0.032] * 4)])
    ranked = by_id(a, b, c)
    assert [ranked[name].rank for name in "abc"] == [1, 1, 3]


def test_seven_launches_are_ranked_pair_by_pair():
    """A difference that every launch shows is seen through a machine that drifts by much more."""
    drift = [1.0, 1.3, 0.8, 1.6, 0.7, 1.2, 2.0, 0.9]
    a = contestant("a", [launch(number, [0.010 * part] * 3) for number, part in enumerate(drift)])
    b = contestant("b", [launch(n, [(0.012 + n * 1e-5) * part] * 3) for n, part in enumerate(drift)])
    assert [row.rank for row in by_id(b, a).values()] == [2, 1]


def test_an_ignored_request_is_said():
    ignoring = launch(0, [0.01] * 3)
    ignoring.observed |= {"threads": 2, "matmul_precision": "tf32"}
    ignoring.of().cpu_per_wall = 1.9
    row = by_id(contestant("a", [ignoring]))["a"]
    assert len(row.warnings) == 3
    assert any("observed 2" in warning for warning in row.warnings)
    assert (
        by_id(contestant("a", [ignoring]), settings=Settings("t", "p", threads=2, matmul_precision=None))["a"].warnings
        == ()
    )


def test_rates_come_from_the_tasks_own_count_of_work():
    row = by_id(contestant("a", [launch(0, [0.01] * 3)]), rounds=rounds(1, 1))["a"]
    assert (row.gflops, row.gbytes) == pytest.approx((0.1, 0.2))
    assert row.matrix_share == pytest.approx(0.1)


def test_a_sweep_is_fitted():
    points = [SweepPoint(size, size * 1e6, 1.0, [1e-4 + size * 1e-5] * 3) for size in (1, 10, 100)]
    swept = record(contestant("a", [launch(0, [0.01] * 3)], sweep=points))
    (fitted,) = sweep_fits(sweep_points(swept))
    assert fitted.contestant == "a"
    assert fitted.fit.overhead_s == pytest.approx(1e-4, rel=1e-6)
    assert fitted.fit.seconds_per_unit == pytest.approx(1e-11, rel=1e-6)


def test_two_sizes_make_no_fit_and_what_failed_no_point():
    points = [SweepPoint(size, size * 1e6, 1.0, [1e-4] * 3) for size in (1, 10, 100)]
    failed = contestant("failed", sweep=points, outcome=Outcome.ERROR)
    swept = sweep_points(record(contestant("a", sweep=points[:2]), failed))
    assert [(point.contestant, point.size) for point in swept] == [("a", 1), ("a", 10)]
    assert sweep_fits(swept) == []


def test_a_slow_round_makes_no_difference_between_contestants():
    quiet, slow = [0.010] * 4, [0.010, 0.030, 0.010, 0.020]
    ratio = [1.05 * seconds for seconds in slow]
    base, head = unit_times([launch(0, slow), launch(0, ratio)], "train")
    assert head / base == pytest.approx(1.05)
    assert unit_times([launch(0, quiet)], "train") == pytest.approx([0.010])


def test_contestants_of_other_rounds_keep_their_own_median():
    first, second = launch(0, [0.01, 0.02, 0.03]), launch(0, [0.04, 0.05, 0.06], rounds=[3, 4, 5])
    assert unit_times([first, second], "train") == [0.02, 0.05]


def test_a_metric_is_the_median_over_the_launches_that_report_it():
    launches = [launch(number, [0.01] * 3) for number in range(4)]
    for number, accuracy in enumerate((0.9, 0.8, 0.7)):
        launches[number].metrics = {"accuracy": accuracy}
    assert by_id(contestant("a", launches))["a"].metrics == {"accuracy": 0.8}


def test_each_stage_has_its_own_rows():
    """What is compared at one stage is not what is compared at another."""
    train, infer = launch(0, [0.01] * 3), launch(0, [0.02] * 3, stage=INFER.name)
    both = dataclasses.replace(train, blocks={**train.blocks, **infer.blocks})
    measured = contestant("a", [both]), contestant("b", [launch(0, [0.001] * 3, stage=INFER.name)])
    training, inference = by_id(*measured), by_id(*measured, stage="infer")
    assert (training["a"].unit_s, training["b"].timed) == (0.01, False)
    assert [inference[name].unit_s for name in "ab"] == [0.02, 0.001]
    assert inference["a"].relative == pytest.approx(20)
    assert (inference["a"].gflops, inference["a"].total_s) == (None, None), "work is counted for a step of the training"


def test_what_gradients_and_update_cost_is_a_ratio_within_each_process():
    launches = []
    for number, (step, loss) in enumerate([(0.02, 0.01), (0.06, 0.02), (0.4, 0.1)]):
        both = launch(number, [loss] * 3, stage=EVALUATE.name)
        both.blocks |= launch(number, [step] * 3).blocks
        launches.append(both)
    measured = contestant("a", launches)
    assert by_id(measured, stage="evaluate")["a"].step_ratio == pytest.approx(3)
    assert by_id(measured)["a"].step_ratio is None
    alone = contestant("a", [launch(0, [0.01] * 3, stage=EVALUATE.name)])
    assert by_id(alone, stage="evaluate")["a"].step_ratio is None


def scattering(name, sd, launches=4, count=40, **fields):
    random = np.random.default_rng(sum(name.encode()))
    blocks = np.exp(sd * random.standard_normal((launches, count)))
    return contestant(name, [launch(number, list(blocks[number])) for number in range(launches)], **fields)


def test_what_is_ranked_shown_and_said_to_be_distinguishable_is_one_and_the_same():
    """By the intervals that are shown, and by nothing else."""
    for seed in range(20):
        names = [f"{seed}{letter}" for letter in "abcd"]
        found = by_id(
            *(
                scattering(name, sd, launches=8, count=6)
                for name, sd in zip(names, [0.01, 0.02, 0.03, 0.3], strict=True)
            )
        )
        ends = {
            row.id: [row.relative * end / row.unit_s for end in (row.unit_s_low, row.unit_s_high)]
            for row in found.values()
        }
        for row in found.values():
            low, high = ends[row.id]
            assert row.rank == 1 + sum(other < low for _, other in ends.values())
            assert (high / row.relative) == pytest.approx(row.relative / low), "both sides are the same factor"
        arms = sorted(math.log(row.unit_s_high / row.unit_s) for row in found.values())
        assert least_difference(found.values()) == pytest.approx(math.expm1(arms[0] + arms[1]))


def test_the_least_difference_is_about_that_of_the_ratio_that_is_known_best():
    least = least_difference(by_id(scattering("a", 0.03), scattering("b", 0.04), scattering("c", 0.5)).values())
    alone = least_difference(by_id(scattering("a", 0.03), scattering("b", 0.04)).values())
    assert 1 < alone / (2 * 1.2533 * math.hypot(0.03, 0.04) / math.sqrt(40)) < 2.5, "that of one launch, or of the span"
    assert least < 1.5 * alone


def test_there_is_no_least_difference_without_two_that_were_measured_side_by_side():
    a, b = scattering("a", 0.03), scattering("b", 0.03)
    assert least_difference(by_id(a, b).values()) is not None
    for other in ([], [scattering("b", 0.03, outcome=Outcome.ERROR)]):
        assert least_difference(by_id(a, *other).values()) is None


def test_who_was_not_measured_round_by_round_is_compared_by_intervals_of_its_own_times():
    ranked = by_id(scattering("a", 0.03), scattering("b", 0.03, launches=3))
    assert [row.interval for row in ranked.values()] == [f"range of the blocks of {n} launches" for n in (4, 3)]
    assert [row.rank for row in ranked.values()] == [1, 1]


def proven(steps=101, of=101, difference=1e-15, limit=1e-11, reason="", judged=3, proving=3):
    """The row of a contestant with such a proof."""
    exact = Exact(steps, of, difference, limit, reason)
    entry = contestant("a", [launch(0, [0.01] * 3)], proof=proof(exact=exact, judged=judged, proving=proving))
    return by_id(entry)["a"]


def test_a_row_tells_what_was_proven_in_float64_and_of_the_clocked_blocks():
    row = proven()
    assert (row.float64_error, row.float64_limit, row.float64_steps, row.float64_note) == (1e-15, 1e-11, 101, "")
    assert (row.blocks_judged, row.blocks_proving) == (3, 3)
    assert row.warnings == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"steps": 20, "reason": "a minute per step"},
            "proven in float64 with a reservation: 20 of 101 steps: a minute per step",
        ),
        (
            {"steps": 100},
            "proven in float64 with a reservation: 100 of 101 steps: only whole calls and whole periods are run",
        ),
        (
            {"steps": 0, "difference": None, "limit": None, "reason": "it has no float64"},
            "proven in float64 with a reservation: it has no float64",
        ),
        (
            {"limit": 1e-6, "reason": "sums are reduced in blocks"},
            "proven in float64 with a reservation: sums are reduced in blocks",
        ),
        (
            {"proving": 0},
            "no rank: its clocked blocks change too little for skipped updates to be seen",
        ),
    ],
)
def test_what_limits_a_proof_stands_beside_the_row(changes, said):
    assert proven(**changes).warnings == (said,)


def blocks(name, seconds, launches=1, *, proving=3, judged=3, **fields):
    """A contestant of which so many clocked blocks were judged, and so many of these prove something."""
    measured = [launch(number, [seconds * (1 + number * seconds)] * 3) for number in range(launches)]
    exact = Exact(101, 101, 1e-15, 1e-11)
    return contestant(name, measured, proof=proof(exact=exact, judged=judged, proving=proving), **fields)


@pytest.mark.parametrize("launches", [1, 8])
def test_who_has_no_proving_block_has_a_time_but_no_rank_and_no_relative_time(launches):
    """However fast it seems; the others are compared as if it were not there."""
    a, b, skipping = blocks("a", 0.010, launches), blocks("b", 0.020, launches), blocks("s", 1e-9, launches, proving=0)
    compared = by_id(a, skipping, b)
    assert (compared["s"].rank, compared["s"].relative) == (None, None)
    assert (compared["s"].unit_s, compared["s"].timed) == (pytest.approx(1e-9), True)
    assert [compared[name].rank for name in "ab"] == [1, 2]
    assert [compared[name].relative for name in "ab"] == pytest.approx([1, 2], rel=0.05)
    assert [compared[name] for name in "ab"] == [by_id(a, b)[name] for name in "ab"]


def test_who_has_no_proving_block_does_not_hinder_comparing_the_others_launch_by_launch():
    """With another number of launches, it would."""
    drift = [1.0, 1.3, 0.8, 1.6, 0.7, 1.2, 2.0, 0.9]
    exact = proof(exact=Exact(101, 101, 1e-15, 1e-11), judged=3, proving=3)
    a = contestant("a", [launch(n, [0.010 * part] * 3) for n, part in enumerate(drift)], proof=exact)
    b = contestant("b", [launch(n, [(0.012 + n * 1e-5) * part] * 3) for n, part in enumerate(drift)], proof=exact)
    ranked = by_id(a, b, blocks("s", 0.011, 2, proving=0))
    assert [ranked[name].rank for name in "abs"] == [1, 2, None]
    assert ranked["b"].relative == pytest.approx(1.2, rel=0.01)


@pytest.mark.parametrize(("judged", "proving", "rank"), [(3, 1, 1), (3, 0, None), (0, 0, None)])
def test_one_proving_block_is_enough_and_without_any_there_is_no_rank(judged, proving, rank):
    row = by_id(blocks("a", 0.01, judged=judged, proving=proving))["a"]
    assert (row.rank, row.relative) == (rank, rank)


def test_runs_of_versions_that_judged_no_block_keep_their_ranks():
    row = by_id(contestant("a", [launch(0, [0.01] * 3)], proof=proof()))["a"]
    assert (row.rank, row.relative) == (1, 1)


def test_nobody_breaks_even_with_who_has_no_proving_block():
    eager, compiled = blocks("e", 0.02, 3), blocks("c", 0.01, 3, compiles="e")
    assert by_id(eager, compiled)["c"].break_even_against == "e"
    assert by_id(blocks("e", 0.02, 3, proving=0), compiled)["c"].break_even_against is None
    assert by_id(eager, blocks("c", 0.01, 3, compiles="e", proving=0))["c"].break_even_against is None


def test_a_whole_call_more_than_the_task_has_limits_nothing():
    assert proven(steps=150).warnings == ()


def test_a_proof_that_an_older_version_recorded_has_no_such_columns():
    row = by_id(contestant("a", [launch(0, [0.01] * 3)]))["a"]
    assert (row.float64_error, row.float64_steps, row.blocks_judged, row.warnings) == (None, None, None, ())
    assert row.max_relative_error == 1e-7


def test_who_failed_its_proof_in_float64_shows_by_how_much():
    failed = proof(passed=False, exact=Exact(101, 101, 0.5, 1e-11))
    row = by_id(contestant("a", outcome=Outcome.INVALID, proof=failed))["a"]
    assert (row.float64_error, row.verdict, row.unit_s) == (0.5, "differs", None)


def compiling(before, after):
    entry = contestant("a", [launch(0, [0.01] * 3), launch(1, [0.01] * 3)])
    entry.launches[0].compiled, entry.launches[0].compiled_before = {"compiled": 99}, {}
    entry.launches[1].compiled, entry.launches[1].compiled_before = after, before
    return by_id(entry)["a"]


def test_compilations_are_those_of_the_latest_process_and_told_if_they_were_timed():
    row = compiling({"compiled": 2, "graph breaks": 0}, {"compiled": 2, "graph breaks": 0})
    assert (row.compilations, row.compilations_while_timed, row.graph_breaks, row.warnings) == (2, 0, 0, ())
    row = compiling({"compiled": 2, "traced": 1}, {"compiled": 5, "traced": 1})
    assert (row.compilations, row.compilations_while_timed, row.graph_breaks) == (6, 3, None)
    assert row.warnings == ("compiled 3 more times while it was timed",)


def test_a_counter_that_forgets_hides_no_other():
    """TensorFlow counts the graphs that are alive; another may have been compiled meanwhile."""
    row = compiling({"compiled": 2, "traced": 9}, {"compiled": 3, "traced": 1})
    assert row.compilations_while_timed == 1


def test_a_compiler_that_gave_up_is_told():
    row = compiling({"compiled": 1}, {"compiled": 1, "graph breaks": 2})
    assert (row.compilations, row.compilations_while_timed, row.graph_breaks) == (1, 0, 2)
    assert row.warnings == ("its compiler left 2 graph breaks to the interpreter",)


def test_where_a_framework_does_not_count_nothing_is_said():
    row = compiling({}, {})
    assert (row.compilations, row.compilations_while_timed, row.graph_breaks) == (None, None, None)


def energy_row(energy_j, seconds=(0.02,) * 3, units=25):
    measured = launch(0, list(seconds))
    measured.blocks["train"] = dataclasses.replace(
        measured.blocks["train"], energy_j=list(energy_j), seconds=list(seconds), units=units
    )
    return by_id(contestant("a", [measured]))["a"].energy_j


def test_energy_is_the_mean_of_all_blocks_because_a_counter_moves_in_jumps():
    """Of three blocks of half a second, one is told the energy of all."""
    assert energy_row([0.0, 3.0, 0.0]) == pytest.approx(1.0)


@pytest.mark.parametrize(("units", "known"), [(16, False), (17, True)])
def test_less_than_a_second_tells_no_energy(units, known):
    assert (energy_row([1.0, 1.0, 1.0], units=units) is not None) == known


def test_a_machine_without_a_counter_tells_no_energy():
    assert energy_row([]) is None
    assert energy_row([None, None, None]) is None
    assert energy_row([None, 1.0, 2.0], units=30) == pytest.approx(1.5)
