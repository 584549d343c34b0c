"""Sessions with planted frontends, measured in this process, so that a check can be switched off."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pytest

from workbench.catalog import REFERENCE, catalog
from workbench.host import locks
from workbench.model.proof import Proof
from workbench.model.records import RunRecord
from workbench.model.request import RUN, Request
from workbench.model.rows import Row
from workbench.session import audit, calibration, judging, runner, timed
from workbench.session.session import contestants_of
from workbench.session.settings import settings_of
from workbench.statistics.rows import rows

# Checks that are no part of a proof, and the limits of each.
LIMITS = {
    "check_synchronised": [(audit, name) for name in ("UNFINISHED_SHARE", "LAZY_S", "BUSY_SHARE")],
    "check_prepared": [(audit, "UNCLOCKED_S")],
    "check_stopped": [(audit, "STOPPED_SHARE")],
    "check_threads": [(audit, "CPU_SHARE")],
    "check_plausible": [(judging, "FASTEST")],
}


@dataclass(frozen=True)
class Found:
    """What a session found; ``unproven`` whether it would rank rows without a proving block."""

    record: RunRecord
    unproven: bool = False

    @property
    def rows(self) -> Mapping[str, Row]:
        """Its rows, by frontend."""
        return {row.frontend: row for row in rows(self.record)}

    def beside_the_honest_one(self, name: str) -> Row:
        """A contestant's row in the table that would hold it and the honest one alone."""
        pair = [contestant for contestant in self.record.contestants if contestant.frontend in (REFERENCE, name)]
        if self.unproven:
            pair = [dataclasses.replace(entry, proof=all_proving(entry.proof)) for entry in pair]
        alone = rows(dataclasses.replace(self.record, contestants=pair))
        return next(row for row in alone if row.frontend == name)

    def failed_checks(self, name: str) -> set[str]:
        """All checks of its proof that a contestant failed, not only the first."""
        proof = next(contestant.proof for contestant in self.record.contestants if contestant.frontend == name)
        return {check.name for check in proof.checks if not check.passed} if proof else set()


def all_proving(proof: Proof | None) -> Proof | None:
    """The proof, as if every judged block had been a proving one."""
    return proof and dataclasses.replace(proof, proving=proof.judged)


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> Callable[..., Found]:
    """Measures all that a content folder has for a task, in one session as short as it can be."""
    own = tmp_path_factory.mktemp("cheats")

    def measure(content, task: str, off: Iterable[str] = (), **options: object) -> Found:
        found = catalog(content.root)
        request = Request.of(RUN, {"content": content.root, "launches": 1, "rounds": 2, **options})
        contestants = contestants_of(found, found.select([REFERENCE, "planted"], task))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(locks, "host_lock", lambda: own / "own.lock")
            patch.setenv("XDG_CACHE_HOME", str(own / "cache"))
            patch.setattr(calibration, "TRACE_S", 0.02)
            switch_off(patch, off)
            return Found(
                runner.measure(found, contestants, settings_of(found, task, request), own / "store").record,
                "check_block" in off,
            )

    return measure


def switch_off(patch: pytest.MonkeyPatch, names: Iterable[str]) -> None:
    """Let pass whatever some checks find."""
    off = frozenset(names)

    def reason(proof: Proof) -> str:
        failed = (check for check in proof.checks if not check.passed and check.name not in off)
        return next((f"{check.name}: {check.detail}" for check in failed), "")

    patch.setattr(Proof, "reason", property(reason))
    patch.setattr(Proof, "passed", property(lambda proof: not reason(proof)))
    for name in off & set(LIMITS):
        for module, limit in LIMITS[name]:
            patch.setattr(module, limit, math.inf)
    if "check_threads" in off:
        patch.setattr(timed, "allowed_cpus", lambda _: set())
    if "check_prepared" in off:
        patch.setattr(audit, "SHORTEST_S", 0.0)
