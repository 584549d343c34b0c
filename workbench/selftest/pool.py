"""Recording launches whose true ratios are known: identical contestants and slowed ones, alive together.

One recording is one session of the instrument: NumPy contestants on one pinned CPU, interleaved block by block, each
launch of each a fresh process. What is slowed repeats a share of its steps without counting them, so the true
ratio of two contestants is known exactly. A hog is one more worker that computes one endless block on its CPU. Drift is
injected too: the steps of every block grow linearly over the session, for all contestants alike.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.catalog import REFERENCE, Catalog
from workbench.catalog.roots import package_root
from workbench.host import machine, noise
from workbench.host.environment import worker_environment
from workbench.model.contestant import Contestant, Settings
from workbench.model.device import Device
from workbench.model.progress import Silence
from workbench.session.launcher import WorkerProcess
from workbench.session.session import Session
from workbench.session.stopping import RATIO_ERROR
from workbench.show import summary
from workbench.statistics import LADDER, Floats
from workbench.store.records import flag_rounds
from workbench.wire.exchange import Job

HERE = Path(__file__).resolve().parent
TASK, PRESET = "linreg", "points"
ROUNDS = 5
SLOWDOWNS = (0.0, 0.0, 0.01, 0.03, 0.05, 0.10)
IDENTICAL = (0.0,) * 8
ENDLESS = 1 << 60


@dataclass(frozen=True)
class Scenario:
    """What disturbs a recording: a hog on the "same" core as the contestants or on an "other" one, and drift."""

    name: str
    hog: str = ""
    drift: float = 0.0


QUIET = Scenario("quiet")
DISTURBED = (
    Scenario("hog on another core", hog="other"),
    Scenario("hog on the same core", hog="same"),
    Scenario("drift of +20 %", drift=0.20),
)


@dataclass(frozen=True)
class Recording:
    """One session. Arrays have the shape (launches, contestants); a contestant that failed ends in NaN.

    Attributes:
        slowdowns: of each contestant, as asked for.
        factors: by how much each one's time is truly longer, rounding of its steps included.
        times: seconds per step of a launch, as a run's ranks take them: without what a round did to all.
        cost_s: what a launch of one contestant took of the session.
        blocks: all block times, [launch][contestant].
        noisy: what the machine's own counters say of the session, if it was not quiet.
        stolen: the part of the measuring CPUs' time that the host gave to somebody else, if it can be read.
        failures: contestants that failed, with their reasons.
    """

    slowdowns: tuple[float, ...]
    factors: tuple[float, ...]
    times: Floats
    cost_s: Floats
    blocks: list[list[list[float]]] = field(repr=False)
    noisy: str | None = None
    stolen: float | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pool:
    """All recordings of one scenario."""

    scenario: str
    recordings: list[Recording]


class RecordingSession(Session):
    """A session with the self-test's workers, a hog if one is wanted, and drift."""

    def __init__(
        self, catalog: Catalog, contestants: Sequence[Contestant], settings: Settings, folder: Path, scenario: Scenario
    ) -> None:
        super().__init__(catalog, contestants, settings, folder, Silence())
        self._scenario = scenario
        self._launches_planned = settings.launches or LADDER[-1]

    def _job(self, contestant: Contestant) -> Job:
        return dataclasses.replace(super()._job(contestant), package=str(HERE))

    def _launch_until_enough(self, started: float) -> None:
        with self._hog():
            super()._launch_until_enough(started)

    @contextlib.contextmanager
    def _hog(self) -> Iterator[None]:
        if not self._scenario.hog:
            yield
            return
        settings = self.settings
        cpus = settings.cpus if self._scenario.hog == "same" else settings.harness_cpus[:1]
        frontend = self.catalog.frontends[REFERENCE]
        contestant = Contestant("hog", frontend, self.catalog.roots, package_root())
        job = dataclasses.replace(self._job(contestant), cpus=cpus)
        environment = worker_environment(Device("cpu"), 1, self._caches, frontend.environment)
        hog = WorkerProcess(job, frontend, environment, self.place(contestant) / "log.txt")
        try:
            hog.ask("import", settings.timeout_s)
            hog.ask("prepare", settings.timeout_s)
            hog.send("block", steps=ENDLESS, warm=0)
            yield
        finally:
            hog.close()

    def _timed_block(self, worker: WorkerProcess, steps: int) -> tuple[float, float]:
        """More steps than are counted, the later the more."""
        launch = max(len(contestant.launches) for contestant in self.contestants) - 1
        rounds = sum(entry.launch == launch for entry in self.rounds)
        done = min(1.0, (launch + min(1.0, rounds / self.settings.rounds)) / self._launches_planned)
        return super()._timed_block(worker, round(steps * (1 + self._scenario.drift * done)))


