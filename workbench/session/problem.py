"""The problem of a session and its reference: made once, handed to all as the same bytes."""

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
    """What a proof is compared with: the reference's arrays, how many steps, the tolerance; and a step's work."""

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
        except Exception as error:  # noqa: BLE001 - a damaged file can fail in many ways; all mean the same
            reason = f"the worker's proof cannot be read: {type(error).__name__}: {error}"
            raise WorkerFailedError(Outcome.ERROR, reason) from None
        return verify(trained, self.reference, self.steps, self.dtype, self.allowed)


def make(workers: Workers) -> tuple[WorkerProcess, Target]:
    """Make the problem and prove the reference, whose process stays on as the canary.

    Raises:
        WorkerFailedError: when either cannot be done.
    """
    reference = workers.start_reference()
    try:
        if (workers.folder / REFERENCE_PROOF).is_file():  # a session that is resumed
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
        WorkerFailedError: when it cannot.
    """
    worker.ask("make", Done, timeout_s)
    worker.ask("import", Imported, timeout_s)
    worker.ask("prove", Proven, timeout_s, dtype="float64")


def target_of(folder: Path, dtype: str, problem: str = PROBLEM, proof: str = REFERENCE_PROOF) -> Target:
    """What proofs of a problem are compared with.

    Raises:
        WorkerFailedError: when the reference itself diverges.
    """
    made = exchange.load_problem(folder / problem)
    updates = made.steps if made.learning_rate else 1
    reference = Trained.of(exchange.load_arrays(folder / proof))
    bad = np.flatnonzero(~np.isfinite(reference.losses))
    if bad.size:
        raise WorkerFailedError(Outcome.ERROR, f"the reference diverges: its loss of step {bad[0]} is not finite")
    return Target(reference, made.steps, dtype, tolerance(dtype, made.terms, updates), made.flops, made.bytes)


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
    """SHA-256 of the problem that a content makes.

    Raises:
        WorkerFailedError: when it cannot.
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
