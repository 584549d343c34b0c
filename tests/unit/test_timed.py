"""Clocked blocks: which of them are kept to be judged, what is kept of them, and what their times and fetches tell."""

from __future__ import annotations

import collections
import dataclasses
import os
import random
import types
from pathlib import Path

import numpy as np
import pytest

from workbench.catalog.roots import package_root
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.session import timed
from workbench.session.reference import Steps
from workbench.session.timed import DRAWN, Evidence, Timed

FRONTEND = Frontend("planted", "Planted", "planted", "Planted", (), (), ("cpu",), None, None, None)
BLOCK_S, UNITS, FETCH_S, SCALAR_S = 0.02, 100, 2e-6, 2e-6


@dataclasses.dataclass
class Worked:
    """A training whose every command is noted; its states are files, its blocks take and use what they are told to.

    ``longer`` says what else takes time, and how much: a command by its first word, and "lead" before the clock starts.
    """

    scratch: Path
    seconds: float = BLOCK_S
    fetch_s: float = FETCH_S
    pid: int = dataclasses.field(default_factory=os.getpid)
    step: int = 0
    unit: int = 1
    per_call: bool = False
    longer: dict[str, float] = dataclasses.field(default_factory=dict)
    late: float = 0.0  # how long the harness waits for its own CPU before it sees that the steps have run
    done: list[str] = dataclasses.field(default_factory=list)
    files: int = 0

    @property
    def worker(self):
        return self

    def passes(self, seconds, part="busy"):
        """Time passes only where a clock is planted."""

    def wake(self):
        self.done.append("wake")
        self.passes(self.longer.get("wake", 0.0))

    def halt(self):
        self.done.append("halt")

    def feed(self, file):
        self.done.append(f"feed {file.name}")
        self.passes(self.longer.get(file.name.split("-")[0], 0.0))

    def whole(self, steps):
        return max(steps // self.unit, 1) * self.unit

    def run(self, steps, warm=0, keep=()):
        self.done.append(f"run {warm} {steps}")
        self.step += warm + steps
        self.kept = list(keep)
        self.passes(self.longer.get("lead" if self.kept else "warm", 0.0) + (self.seconds if self.kept else 0.0))
        self.passes(self.late, "waiting")
        return self.seconds

    def losses(self, count):
        self.done.append("losses")
        assert count == len(self.kept)
        return np.arange(count, dtype=float), [self.fetch_s] * count

    def save_state(self):
        self.done.append("state")
        self.files += 1
        file = self.scratch / f"state-{self.files}.npz"
        file.write_text(str(self.step))
        return file

    @property
    def states(self) -> set[str]:
        return {file.name for file in self.scratch.iterdir()}


class Cpu:
    """A clock and CPU time as the harness would read them; the share of a CPU that is used in each part is planted."""

    def __init__(self, monkeypatch) -> None:
        self.busy, self.idle, self.stopped, self.now, self.used = 1.0, 0.0, 0.0, 0.0, 0.0
        self.waiting = 0.0
        monkeypatch.setattr(timed, "cpu_seconds", lambda _: None if self.busy is None else self.used)
        clock = types.SimpleNamespace(perf_counter=lambda: self.now, sleep=lambda length: self.passes(length, "idle"))
        monkeypatch.setattr(timed, "time", clock)
        monkeypatch.setattr(Worked, "passes", lambda _, *args: self.passes(*args))

    def passes(self, seconds: float, part: str = "busy") -> None:
        self.now, self.used = self.now + seconds, self.used + seconds * (getattr(self, part) or 0)


@pytest.fixture
def cpu(monkeypatch) -> Cpu:
    return Cpu(monkeypatch)


def new(
    scratch: Path, seed: int = 0, *, stateless: bool = False, slowdown: float = 0.0, sized: bool = False, **changes
) -> Timed:
    scratch.mkdir(exist_ok=True)
    contestant = Contestant("planted", FRONTEND, (), package_root(), slowdown=slowdown)
    training = Worked(scratch, **changes)
    made = Timed(contestant, training, UNITS, FETCH_S, SCALAR_S, stateless, random.Random(seed), sized=sized)
    made.begin()
    return made


def one(made: Timed, number: int, energy=lambda: lambda: None) -> timed.Block:
    block = made.block(Path(f"first-{number}.npz"), Path(f"last-{number}.npz"), number, energy)
    made.training.passes(0.1, "stopped")  # while others are timed
    return block


def run(made: Timed, blocks: int) -> Timed:
    for number in range(blocks):
        one(made, number)
    return made


# A block


def test_a_block_is_woken_fed_warmed_fed_again_timed_fetched_kept_and_stopped(tmp_path, cpu):
    """What the clocked steps are given is told only once the untimed ones are done."""
    made = new(tmp_path / "s")
    assert made.training.done == ["state"]
    made.training.done.clear()
    one(made, 7)
    assert made.training.done == [
        *("wake", "feed first-7.npz", "run 0 10"),
        *("feed last-7.npz", "run 1 100"),  # a step before those of the clock, in which data are moved
        *("halt", "wake"),  # its CPU time is complete only once it has stopped
        *("losses", "state", "halt"),
    ]


def test_what_is_kept_of_a_block_is_all_that_it_takes_to_repeat_it(tmp_path, cpu):
    made = run(new(tmp_path / "s"), 2)
    first, second = made.drawn
    assert (first.round, first.steps.step, first.steps.warm) == (0, 0, 10)
    assert (first.steps.lead, first.steps.steps, first.steps.all) == (1, 100, 111)
    assert (second.round, second.steps.step) == (1, 111)
    assert second.steps.before == first.after, "a block starts from the state at the end of the one before"
    assert first.steps.before.read_text() == "0"
    assert (first.after.read_text(), second.after.read_text()) == ("111", "222")
    assert (first.steps.feed.name, second.steps.feed.name) == ("first-0.npz", "first-1.npz")
    assert (first.steps.then.name, second.steps.then.name) == ("last-0.npz", "last-1.npz")
    assert first.losses.tolist() == list(range(len(first.steps.keep)))
    assert first.seconds == BLOCK_S
    assert {0, 1, 98, 99} <= set(first.steps.keep)


def test_the_losses_that_are_looked_at_are_others_in_every_block(tmp_path, cpu):
    made = run(new(tmp_path / "s"), 3)
    assert len({tuple(entry.steps.keep) for entry in made.drawn}) == 3


def test_steps_of_the_self_test_that_are_not_counted_are_repeated_too(tmp_path, cpu):
    made = run(new(tmp_path / "s", slowdown=0.5), 2)
    assert [word for word in made.training.done if word.startswith("run")] == ["run 0 10", "run 1 150"] * 2
    assert [entry.steps.steps for entry in made.drawn] == [150, 150]
    assert all(entry.steps.keep[-1] == 99 for entry in made.drawn), "none of them is looked at"
    assert [entry.steps.step for entry in made.drawn] == [0, 161]
    assert made.training.step == 322
    assert made.clocked == 151


def test_energy_is_that_of_the_steps_and_of_nothing_else(tmp_path, cpu):
    """Of those that are run in one go, with what they are given; not of those before, nor of what follows."""
    made = new(tmp_path / "s")

    def energy():
        made.training.done.append("energy")
        return lambda: made.training.done.append("joules") or 2.5

    assert one(made, 0, energy).joules == 2.5
    done = made.training.done
    assert done[done.index("energy") :][:4] == ["energy", "feed last-0.npz", "run 1 100", "joules"]
    assert one(made, 1).joules is None
    assert made.clocked == 101, "which are so many steps"


@pytest.mark.parametrize(("units", "warm"), [(1, 1), (9, 1), (100, 10), (12345, 1234)])
def test_a_tenth_of_a_block_precedes_it(tmp_path, units, warm):
    assert dataclasses.replace(new(tmp_path / "s"), units=units).warm == warm


@pytest.mark.parametrize(
    ("unit", "per_call", "lead", "clocked", "ran"),
    [
        (4, False, 4, 104, ["run 0 8", "run 4 100"]),
        (50, True, 0, 100, ["run 0 50", "run 0 100"]),  # a call moves its own data
    ],
)
def test_a_unit_leads_a_block_unless_that_is_a_call_of_its_own(tmp_path, cpu, unit, per_call, lead, clocked, ran):
    made = new(tmp_path / "s", unit=unit, per_call=per_call)
    one(made, 0)
    assert (made.lead, made.clocked, made.drawn[0].steps.lead) == (lead, clocked, lead)
    assert [word for word in made.training.done if word.startswith("run")] == ran


def test_what_would_come_before_the_next_block_is_known(tmp_path, cpu):
    made = run(new(tmp_path / "s"), 2)
    assert made.before == made.drawn[1].after
    assert new(tmp_path / "t", stateless=True).before is None


# Which blocks are judged


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("stateless", [False, True])
def test_a_few_blocks_are_judged_or_all_if_there_are_no_more(tmp_path, cpu, blocks, stateless):
    made = run(new(tmp_path / "s", stateless=stateless), blocks)
    rounds = [entry.round for entry in made.drawn]
    assert len(rounds) == len(set(rounds)) == min(blocks, DRAWN)
    assert set(rounds) <= set(range(blocks))


def drawn_of(tmp_path, blocks: int, launches: int) -> collections.Counter:
    """How often each block was drawn, over many launches; only the drawing itself, without any file."""
    counts = collections.Counter()
    steps = Steps(None, 0, Path("first.npz"), 1, Path("last.npz"), 1, 1, [0])
    for seed in range(launches):
        made = new(tmp_path / "s", seed, stateless=True)
        made.training.save_state = lambda: tmp_path / "none.npz"
        for number in range(blocks):
            made._keep(Evidence(number, steps, np.zeros(1), Path(), 1.0))
        counts.update(entry.round for entry in made.drawn)
    return counts


@pytest.mark.parametrize("blocks", [4, 10])
def test_every_block_is_as_likely_to_be_judged_as_any_other(tmp_path, blocks):
    """The last one, too, and the first ones, whatever place they had; or else somebody could know."""
    launches = 3000
    counts = drawn_of(tmp_path, blocks, launches)
    share = DRAWN / blocks
    spread = np.sqrt(launches * share * (1 - share))
    assert sum(counts.values()) == launches * DRAWN
    assert all(abs(counts[block] - launches * share) < 4.5 * spread for block in range(blocks)), counts


def test_a_drawing_that_favours_the_first_blocks_would_be_noticed(tmp_path, monkeypatch):
    """Such as one that draws a place before it knows how many blocks there were."""
    monkeypatch.setattr(random.Random, "randrange", lambda self, count: int(self.random() * (count + 1)))
    with pytest.raises(AssertionError):
        test_every_block_is_as_likely_to_be_judged_as_any_other(tmp_path, 4)


@pytest.mark.parametrize("seed", range(5))
def test_only_the_states_that_may_still_be_needed_are_kept(tmp_path, cpu, seed):
    made = new(tmp_path / "s", seed)
    for number in range(30):
        one(made, number)
        needed = {made.before, *(entry.after for entry in made.drawn), *(entry.steps.before for entry in made.drawn)}
        assert made.training.states == {file.name for file in needed}, "none is missing, and none is left"
        assert len(needed) <= 2 * DRAWN + 1
    for entry in made.drawn:
        assert int(entry.steps.before.read_text()) == entry.steps.step == 111 * entry.round
        assert int(entry.after.read_text()) == 111 * (entry.round + 1)


def test_where_nothing_is_carried_no_state_precedes_a_block(tmp_path, cpu):
    """And none is written of a block that is not drawn: the arrays may be large."""
    made = run(new(tmp_path / "s", stateless=True), 30)
    assert all(entry.steps.before is None for entry in made.drawn)
    assert len(made.training.states) == DRAWN
    assert made.training.done.count("state") < 30


# What was left to do after the wait


def synchronised(made: Timed, threads: int = 1, cpus: tuple[int, ...] = ()) -> str:
    """Why a launch is refused; empty if it is not."""
    return refusal(lambda: made.check(threads, cpus))


def refusal(check) -> str:
    """Why a check fails, as what it must fail; empty if it does not."""
    try:
        check()
    except WorkerFailedError as failure:
        return failure.reason if failure.outcome is Outcome.INVALID else f"{failure.outcome}"
    return ""


def test_a_launch_without_a_block_proves_nothing_and_is_not_refused(tmp_path):
    assert synchronised(new(tmp_path / "s")) == ""


@pytest.mark.parametrize("stateless", [False, True])
def test_honest_blocks_pass(tmp_path, cpu, stateless):
    assert synchronised(run(new(tmp_path / "s", stateless=stateless), 5)) == ""


def test_fetching_as_long_as_a_block_means_that_it_was_unfinished(tmp_path, cpu):
    """A wait that returns at once: the first loss that is fetched waits for the block instead."""
    made = run(new(tmp_path / "s", seconds=0.001, fetch_s=0.02 / 18), 5)
    said = synchronised(made)
    assert said.startswith("check_synchronised: ")
    assert "of a block was unfinished after the wait: times would be too short" in said


def test_losses_that_are_computed_when_they_are_fetched_are_noticed(tmp_path, cpu):
    """Each takes much of a step's time: much longer than a finished number, though far from a whole block."""
    made = new(tmp_path / "s", seconds=20 * BLOCK_S, fetch_s=SCALAR_S + 0.4 * 20 * BLOCK_S / UNITS)
    made.fetch_s = made.training.fetch_s  # as it was calibrated: on losses of the same kind
    run(made, 5)
    assert "it is computed only when it is fetched" in synchronised(made)


@pytest.mark.parametrize(
    ("device", "fetch_s", "refused"),
    [("cpu", 4e-4, True), ("gpu", 4e-4, False), ("gpu", 4e-3, True), ("cpu", 4e-5, False)],
)
def test_a_fetch_that_was_calibrated_as_long_excuses_no_longer_one_than_fetches_take(
    tmp_path, cpu, device, fetch_s, refused
):
    """Or else who does its work when it is asked for losses, in short blocks as well, would have it excused."""
    made = new(tmp_path / "s", fetch_s=fetch_s)
    made.fetch_s, made.scalar_s, made.device = fetch_s, fetch_s, device
    assert ("was unfinished after the wait" in synchronised(run(made, 5))) == refused


@pytest.mark.parametrize(("fetch_s", "lazy"), [(FETCH_S, False), (2.9 * SCALAR_S, False), (1e-3, True)])
def test_what_a_fetch_may_take_is_measured_in_scalars_and_in_steps(tmp_path, cpu, fetch_s, lazy):
    made = run(new(tmp_path / "s", fetch_s=fetch_s, seconds=1.0), 3)
    assert ("only when it is fetched" in synchronised(made)) == lazy


def test_one_disturbed_block_refuses_nobody(tmp_path, cpu):
    made = new(tmp_path / "s", sized=UNITS)
    for number in range(5):
        made.training.fetch_s = 0.02 if number == 2 else FETCH_S
        made.training.longer = {"last": 1.0} if number == 1 else {}
        made.training.seconds = 0.001 if number == 4 else BLOCK_S
        cpu.busy, cpu.idle, cpu.stopped = (3.0, 1.0, 1.0) if number == 3 else (1.0, 0.0, 0.0)
        one(made, number)
    assert synchronised(made) == ""


def test_computing_on_after_the_wait_is_noticed(tmp_path, cpu):
    cpu.idle = 0.9
    made = run(new(tmp_path / "s"), 5)
    assert "still computing after the wait" in synchronised(made)
    assert synchronised(made, threads=2) == "", "pools of threads may spin for a while"


@pytest.mark.parametrize(
    ("busy", "threads", "refused"), [(1.0, 1, False), (2.0, 1, True), (2.0, 2, False), (4.0, 2, True)]
)
def test_more_cpus_than_threads_means_that_it_works_elsewhere(tmp_path, cpu, busy, threads, refused):
    cpu.busy = busy
    made = new(tmp_path / "s")
    block = one(made, 0)
    assert block.cpu_per_wall == pytest.approx(busy)
    said = synchronised(made, threads)
    assert bool(said) == refused
    assert not refused or f"check_threads: it used {busy:.2g} CPUs while it was timed, {threads} allowed" in said


def test_where_cpu_time_cannot_be_read_nothing_is_said_of_it(tmp_path, cpu):
    cpu.busy = None
    made = new(tmp_path / "s")
    assert one(made, 0).cpu_per_wall is None
    one(made, 1)
    assert synchronised(made) == ""


# What was done before the clock started, while the process was stopped, or on other CPUs

TOLERATED_S = 0.1 * BLOCK_S + 2 * BLOCK_S / UNITS + 0.003


@pytest.mark.parametrize(
    ("where", "refused"), [("first", False), ("warm", False), ("last", True), ("lead", True), ("", False)]
)
def test_work_that_is_done_between_the_last_change_and_the_clock_is_noticed(tmp_path, cpu, where, refused):
    """Before that change, nobody can do any of it: it is not known what the steps are given."""
    said = synchronised(run(new(tmp_path / "s", longer={where: BLOCK_S}), 5))
    assert said.startswith("check_prepared: the command that runs a block took much longer than the block") == refused
    assert bool(said) == refused


@pytest.mark.parametrize(
    ("device", "known", "refused"), [("cpu", True, False), ("gpu", True, True), ("cpu", False, True)]
)
def test_a_harness_that_waits_for_its_own_cpu_refuses_nobody(tmp_path, cpu, device, known, refused):
    """On a CPU, where CPU time tells that nothing was computed; a GPU may compute without any."""
    made = new(tmp_path / "s", late=2 * BLOCK_S)
    made.device = device
    if not known:
        cpu.busy = None
    assert synchronised(run(made, 5)).startswith("check_prepared: ") == refused


@pytest.mark.parametrize(("threads", "busy", "refused"), [(2, 1.0, False), (2, 2.0, True), (2, 1.9, True)])
def test_who_has_several_threads_may_use_their_cpu_time_and_no_more(tmp_path, cpu, threads, busy, refused):
    """Of steps that are computed by both before the clock starts, and told to have taken as long again."""
    cpu.busy = busy
    said = synchronised(run(new(tmp_path / "s", longer={"last": BLOCK_S}), 5), threads=threads)
    assert said.startswith("check_prepared: ") == refused


@pytest.mark.parametrize(("blocks", "most"), [(1, 3), (2, 3), (3, 1), (5, 1)])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_reading_and_moving_what_changes_may_take_a_while(tmp_path, cpu, blocks, most, factor):
    """Longer where few blocks say so: one that is disturbed decides then."""
    made = run(new(tmp_path / "s", longer={"last": factor * most * TOLERATED_S}), blocks)
    assert bool(synchronised(made)) == (factor > 1)


@pytest.mark.parametrize(("per_call", "refused"), [(False, False), (True, True)])
def test_the_steps_that_lead_a_block_may_take_their_time_where_there_are_any(tmp_path, cpu, per_call, refused):
    lasting = BLOCK_S * 50 / UNITS  # of a unit
    made = run(new(tmp_path / "s", unit=50, per_call=per_call, longer={"lead": lasting}), 3)
    assert synchronised(made).startswith("check_prepared: ") == refused


def test_a_clock_that_runs_slowly_is_noticed(tmp_path, cpu):
    """Which tells half of the seconds that pass outside."""
    made = new(tmp_path / "s", longer={"lead": BLOCK_S})
    assert one(made, 0).seconds == BLOCK_S
    assert "or the clock is slow" in synchronised(run(made, 3))


@pytest.mark.parametrize(
    ("seconds", "changes", "refused"),
    [
        (0.0039, {}, True),
        (0.0041, {}, False),
        (0.0039, {"sized": 0}, False),  # the size is that of another launch, or of whom it is compared with
        (0.0039, {"sized": 2 * UNITS}, False),  # it was halved, so that it can be judged
        (0.0019, {"sized": 2 * UNITS}, True),
        (0.0039, {"unit": UNITS}, False),  # a block cannot be shorter
        (0.0039, {"per_call": True}, False),  # it is as long as the task
    ],
)
def test_blocks_that_are_much_shorter_than_they_were_sized_are_refused(tmp_path, cpu, seconds, changes, refused):
    said = synchronised(run(new(tmp_path / "s", seconds=seconds, **{"sized": UNITS, **changes}), 5))
    assert bool(said) == refused
    assert not refused or said == (
        f"check_prepared: its blocks take {seconds * 1e3:.1f} ms: its steps were slower while these were sized"
    )


@pytest.mark.parametrize(("share", "refused"), [(0.09, False), (0.11, True), (1.0, True)])
def test_who_computes_while_it_is_stopped_is_noticed(tmp_path, cpu, share, refused):
    """By what another process of its own does for it while others are timed."""
    cpu.stopped = share
    said = synchronised(run(new(tmp_path / "s"), 5))
    assert said == (f"check_stopped: it used {share:.0%} of a CPU while others were timed" if refused else "")


def test_of_a_single_block_it_is_not_known_what_is_used_after_it(tmp_path, cpu):
    cpu.stopped = 1.0
    assert synchronised(run(new(tmp_path / "s"), 1)) == ""
    assert synchronised(run(new(tmp_path / "t"), 2)) != ""


def test_what_is_used_while_it_is_awake_is_not_used_while_it_is_stopped(tmp_path, cpu):
    cpu.busy, cpu.idle = 4.0, 4.0
    assert synchronised(run(new(tmp_path / "s", longer={"wake": 0.5, "first": 0.5}), 5), threads=4) == ""


@pytest.mark.parametrize(
    ("given", "allowed", "stray"),
    [
        ((1,), {1}, None),
        ((1, 2), {2}, None),
        ((1,), {0, 1, 7}, 0),
        ((0, 1), {0, 1, 5, 9}, 5),
        ((), {0, 1}, None),  # nothing was pinned
        ((1,), set(), None),  # it cannot be read
    ],
)
def test_a_cpu_that_was_not_given_is_noticed(tmp_path, cpu, monkeypatch, given, allowed, stray):
    asked = []
    monkeypatch.setattr(timed, "allowed_cpus", lambda pid: asked.append(pid) or allowed)
    said = synchronised(run(new(tmp_path / "s", pid=1234), 3), cpus=given)
    assert said == (
        "" if stray is None else f"check_threads: it may run on CPU {stray} as well, which it was not given"
    )
    assert asked == ([1234] if given else [])


# Blocks that are not judged


def unjudged(tmp_path, seconds, judged: int = DRAWN) -> str:
    """What is said of blocks that took so long, of which the first few are judged."""
    made = new(tmp_path / "s")
    steps = Steps(None, 0, Path("first.npz"), 1, Path("last.npz"), 1, 1, [0])
    made.drawn = [Evidence(number, steps, np.zeros(1), Path(), seconds[number]) for number in range(DRAWN)]
    made.seconds = dict(enumerate(seconds))
    return refusal(lambda: made.check_unjudged(set(range(judged))))


def test_blocks_that_are_fast_whenever_they_are_not_judged_are_refused(tmp_path):
    said = unjudged(tmp_path, [1.0, 1.1, 1.0, 0.1, 0.2, 0.1])
    assert said.startswith("check_unjudged: blocks that were not judged took at most 20% of the others' time")


@pytest.mark.parametrize(
    "seconds", [[1.0] * 10, [1.0, 1.1, 1.0, 0.6, 0.6, 0.6], [1.0, 1.0, 1.0, 0.1, 0.1, 1.0], [1.0, 1.0, 1.0, 0.1, 0.1]]
)
def test_blocks_that_vary_or_are_few_are_not(tmp_path, seconds):
    assert unjudged(tmp_path, seconds) == ""


@pytest.mark.parametrize(
    ("judged", "seconds", "refused"),
    [
        (0, [1.0, 1.0, 1.0, 0.1, 0.1, 0.1], False),
        (1, [1.0, 0.2, 0.2, 0.2], True),
        (1, [1.0, 0.3, 0.3, 0.3], False),  # one block may be slow by itself, even more than twice as slow
        (2, [1.0, 1.0, 0.3, 0.3, 0.3], False),
        (2, [1.0, 1.0, 0.2, 0.2, 0.2], True),
        (3, [1.0, 1.0, 1.0, 0.3, 0.3, 0.3], True),
        (1, [1.0, 1.0, 0.1, 0.1], False),
    ],
)
def test_blocks_that_were_drawn_but_not_judged_are_among_the_others(tmp_path, judged, seconds, refused):
    """Where repeating them would take too long, few are judged, and more must be shown."""
    assert bool(unjudged(tmp_path, seconds, judged)) == refused
