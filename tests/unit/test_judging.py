"""What a launch's judged blocks say together, and which times no machine can have reached."""

from __future__ import annotations

import dataclasses
import random
from types import SimpleNamespace

import numpy as np
import pytest

from workbench.catalog.roots import package_root
from workbench.host import machine
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import Cause, Check, Proof, Trained
from workbench.session import judging
from workbench.session.judging import LARGEST, LONGEST_S, check_plausible, judge_blocks, provable_units
from workbench.session.reference import Steps
from workbench.session.timed import Evidence, Timed
from workbench.session.verify import Repeated, Rules
from workbench.testing import launch, rounds
from workbench.wire import exchange

FRONTEND = None
BEFORE, AFTER = np.zeros(4), np.ones(4)
LOSSES = np.array([2.0, 1.0])
# What a block ends with: by what it differs from the right end, and whether anything could be seen of it.
HONEST, FLIPPED, SKIPPED = AFTER, AFTER * (1 + 1e-4), BEFORE


class Right:
    """A reference that knows the right end of every block without computing it."""

    def __init__(self, *, dtype: str = "float32", stateless: bool = False, cost_s: float = 0.01) -> None:
        self.rules, self.stateless, self._cost_s = Rules(dtype, 10, 100), stateless, cost_s
        self.problem = SimpleNamespace(init={"w": BEFORE}, data={}, rows=None)
        self.repeated: list[tuple[int, str]] = []

    def trained(self, steps=None):
        return Trained(LOSSES, {"parameters/w": AFTER})

    def cost_s(self, done):
        return self._cost_s

    def before(self, done):
        return exchange.load_arrays(done.before) if done.before else {"parameters/w": BEFORE}

    def repeat(self, done, dtype):
        self.repeated.append((done.step, dtype))
        before = self.before(done)["parameters/w"]
        moved = before if done.warm == 0 else AFTER  # a block of no warm steps stands for one that changes nothing
        return Repeated(LOSSES, {"parameters/w": moved.astype(dtype)})


@pytest.fixture
def launched(tmp_path):
    """A launch whose judged blocks ended as listed, of a contestant that was proven in float64."""

    def make(*ends: np.ndarray, still: int = 0, dtype: str = "float32") -> Timed:
        contestant = Contestant("planted", FRONTEND, (), package_root())
        contestant.proof = Proof((Check("check_every_loss", True, 1e-7),), 0.05)
        made = Timed(contestant, None, 100, 1e-6, 1e-6, False, random.Random(0))
        for number, end in enumerate(ends):
            files = [tmp_path / f"{number}-{name}.npz" for name in ("before", "after")]
            start = end if number < still else BEFORE
            for file, array in zip(files, (start, end), strict=True):
                exchange.save_arrays(file, {"parameters/w": array.astype(dtype)})
            feeds = tmp_path / "first.npz", tmp_path / "last.npz"
            steps = Steps(files[0], number, feeds[0], int(number >= still), feeds[1], 1, 10, [0, 9])
            made.drawn.append(Evidence(number, steps, LOSSES.copy(), files[1], 1.0))
        return made

    return make


def judged(made: Timed, reference: Right | None = None) -> str:
    """Why a launch is refused; empty if it is not."""
    try:
        judge_blocks(made, reference or Right())
    except WorkerFailedError as failure:
        assert failure.outcome is Outcome.INVALID, failure  # noqa: PT017 - what it is refused for is looked at, too
        return failure.reason
    return ""


def counts(made: Timed) -> tuple[int, int]:
    return made.contestant.proof.judged, made.contestant.proof.proving


def test_honest_blocks_pass_and_are_counted(launched):
    made = launched(HONEST, HONEST, HONEST)
    assert judged(made) == ""
    assert counts(made) == (3, 3)
    names = {check.name: check for check in made.contestant.proof.checks}
    assert {"check_every_loss", "check_block", "check_block_rounding"} == set(names)
    assert made.contestant.proof.max_relative_error == 1e-7, "it is off by what its losses are off, as before"


