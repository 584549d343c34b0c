"""A session: contestants and one problem, proven, then measured in turn.

Each contestant gets a fresh worker process per launch. A launch brings its workers up one by one, proves each
against the reference, and stops it; then it goes round after round in shuffled order: wake a worker, warm it,
time one block, stop it. Whatever befalls a worker costs its own contestant alone.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench import exchange
from workbench.catalog import REFERENCE, Catalog, Frontend
from workbench.content import package_root
from workbench.environment import Device, worker_environment
from workbench.exchange import Job
from workbench.launcher import Outcome, WorkerFailedError, WorkerProcess
from workbench.verify import Proof, tolerance, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Settings:
    """What a session is asked for; all of it is kept in the run's results."""

    task: str
    preset: str
    seed: int = 0
    steps: int | None = None
    dtype: str = "float32"
    device: Device = field(default_factory=lambda: Device("cpu"))
    threads: int | None = 1
    matmul_precision: str | None = "float32"
    launches: int = 1
    rounds: int = 10
    timeout_s: float = 300.0
    cpus: tuple[int, ...] = ()


@dataclass
class LaunchRecord:
    """What one launch of one contestant measured. Times in seconds; ``blocks`` are seconds per step."""

    launch: int
    import_s: float
    setup_s: float
    first_step_s: float
    block_steps: int = 0
    wait_s: float = 0.0
    blocks: list[float] = field(default_factory=list)
    cpu_per_wall: float | None = None
    import_bytes: int | None = None
    peak_bytes: int | None = None
    peak_device_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    observed: dict[str, Any] = field(default_factory=dict)
    pool_threads: dict[str, int] = field(default_factory=dict)


@dataclass
class Contestant:
    """A frontend in this session, how it ended, its proof and its launches."""

    id: str
    frontend: Frontend
    outcome: Outcome = Outcome.OK
    reason: str = ""
    proof: Proof | None = None
    launches: list[LaunchRecord] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self.outcome is Outcome.OK

    def fail(self, failure: WorkerFailedError) -> None:
        """Note how it ended; the first failure counts."""
        if self.running:
            self.outcome, self.reason = failure.outcome, failure.reason


class Progress(Protocol):
    """Who wants to know how a session is getting on."""

    def phase(self, contestant: str, phase: str) -> None:
        """A contestant enters a phase: importing, proving, calibrating, measuring, or an outcome."""

    def round(self, launch: int, done: int, total: int) -> None:
        """So many rounds of a launch are done."""


class Silence:
    """A Progress that says nothing."""

    def phase(self, contestant: str, phase: str) -> None:
        """Say nothing."""

    def round(self, launch: int, done: int, total: int) -> None:
        """Say nothing."""


