"""From records to rows: phases add up, the launch is the unit, nothing that failed shows a speed."""

import math

import numpy as np
import pytest

from workbench.show import summary


def launch(number, blocks, *, timed=None, rounds=None, **changes):
    return {
        "launch": number,
        "timed": number == 0 if timed is None else timed,
        "import_s": 1.0 if number == 0 else 9.0,
        "setup_s": 0.5,
        "first_step_s": 0.25,
        "blocks": blocks,
        "rounds": list(range(len(blocks))) if rounds is None else rounds,
        "block_steps": 100,
        "trace": [0.01] * 20,
        "observed": {"threads": 1, "device": "cpu", "matmul_precision": "float32", "flush_to_zero": True},
        "cpu_per_wall": 1.0,
        "energy_j": [],
        "import_bytes": 100,
        "peak_bytes": 150 + number,
        "peak_device_bytes": None,
        "versions": {"numpy": "2"},
        **changes,
    }


def contestant(name, launches, *, outcome="ok", compiles=None):
    proof = {"passed": outcome != "invalid", "tolerance": 1e-5, "max_relative_error": 1e-7}
    return {
        "frontend": name,
        "title": name,
        "color": None,
        "compiles": compiles,
        "outcome": outcome,
        "reason": "" if outcome == "ok" else "why",
        "log": "log.txt",
        "proof": proof,
        "launches": launches,
        "sweep": [],
    }


def info(rounds=(), **settings):
    return {
        "settings": {"device": "cpu", "threads": 1, "matmul_precision": "float32", **settings},
        "problem": {"steps": 101, "flops": 1e6, "bytes": 2e6},
        "rounds": [
            {"launch": number, "round": place, "flags": flags, "matrix_flops": 1e9} for number, place, flags in rounds
        ],
    }


def rows(*contestants, run=None):
    return {row["frontend"]: row for row in summary.rows(run or info(), contestants)}


def test_phases_add_up_to_the_total():
    row = rows(contestant("a", [launch(0, [0.01, 0.01, 0.01])]))["a"]
    assert row["total_s"] == pytest.approx(1.0 + 0.5 + 0.25 + 100 * 0.01)


def test_only_the_timed_launch_shows_its_start():
    row = rows(contestant("a", [launch(0, [0.01] * 3), launch(1, [0.01] * 3)]))["a"]
    assert row["import_s"] == 1.0


def test_the_launch_is_the_unit():
    many_fast_blocks = launch(0, [0.010] * 50)
    few_slow_blocks = [launch(number, [0.020] * 3) for number in (1, 2)]
    row = rows(contestant("a", [many_fast_blocks, *few_slow_blocks]))["a"]
    assert row["step_s"] == 0.020


def test_disturbed_rounds_are_left_out_unless_most_are():
    blocks = [0.01, 0.01, 0.05]
    one_dirty = info(rounds=[(0, 0, []), (0, 1, []), (0, 2, ["steal 9 %"])])
    row = rows(contestant("a", [launch(0, blocks)]), run=one_dirty)["a"]
    assert (row["step_s"], row["step_s_high"], row["dirty_blocks"]) == (0.01, 0.01, 1)
    most_dirty = info(rounds=[(0, 0, []), (0, 1, ["x"]), (0, 2, ["x"])])
    assert rows(contestant("a", [launch(0, blocks)]), run=most_dirty)["a"]["step_s_high"] == 0.05


def test_six_launches_have_an_interval_and_fewer_a_span():
    steps = [0.010, 0.011, 0.012, 0.013, 0.014, 0.015]
    launches = [launch(number, [step] * 5) for number, step in enumerate(steps)]
    assert rows(contestant("a", launches))["a"]["interval"] == "95 % over 6 launches"
    assert "range" in rows(contestant("a", launches[:2]))["a"]["interval"]


@pytest.mark.parametrize("outcome", ["invalid", "error", "timeout", "out-of-memory", "interrupted"])
def test_what_is_not_ok_shows_no_speed(outcome):
    row = rows(contestant("a", [launch(0, [0.01] * 3)], outcome=outcome))["a"]
    assert [row[name] for name in ("step_s", "total_s", "gflops", "rank")] == [None] * 4


def test_the_relative_step_is_compared_round_by_round():
    """A machine that is slow for a while, while one's blocks run and then the other's, is no difference of theirs."""
    slow = [1.0, 1.0, 1.0, 1.5, 1.5]
    first = contestant("a", [launch(0, [0.010 * part for part in slow])])
    second = contestant("b", [launch(0, [0.020 * part for part in [1.0, 1.5, 1.5, 1.5, 1.5]])])
    found = rows(first, second)
    assert found["a"]["relative_step"] == 1
    assert found["b"]["relative_step"] == pytest.approx(2)
    assert found["b"]["step_s"] / found["a"]["step_s"] == pytest.approx(3)


