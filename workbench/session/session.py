"""A session: contestants and one problem, proven, then measured in turn.

Each contestant gets a fresh worker process per launch, and all workers of a launch are alive together. The first
launch brings them up one after the other with the machine to themselves, because there import, set-up and first
step are timed; later launches bring up as many at once as there are CPUs. Then come rounds: in shuffled order each
worker is woken, warmed, timed over one block, and stopped again, so that nobody's threads disturb anybody. A canary
(a small constant piece of work) and the machine's own counters tell which rounds were disturbed. The harness sits
on other CPUs, where there are any, and blocks while it waits. Whatever befalls a worker costs its contestant alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import queue
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.catalog import REFERENCE, Catalog
from workbench.catalog.roots import module_folders, package_root
from workbench.contract import Arrays
from workbench.host import machine, noise
from workbench.host.environment import worker_environment
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant, LaunchRecord, RoundRecord, Settings, SweepPoint
from workbench.model.device import Device
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.progress import Progress, Silence
from workbench.model.proof import Proof
from workbench.session.forecast import Forecast
from workbench.session.launcher import WorkerProcess, leave_signals_to_main
from workbench.session.stopping import DEFAULT_LAUNCHES, Plan, Spent, UntilKnown
from workbench.session.verify import tolerance, verify
from workbench.statistics import ratio_errors
from workbench.store.records import flag_rounds, proof_facts
from workbench.wire import exchange
from workbench.wire.exchange import Job

MOST_ROUNDS = 4  # times as many as planned, where blocks scatter
WARM_SHARE = 10  # a block is preceded by a tenth of its steps, untimed
MATRIX_SIZE = 768
UNFINISHED_SHARE = 0.1  # of a block, that may be left after the wait
UNFINISHED_S = 0.004
BUSY_SHARE = 0.5  # of a CPU, after the wait
LEAST_ROOM = 1 << 16
SETTLE_S = 5.0  # that an interrupted block may still take
SWEEP_STEPS = 5
SWEEP_ROUNDS = 7
SWEEP_PROBLEM, SWEEP_REFERENCE = "sweep-problem.npz", "sweep-reference.npz"
WORKER_BYTES = 1 << 30  # what a worker is reckoned to need, to bound how many are alive


@dataclass(frozen=True)
class Target:
    """What a proof is held against: the reference's arrays, how many steps, the tolerance; and a step's work."""

    reference: Arrays
    steps: int
    allowed: float
    flops: float
    bytes: float


def _forget(event: str, **fields: Any) -> None:
    """Where events go that nobody keeps."""


class Session:
    """Runs contestants on one problem and keeps what they did.

    ``folder`` receives ``problem.npz``, ``reference.npz`` and, per contestant, ``proof.npz`` and ``log.txt``.
    """

    def __init__(
        self,
        catalog: Catalog,
        contestants: Sequence[Contestant],
        settings: Settings,
        folder: Path,
        progress: Progress,
        known_bring_up_s: Mapping[str, float] | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.catalog = catalog
        self._plan = plan or UntilKnown(settings)
        self._stages: Mapping[str, str] = {}
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.contestants = list(contestants)
        self.rounds: list[RoundRecord] = []
        self.logged_rounds = 0
        self._record: Callable[..., None] = _forget
        self.interrupted = False
        self._abandoned = False  # workers are being killed: that they die is no outcome of theirs
        ids = [contestant.id for contestant in contestants]
        planned = settings.launches or DEFAULT_LAUNCHES
        self._forecast = Forecast(ids, planned, settings.rounds, known_bring_up_s or {})
        self._caches = Path(tempfile.mkdtemp(prefix="workbench-caches-"))
        self._order = random.Random(settings.seed)
        self._threads = settings.threads or len(settings.cpus) or 1
        nvml = machine.open_nvml() if settings.device.kind == "gpu" else None
        self._sampler = noise.Sampler(settings.cpus, nvml=nvml, gpu=settings.device.index)

    def run(self, record: Callable[..., None] = _forget) -> None:
        """Make the problem, prove and measure every contestant.

        Ctrl-C ends the measuring; what was measured so far is kept.

        Args:
            record: called with an event's name and fields as soon as something is known for good.

        Raises:
            WorkerFailedError: when the problem or the reference cannot be made.
            OSError: when ``record`` cannot write.
        """
        self._record = record
        started = time.monotonic()
        with contextlib.ExitStack() as session:
            session.callback(shutil.rmtree, self._caches, ignore_errors=True)
            session.enter_context(_on_cpus(self.settings.harness_cpus))
            try:
                self._make_problem(session)
                self._record("problem", problem=self._problem_facts(), tolerance=self.allowed)
                self._declare_holes()
                self._launch_until_enough(started)
            except KeyboardInterrupt:
                if not hasattr(self, "_target"):
                    raise
                self.interrupted = True
                for contestant in self.contestants:
                    if not any(launch.observed for launch in contestant.launches):
                        self._end(contestant, Outcome.INTERRUPTED, "interrupted before it was measured")

    def problem_hash(self) -> str:
        """Make the problem and nothing else; its SHA-256.

        Raises:
            WorkerFailedError: when it cannot be made.
        """
        (self.folder / "reference").mkdir(exist_ok=True)
        worker = self._reference_worker("problem.npz", "reference.npz")
        try:
            worker.ask("make", self.settings.timeout_s)
        finally:
            worker.close()
            shutil.rmtree(self._caches, ignore_errors=True)
        return exchange.hash_of(exchange.load_arrays(self.folder / "problem.npz"))

    def place(self, contestant: Contestant) -> Path:
        """The contestant's own folder inside the run."""
        place = self.folder / "contestants" / contestant.id
        for folder in (place.parent, place):  # not the run's own: if somebody has removed it, it stays removed
            folder.mkdir(exist_ok=True)
        return place

    # ---------------------------------------------------------------- the problem and its reference

    def _declare_holes(self) -> None:
        for contestant in self.contestants:
            frontend = contestant.frontend
            device = contestant.device or self.settings.device
            if reason := Catalog(contestant.roots).hole(self.settings.task, frontend):
                self._end(contestant, Outcome.UNSUPPORTED, reason)
            elif device.kind not in frontend.devices:
                reason = f"{frontend.framework} computes on {' and '.join(frontend.devices)} only"
                self._end(contestant, Outcome.UNSUPPORTED, reason)

    def _make_problem(self, session: contextlib.ExitStack) -> None:
        """Make the problem and the reference; the reference's process stays on as the canary."""
        self.progress.phase("reference", "proving")
        (self.folder / "reference").mkdir(exist_ok=True)
        self._canary = self._reference_worker("problem.npz", "reference.npz")
        session.callback(self._canary.close)
        if (self.folder / "reference.npz").is_file():  # a session that is resumed
            self._canary.ask("import", self.settings.timeout_s)
        else:
            self._prove_reference(self._canary)
        self._target = self._target_of("problem.npz", "reference.npz")
        self._canary.stop()
        self.progress.phase("reference", "ready")

    def _reference_worker(self, problem: str, proof: str, **changes: Any) -> WorkerProcess:
        frontend = self.catalog.frontends[REFERENCE]
        reference = Contestant("reference", frontend, self.catalog.roots, package_root())
        job = dataclasses.replace(
            self._job(reference),
            device="cpu",
            problem=str(self.folder / problem),
            proof=str(self.folder / proof),
            **changes,
        )
        environment = worker_environment(Device("cpu"), self._threads, self._caches, frontend.environment)
        return WorkerProcess(job, frontend, environment, self.folder / "reference" / "log.txt")

    def _prove_reference(self, worker: WorkerProcess) -> None:
        worker.ask("make", self.settings.timeout_s)
        worker.ask("import", self.settings.timeout_s)
        worker.ask("prove", self.settings.timeout_s, dtype="float64")

    def _problem_facts(self) -> dict[str, Any]:
        """Hash and numbers of the problem."""
        problem = exchange.load_problem(self.folder / "problem.npz")
        names = ("steps", "learning_rate", "terms", "flops", "bytes", "resident")
        digest = exchange.hash_of(exchange.load_arrays(self.folder / "problem.npz"))
        return {"hash": digest, **{name: getattr(problem, name) for name in names}}

    def _target_of(self, problem_file: str, reference_file: str) -> Target:
        problem = exchange.load_problem(self.folder / problem_file)
        updates = problem.steps if problem.learning_rate else 1
        allowed = tolerance(self.settings.dtype, problem.terms, updates)
        reference = exchange.load_arrays(self.folder / reference_file)
        bad = np.flatnonzero(~np.isfinite(reference["losses"]))
        if bad.size:
            raise WorkerFailedError(Outcome.ERROR, f"the reference diverges: its loss of step {bad[0]} is not finite")
        return Target(reference, problem.steps, allowed, problem.flops, problem.bytes)

    # ---------------------------------------------------------------- launches

    def _launch_until_enough(self, started: float) -> None:
        number, last = 0, 0.0
        while self._another_launch(Spent(number, time.monotonic() - started, last)):
            began = time.monotonic()
            for group in self._groups(number):
                self._forecast.begin_launch(number, [contestant.id for contestant in group])
                with self._alive(group, number) as workers:
                    try:
                        self._measure(group, workers, number)
                    except KeyboardInterrupt:
                        self._keep_whole_rounds(group, workers)
                        raise
                    self._observe(group, workers)
                    self._log_launch(group)
                    if number == 0:
                        self._sweep(group, workers)
                    self._finish(group, workers)
            number, last = number + 1, time.monotonic() - began

    def _another_launch(self, spent: Spent) -> bool:
        """Whether any group is launched once more."""
        running = [contestant for contestant in self.contestants if contestant.running]
        self._stages = self._plan.stages(running, self.rounds, spent) if running else {}
        return bool(self._stages)

    def _groups(self, number: int) -> list[list[Contestant]]:
        """Contestants that are alive together: of each group all that lack this launch, if the memory allows."""
        most = self.settings.max_alive or max(1, machine.available_bytes() // WORKER_BYTES)
        found = []
        for name in self._stages:
            lacking = [
                contestant
                for contestant in self.contestants
                if contestant.running
                and contestant.group == name
                and all(launch.launch != number for launch in contestant.launches)
            ]
            size = max(most, len(lacking)) if name else most  # what is compared is not torn apart
            found += [lacking[start : start + size] for start in range(0, len(lacking), size)]
        return found

    @contextlib.contextmanager
    def _alive(self, group: Sequence[Contestant], number: int) -> Iterator[dict[str, WorkerProcess]]:
        """Workers of a group, brought up and stopped; ended on leaving."""
        with contextlib.ExitStack() as stack:
            workers: dict[str, WorkerProcess] = {}
            order = self._shuffled(group)
            for contestant in order:
                with self._costing_only(contestant):
                    workers[contestant.id] = self._start(contestant)
                    stack.callback(workers[contestant.id].close)
            self._bring_up_all(order, workers, number)
            yield workers

    def _bring_up_all(self, group: Sequence[Contestant], workers: Mapping[str, WorkerProcess], number: int) -> None:
        """The first launch one by one on the measuring CPUs; later ones side by side, on all CPUs.

        In another order each time: who starts first, and on which CPU, is seen in the steps (half a percent here).
        """
        measuring = self.settings.cpus
        places = [measuring]
        if number > 0 and measuring:
            places += _slices(self.settings.harness_cpus, len(measuring), measuring)
        free: queue.SimpleQueue[tuple[int, ...]] = queue.SimpleQueue()
        for cpus in places:
            free.put(cpus)

        def bring_up(contestant: Contestant) -> None:
            cpus = free.get()
            with self._costing_only(contestant):
                if contestant.running:
                    self._bring_up(contestant, workers[contestant.id], number, cpus)
            free.put(cpus)

        if len(places) == 1:
            for contestant in group:
                bring_up(contestant)
            return
        # each thread blocks on its worker's pipe
        with ThreadPoolExecutor(len(places), initializer=leave_signals_to_main) as pool:
            try:
                list(pool.map(bring_up, group))
            except BaseException:
                self._abandoned = True
                for worker in workers.values():
                    worker.kill()
                raise

    def _bring_up(self, contestant: Contestant, worker: WorkerProcess, number: int, cpus: tuple[int, ...]) -> None:
        """Import, prove and prepare; leave the worker stopped on the measuring CPUs."""
        began, timeout = time.monotonic(), self.settings.timeout_s
        if cpus != self.settings.cpus:
            worker.ask("move", timeout, cpus=list(cpus))
        self.progress.phase(contestant.id, "importing")
        imported = worker.ask("import", timeout)
        self.progress.phase(contestant.id, "proving")
        proved = worker.ask("prove", timeout)
        contestant.proof = self._verify(self.place(contestant) / "proof.npz", self._target)
        if not contestant.proof.passed:
            raise WorkerFailedError(Outcome.INVALID, contestant.proof.reason)
        self.progress.phase(contestant.id, "calibrating")
        record = LaunchRecord(
            launch=number,
            timed=number == 0,
            stage=self._stages[contestant.group],
            import_s=_seconds(imported, "import_s"),
            setup_s=_seconds(proved, "setup_s"),
            first_step_s=_seconds(proved, "first_step_s"),
            import_bytes=imported["rss_bytes"],
            versions=imported["versions"],
        )
        self._prepare(worker, record, self._known_block_steps(contestant))
        if cpus != self.settings.cpus:
            worker.ask("move", timeout, cpus=list(self.settings.cpus))
        worker.stop()
        record.bring_up_s = time.monotonic() - began
        contestant.launches.append(record)
        self.progress.phase(contestant.id, "ready")
        self._forecast.ready(contestant.id, record.bring_up_s)
        self.progress.left(self._forecast.seconds_left())

    def _prepare(self, worker: WorkerProcess, record: LaunchRecord, block_steps: int | None) -> None:
        """Set up the clocked training; the block's length is found once and kept for all launches."""
        prepared = worker.ask("prepare", self.settings.timeout_s, block_steps=block_steps)
        record.block_steps = int(prepared["block_steps"])
        record.wait_s = _seconds(prepared, "wait_s")
        record.trace = [float(seconds) for seconds in prepared["trace"]]
        _audit(prepared, self._threads)

    def _known_block_steps(self, contestant: Contestant) -> int | None:
        """The steps of a block of this contestant or, before its first launch, of one it may be compared with.

        Base and head of one comparison have blocks of one length: those of different lengths catch different shares of
        a disturbance that comes and goes.
        """

        def kind(one: Contestant) -> tuple[object, ...]:
            return one.frontend.id, one.device, one.threads

        alike = [contestant, *(other for other in self.contestants if kind(other) == kind(contestant))]
        return next((launch.block_steps for other in alike for launch in other.launches), None)

    # ---------------------------------------------------------------- rounds

    def _measure(self, group: Sequence[Contestant], workers: Mapping[str, WorkerProcess], number: int) -> None:
        """All rounds of a launch, half as many again at most for disturbed ones, and more until ratios are certain."""
        if not any(contestant.running for contestant in group):
            return
        planned = self.settings.rounds
        for done in range(planned):
            self.progress.round(number, done, planned)
            began = time.monotonic()
            self._round(group, workers, number, repeat=False)
            self._forecast.round_done(time.monotonic() - began, planned - done - 1)
            self.progress.left(self._forecast.seconds_left())
        made = [dataclasses.asdict(record) for record in self.rounds]
        flag_rounds(made)
        dirty = sum(bool(entry["flags"]) for entry in made if entry["launch"] == number)
        repeats = min(dirty, planned // 2)
        for done in range(planned, planned + repeats):
            self.progress.round(number, done, planned + repeats)
            self._round(group, workers, number, repeat=True)
        done = planned + repeats
        while done < MOST_ROUNDS * planned and self._uncertain(group):
            self.progress.round(number, done, MOST_ROUNDS * planned)
            self._round(group, workers, number, repeat=False)
            done += 1
        self.progress.round(number, done, done)

    def _uncertain(self, group: Sequence[Contestant]) -> bool:
        """Whether blocks scatter so much that two contestants' ratio needs more rounds; not what the ratio is."""
        wanted = self.settings.ratio_error
        blocks = [contestant.launches[-1].blocks for contestant in group if contestant.running]
        if wanted is None or len(blocks) < 2:
            return False
        return float(ratio_errors(list(zip(*blocks, strict=True))).max()) > wanted

    def _round(
        self,
        group: Sequence[Contestant],
        workers: Mapping[str, WorkerProcess],
        launch: int,
        *,
        repeat: bool,
    ) -> None:
        before = self._sampler.snapshot()
        self._canary.wake()
        answer = self._canary.ask("canary", self.settings.timeout_s, product=MATRIX_SIZE)
        self._canary.stop()
        for contestant in self._shuffled(group):
            with self._costing_only(contestant):
                self._block(contestant, workers[contestant.id], len(self.rounds))
        covariates = noise.between(before, self._sampler.snapshot())
        covariates = dataclasses.replace(covariates, canary_waited_share=answer.get("waited_share"))
        self.rounds.append(
            RoundRecord(
                launch=launch,
                round=len(self.rounds),
                repeat=repeat,
                canary_s=_seconds(answer, "canary_s"),
                matrix_flops=answer["flops"],
                covariates=dataclasses.asdict(covariates),
            )
        )

    def _block(self, contestant: Contestant, worker: WorkerProcess, number: int) -> None:
        record = contestant.launches[-1]
        before = self._sampler.snapshot() if self._energy_readable() else None
        seconds, cpu_s = self._timed_block(worker, record.block_steps)
        if before is not None:
            spent = noise.between(before, self._sampler.snapshot())
            joules = spent.gpu_joules if self.settings.device.kind == "gpu" else spent.cpu_joules
            record.energy_j.append(None if joules is None else joules / record.block_steps)
        record.blocks.append(seconds / record.block_steps)
        record.rounds.append(number)
        record.cpu_per_wall = max(cpu_s / seconds, record.cpu_per_wall or 0.0)

    def _timed_block(self, worker: WorkerProcess, steps: int) -> tuple[float, float]:
        """Wake a worker, warm it, time one block and stop it; seconds, and CPU seconds of the whole process."""
        worker.wake()
        answer = worker.ask("block", self.settings.timeout_s, steps=steps, warm=max(1, steps // WARM_SHARE))
        worker.stop()
        seconds = _seconds(answer, "seconds")
        if seconds == 0:
            raise WorkerFailedError(Outcome.ERROR, "the worker answered that a block took no time")
        return seconds, float(answer["cpu_s"])

    def _energy_readable(self) -> bool:
        snapshot = self._sampler.snapshot()
        on_gpu = self.settings.device.kind == "gpu"
        return bool(snapshot.gpu and snapshot.gpu.energy_mj) if on_gpu else bool(snapshot.cpu_energy_uj)

    def _observe(self, group: Sequence[Contestant], workers: Mapping[str, WorkerProcess]) -> None:
        for contestant in group:
            with self._costing_only(contestant):
                if contestant.running:
                    workers[contestant.id].wake()
                    answer = workers[contestant.id].ask("observe", self.settings.timeout_s)
                    workers[contestant.id].stop()
                    for name in ("observed", "pool_threads", "peak_bytes", "peak_device_bytes"):
                        setattr(contestant.launches[-1], name, answer[name])

    def _keep_whole_rounds(self, group: Sequence[Contestant], workers: Mapping[str, WorkerProcess]) -> None:
        """After an interrupt: a launch that was cut short counts for the rounds that all have finished."""
        whole, kept = len(self.rounds), []
        for contestant in group:
            if contestant.running and whole > self.logged_rounds:
                record, worker = contestant.launches[-1], workers[contestant.id]
                count = sum(number < whole for number in record.rounds)
                for values in (record.blocks, record.rounds, record.energy_j):
                    del values[count:]
                with contextlib.suppress(WorkerFailedError):
                    worker.wake()
                    worker.settle(SETTLE_S)
                    kept.append(contestant)
        self._observe(kept, workers)
        self._log_launch(kept)

    def _log_launch(self, group: Sequence[Contestant]) -> None:
        """Put a finished launch on record: its rounds, then each contestant's part."""
        fresh = self.rounds[self.logged_rounds :]
        self._record("rounds", rounds=[{**dataclasses.asdict(record), "flags": []} for record in fresh])
        self.logged_rounds = len(self.rounds)
        for contestant in group:
            if contestant.running:
                launch, proof = dataclasses.asdict(contestant.launches[-1]), proof_facts(contestant.proof)
                self._record("launch", contestant=contestant.id, record=launch, proof=proof)

    def _finish(self, group: Sequence[Contestant], workers: Mapping[str, WorkerProcess]) -> None:
        for contestant in group:
            with self._costing_only(contestant):
                if contestant.running:
                    workers[contestant.id].wake()
                    workers[contestant.id].ask("finish", self.settings.timeout_s)
                    self.progress.phase(contestant.id, "ok")

    # ---------------------------------------------------------------- a sweep over sizes

    def _sweep(self, group: Sequence[Contestant], workers: Mapping[str, WorkerProcess]) -> None:
        """Every contestant at every size of the task's SWEEP: proven, then measured in turn."""
        plan = self.catalog.task(self.settings.task).sweep
        if plan is None or self.settings.sweep is None:
            return
        for value in plan.values:
            changes = {"preset": plan.preset, "changes": {plan.key: value}, "steps": SWEEP_STEPS}
            maker = self._reference_worker(SWEEP_PROBLEM, SWEEP_REFERENCE, **changes)
            try:
                self._prove_reference(maker)
            finally:
                maker.close()
            target = self._target_of(SWEEP_PROBLEM, SWEEP_REFERENCE)
            block_steps = {}
            for contestant in group:
                with self._costing_only(contestant):
                    if contestant.running:
                        self.progress.phase(contestant.id, f"{plan.key} = {value}")
                        block_steps[contestant.id] = self._take_size(workers[contestant.id], target)
                        contestant.sweep.append(SweepPoint(value, target.flops, target.bytes))
            for done in range(SWEEP_ROUNDS):
                self.progress.round(0, done, SWEEP_ROUNDS)
                for contestant in self._shuffled(group):
                    with self._costing_only(contestant):
                        steps = block_steps[contestant.id]
                        seconds, _ = self._timed_block(workers[contestant.id], steps)
                        contestant.sweep[-1].blocks.append(seconds / steps)
        for name in (SWEEP_PROBLEM, SWEEP_REFERENCE):
            (self.folder / name).unlink(missing_ok=True)
        for contestant in group:
            if contestant.sweep:
                points = [dataclasses.asdict(point) for point in contestant.sweep]
                self._record("sweep", contestant=contestant.id, points=points)

    def _take_size(self, worker: WorkerProcess, target: Target) -> int:
        """Let a live worker take another problem: prove it, prepare it; its steps per block."""
        timeout, proof_file = self.settings.timeout_s, self.folder / "sweep-proof.npz"
        worker.wake()
        worker.ask("use", timeout, problem=str(self.folder / SWEEP_PROBLEM), proof=str(proof_file))
        worker.ask("prove", timeout)
        proof = self._verify(proof_file, target)
        proof_file.unlink()
        if not proof.passed:
            raise WorkerFailedError(Outcome.INVALID, f"in the sweep: {proof.reason}")
        steps = int(worker.ask("prepare", timeout)["block_steps"])
        worker.stop()
        return steps

    # ---------------------------------------------------------------- helpers

    def _end(self, contestant: Contestant, outcome: Outcome, reason: str) -> None:
        """Note how a contestant ended; it takes no further part."""
        if contestant.running:
            contestant.fail(WorkerFailedError(outcome, reason))
            proof = proof_facts(contestant.proof)
            self._record("outcome", contestant=contestant.id, outcome=str(outcome), reason=reason, proof=proof)
            self._forecast.ready(contestant.id)
            self.progress.phase(contestant.id, outcome)

    @property
    def allowed(self) -> float:
        """The tolerance of the proof."""
        return self._target.allowed

    @contextlib.contextmanager
    def _costing_only(self, contestant: Contestant) -> Iterator[None]:
        """Whatever fails in here is this contestant's outcome and nobody else's."""
        try:
            yield
        except WorkerFailedError as failure:
            if not self._abandoned:
                _require_room(self.folder)
                self._end(contestant, failure.outcome, failure.reason)

    def _verify(self, path: Path, target: Target) -> Proof:
        try:
            proof = exchange.load_arrays(path)
        except Exception as error:  # noqa: BLE001 - a damaged file can fail in many ways; all mean the same
            reason = f"the worker's proof cannot be read: {type(error).__name__}: {error}"
            raise WorkerFailedError(Outcome.ERROR, reason) from None
        if "losses" not in proof:
            raise WorkerFailedError(Outcome.ERROR, "the worker's proof holds no losses")
        return verify(proof, target.reference, target.steps, self.settings.dtype, target.allowed)

    def _shuffled(self, group: Sequence[Contestant]) -> list[Contestant]:
        order = [contestant for contestant in group if contestant.running]
        self._order.shuffle(order)
        return order

    def _job(self, contestant: Contestant) -> Job:
        settings = self.settings
        proof = self.folder / "reference.npz"
        if contestant.id != "reference":
            proof = self.place(contestant) / "proof.npz"
        return Job(
            content=module_folders(contestant.roots, contestant.frontend.folder, contestant.frontend.root),
            package=str(contestant.package),
            task=settings.task,
            preset=settings.preset,
            seed=settings.seed,
            dtype=settings.dtype,
            steps=settings.steps,
            folder=contestant.frontend.folder,
            mode=contestant.frontend.id,
            device=(contestant.device or settings.device).kind,
            threads=contestant.threads or settings.threads,
            matmul_precision=settings.matmul_precision,
            problem=str(self.folder / "problem.npz"),
            proof=str(proof),
            cpus=settings.cpus,
            slowdown=contestant.slowdown,
            flush_to_zero=settings.profile == "equal" and contestant.id != "reference",
        )

    def _start(self, contestant: Contestant) -> WorkerProcess:
        job, frontend = self._job(contestant), contestant.frontend
        device = contestant.device or self.settings.device
        environment = worker_environment(
            device,
            job.threads,
            self._cache_folder(contestant),
            {**frontend.environment, **contestant.environment},
            warm=self.settings.warm_cache,
        )
        log = self.place(contestant) / "log.txt"
        return WorkerProcess(job, frontend, environment, log, contestant.interpreter)

    def _cache_folder(self, contestant: Contestant) -> Path:
        """Where its compilers keep what they made: empty at the first launch, unless warm caches are asked for."""
        if not self.settings.warm_cache:
            return self._caches / contestant.id
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        version = re.sub(r"\W+", "-", contestant.interpreter)[-40:]
        return Path(home) / "framework-workbench" / version / contestant.id


def problem_hash(catalog: Catalog, settings: Settings) -> str:
    """SHA-256 of the problem that a content makes.

    Raises:
        WorkerFailedError: when it cannot.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-problem-") as folder:
        return Session(catalog, [], settings, Path(folder), Silence()).problem_hash()


def contestants_of(catalog: Catalog, frontends: Sequence[Frontend]) -> list[Contestant]:
    """One contestant per frontend, under the frontend's own id."""
    package = package_root()
    return [Contestant(frontend.id, frontend, catalog.roots, package) for frontend in frontends]


def _require_room(folder: Path) -> None:
    """A worker that fails where nothing can be written any more is no failure of its contestant.

    Raises:
        OSError: when the disk is full or the folder gone.
    """
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < LEAST_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextlib.contextmanager
def _on_cpus(cpus: tuple[int, ...]) -> Iterator[None]:
    """Keep this process on some CPUs; where the system cannot, or none are given, anywhere."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _slices(cpus: Sequence[int], size: int, taken: Sequence[int]) -> list[tuple[int, ...]]:
    """CPUs that are not taken, in groups of ``size``."""
    free = [cpu for cpu in cpus if cpu not in taken]
    return [tuple(free[start : start + size]) for start in range(0, len(free) - size + 1, size)]


def _audit(prepared: Mapping[str, Any], threads: int) -> None:
    """Nothing may be left to do after the wait, or the clock was read too early.

    Raises:
        WorkerFailedError: *invalid*, when fetching the last losses still took long, or the process still computed.
    """
    block, fetch = (_seconds(prepared, f"audit_{name}") for name in ("block_s", "fetch_s"))
    if fetch > max(UNFINISHED_SHARE * block, UNFINISHED_S):
        share = fetch / (fetch + block)
        reason = f"check_synchronised: {share:.0%} of a block was still to do after the wait: times would be too short"
        raise WorkerFailedError(Outcome.INVALID, reason)
    if threads == 1 and float(prepared["audit_busy"]) > BUSY_SHARE:  # more threads may spin for a while
        reason = "check_synchronised: the process still computes after the wait: times would be too short"
        raise WorkerFailedError(Outcome.INVALID, reason)


def _seconds(answer: Mapping[str, Any], name: str) -> float:
    """A time from a worker's answer.

    Raises:
        WorkerFailedError: when it is missing, no number, negative or not finite.
    """
    value = answer.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise WorkerFailedError(Outcome.ERROR, f"the worker answered {name} = {value!r}, expected seconds")
    return float(value)
