"""A contestant while it is measured: who it is, and what it has done so far."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.model.content import Frontend
from workbench.model.device import Device
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import Proof
from workbench.model.records import Entrant, Launch, SweepPoint

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,99}\Z")


def check_id(name: object) -> None:
    """Reject a contestant id that could escape its folder or inject something into a page or a terminal.

    Raises:
        WorkbenchError: when it is not valid.
    """
    if not isinstance(name, str) or not _ID.match(name):
        raise WorkbenchError(
            f"{str(name)[:120]!r} is not a valid contestant id: use at most 100 letters, digits and _ . @ + -, "
            "starting with a letter or digit"
        )


@dataclass
class Contestant:
    """A frontend with its interpreter, content roots, environment and thread count, and how it ended.

    The same frontend may appear several times under different ids: with another interpreter (version against
    version), other ``roots`` and package (commit against commit), another thread count, or unchanged (A/A).
    Contestants of one ``group`` are compared only with each other: they are alive together and launched equally
    often; ``side`` tells them apart, such as "base" or a version. ``source`` says in words where a contestant comes
    from, such as a commit.
    """

    id: str
    frontend: Frontend
    roots: tuple[Path, ...]
    package: Path
    interpreter: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    device: Device | None = None
    slowdown: float = 0.0
    group: str = ""
    side: str = ""
    source: str = ""
    outcome: Outcome = Outcome.OK
    reason: str = ""
    proof: Proof | None = None
    launches: list[Launch] = field(default_factory=list)
    sweep: list[SweepPoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_id(self.id)

    @property
    def running(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self.outcome is Outcome.OK

    def fail(self, failure: WorkerFailedError) -> None:
        """Note how it ended; only the first failure counts."""
        if self.running:
            self.outcome, self.reason = failure.outcome, failure.reason

    @property
    def entrant(self) -> Entrant:
        """Who it is, as a run records it."""
        frontend = self.frontend
        return Entrant(
            id=self.id,
            frontend=frontend.id,
            title=frontend.title,
            framework=frontend.framework,
            folder=frontend.folder,
            color=frontend.color,
            compiles=frontend.compiles,
            interpreter=self.interpreter,
            environment=dict(self.environment),
            threads=self.threads,
            device=self.device,
            slowdown=self.slowdown,
            group=self.group,
            side=self.side,
            source=self.source,
        )
