"""The problem of a session and its reference: made once and given to every worker as the same bytes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.catalog import Catalog
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import Proof, Trained
from workbench.model.records import ProblemFacts, Settings
from workbench.session.launcher import WorkerProcess
from workbench.session.verify import tolerance, verify
from workbench.session.workers import PROBLEM, REFERENCE_PROOF, Workers
from workbench.wire import exchange
from workbench.wire.answers import Done, Imported, Proven


@dataclass(frozen=True)
class Target:
    """What a proof is compared with: the reference's arrays, the number of steps, the tolerance; and a step's work."""

    reference: Trained
    steps: int
    dtype: str
    allowed: float
    flops: float
    bytes: float

    def verify(self, file: Path) -> Proof:
        """The proof of a contestant, from the file that its worker wrote.

        Raises:
            WorkerFailedError: when the file cannot be read.
        """
        try:
            trained = Trained.of(exchange.load_arrays(file))
        except Exception as error:  # noqa: BLE001 - a damaged file can fail in many ways, all meaning the same
            reason = f"the worker's proof cannot be read: {type(error).__name__}: {error}"
            raise WorkerFailedError(Outcome.ERROR, reason) from None
        return verify(trained, self.reference, self.steps, self.dtype, self.allowed)


def make(workers: Workers) -> tuple[WorkerProcess, Target]:
    """Make the problem and prove the reference, whose process then serves as the canary.

    Raises:
        WorkerFailedError: when either fails.
    """
    reference = workers.start_reference()
    try:
        if (workers.folder / REFERENCE_PROOF).is_file():  # the session was resumed
            reference.ask("import", Imported, workers.settings.timeout_s)
        else:
            prove_reference(reference, workers.settings.timeout_s)
        target = target_of(workers.folder, workers.settings.dtype)
        reference.stop()
    except BaseException:
        reference.close()
        raise
    return reference, target


def prove_reference(worker: WorkerProcess, timeout_s: float) -> None:
    """Let a worker make the problem and train it in float64.

    Raises:
        WorkerFailedError: when it fails.
    """
    worker.ask("make", Done, timeout_s)
    worker.ask("import", Imported, timeout_s)
    worker.ask("prove", Proven, timeout_s, dtype="float64")


def target_of(folder: Path, dtype: str, problem: str = PROBLEM, proof: str = REFERENCE_PROOF) -> Target:
    """What proofs of a problem are compared with.

    Raises:
        WorkerFailedError: when the reference itself diverges, or has another number of losses than steps.
    """
    loaded = exchange.load_problem(folder / problem)
    updates = loaded.steps if loaded.learning_rate else 1
    reference = Trained.of(exchange.load_arrays(folder / proof))
    if reference.losses.shape != (loaded.steps,):
        reason = f"the reference yields {reference.losses.size} losses for {loaded.steps} steps"
        raise WorkerFailedError(Outcome.ERROR, reason)
    bad = np.flatnonzero(~np.isfinite(reference.losses))
    if bad.size:
        raise WorkerFailedError(Outcome.ERROR, f"the reference diverges: its loss at step {bad[0]} is not finite")
    allowed = tolerance(dtype, loaded.terms, updates)
    return Target(reference, loaded.steps, dtype, allowed, loaded.flops, loaded.bytes)


def facts_of(folder: Path) -> ProblemFacts:
    """Hash and numbers of the problem in a run's folder."""
    problem = exchange.load_problem(folder / PROBLEM)
    return ProblemFacts(
        hash=exchange.hash_of(exchange.load_arrays(folder / PROBLEM)),
        steps=problem.steps,
        learning_rate=problem.learning_rate,
        terms=problem.terms,
        flops=problem.flops,
        bytes=problem.bytes,
        resident=problem.resident,
    )


def problem_hash(catalog: Catalog, settings: Settings) -> str:
    """SHA-256 of the problem that a catalog's task makes.

    Raises:
        WorkerFailedError: when making it fails.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-problem-") as folder:
        workers = Workers(catalog, settings, Path(folder))
        try:
            worker = workers.start_reference()
            try:
                worker.ask("make", Done, settings.timeout_s)
            finally:
                worker.close()
        finally:
            workers.close()
        return exchange.hash_of(exchange.load_arrays(Path(folder, PROBLEM)))
