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
    """A training whose every command is noted; its states are files, its blocks take and use what they are told to."""

    scratch: Path
    seconds: float = BLOCK_S
    fetch_s: float = FETCH_S
    pid: int = dataclasses.field(default_factory=os.getpid)
    step: int = 0
    done: list[str] = dataclasses.field(default_factory=list)
    files: int = 0

    @property
    def worker(self):
        return self

    def wake(self):
        self.done.append("wake")

    def stop(self):
        self.done.append("stop")

    def halt(self):
        self.done.append("halt")

    def feed(self, file):
        self.done.append(f"feed {file.name}")

    def whole(self, steps):
        return steps

    def run(self, steps, warm, keep):
        self.done.append(f"run {warm} {steps}")
        self.step += warm + steps
        self.kept = list(keep)
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
    """CPU time as the harness would read it: three times a block, of which the shares are planted."""

    def __init__(self, monkeypatch) -> None:
        self.busy, self.idle, self.now, self.used, self.reads = 1.0, 0.0, 0.0, 0.0, 0
        monkeypatch.setattr(timed, "cpu_seconds", self.read)
        clock = types.SimpleNamespace(perf_counter=lambda: self.now, sleep=lambda _: None)
        monkeypatch.setattr(timed, "time", clock)

    def read(self, pid):
        """Before the block, at its end, and after the time in which nothing should be left to do."""
        before, self.reads = self.used, self.reads + 1
        length, share = [(BLOCK_S, self.busy), (0.003, self.idle), (0.1, 0.0)][(self.reads - 1) % 3]
        self.now, self.used = self.now + length, self.used + length * (share or 0)
        return None if self.busy is None else before


@pytest.fixture
def cpu(monkeypatch) -> Cpu:
    return Cpu(monkeypatch)


def new(scratch: Path, seed: int = 0, *, stateless: bool = False, slowdown: float = 0.0, **changes) -> Timed:
    scratch.mkdir(exist_ok=True)
    contestant = Contestant("planted", FRONTEND, (), package_root(), slowdown=slowdown)
    training = Worked(scratch, **changes)
    made = Timed(contestant, training, UNITS, FETCH_S, SCALAR_S, stateless, random.Random(seed))
    made.begin()
    return made


def one(made: Timed, number: int, energy=lambda: lambda: None) -> timed.Block:
    return made.block(Path(f"feed-{number}.npz"), number, energy)


def run(made: Timed, blocks: int) -> Timed:
    for number in range(blocks):
        one(made, number)
    return made


# A block


def test_a_block_is_woken_fed_warmed_timed_fetched_kept_and_stopped(tmp_path, cpu):
    made = new(tmp_path / "s")
    assert made.training.done == ["state"]
    made.training.done.clear()
    one(made, 7)
    assert made.training.done == [
        *("wake", "feed feed-7.npz", "run 10 100"),
        *("halt", "wake"),  # its CPU time is complete only once it has stopped
        *("losses", "state", "stop"),
    ]


def test_what_is_kept_of_a_block_is_all_that_it_takes_to_repeat_it(tmp_path, cpu):
    made = run(new(tmp_path / "s"), 2)
    first, second = made.drawn
    assert (first.round, first.steps.step, first.steps.warm, first.steps.steps) == (0, 0, 10, 100)
    assert (second.round, second.steps.step) == (1, 110)
    assert second.steps.before == first.after, "a block starts from the state at the end of the one before"
    assert first.steps.before.read_text() == "0"
    assert (first.after.read_text(), second.after.read_text()) == ("110", "220")
    assert (first.steps.feed.name, second.steps.feed.name) == ("feed-0.npz", "feed-1.npz")
    assert first.losses.tolist() == list(range(len(first.steps.keep)))
    assert first.seconds == BLOCK_S
    assert {0, 1, 98, 99} <= set(first.steps.keep)


def test_the_losses_that_are_looked_at_are_others_in_every_block(tmp_path, cpu):
    made = run(new(tmp_path / "s"), 3)
    assert len({tuple(entry.steps.keep) for entry in made.drawn}) == 3


def test_steps_of_the_self_test_that_are_not_counted_are_repeated_too(tmp_path, cpu):
    made = run(new(tmp_path / "s", slowdown=0.5), 2)
    assert [word for word in made.training.done if word.startswith("run")] == ["run 10 150"] * 2
    assert [entry.steps.steps for entry in made.drawn] == [150, 150]
    assert all(entry.steps.keep[-1] == 99 for entry in made.drawn), "none of them is looked at"
    assert [entry.steps.step for entry in made.drawn] == [0, 160]
    assert made.training.step == 320


