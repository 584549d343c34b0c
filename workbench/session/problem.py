"""The problem of a session and its reference: made once and given to every worker as the same bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from workbench.catalog import Catalog
from workbench.contract import Problem
from workbench.host import files, machine
from workbench.model.proof import Trained
from workbench.model.records import ProblemFacts, Settings
from workbench.session.reference import CACHES, Reference, make_problem
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


def facts_of(workers: Workers, reference: Reference) -> ProblemFacts:
    """Hash and numbers of the session's problem."""
    folder, settings, problem = workers.folder, workers.settings, reference.problem
    target = workers.catalog.tasks[settings.task].presets[settings.preset].values.get("accuracy")
    target = target if isinstance(target, float) and problem.answers is not None else None
    cache = machine.last_level_cache()
    return ProblemFacts(
        hash=exchange.hash_of(exchange.load_arrays(folder / PROBLEM)),
        steps=problem.steps,
        learning_rate=problem.learning_rate,
        terms=problem.terms,
        flops=float(problem.flops),
        bytes=float(problem.bytes),
        resident=problem.resident,
        samples=samples_of(problem),
        timed_from=problem.last_phase,
        target=target,
        target_steps=reference.steps_to(target) if target else None,
        copy_bytes_per_s=reference.copy_rate(CACHES * cache) if cache and settings.device.kind == "cpu" else None,
    )


def samples_of(problem: Problem) -> int:
    """How many samples a step trains on or, of sequences of tokens, how many tokens; 0 if it trains nothing."""
    if not problem.learning_rate or not problem.data:
        return 0
    first = next(iter(problem.data.values()))
    samples = len(first) if problem.rows is None else problem.rows.shape[1]
    tokens = first.shape[1] if first.ndim > 1 and first.dtype.kind in "iu" else 1
    return int(samples * tokens)


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
