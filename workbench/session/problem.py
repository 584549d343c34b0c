"""The problem of a session and its reference: made once and given to every worker as the same bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from workbench.catalog import Catalog
from workbench.host import files
from workbench.model.proof import Trained
from workbench.model.records import ProblemFacts, Settings
from workbench.session.reference import Reference, make_problem
from workbench.session.workers import PROBLEM, REFERENCE_ID, REFERENCE_PROOF, Workers
from workbench.wire import exchange
from workbench.wire.answers import Imported


def make(workers: Workers) -> Reference:
    """Make the problem and train the reference.

    Raises:
        WorkerFailedError: when either fails.
    """
    worker, timeout_s = workers.start_reference(on_all_cpus=True), workers.settings.timeout_s
    kept = workers.folder / REFERENCE_PROOF
    try:
        resumed = kept.is_file()
        if not resumed:
            make_problem(worker, workers.problem_file, timeout_s)
        worker.ask("import", Imported, timeout_s)
        scratch, tf32 = workers.scratch_of(REFERENCE_ID), _tf32(workers.settings)
        reference = Reference(worker, timeout_s, workers.problem_file, scratch, tf32=tf32)
        if resumed:
            reference.use(Trained.of(exchange.load_arrays(files.open_regular(kept))))
        else:
            exchange.save_arrays(kept, reference.trained().arrays())
        worker.stop()
    except BaseException:
        worker.close()
        raise
    return reference


def _tf32(settings: Settings) -> bool:
    """Whether contestants may use TensorFloat-32: it was asked for or, in the stock profile on a GPU, is a default."""
    if settings.matmul_precision is None:
        return settings.device.kind == "gpu"
    return settings.matmul_precision == "tf32"


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
                make_problem(worker, workers.problem_file, settings.timeout_s)
            finally:
                worker.close()
        finally:
            workers.close()
        return exchange.hash_of(exchange.load_arrays(Path(folder, PROBLEM)))
