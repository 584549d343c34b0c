"""The proof in float64: each contestant's whole training, in a process of its own, side by side while nothing is timed.

In float64 an honest frontend lies within 1e-13 of the reference and every mistake in the mathematics far above it,
while in float32 the two overlap. Precision belongs to a process in JAX and Keras, so this is another process than the
one that is timed. What it computes is kept between runs (:mod:`workbench.store.proofs`); it is judged in every run.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from workbench.catalog import Catalog
from workbench.host import machine
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import Exact, Proof, Trained
from workbench.session.bring_up import Cpus, at_once, slices
from workbench.session.context import Context
from workbench.session.launcher import WorkerProcess, leave_signals_to_main
from workbench.session.reference import Reference
from workbench.session.training import Training
from workbench.session.verify import verify_exact
from workbench.session.workers import WORKER_BYTES
from workbench.store import proofs
from workbench.store.proofs import Computed
from workbench.wire.answers import Done, Imported


class ExactProofs:
    """Proves contestants in float64.

    Args:
        context: the session's state.
        reference: what is right.
        problem_hash: of the session's problem.
    """

    def __init__(self, context: Context, reference: Reference, problem_hash: str) -> None:
        self._context, self._reference, self._problem_hash = context, reference, problem_hash
        self._alive: list[WorkerProcess] = []

    def prove(self, contestants: Sequence[Contestant]) -> None:
        """Prove those that have no proof yet; whoever fails takes no further part."""
        pending = [contestant for contestant in contestants if contestant.running and contestant.proof is None]
        computed: dict[str, Computed] = {}
        unknown: list[tuple[Contestant, str | None]] = []
        for contestant in pending:
            special = contestant.frontend.float64.get(self._context.settings.task)
            if special is not None and special.limit is None and special.steps is None:
                continue
            key = self._key(contestant)  # once: a training may change its own files
            known = proofs.load(key)
            if known is None:
                unknown.append((contestant, key))
            else:
                computed[contestant.id] = known
        self._compute(unknown, computed)
        for contestant in pending:
            with self._context.failing_only(contestant):
                if contestant.running:
                    self._judge(contestant, computed.get(contestant.id))

    def _compute(self, contestants: Sequence[tuple[Contestant, str | None]], computed: dict[str, Computed]) -> None:
        """Run trainings side by side on all CPUs, the longest first; those with the same key once."""
        context = self._context
        groups: dict[tuple[str, str | None], list[Contestant]] = {}
        for contestant, key in contestants:
            groups.setdefault((key or contestant.id, key), []).append(contestant)
        # of those about which nothing is known, compiled modes take longest, and they are declared after the others
        shortest_first = sorted(groups.items(), key=lambda group: context.forecast.bring_up_s(group[1][0].id))
        free = self._slots()

        def compute(group: tuple[tuple[str, str | None], list[Contestant]]) -> None:
            (_, key), same = group
            cpus = free.get()
            try:
                result = self._computed(same[0], cpus)
            except Exception:
                for contestant in same:
                    with context.failing_only(contestant):
                        raise
            else:
                computed.update({contestant.id: result for contestant in same})
                if key is not None:
                    proofs.save(key, result)
            finally:
                free.put(cpus)

        with ThreadPoolExecutor(free.qsize(), initializer=leave_signals_to_main) as pool:
            try:
                list(pool.map(compute, reversed(shortest_first)))
            except BaseException:
                context.abandoned = True
                for worker in list(self._alive):
                    worker.kill()
                pool.shutdown(cancel_futures=True)
                raise

    def _slots(self) -> queue.SimpleQueue[Cpus]:
        """Groups of CPUs for the workers that are alive together, as many as memory allows."""
        settings = self._context.settings
        every = sorted({*settings.cpus, *settings.harness_cpus})
        slots = slices(every, max(1, settings.threads or 1), ()) or [settings.cpus]
        free: queue.SimpleQueue[Cpus] = queue.SimpleQueue()
        most = min(machine.available_bytes() // WORKER_BYTES, at_once(settings.threads or 1))
        for cpus in slots[: max(1, most)]:
            free.put(cpus)
        return free

    def _computed(self, contestant: Contestant, cpus: Cpus) -> Computed:
        context, reference = self._context, self._reference
        context.progress.phase(contestant.id, "checking in float64")
        worker = context.workers.start_exact(contestant, cpus)
        self._alive.append(worker)
        try:
            worker.ask("import", Imported, context.timeout_s)
            scratch = context.workers.scratch_of(f"{contestant.id}.float64")
            training = Training(worker, context.timeout_s, scratch, reference.problem.period)
            plain = {}
            if not reference.problem.plain:
                training.set_up(reference.plain_file)
                training.curve(training.unit)
                plain = training.state()
                if not plain:
                    raise WorkerFailedError(Outcome.INVALID, "in float64, check_plain_step: the state is empty")
            training.set_up(reference.exact_file)
            special = contestant.frontend.float64.get(context.settings.task)
            wanted = special.steps if special and special.steps else reference.problem.steps
            losses = training.curve(training.whole(min(wanted, reference.problem.steps)))
            result = Computed(Trained(losses, training.state()), plain, training.unit)
            worker.ask("finish", Done, context.timeout_s)
            return result
        finally:
            self._alive.remove(worker)
            worker.close()

    def _judge(self, contestant: Contestant, computed: Computed | None) -> None:
        reference, rules = self._reference, self._reference.rules
        special = contestant.frontend.float64.get(self._context.settings.task)
        of = reference.problem.steps
        if computed is None:
            reason = special.reason if special else "not run"
            contestant.proof = Proof((), rules.curve, Exact(0, of, None, None, reason))
            return
        limit = special.limit if special and special.limit else rules.exact
        steps = len(computed.trained.losses)
        plain = (computed.plain, reference.plain_step(computed.plain_steps)) if computed.plain else None
        checks = tuple(verify_exact(computed.trained, reference.trained(steps), limit, plain))
        differences = [check.difference for check in checks if check.difference is not None]
        exact = Exact(steps, of, max(differences, default=None), limit, special.reason if special else "")
        contestant.proof = Proof((), rules.curve, exact).with_checks(checks)
        if not contestant.proof.passed:
            raise WorkerFailedError(Outcome.INVALID, f"in float64, {contestant.proof.reason}")

    def _key(self, contestant: Contestant) -> str | None:
        settings = self._context.settings
        return proofs.key_of(
            Catalog(contestant.roots),
            contestant,
            settings,
            self._problem_hash,
            threads=contestant.threads or settings.threads,
        )