@pytest.mark.parametrize("place", range(3))
def test_a_single_block_of_other_work_is_too_many(launched, place):
    ends = [HONEST, HONEST, HONEST]
    ends[place] = SKIPPED
    made = launched(*ends)
    said = judged(made)
    assert said.startswith(f"check_block: the block of round {place}: parameters/w: off by 1, limit 0.1, 1 would have")
    assert said.endswith("passed: other work than the steps asked for")
    assert counts(made) == (3, 3), "what was found is recorded with the refusal"
    assert not made.contestant.proof.passed


@pytest.mark.parametrize(
    ("exceeding", "honest", "refused"),
    [(0, 1, False), (1, 0, False), (1, 1, False), (1, 2, False), (2, 1, True), (2, 0, True), (3, 0, True)],
)
def test_more_than_half_of_the_blocks_must_stay_within_the_rounding_limit(launched, exceeding, honest, refused):
    """A ReLU that flips exceeds it in some honest blocks; arithmetic of lower precision does in all of them."""
    made = launched(*[FLIPPED] * exceeding, *[HONEST] * honest)
    said = judged(made)
    assert bool(said) == refused
    assert not refused or said.startswith("check_block_rounding: the block of round ")
    assert not refused or said.endswith(" would have passed: rounding")
    check = next(check for check in made.contestant.proof.checks if check.name == "check_block_rounding")
    assert check.difference == pytest.approx(1e-4 if exceeding else 0, rel=0.01, abs=1e-7), "what was tolerated is told"
    assert check.cause is Cause.ROUNDING or check.passed


@pytest.mark.parametrize(
    ("earlier", "exceeding", "honest", "refused"),
    [
        ((30, 1), 2, 1, False),  # two flips in one of many launches
        ((30, 15), 2, 1, True),
        ((3, 1), 2, 1, False),
        ((3, 2), 2, 1, True),
        ((30, 0), 3, 0, True),  # a launch that exceeds it throughout is refused, however many did not
        ((1, 1), 1, 0, True),
        ((30, 1), 1, 0, False),
    ],
)
def test_earlier_launches_count_as_well(launched, earlier, exceeding, honest, refused):
    made = launched(*[FLIPPED] * exceeding, *[HONEST] * honest)
    proving, exceeded = earlier
    proof = made.contestant.proof
    made.contestant.proof = dataclasses.replace(proof, judged=proving, proving=proving, exceeding=exceeded)
    assert bool(judged(made)) == refused
    assert made.contestant.proof.proving == proving + exceeding + honest
    assert made.contestant.proof.exceeding == exceeded + exceeding


def test_the_worst_block_of_a_refused_launch_is_the_one_that_is_told(launched):
    made = launched(FLIPPED, AFTER * (1 + 5e-3), FLIPPED)
    assert judged(made).startswith("check_block_rounding: the block of round 1: parameters/w: off by 0.005")


@pytest.mark.parametrize(
    ("ends", "refused"), [((FLIPPED, FLIPPED, HONEST, HONEST), False), ((FLIPPED, FLIPPED, FLIPPED, FLIPPED), True)]
)
def test_blocks_in_which_nothing_could_be_seen_have_no_vote(launched, ends, refused):
    """The first two change nothing, so that they prove nothing, whatever rounding did to them."""
    made = launched(*ends, still=2)
    assert bool(judged(made)) == refused
    assert counts(made) == (4, 2)


def test_a_launch_in_which_nothing_could_be_seen_passes_and_says_so(launched):
    made = launched(HONEST, HONEST, HONEST, still=3)
    assert judged(made) == ""
    assert counts(made) == (3, 0)


def test_launches_add_up(launched):
    made = launched(HONEST, HONEST, HONEST)
    judged(made)
    judged(made)
    assert counts(made) == (6, 6)
    assert len(made.contestant.proof.checks) == 3


