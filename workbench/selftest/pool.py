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

import numpy as np

from workbench.catalog import REFERENCE, Catalog
from workbench.catalog.roots import package_root
from workbench.host import machine
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.progress import Silence
from workbench.model.records import Round, Settings
from workbench.model.stage import TRAIN
from workbench.session.launcher import A, Argument, WorkerProcess
from workbench.session.session import Session
from workbench.session.stopping import RATIO_ERROR
from workbench.session.workers import Workers
from workbench.statistics import LADDER, Floats
from workbench.statistics.disturbance import flagged, sentence
from workbench.statistics.launches import unit_times
from workbench.wire.answers import Done, Imported, Prepared
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


class SelftestWorker(WorkerProcess):
    """A worker of the self-test; its blocks are longer than is counted, by a factor that ``pace`` gives."""

    def __init__(
        self,
        job: Job,
        frontend: Frontend,
        environment: Mapping[str, str],
        log: Path,
        interpreter: str = "",
        *,
        pace: Callable[[], float] = lambda: 1.0,
    ) -> None:
        super().__init__(dataclasses.replace(job, package=str(HERE)), frontend, environment, log, interpreter)
        self._pace = pace

    def ask(self, do: str, answer: type[A], timeout_s: float, **arguments: Argument) -> A:
        """As any worker; a block has more steps than are asked for."""
        steps = arguments.get("steps")
        if do == "block" and isinstance(steps, int):
            arguments |= {"steps": round(steps * self._pace())}
        return super().ask(do, answer, timeout_s, **arguments)


def start_selftest(
    job: Job, frontend: Frontend, environment: Mapping[str, str], log: Path, interpreter: str = ""
) -> WorkerProcess:
    """Start a worker of the self-test, with no drift."""
    return SelftestWorker(job, frontend, environment, log, interpreter)


class Pace:
    """How much longer each block is than is counted: linearly the more, the later in the session."""

    def __init__(self, scenario: Scenario, settings: Settings) -> None:
        self._scenario, self._settings = scenario, settings
        self.session: Session | None = None

    def start(
        self, job: Job, frontend: Frontend, environment: Mapping[str, str], log: Path, interpreter: str = ""
    ) -> WorkerProcess:
        """Start a worker that keeps this pace."""
        return SelftestWorker(job, frontend, environment, log, interpreter, pace=self.factor)

    def factor(self) -> float:
        """The factor now."""
        if self.session is None or not self._scenario.drift:
            return 1.0
        launch = max(len(contestant.launches) for contestant in self.session.contestants) - 1
        rounds = sum(entry.launch == launch for entry in self.session.rounds)
        planned = self._settings.launches or LADDER[-1]
        done = min(1.0, (launch + min(1.0, rounds / self._settings.rounds)) / planned)
        return 1 + self._scenario.drift * done


@contextlib.contextmanager
def hog(content: Catalog, settings: Settings, scenario: Scenario) -> Iterator[None]:
    """One more worker that computes one endless block on its CPU, where the scenario wants it."""
    if not scenario.hog:
        yield
        return
    cpus = settings.cpus if scenario.hog == "same" else settings.harness_cpus[:1]
    with tempfile.TemporaryDirectory(prefix="workbench-hog-") as folder:
        workers = Workers(content, dataclasses.replace(settings, cpus=cpus), Path(folder))
        worker = workers.start(Contestant("hog", content.frontends[REFERENCE], content.roots, package_root()))
        try:
            worker.ask("make", Done, settings.timeout_s)
            worker.ask("import", Imported, settings.timeout_s)
            worker.ask("prepare", Prepared, settings.timeout_s)
            worker.send("block", steps=ENDLESS, warm=0)
            yield
        finally:
            worker.close()
            workers.close()


def session_of(
    content: Catalog, contestants: Sequence[Contestant], settings: Settings, folder: Path, scenario: Scenario
) -> Session:
    """A session with the self-test's workers, at the scenario's pace."""
    pace = Pace(scenario, settings)
    pace.session = Session(content, contestants, settings, folder, Silence(), start=pace.start)
    return pace.session


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
        session = session_of(content, contestants, settings, Path(folder), scenario)
        with hog(content, settings, scenario):
            session.run()
    if session.interrupted:
        raise KeyboardInterrupt
    return recording_of(session)


def recording_of(session: Session) -> Recording:
    """What a finished session recorded."""
    contestants, rounds = session.contestants, flagged(session.rounds)
    disturbed = {entry.key for entry in rounds if entry.flags}
    measured = [[launch for launch in contestant.launches if launch.measured()] for contestant in contestants]
    launches = max((len(of_one) for of_one in measured), default=0)
    round_s = [sum(entry.covariates.span_ns for entry in rounds if entry.launch == n) / 1e9 for n in range(launches)]
    times = np.full((launches, len(contestants)), math.nan)
    cost_s = np.full_like(times, math.nan)
    blocks: list[list[list[float]]] = [[[] for _ in contestants] for _ in range(launches)]
    for number in range(launches):
        by_column = {
            column: launch for column, of_one in enumerate(measured) for launch in of_one if launch.number == number
        }
        for column, launch in by_column.items():
            cost_s[number, column] = launch.bring_up_s + round_s[number] / len(contestants)
            blocks[number][column] = launch.of().seconds
        if by_column:
            times[number, [*by_column]] = unit_times([*by_column.values()], TRAIN.name, disturbed)
    slowdowns = tuple(contestant.slowdown for contestant in contestants)
    steps = [of_one[0].of().units if of_one else 0 for of_one in measured]
    return Recording(
        slowdowns=slowdowns,
        factors=tuple(true_factor(count, share) for count, share in zip(steps, slowdowns, strict=True)),
        times=times,
        cost_s=cost_s,
        blocks=blocks,
        noisy=sentence([entry.flags for entry in rounds]),
        stolen=_stolen(rounds),
        failures=tuple(
            f"{contestant.id}: {contestant.outcome}: {contestant.reason}"
            for contestant in contestants
            if not contestant.running
        ),
    )


def _stolen(rounds: Sequence[Round]) -> float | None:
    """The steal of all rounds, each by its length."""
    known = [(seen.steal_share, seen.span_ns) for seen in (entry.covariates for entry in rounds)]
    spans = [(share, span) for share, span in known if share is not None]
    total = sum(span for _, span in spans)
    return sum(share * span for share, span in spans) / total if total else None


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