def test_energy_is_that_of_the_steps_and_of_nothing_else(tmp_path, cpu):
    """Not of changing the feed before them, nor of fetching losses and reading the state after them."""
    made = new(tmp_path / "s")

    def energy():
        made.training.done.append("energy")
        return lambda: made.training.done.append("joules") or 2.5

    assert one(made, 0, energy).joules == 2.5
    done = made.training.done
    assert done[done.index("energy") :][:3] == ["energy", "run 10 100", "joules"]
    assert one(made, 1).joules is None
    assert made.steps == 110


@pytest.mark.parametrize(("units", "warm"), [(1, 1), (9, 1), (100, 10), (12345, 1234)])
def test_a_tenth_of_a_block_precedes_it(tmp_path, units, warm):
    assert dataclasses.replace(new(tmp_path / "s"), units=units).warm == warm


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
    steps = Steps(None, 0, Path("feed.npz"), 1, 1, [0])
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
        needed = {made._before, *(entry.after for entry in made.drawn), *(entry.steps.before for entry in made.drawn)}
        assert made.training.states == {file.name for file in needed}, "none is missing, and none is left"
        assert len(needed) <= 2 * DRAWN + 1
    for entry in made.drawn:
        assert int(entry.steps.before.read_text()) == entry.steps.step == 110 * entry.round
        assert int(entry.after.read_text()) == 110 * (entry.round + 1)


def test_where_nothing_is_carried_no_state_precedes_a_block(tmp_path, cpu):
    """And none is written of a block that is not drawn: the arrays may be large."""
    made = run(new(tmp_path / "s", stateless=True), 30)
    assert all(entry.steps.before is None for entry in made.drawn)
    assert len(made.training.states) == DRAWN
    assert made.training.done.count("state") < 30


# What was left to do after the wait


def synchronised(made: Timed, threads: int = 1) -> str:
    """Why a launch is refused; empty if it is not."""
    return refusal(lambda: made.check_synchronised(threads))


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
    """Each takes a step's time: much longer than a finished number, though far from a whole block."""
    made = new(tmp_path / "s", seconds=20 * BLOCK_S, fetch_s=SCALAR_S + 0.9 * 20 * BLOCK_S / UNITS)
    made.fetch_s = made.training.fetch_s  # as it was calibrated: on losses of the same kind, so nothing is unfinished
    run(made, 5)
    assert "it is computed only when it is fetched" in synchronised(made)


@pytest.mark.parametrize(("fetch_s", "lazy"), [(FETCH_S, False), (2.9 * SCALAR_S, False), (1e-3, True)])
def test_what_a_fetch_may_take_is_measured_in_scalars_and_in_steps(tmp_path, cpu, fetch_s, lazy):
    made = run(new(tmp_path / "s", fetch_s=fetch_s, seconds=1.0), 3)
    assert ("only when it is fetched" in synchronised(made)) == lazy


def test_one_disturbed_block_refuses_nobody(tmp_path, cpu):
    made = new(tmp_path / "s")
    for number in range(5):
        made.training.fetch_s = 0.02 if number == 2 else FETCH_S
        cpu.busy, cpu.idle = (3.0, 1.0) if number == 3 else (1.0, 0.0)
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
    assert synchronised(made) == ""


# Blocks that are not judged


def unjudged(tmp_path, seconds) -> str:
    """What is said of blocks that took so long, of which the first DRAWN are judged."""
    made = new(tmp_path / "s")
    steps = Steps(None, 0, Path("feed.npz"), 1, 1, [0])
    made.drawn = [Evidence(number, steps, np.zeros(1), Path(), seconds[number]) for number in range(DRAWN)]
    made.seconds = dict(enumerate(seconds))
    return refusal(made.check_unjudged)


def test_blocks_that_are_fast_whenever_they_are_not_judged_are_refused(tmp_path):
    said = unjudged(tmp_path, [1.0, 1.1, 1.0, 0.1, 0.2, 0.1])
    assert said.startswith("check_unjudged: blocks that were not judged took at most 20% of the others' time")


@pytest.mark.parametrize(
    "seconds", [[1.0] * 10, [1.0, 1.1, 1.0, 0.6, 0.6, 0.6], [1.0, 1.0, 1.0, 0.1, 0.1, 1.0], [1.0, 1.0, 1.0, 0.1, 0.1]]
)
def test_blocks_that_vary_or_are_few_are_not(tmp_path, seconds):
    assert unjudged(tmp_path, seconds) == ""
