"""A planted frontend that answers before its work is done; the check of what is left after the wait must catch it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from workbench.catalog import REFERENCE, Catalog
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.selftest.analysis import Figure, judged
from workbench.selftest.pool import QUIET, TASK, session_of, settings_for
from workbench.session.session import contestants_of

PLANTED = "planted_early"
CHECK = "check_synchronised"

# All numbers are correct: every loss and the state are computed, but only on access, as in a frontend that dispatches
# its work and forgets to wait for it.
SOURCE = '''
from collections import deque

import numpy as np

from workbench.contract import Problem, State, Training


class Promise:
    """A loss that is computed, with all that are pending, when it is asked for."""

    def __init__(self, pending, step):
        self.pending = pending
        pending.append((self, step))

    def __float__(self):
        finish(self.pending)
        return float(self.value)


def finish(pending):
    while pending:
        promise, step = pending.popleft()
        promise.value = step()


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()
    pending = deque()

    def step(x, y):
        nonlocal w, b
        error = x @ w + b - y
        dloss_dprediction = (2 / len(x)) * error
        w = w - problem.learning_rate * (x.T @ dloss_dprediction)
        b = b - problem.learning_rate * dloss_dprediction.sum(axis=0)
        return np.mean(error**2)

    def state():
        finish(pending)
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for x, y in batches:
        yield Promise(pending, lambda x=x, y=y: step(x, y))
'''


def plant(content: Catalog, root: Path) -> Catalog:
    """The content, plus a root with a copy of the reference's folder that has the planted file."""
    reference = content.frontends[REFERENCE]
    planted = root / "frontends" / PLANTED
    shutil.copytree(reference.root / "frontends" / reference.folder, planted)
    toml = planted / "frontend.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace(REFERENCE, PLANTED), encoding="utf-8")
    (planted / f"{TASK}.py").write_text(SOURCE, encoding="utf-8")
    return Catalog((*content.roots, root))


def early_return(content: Catalog) -> Figure:
    """Measure the planted frontend beside the correct one: the first must be caught, the second must not."""
    with tempfile.TemporaryDirectory(prefix="workbench-selftest-") as folder:
        root, run = Path(folder, "content"), Path(folder, "run")
        root.mkdir()
        run.mkdir()
        planted = plant(content, root)
        contestants = contestants_of(planted, [planted.frontends[REFERENCE], planted.frontends[PLANTED]])
        settings = settings_for(launches=1, budget_s=None, seed=0, alive=2, rounds=1)
        session = session_of(planted, contestants, settings, run, QUIET)
        session.run()
    if session.cut_short:
        raise WorkerFailedError(Outcome.ERROR, session.cut_short)
    if session.interrupted:
        raise KeyboardInterrupt
    correct, early = session.contestants
    caught = early.outcome is Outcome.INVALID and CHECK in early.reason
    value = f"{early.outcome}: {early.reason or 'it was not caught'}; the correct one beside it: {correct.outcome}"
    numbers = {"caught": caught, "reason": early.reason, "right": str(correct.outcome)}
    holds = judged(caught and correct.outcome is Outcome.OK)
    return Figure("missing synchronisation", "planted early return", value, "caught", holds, numbers)
