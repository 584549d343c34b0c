"""``workbench selftest``: what the quick and the full self-test record, and in which order."""

from __future__ import annotations

import functools
import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from workbench.catalog import Catalog
from workbench.errors import WorkbenchError
from workbench.host import machine
from workbench.model.outcomes import WorkerFailedError
from workbench.selftest import overhead
from workbench.selftest.analysis import Figure, Rules, pool_figures, rule_figures
from workbench.selftest.early import early_return
from workbench.selftest.overhead import Overhead
from workbench.selftest.pool import (
    DISTURBED,
    IDENTICAL,
    QUIET,
    ROUNDS,
    SLOWDOWNS,
    Pool,
    Recording,
    possible,
    record_pool,
)
from workbench.selftest.report import Report
from workbench.statistics import LADDER
from workbench.version import __version__

COMPARISONS = 200


@dataclass(frozen=True)
class Plan:
    """How much is recorded.

    Attributes:
        full: whether this is the full self-test.
        launches: launches of each disturbed session and, without a budget, of each quiet one.
        identical: sessions of eight identical contestants; none in the quick self-test.
        sessions: sessions of each scenario.
        quiet_s: time budget of a quiet session, which makes as many launches as fit.
        disturbed: slowdowns of the contestants in disturbed sessions.
        rounds: rounds of each launch in disturbed sessions.
        pairs: pairs of blocks of harness and bare loop, per process.
        processes: processes per frontend in which the overhead is measured.
    """

    full: bool
    launches: int
    identical: int = 0
    sessions: int = 1
    quiet_s: float | None = None
    disturbed: tuple[float, ...] = SLOWDOWNS
    rounds: int = ROUNDS
    pairs: int = 20
    processes: int = 1

    @classmethod
    def quick(cls) -> Plan:
        """For CI: about 80 seconds, plus the overhead of each frontend. Disturbed sessions have a single look."""
        return cls(full=False, launches=LADDER[0], quiet_s=42.0, disturbed=(0.0, 0.0, 0.10), rounds=3)

    @classmethod
    def nightly(cls, comparisons: int = COMPARISONS) -> Plan:
        """The full self-test: 200 comparisons of identical code, or fewer with all else in proportion."""
        per_session = len(IDENTICAL) // 2 * (LADDER[-1] // LADDER[0])
        identical = math.ceil(comparisons / per_session)
        return cls(
            full=True,
            launches=LADDER[-1],
            identical=identical,
            sessions=max(1, round(4 * comparisons / COMPARISONS)),
            pairs=200,
            processes=3,
        )


@dataclass
class Recorded:
    """The measurements so far."""

    pools: list[Pool] = field(default_factory=list)
    planted: list[Figure] = field(default_factory=list)
    overheads: list[Overhead] = field(default_factory=list)


def selftest(content: Catalog, plan: Plan, command: str, say: Callable[[str], None]) -> Report:
    """Record, analyse and judge; after an interrupt, whatever was recorded by then.

    Raises:
        WorkbenchError: when the problem cannot be made.
        KeyboardInterrupt: when nothing was recorded yet.
    """
    recorded, interrupted = Recorded(), False
    try:
        _record(recorded, content, plan, say)
    except KeyboardInterrupt:
        if not any(pool.recordings for pool in recorded.pools):
            raise
        interrupted = True
    except WorkerFailedError as failure:
        raise WorkbenchError(f"cannot make the problem of the self-test: {failure.reason}") from None
    pools, rules = [pool for pool in recorded.pools if pool.recordings], Rules(plan.full)
    figures = [figure for pool in pools for figure in pool_figures(pool, rules)]
    figures += [*recorded.planted, *overhead.figures(recorded.overheads, rules), *rule_figures(pools)]
    return Report(figures, _facts(command, pools, recorded.overheads), interrupted)


def _record(recorded: Recorded, content: Catalog, plan: Plan, say: Callable[[str], None]) -> None:
    def add(name: str, recordings: Iterator[Recording]) -> None:
        pool = Pool(name, [])
        recorded.pools.append(pool)
        for recording in recordings:
            pool.recordings.append(recording)

    record = functools.partial(record_pool, content, say=say)
    sessions, launches = plan.sessions, plan.launches
    if plan.identical:
        add("quiet, identical code", record(QUIET, IDENTICAL, sessions=plan.identical, launches=launches))
    quiet_launches = None if plan.quiet_s else launches
    add(QUIET.name, record(QUIET, SLOWDOWNS, sessions=sessions, launches=quiet_launches, budget_s=plan.quiet_s))
    for scenario in DISTURBED:
        if not possible(scenario):
            say(f"{scenario.name}: skipped, because this machine has too few CPUs for it")
            continue
        slowdowns, rounds = plan.disturbed, plan.rounds
        add(scenario.name, record(scenario, slowdowns, sessions=sessions, launches=launches, rounds=rounds))
    say("missing synchronisation: a planted early return")
    recorded.planted.append(early_return(content))
    for entry in overhead.overheads(content, plan.pairs, plan.processes, say):
        recorded.overheads.append(entry)


def _facts(command: str, pools: list[Pool], overheads: list[Overhead]) -> dict[str, str]:
    facts = machine.facts()
    recordings = [recording for pool in pools for recording in pool.recordings]
    launches = sum(int(np.isfinite(recording.times).sum()) for recording in recordings)
    versions = {"workbench": __version__, "python": platform.python_version()}
    for entry in overheads:
        versions |= dict(entry.versions)
    return {
        "command": f"`{command}`",
        "launches": f"{launches} fresh processes in {len(recordings)} sessions",
        "machine": f"{facts.cpu_model}, {facts.logical_cpus} CPUs, {facts.os_name}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