def test_the_relative_step_of_unequal_launches_is_that_of_the_steps():
    found = rows(contestant("a", [launch(0, [0.01])]), contestant("b", [launch(n, [0.03]) for n in (0, 1)]))
    assert [row["relative_step"] for row in found.values()] == [1, pytest.approx(3)]


def test_break_even_counts_set_up_and_first_step_but_not_the_import():
    eager = contestant("eager", [launch(0, [0.010] * 5)])
    compiled = contestant("compiled", [launch(0, [0.005] * 5, first_step_s=10.25, import_s=99.0)], compiles="eager")
    row = rows(eager, compiled)["compiled"]
    # 10 s more at the start, 5 ms less at each step
    assert row["break_even"] == pytest.approx(2001, abs=1)
    assert row["break_even_against"] == "eager"


def test_a_slower_compiled_style_never_breaks_even():
    eager = contestant("eager", [launch(0, [0.010] * 5)])
    compiled = contestant("compiled", [launch(0, [0.020] * 5, first_step_s=10.0)], compiles="eager")
    assert rows(eager, compiled)["compiled"]["break_even"] is None


def test_contestants_that_cannot_be_told_apart_share_a_rank():
    a = contestant("a", [launch(0, [0.010, 0.012, 0.011] * 4)])
    b = contestant("b", [launch(0, [0.0105, 0.0125, 0.0115] * 4)])
    c = contestant("c", [launch(0, [0.030, 0.031, 0.032] * 4)])
    found = rows(a, b, c)
    assert [found[name]["rank"] for name in "abc"] == [1, 1, 3]


def test_an_ignored_request_is_said():
    observed = {"threads": 2, "device": "cpu", "matmul_precision": "tf32"}
    row = rows(contestant("a", [launch(0, [0.01] * 3, observed=observed, cpu_per_wall=1.9)]))["a"]
    assert len(row["warnings"]) == 3
    assert any("observed 2" in warning for warning in row["warnings"])


def test_rates_come_from_the_tasks_own_count_of_work():
    row = rows(contestant("a", [launch(0, [0.01] * 3)]), run=info(rounds=[(0, 0, [])]))["a"]
    assert (row["gflops"], row["gbytes"]) == pytest.approx((0.1, 0.2))
    assert row["matrix_share"] == pytest.approx(0.1)


def test_the_frame_has_numbers_where_rows_have_none():
    run = info()
    frame = summary.table(run, [contestant("a", [], outcome="error")])
    assert frame["step_s"].isna().all()
    assert frame["step_s"].dtype == float


def test_a_sweep_is_fitted():
    swept = contestant("a", [launch(0, [0.01] * 3)])
    swept["sweep"] = [
        {"value": size, "flops": size * 1e6, "bytes": 1.0, "blocks": [1e-4 + size * 1e-5] * 3} for size in (1, 10, 100)
    ]
    fit = summary.sweep_fits(summary.sweep_points([swept])).iloc[0]
    assert fit["overhead_s"] == pytest.approx(1e-4, rel=1e-6)
    assert fit["seconds_per_unit"] == pytest.approx(1e-11, rel=1e-6)


def test_a_slow_round_makes_no_difference_between_contestants():
    quiet, slow = [0.010] * 4, [0.010, 0.030, 0.010, 0.020]
    ratio = [1.05 * seconds for seconds in slow]
    base, head = summary.launch_steps([launch(0, slow), launch(0, ratio)])
    assert head / base == pytest.approx(1.05)
    assert summary.launch_steps([launch(0, quiet)]) == pytest.approx([0.010])


def test_contestants_of_other_rounds_keep_their_own_median():
    first, second = launch(0, [0.01, 0.02, 0.03]), launch(0, [0.04, 0.05, 0.06], rounds=[3, 4, 5])
    assert summary.launch_steps([first, second]) == [0.02, 0.05]


def scattering(name, sd, launches=4, rounds=40, **changes):
    random = np.random.default_rng(sum(name.encode()))
    blocks = np.exp(sd * random.standard_normal((launches, rounds)))
    return contestant(name, [launch(number, list(blocks[number])) for number in range(launches)], **changes)


def test_the_least_difference_is_two_standard_errors_of_the_ratio_that_is_known_best():
    least = summary.least_difference(info(), [scattering("a", 0.03), scattering("b", 0.04), scattering("c", 0.5)])
    assert least == pytest.approx(2 * 1.2533 * math.hypot(0.03, 0.04) / math.sqrt(4 * 40), rel=0.2)


def test_there_is_no_least_difference_without_two_that_were_measured_side_by_side():
    a, b = scattering("a", 0.03), scattering("b", 0.03)
    assert summary.least_difference(info(), [a, b]) is not None
    for other in ([], [scattering("b", 0.03, outcome="failed")], [scattering("b", 0.03, launches=3)]):
        assert summary.least_difference(info(), [a, *other]) is None
    assert summary.least_difference(info(), [a, scattering("b", 0.03, rounds=39)]) is None
    assert summary.least_difference(info(), [scattering("a", 0.03, rounds=1), scattering("b", 0.03, rounds=1)]) is None