@pytest.mark.parametrize(("cost_s", "expected"), [(0.01, 3), (2.9, 2), (5.9, 1), (100.0, 1)])
def test_no_more_is_repeated_than_there_is_time_for_but_always_one_block(launched, cost_s, expected):
    made = launched(HONEST, HONEST, HONEST)
    reference = Right(cost_s=cost_s)
    assert judged(made, reference) == ""
    assert counts(made)[0] == expected
    assert len(reference.repeated) == 2 * expected


@pytest.mark.parametrize(("cost_s", "expected"), [(0.01, {0, 1, 2}), (2.9, None)])
def test_the_rounds_that_were_judged_are_told(launched, cost_s, expected):
    reference = Right(cost_s=cost_s)
    found = judge_blocks(launched(HONEST, HONEST, HONEST), reference)
    assert found == (expected or {step for step, _ in reference.repeated})
    assert len(found) == (3 if expected else 2)


def test_nobody_knows_which_of_the_drawn_blocks_is_judged_if_only_one_is(launched):
    """They lie in the order of their rounds: the first of them is the first one that ran, in most launches."""
    made, first = launched(HONEST, HONEST, HONEST), []
    for seed in range(60):
        made.draw = random.Random(seed)
        (round_number,) = judge_blocks(made, Right(cost_s=2 * LONGEST_S))
        first.append(round_number)
    assert all(first.count(round_number) > 8 for round_number in range(3)), first
    assert [entry.round for entry in made.drawn] == [0, 1, 2]


@pytest.mark.parametrize(("dtype", "types"), [("float32", {"float64", "float32"}), ("float64", {"float64"})])
def test_numpys_own_rounding_is_asked_for_where_it_sets_the_limit(launched, dtype, types):
    reference = Right(dtype=dtype)
    assert judged(launched(HONEST, dtype=dtype), reference) == ""
    assert {type_ for _, type_ in reference.repeated} == types


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "parameters/w is missing from the state"),
        ({"parameters/w": np.zeros((2, 2), "float32")}, "parameters/w has shape (2, 2), expected (4,)"),
        ({"parameters/w": np.full(4, np.nan, "float32")}, "parameters/w contains NaN or infinity"),
        ({"parameters/w": np.zeros(4)}, "parameters/w is float64, the task asks for float32"),
        ({"parameters/w": np.zeros(4, "float32"), "a": np.zeros(1)}, "a is not part of the task's state"),
    ],
)
def test_a_state_that_the_reference_cannot_go_on_from_costs_its_own_row(launched, state, said):
    """And not the reference, which would fail, and with it all other rows."""
    made = launched(HONEST, HONEST)
    exchange.save_arrays(made.drawn[1].steps.before, state)
    reference = Right()
    assert judged(made, reference) == f"check_block: the state before the block of round 1: {said}"
    assert {step for step, _ in reference.repeated} == {0}, "it is not even asked"


