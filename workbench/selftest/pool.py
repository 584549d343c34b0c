"""Recording launches whose true ratios are known: identical contestants and slowed ones, in the same sessions.

A recording is one session: NumPy contestants on one pinned CPU, interleaved block by block, each launch a fresh
process. A slowed contestant repeats a share of its steps without counting them, so the true ratio of two contestants is
known exactly. A hog is another worker that computes an endless block on a CPU. Drift is injected as well: every block
is timed with steps of a second training, whose number grows linearly over the session, for all contestants alike.
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
from workbench.host.cpus import measuring_cpus
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.progress import Silence
from workbench.model.records import Round, Settings
from workbench.model.stage import TRAIN
from workbench.session import calibration
from workbench.session.launcher import A, Argument, WorkerProcess
from workbench.session.reference import make_problem
from workbench.session.session import Session
from workbench.session.stopping import RATIO_ERROR
from workbench.session.workers import Workers
from workbench.statistics import LADDER, Floats
from workbench.statistics.disturbance import flagged, sentence, shared_cpu
from workbench.statistics.launches import unit_times
from workbench.wire.answers import Imported, Ready
from workbench.wire.exchange import Job

HERE = Path(__file__).resolve().parent
TASK, PRESET = "linreg", "points"
ROUNDS = 5
SLOWDOWNS = (0.0, 0.0, 0.01, 0.03, 0.05, 0.10)
IDENTICAL = (0.0,) * 8
ENDLESS = 1 << 60
TRACE_S = 0.01


@dataclass(frozen=True)
class Scenario:
    """What disturbs a recording: a hog on the "same" core as the contestants or an "other" one, drift, or nothing."""

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
    """One session. Arrays have the shape (launches, contestants); after a failure, a contestant's times are NaN.

    Attributes:
        slowdowns: requested slowdown of each contestant.
        factors: the true factor of each one's time, including the rounding of its steps.
        times: seconds per step of a launch, with the effects of rounds removed, as for the ranks of a run.
        cost_s: seconds of the session that a launch of one contestant took.
        blocks: all block times, [launch][contestant].
        noisy: a sentence on the disturbed rounds, if the machine was not quiet.
        stolen: the share of the measuring CPUs' time that the hypervisor gave to other guests, if known.
        failures: contestants that failed, with their reasons.
        shared: the share of rounds in which somebody else ran on the measured CPU.
    """

    slowdowns: tuple[float, ...]
    factors: tuple[float, ...]
    times: Floats
    cost_s: Floats
    blocks: list[list[list[float]]] = field(repr=False)
    noisy: str | None = None
    stolen: float | None = None
    failures: tuple[str, ...] = ()
    shared: float = 0.0


@dataclass(frozen=True)
class Pool:
    """All recordings of one scenario."""

    scenario: str
    recordings: list[Recording]


class SelftestWorker(WorkerProcess):
    """A worker of the self-test, whose blocks take longer than others by known factors.

    By the factor that ``pace`` returns, steps of a second training are timed with the block, which is the run that is
    warmed up; the judging need not know of those, since they leave the state as it is. (A slowed contestant's blocks
    have more steps than are counted, of which the judging knows.)
    """

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
        """Ask as any worker does, but let a block take longer."""
        steps = arguments.get("steps")
        if do == "run" and isinstance(steps, int) and arguments.get("warm"):
            beside = round(steps * (self._pace() - 1))
            arguments |= {"beside": beside} if beside else {}
        return super().ask(do, answer, timeout_s, **arguments)


def start_selftest(
    job: Job, frontend: Frontend, environment: Mapping[str, str], log: Path, interpreter: str = ""
) -> WorkerProcess:
    """Start a worker of the self-test without drift."""
    return SelftestWorker(job, frontend, environment, log, interpreter)


class Pace:
    """The drift: by what factor the steps beside a block lengthen it, growing linearly over the session."""

    def __init__(self, scenario: Scenario, settings: Settings) -> None:
        self._scenario, self._settings = scenario, settings
        self.session: Session | None = None

    def start(
        self, job: Job, frontend: Frontend, environment: Mapping[str, str], log: Path, interpreter: str = ""
    ) -> WorkerProcess:
        """Start a worker with this drift."""
        return SelftestWorker(job, frontend, environment, log, interpreter, pace=self.factor)

    def factor(self) -> float:
        """The current factor."""
        if self.session is None or not self._scenario.drift:
            return 1.0
        launch = max(len(contestant.launches) for contestant in self.session.contestants) - 1
        rounds = sum(entry.launch == launch for entry in self.session.rounds)
        planned = self._settings.launches or LADDER[-1]
        progress = min(1.0, (launch + min(1.0, rounds / self._settings.rounds)) / planned)
        return 1 + self._scenario.drift * progress


@contextlib.contextmanager
def hog(content: Catalog, settings: Settings, scenario: Scenario) -> Iterator[None]:
    """Another worker that computes an endless block on its CPU, if the scenario has one."""
    if not scenario.hog:
        yield
        return
    cpus = settings.cpus if scenario.hog == "same" else settings.harness_cpus[:1]
    with tempfile.TemporaryDirectory(prefix="workbench-hog-") as folder:
        workers = Workers(content, dataclasses.replace(settings, cpus=cpus), Path(folder))
        worker = workers.start(Contestant("hog", content.frontends[REFERENCE], content.roots, package_root()))
        try:
            make_problem(worker, workers.problem_file, settings.timeout_s)
            worker.ask("import", Imported, settings.timeout_s)
            worker.ask("set_up", Ready, settings.timeout_s, problem=str(workers.problem_file))
            worker.send("run", steps=ENDLESS)
            yield
        finally:
            worker.close()
            workers.close()


@contextlib.contextmanager
def short_traces() -> Iterator[None]:
    """Trace warm-ups briefly: that serves only the tables of a run, and hundreds of processes have to start."""
    usual, calibration.TRACE_S = calibration.TRACE_S, TRACE_S
    try:
        yield
    finally:
        calibration.TRACE_S = usual


def session_of(
    content: Catalog, contestants: Sequence[Contestant], settings: Settings, folder: Path, scenario: Scenario
) -> Session:
    """A session with the self-test's workers and the scenario's drift."""
    pace = Pace(scenario, settings)
    pace.session = Session(content, contestants, settings, folder, Silence(), start=pace.start)
    return pace.session


def settings_for(
    *, launches: int | None, budget_s: float | None, seed: int, alive: int, rounds: int = ROUNDS
) -> Settings:
    """Settings of a recording: one thread on one CPU, and the harness on another."""
    cpus, harness_cpus = measuring_cpus(1)
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
    """Whether this machine allows the scenario: a hog needs pinned CPUs, and maybe another than the contestants'."""
    cpus, harness_cpus = measuring_cpus(1)
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
    """Run one session and record what the analysis needs.

    Raises:
        WorkerFailedError: when the problem cannot be made.
        KeyboardInterrupt: when the session was interrupted.
    """
    frontend, package = content.frontends[REFERENCE], package_root()
    contestants = [
        Contestant(f"c{index}", frontend, content.roots, package, slowdown=slowdown)
        for index, slowdown in enumerate(slowdowns)
    ]
    settings = dataclasses.replace(
        settings_for(launches=launches, budget_s=budget_s, seed=seed, alive=len(contestants), rounds=rounds),
        ratio_error=RATIO_ERROR,
    )
    with tempfile.TemporaryDirectory(prefix="workbench-selftest-") as folder:
        session = session_of(content, contestants, settings, Path(folder), scenario)
        with hog(content, settings, scenario), short_traces():
            session.run()
    if session.cut_short:
        raise WorkerFailedError(Outcome.ERROR, session.cut_short)
    if session.interrupted:
        raise KeyboardInterrupt
    return recording_of(session)