def settings_for(
    *, launches: int | None, budget_s: float | None, seed: int, alive: int, rounds: int = ROUNDS
) -> Settings:
    """Settings of a recording: one thread on one CPU, the harness elsewhere."""
    cpus, harness_cpus = machine.measuring_cpus(1)
    return Settings(
        task=TASK,
        preset=PRESET,
        seed=seed,
        launches=launches,
        budget_s=budget_s,
        rounds=rounds,
        max_alive=alive,
        cpus=cpus,
        harness_cpus=harness_cpus,
    )


def possible(scenario: Scenario) -> bool:
    """Whether this machine can have the scenario: pinned CPUs, and one beside the contestants' for a hog."""
    cpus, harness_cpus = machine.measuring_cpus(1)
    return not scenario.hog or bool(cpus and (scenario.hog == "same" or cpus != harness_cpus))


def record(
    content: Catalog,
    scenario: Scenario,
    slowdowns: Sequence[float],
    *,
    launches: int | None,
    budget_s: float | None = None,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Recording:
    """Run one session and keep what the analysis needs.

    Raises:
        WorkerFailedError: when the problem cannot be made.
        KeyboardInterrupt: when the session was interrupted.
    """
    frontend, package = content.frontends[REFERENCE], package_root()
    contestants = [
        Contestant(f"c{place}", frontend, content.roots, package, slowdown=slowdown)
        for place, slowdown in enumerate(slowdowns)
    ]
    settings = dataclasses.replace(
        settings_for(launches=launches, budget_s=budget_s, seed=seed, alive=len(contestants), rounds=rounds),
        ratio_error=RATIO_ERROR,
    )
    with tempfile.TemporaryDirectory(prefix="workbench-selftest-") as folder:
        session = RecordingSession(content, contestants, settings, Path(folder), scenario)
        session.run()
    if session.interrupted:
        raise KeyboardInterrupt
    return recording_of(session)


def recording_of(session: Session) -> Recording:
    """What a finished session recorded."""
    contestants, rounds = session.contestants, [dataclasses.asdict(entry) for entry in session.rounds]
    flag_rounds(rounds)
    dirty = summary.dirty_rounds({"rounds": rounds})
    measured = [[launch for launch in contestant.launches if launch.blocks] for contestant in contestants]
    launches = max((len(found) for found in measured), default=0)
    round_s = [sum(entry["covariates"]["span_ns"] for entry in rounds if entry["launch"] == n) for n in range(launches)]
    times = np.full((launches, len(contestants)), math.nan)
    cost_s = np.full_like(times, math.nan)
    blocks: list[list[list[float]]] = [[[] for _ in contestants] for _ in range(launches)]
    for place, found in enumerate(measured):
        for launch in found:
            at = launch.launch, place
            cost_s[at] = launch.bring_up_s + round_s[launch.launch] / 1e9 / len(contestants)
            blocks[at[0]][at[1]] = launch.blocks
    for number in range(launches):
        places = [place for place, found in enumerate(measured) if any(launch.launch == number for launch in found)]
        found = [next(launch for launch in measured[place] if launch.launch == number) for place in places]
        if found:
            times[number, places] = summary.launch_steps([dataclasses.asdict(launch) for launch in found], dirty)
    slowdowns = tuple(contestant.slowdown for contestant in contestants)
    steps = [found[0].block_steps if found else 0 for found in measured]
    return Recording(
        slowdowns=slowdowns,
        factors=tuple(true_factor(count, share) for count, share in zip(steps, slowdowns, strict=True)),
        times=times,
        cost_s=cost_s,
        blocks=blocks,
        noisy=noise.sentence([entry["flags"] for entry in rounds]),
        stolen=_stolen(rounds),
        failures=tuple(f"{one.id}: {one.outcome}: {one.reason}" for one in contestants if not one.running),
    )


def _stolen(rounds: Sequence[Mapping[str, Any]]) -> float | None:
    """The steal of all rounds, each by its length."""
    known = [entry["covariates"] for entry in rounds if entry["covariates"].get("steal_share") is not None]
    span = sum(seen["span_ns"] for seen in known)
    return sum(seen["steal_share"] * seen["span_ns"] for seen in known) / span if span else None


def true_factor(steps: int, slowdown: float) -> float:
    """By how much a block is truly longer when a share of its steps is repeated: whole steps only."""
    return (steps + round(steps * slowdown)) / steps if steps else math.nan


def record_pool(
    content: Catalog,
    scenario: Scenario,
    slowdowns: Sequence[float],
    *,
    sessions: int,
    launches: int | None,
    budget_s: float | None = None,
    rounds: int = ROUNDS,
    say: Callable[[str], None],
) -> Iterator[Recording]:
    """Several sessions of one scenario, each as soon as it is recorded."""
    for number in range(sessions):
        say(f"{scenario.name}: session {number + 1} of {sessions}, {len(slowdowns)} contestants")
        yield record(content, scenario, slowdowns, launches=launches, budget_s=budget_s, seed=number, rounds=rounds)