class Session:
    """Runs contestants on one problem and keeps what they did.

    ``folder`` receives ``problem.npz``, ``reference.npz`` and, per contestant, ``proof.npz`` and ``log.txt``.
    """

    def __init__(
        self,
        catalog: Catalog,
        frontends: Sequence[Frontend],
        settings: Settings,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.contestants = [Contestant(frontend.id, frontend) for frontend in frontends]
        self.allowed = 0.0
        self.steps = 0
        self._caches = Path(tempfile.mkdtemp(prefix="workbench-caches-"))
        self._order = random.Random(settings.seed)

    def run(self) -> None:
        """Make the problem, prove and measure every contestant.

        Raises:
            WorkerFailedError: when the problem or the reference cannot be made.
        """
        try:
            self._make_reference()
            self._declare_holes()
            for launch in range(self.settings.launches):
                self._launch(launch)
        finally:
            shutil.rmtree(self._caches, ignore_errors=True)

    def place(self, contestant: Contestant) -> Path:
        """The contestant's own folder inside the run."""
        place = self.folder / "contestants" / contestant.id
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _declare_holes(self) -> None:
        for contestant in self.contestants:
            frontend = contestant.frontend
            if reason := self.catalog.hole(self.settings.task, frontend):
                contestant.fail(WorkerFailedError(Outcome.UNSUPPORTED, reason))
            elif self.settings.device.kind not in frontend.devices:
                reason = f"{frontend.framework} computes on {' and '.join(frontend.devices)} only"
                contestant.fail(WorkerFailedError(Outcome.UNSUPPORTED, reason))
            if not contestant.running:
                self.progress.phase(contestant.id, contestant.outcome)

    def _make_reference(self) -> None:
        self.progress.phase("reference", "proving")
        frontend = self.catalog.frontends[REFERENCE]
        place = self.folder / "reference"
        place.mkdir(parents=True, exist_ok=True)
        proof = self.folder / "reference.npz"
        make = self._job(frontend, proof, dtype=self.settings.dtype, device="cpu")
        prove = self._job(frontend, proof, dtype="float64", device="cpu")
        for job, commands in ((make, ["make"]), (prove, ["import", "prove"])):
            worker = self._start(job, frontend, place / "log.txt")
            try:
                for command in commands:
                    worker.ask(command, self.settings.timeout_s)
            finally:
                worker.close()
        problem = exchange.load_problem(self.folder / "problem.npz")
        updates = problem.steps if problem.learning_rate else 1
        self.steps = problem.steps
        self.allowed = tolerance(self.settings.dtype, problem.terms, updates)
        self._reference = exchange.load_arrays(proof)

    def _launch(self, launch: int) -> None:
        with contextlib.ExitStack() as workers:
            alive: dict[str, WorkerProcess] = {}
            for contestant in self.contestants:
                with self._costing_only(contestant):
                    if contestant.running:
                        alive[contestant.id] = self._bring_up(contestant, launch, workers)
            self._measure(alive, launch)
            for contestant in self.contestants:
                with self._costing_only(contestant):
                    if contestant.running:
                        self._finish(contestant, alive[contestant.id])

    def _bring_up(self, contestant: Contestant, launch: int, workers: contextlib.ExitStack) -> WorkerProcess:
        """Start, import, prove and calibrate a contestant's worker; leave it stopped."""
        place, timeout = self.place(contestant), self.settings.timeout_s
        job = self._job(contestant.frontend, place / "proof.npz")
        worker = self._start(job, contestant.frontend, place / "log.txt")
        workers.callback(worker.close)
        self.progress.phase(contestant.id, "importing")
        imported = worker.ask("import", timeout)
        self.progress.phase(contestant.id, "proving")
        proved = worker.ask("prove", timeout)
        contestant.proof = self._verify(place / "proof.npz")
        if not contestant.proof.passed:
            raise WorkerFailedError(Outcome.INVALID, contestant.proof.reason)
        self.progress.phase(contestant.id, "calibrating")
        prepared = worker.ask("prepare", timeout)
        worker.stop()
        self.progress.phase(contestant.id, "ready")
        contestant.launches.append(
            LaunchRecord(
                launch=launch,
                import_s=_positive(imported, "import_s"),
                setup_s=_positive(proved, "setup_s"),
                first_step_s=_positive(proved, "first_step_s"),
                block_steps=int(prepared["block_steps"]),
                wait_s=_positive(prepared, "wait_s"),
                import_bytes=imported["rss_bytes"],
                versions=imported["versions"],
            )
        )
        return worker

    def _measure(self, alive: Mapping[str, WorkerProcess], launch: int) -> None:
        for done in range(self.settings.rounds):
            self.progress.round(launch, done, self.settings.rounds)
            order = [contestant for contestant in self.contestants if contestant.running]
            self._order.shuffle(order)
            for contestant in order:
                with self._costing_only(contestant):
                    self._block(contestant, alive[contestant.id])
        self.progress.round(launch, self.settings.rounds, self.settings.rounds)

    def _block(self, contestant: Contestant, worker: WorkerProcess) -> None:
        record = contestant.launches[-1]
        worker.wake()
        warm = max(1, record.block_steps // 10)
        answer = worker.ask("block", self.settings.timeout_s, steps=record.block_steps, warm=warm)
        worker.stop()
        seconds = _positive(answer, "seconds")
        record.blocks.append(seconds / record.block_steps)
        share = float(answer["cpu_s"]) / seconds
        record.cpu_per_wall = max(share, record.cpu_per_wall or 0.0)

    def _finish(self, contestant: Contestant, worker: WorkerProcess) -> None:
        record = contestant.launches[-1]
        worker.wake()
        answer = worker.ask("finish", self.settings.timeout_s)
        for name in ("observed", "pool_threads", "peak_bytes", "peak_device_bytes"):
            setattr(record, name, answer[name])
        self.progress.phase(contestant.id, "ok")

    @contextlib.contextmanager
    def _costing_only(self, contestant: Contestant) -> Iterator[None]:
        """Whatever fails in here is this contestant's outcome and nobody else's."""
        try:
            yield
        except WorkerFailedError as failure:
            contestant.fail(failure)
            self.progress.phase(contestant.id, contestant.outcome)

    def _verify(self, path: Path) -> Proof:
        try:
            proof = exchange.load_arrays(path)
        except Exception as error:  # noqa: BLE001 - a damaged file can fail in many ways; all mean the same
            reason = f"the worker's proof cannot be read: {type(error).__name__}: {error}"
            raise WorkerFailedError(Outcome.ERROR, reason) from None
        if "losses" not in proof:
            raise WorkerFailedError(Outcome.ERROR, "the worker's proof holds no losses")
        return verify(proof, self._reference, self.steps, self.settings.dtype, self.allowed)

    def _job(self, frontend: Frontend, proof: Path, dtype: str | None = None, device: str | None = None) -> Job:
        settings = self.settings
        return Job(
            content=str(self.catalog.root),
            package=str(package_root()),
            task=settings.task,
            preset=settings.preset,
            seed=settings.seed,
            dtype=dtype or settings.dtype,
            steps=settings.steps,
            folder=frontend.folder,
            mode=frontend.id,
            device=device or settings.device.kind,
            threads=settings.threads,
            matmul_precision=settings.matmul_precision,
            problem=str(self.folder / "problem.npz"),
            proof=str(proof),
            cpus=settings.cpus,
        )

    def _start(self, job: Job, frontend: Frontend, log: Path) -> WorkerProcess:
        caches = Path(tempfile.mkdtemp(dir=self._caches))
        device = self.settings.device if job.device != "cpu" else Device("cpu")
        environment = worker_environment(device, self.settings.threads, caches, frontend.environment)
        return WorkerProcess(job, frontend, environment, log)


def _positive(answer: Mapping[str, Any], name: str) -> float:
    """A time from a worker's answer.

    Raises:
        WorkerFailedError: when it is missing, no number, negative or not finite.
    """
    value = answer.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise WorkerFailedError(Outcome.ERROR, f"the worker answered {name} = {value!r}, expected seconds")
    return float(value)