def recording_of(session: Session) -> Recording:
    """The recording of a finished session."""
    contestants, rounds = session.contestants, flagged(session.rounds)
    disturbed = {entry.key for entry in rounds if entry.flags}
    measured = [[launch for launch in contestant.launches if launch.measured()] for contestant in contestants]
    launches = max((len(own) for own in measured), default=0)
    round_s = [sum(entry.covariates.span_ns for entry in rounds if entry.launch == n) / 1e9 for n in range(launches)]
    times = np.full((launches, len(contestants)), math.nan)
    cost_s = np.full_like(times, math.nan)
    blocks: list[list[list[float]]] = [[[] for _ in contestants] for _ in range(launches)]
    for number in range(launches):
        by_column = {column: launch for column, own in enumerate(measured) for launch in own if launch.number == number}
        for column, launch in by_column.items():
            cost_s[number, column] = launch.bring_up_s + round_s[number] / len(contestants)
            blocks[number][column] = launch.of().seconds
        if by_column:
            times[number, [*by_column]] = unit_times([*by_column.values()], TRAIN.name, disturbed)
    slowdowns = tuple(contestant.slowdown for contestant in contestants)
    steps = [own[0].of().units if own else 0 for own in measured]
    return Recording(
        slowdowns=slowdowns,
        factors=tuple(true_factor(count, slowdown) for count, slowdown in zip(steps, slowdowns, strict=True)),
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
        shared=shared_cpu(rounds),
    )


def _stolen(rounds: Sequence[Round]) -> float | None:
    """The share of stolen time over all rounds, weighted by their lengths."""
    shares = [(entry.covariates.steal_share, entry.covariates.span_ns) for entry in rounds]
    spans = [(share, span) for share, span in shares if share is not None]
    total = sum(span for _, span in spans)
    return sum(share * span for share, span in spans) / total if total else None


def true_factor(steps: int, slowdown: float) -> float:
    """The true factor of a block's time if a share of its steps is repeated; only whole steps can be."""
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
    """Record several sessions of one scenario, and yield each as soon as it is finished."""
    for number in range(sessions):
        say(f"{scenario.name}: session {number + 1} of {sessions}, {len(slowdowns)} contestants")
        yield record(content, scenario, slowdowns, launches=launches, budget_s=budget_s, seed=number, rounds=rounds)