@pytest.mark.parametrize(
    ("factor", "start", "refused"), [(0.99, 0.0, False), (1.01, 0.0, True), (4.9, 5.0, False), (5.1, 5.0, True)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_parameters_that_are_far_larger_than_in_the_training_hide_nothing(launched, factor, start, refused, sign):
    """In their rounding: than at its end, where they are 1 here, or than at its start."""
    made, reference = launched(HONEST, HONEST), Right()
    reference.problem.init["w"] = np.full(4, start)
    large = np.array([0, 0, 0, sign * factor * LARGEST], "float32")
    exchange.save_arrays(made.drawn[1].steps.before, {"parameters/w": large})
    said = judged(made, reference)
    usual = max(start, 1.0)
    assert said == (
        f"check_block: the state before the block of round 1: parameters reach {abs(float(large[3])):.2g}, and "
        f"{usual:.2g} in the training: too large for a change to be seen"
        if refused
        else ""
    )
    assert ({step for step, _ in reference.repeated} == {0}) == refused


def test_moments_and_predictions_may_be_as_large_as_they_like(launched):
    made, reference = launched(HONEST), Right()
    more = {"carried/m/w": np.full(1, 10 * LARGEST, "float32"), "predictions": np.full(1, 10 * LARGEST, "float32")}
    trained, repeat = reference.trained(), reference.repeat
    both = {**trained.result, **{name: np.zeros(1) for name in more}}
    reference.trained = lambda: Trained(LOSSES, both)

    def repeated(done, dtype):
        found = repeat(done, dtype)
        return Repeated(found.losses, {**found.state, **{name: array.astype(dtype) for name, array in more.items()}})

    reference.repeat = repeated
    for file in (made.drawn[0].steps.before, made.drawn[0].after):
        exchange.save_arrays(file, {**exchange.load_arrays(file), **more})
    assert judged(made, reference) == ""


def test_a_state_that_cannot_be_read_costs_its_own_row(launched):
    made = launched(HONEST)
    made.drawn[0].after.write_bytes(b"garbage")
    with pytest.raises(WorkerFailedError, match="what the worker wrote cannot be read"):
        judge_blocks(made, Right())


# Blocks whose updates can be seen


class Parting(Right):
    """A reference of which float32 parts from float64 by a share of what a block changes, which grows with its steps.

    A thousandth per timed step, so that updates can be seen up to 12 of them: 8 times that is a tenth of the change.
    """

    share = 1e-3

    def __init__(self, **changes) -> None:
        super().__init__(**changes)
        self.asked: list[Steps] = []
        self.feeds: list[tuple[dict, dict]] = []
        self.problem = SimpleNamespace(
            init={"w": BEFORE}, data={"x": np.zeros((40, 2)), "y": np.zeros((40, 1))}, rows=None
        )

    def repeat(self, done, dtype):
        self.asked.append(done)
        self.feeds.append(tuple(exchange.load_feed(file)[0] for file in (done.feed, done.then)))
        apart = self.share * done.steps if dtype == "float32" else 0.0
        return Repeated(LOSSES[-1:], {"parameters/w": (AFTER * (1 + apart)).astype(dtype)})


@pytest.fixture
def sized(tmp_path):
    """A launch that is about to begin, with blocks of so many units."""

    def make(units: int, unit: int = 1, *, per_call: bool = False, dtype: str = "float32") -> Timed:
        def whole(steps: int) -> int:
            return max(steps // unit, 1) * unit

        state = tmp_path / "state.npz"
        exchange.save_arrays(state, {"parameters/w": BEFORE.astype(dtype)})
        training = SimpleNamespace(
            scratch=tmp_path, unit=unit, per_call=per_call, step=7, whole=whole, save_state=lambda: state
        )
        made = Timed(
            Contestant("planted", FRONTEND, (), package_root()), training, units, 1e-6, 1e-6, False, random.Random(0)
        )
        made.begin()
        return made

    return make


@pytest.mark.parametrize(
    ("units", "unit", "expected"),
    [(12, 1, 12), (13, 1, 6), (100, 1, 12), (96, 8, 8), (40, 20, 20), (2000, 1, 7)],
)
def test_a_block_is_halved_until_its_updates_can_be_seen(sized, units, unit, expected):
    """Or until it is one unit, whole units in any case."""
    made, reference = sized(units, unit), Parting()
    assert provable_units(made, reference) == expected
    assert made.units == units, "it is told and not changed"
    tried = list(dict.fromkeys(entry.steps for entry in reference.asked))
    assert tried == [units, *(made.training.whole(steps // 2) for steps in tried[:-1])]
    assert all(entry.warm == made.training.whole(max(1, entry.steps // 10)) for entry in reference.asked)


def test_a_block_of_a_single_unit_is_not_looked_at(sized):
    reference = Parting()
    assert provable_units(sized(20, 20), reference) == 20
    assert reference.asked == []


def test_what_sizes_a_block_is_one_like_those_that_are_timed(sized):
    made, reference = sized(96, 8), Parting()
    provable_units(made, reference)
    first = reference.asked[0]
    assert (first.before, first.step, first.warm, first.lead, first.steps) == (made.before, 7, 8, 8, 96)
    assert list(first.keep) == [95], "a loss is of the timed steps"
    order, then = reference.feeds[0]
    assert (set(order), set(then)) == ({"x", "y"}, {"y"}), "it is given what blocks are given"
    assert not np.array_equal(order["y"], then["y"])


@pytest.mark.parametrize("changes", [{"stateless": True}, {"dtype": "float64"}, {"cost_s": 1.01 * LONGEST_S}])
def test_blocks_stay_as_they_are_where_nothing_parts_or_repeating_takes_too_long(sized, changes):
    """In float64 the limit does not depend on what NumPy does, and what carries nothing does not add up."""
    reference = Parting(**changes)
    assert provable_units(sized(100, dtype=changes.get("dtype", "float32")), reference) == 100
    assert reference.asked == []


# Times that no machine can have reached

FLOPS_PER_S, BYTES_PER_S, CACHE = 1e10, 1e10, 1 << 20


@dataclasses.dataclass
class Problem:
    flops: float = 0.0
    bytes: float = 0.0


class Measured:
    """A reference whose machine is known."""

    def __init__(self, **problem: float) -> None:
        self.problem, self.asked = Problem(**problem), []

    def copy_rate(self, size):
        self.asked.append(size)
        return BYTES_PER_S


def plausible(monkeypatch, reference, seconds: float, *, cache: int | None = CACHE, flops: float | None = FLOPS_PER_S):
    monkeypatch.setattr(machine, "last_level_cache", lambda: cache)
    contestant = Contestant("planted", FRONTEND, (), package_root())
    contestant.launches.append(launch(0, [seconds] * 3))
    made = [
        dataclasses.replace(entry, matrix_flops=rate) for entry, rate in zip(rounds(1, 2), (1.0, flops), strict=True)
    ]
    try:
        check_plausible(contestant, reference, made)
    except WorkerFailedError as failure:
        return f"{failure.outcome}: {failure.reason}"
    return ""


@pytest.mark.parametrize(("factor", "refused"), [(0.9, False), (1.9, False), (2.1, True)])
def test_nobody_computes_more_than_twice_as_fast_as_the_machines_best_matrix_product(monkeypatch, factor, refused):
    said = plausible(monkeypatch, Measured(flops=1e6), 1e6 / (factor * FLOPS_PER_S))
    assert bool(said) == refused
    assert not refused or said.startswith(
        "implausible: check_plausible: 21 GFLOP/s, but this machine's best matrix pro"
    )


@pytest.mark.parametrize(("factor", "refused"), [(1.9, False), (2.1, True)])
def test_nobody_reads_memory_more_than_twice_as_fast_as_the_machine_copies_it(monkeypatch, factor, refused):
    size = 5 * CACHE
    said = plausible(monkeypatch, Measured(bytes=size), size / (factor * BYTES_PER_S))
    assert bool(said) == refused
    assert not refused or said.startswith("implausible: check_plausible: 21 GB/s, but this machine copies memory at 10")


@pytest.mark.parametrize(("size", "cache"), [(CACHE, CACHE), (3.9 * CACHE, CACHE), (100 * CACHE, None)])
def test_what_fits_into_caches_may_be_as_fast_as_it_likes(monkeypatch, size, cache):
    reference = Measured(bytes=size)
    assert plausible(monkeypatch, reference, 1e-12, cache=cache) == ""
    assert reference.asked == [], "and memory is not measured for it"


def test_a_machine_whose_products_were_not_measured_refuses_nobody(monkeypatch):
    monkeypatch.setattr(judging, "FASTEST", 0.0)
    contestant = Contestant("planted", FRONTEND, (), package_root())
    contestant.launches.append(launch(0, [1e-12]))
    monkeypatch.setattr(machine, "last_level_cache", lambda: None)
    unknown = [dataclasses.replace(entry, matrix_flops=None) for entry in rounds(1, 2)]
    check_plausible(contestant, Measured(flops=1e9), unknown)
