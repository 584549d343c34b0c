"""Starts the worker processes of contestants: their job, environment and caches. Nothing else starts any."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from workbench.catalog import REFERENCE, Catalog
from workbench.catalog.roots import module_folders, package_root
from workbench.host.cpus import usable_cpus
from workbench.host.environment import worker_environment
from workbench.host.files import clear, executable, make_folder
from workbench.host.processes import missing_program
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.device import Device
from workbench.model.records import Settings
from workbench.session.launcher import WorkerProcess
from workbench.wire.exchange import Job

PROBLEM, REFERENCE_PROOF, PROOF = "problem.npz", "reference.npz", "proof.npz"
REFERENCE_ID = "reference"
WORKER_BYTES = 1 << 30  # assumed memory of a worker, to limit how many are alive
ONCE = {"TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0"}  # what compiles little gains nothing from it


def missing_to_compile(programs: Mapping[str, str], own: Mapping[str, str], folder: Path) -> str | None:
    """What is missing of what is needed to compile, and what to do about it; None if nothing.

    Args:
        programs: of a frontend.
        own: its variables.
        folder: for temporary files, in which it would put what it compiles.
    """
    if not programs:
        return None
    if not executable(folder):
        where = f"{folder} is mounted without permission to execute (noexec), and what is compiled is put there"
        return f"{where}: set TMPDIR to another folder"
    return missing_program(programs, {**os.environ, **own})


class Start(Protocol):
    """Starts a worker process; a test or the self-test may substitute another implementation."""

    def __call__(
        self, job: Job, frontend: Frontend, environment: Mapping[str, str], log: Path, interpreter: str = ""
    ) -> WorkerProcess:
        """The running process.

        Raises:
            WorkerFailedError: when it cannot be started.
        """


class Workers:
    """Starts the workers of one session.

    Args:
        catalog: makes the problem and its reference.
        settings: of the session.
        folder: the run's folder.
        start: starts a process.
    """

    def __init__(self, catalog: Catalog, settings: Settings, folder: Path, start: Start = WorkerProcess) -> None:
        self.catalog, self.settings, self.folder = catalog, settings, folder
        self._start = start
        self._caches = Path(tempfile.mkdtemp(prefix="workbench-caches-"))
        self._scratch = Path(tempfile.mkdtemp(prefix="workbench-scratch-"))

    @property
    def threads(self) -> int:
        """Threads of each worker; in the stock profile as many as there are CPUs."""
        return self.settings.threads or len(self.settings.cpus) or 1

    def close(self) -> None:
        """Remove the compilers' caches and all that workers exchanged by files."""
        for folder in (self._caches, self._scratch):
            shutil.rmtree(folder, ignore_errors=True)

    def folder_of(self, contestant: Contestant) -> Path:
        """The contestant's folder inside the run's."""
        own = self.folder / "contestants" / contestant.id
        for folder in (own.parent, own):  # never the run's: if it was removed, it stays removed
            make_folder(folder)
        return own

    @property
    def problem_file(self) -> Path:
        """The file with the session's problem."""
        return self.folder / PROBLEM

    def proof_file(self, contestant: Contestant) -> Path:
        """The file that keeps its losses, and its state after the task's last step."""
        return self.folder_of(contestant) / PROOF

    def scratch_of(self, name: str) -> Path:
        """An empty folder for what one worker hands over; removed when the session ends."""
        folder = self._scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def missing(self, contestant: Contestant) -> str | None:
        """What a contestant lacks in order to compile, and what to do about it; None if nothing."""
        return missing_to_compile(contestant.frontend.programs, self._variables(contestant), self._caches.parent)

    def start(self, contestant: Contestant) -> WorkerProcess:
        """A fresh worker of a contestant.

        Raises:
            WorkerFailedError: when it cannot be started.
        """
        job = self._job(contestant)
        return self._started(contestant, job, self._cache_folder(contestant), warm=self.settings.warm_cache)

    def start_exact(self, contestant: Contestant, cpus: tuple[int, ...]) -> WorkerProcess:
        """A worker of a contestant that computes in float64 on some CPUs, with compiler caches of its own.

        Raises:
            WorkerFailedError: when it cannot be started.
        """
        job = replace(self._job(contestant), dtype="float64", cpus=cpus)
        return self._started(contestant, job, self._caches / f"{contestant.id}.float64", ONCE)

    def _variables(self, contestant: Contestant) -> dict[str, str]:
        return {**contestant.frontend.environment, **contestant.environment}

    def _started(
        self,
        contestant: Contestant,
        job: Job,
        caches: Path,
        tuned: Mapping[str, str] | None = None,
        *,
        warm: bool = False,
    ) -> WorkerProcess:
        environment = worker_environment(
            contestant.device or self.settings.device,
            job.threads,
            caches,
            {**(tuned or {}), **self._variables(contestant)},
            warm=warm,
        )
        log = self.folder_of(contestant) / "log.txt"
        clear(log)
        return self._start(job, contestant.frontend, environment, log, contestant.interpreter)

    def start_reference(self, *, changed: Job | None = None, on_all_cpus: bool = False) -> WorkerProcess:
        """A worker that makes the problem and computes the reference, on the CPU.

        Args:
            changed: a job to use instead of the session's, such as one of another size.
            on_all_cpus: whether it may use them all, because nothing is timed while it computes.

        Raises:
            WorkerFailedError: when it cannot be started.
        """
        (self.folder / REFERENCE_ID).mkdir(exist_ok=True)
        job = replace(changed or self.reference_job(), device="cpu", flush_to_zero=False)
        threads = self.threads
        if on_all_cpus:
            cpus = usable_cpus() or ()
            threads = max(threads, len(cpus))
            job = replace(job, cpus=cpus, threads=threads)
        frontend = self.catalog.frontends[REFERENCE]
        environment = worker_environment(Device("cpu"), threads, self._caches, frontend.environment)
        return self._start(job, frontend, environment, self.folder / REFERENCE_ID / "log.txt")

    def reference_job(self) -> Job:
        """The job of the reference."""
        frontend = self.catalog.frontends[REFERENCE]
        return self._job(Contestant(REFERENCE_ID, frontend, self.catalog.roots, package_root()))

    def _job(self, contestant: Contestant) -> Job:
        settings = self.settings
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
            cpus=settings.cpus,
            flush_to_zero=settings.profile == "equal",
            command=contestant.frontend.command,
        )

    def _cache_folder(self, contestant: Contestant) -> Path:
        """The folder of its compilers' caches: empty at the first launch, unless warm caches were asked for."""
        if not self.settings.warm_cache:
            return self._caches / contestant.id
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        interpreter = re.sub(r"\W+", "-", contestant.interpreter)[-40:]
        return Path(cache) / "framework-workbench" / interpreter / contestant.id
