"""What a session measures and what it notes: contestants, their launches, the rounds, and the settings."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.model.content import Frontend
from workbench.model.device import Device
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import Proof

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,99}\Z")


def check_id(name: object) -> None:
    """Refuse a contestant's id that could leave its folder or inject something into a page or a terminal.

    Raises:
        WorkbenchError: says so.
    """
    if not isinstance(name, str) or not _ID.match(name):
        raise WorkbenchError(f"{name!r} is no contestant's id: letters, digits and _ . @ + - after the first")


@dataclass(frozen=True)
class Settings:
    """What a session is asked for; all of it is kept in the run's results.

    ``profile`` is "equal" (threads, CPUs, precision and caches the same for all) or "stock" (every framework as
    it comes). ``launches`` is an exact number; without it ``budget_s`` and ``precision`` decide, see
    :mod:`workbench.session.stopping`. ``max_alive`` bounds how many workers are alive at once. A launch has ``rounds``
    rounds, and more where they leave some two contestants' ratio less certain than ``ratio_error``.
    """

    task: str
    preset: str
    seed: int = 0
    steps: int | None = None
    dtype: str = "float32"
    device: Device = field(default_factory=lambda: Device("cpu"))
    profile: str = "equal"
    threads: int | None = 1
    matmul_precision: str | None = "float32"
    launches: int | None = None
    budget_s: float | None = None
    precision: float | None = None
    rounds: int = 10
    ratio_error: float | None = None
    timeout_s: float = 300.0
    max_alive: int | None = None
    warm_cache: bool = False
    sweep: str | None = None
    cpus: tuple[int, ...] = ()
    harness_cpus: tuple[int, ...] = ()


@dataclass
class LaunchRecord:
    """What one launch (one fresh process) of one contestant measured. Times in seconds.

    ``stage`` is what the launch was made for, where a plan knows several kinds (see :mod:`workbench.session.stopping`).
    ``timed`` says whether its import, set-up and first step had the machine to themselves and started with cold
    caches; only those are shown. ``blocks`` are seconds per step, ``rounds`` the round each block belongs to.
    """

    launch: int
    timed: bool
    import_s: float
    setup_s: float
    first_step_s: float
    stage: str = ""
    bring_up_s: float = 0.0
    block_steps: int = 0
    wait_s: float = 0.0
    trace: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    cpu_per_wall: float | None = None
    energy_j: list[float | None] = field(default_factory=list)
    import_bytes: int | None = None
    peak_bytes: int | None = None
    peak_device_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    observed: dict[str, Any] = field(default_factory=dict)
    pool_threads: dict[str, int] = field(default_factory=dict)


@dataclass
class RoundRecord:
    """What the machine did during one round: the canary, the matrix product, and covariates."""

    launch: int
    round: int
    repeat: bool
    canary_s: float
    matrix_flops: float | None
    covariates: dict[str, Any]
    flags: tuple[str, ...] = ()


@dataclass
class SweepPoint:
    """One contestant at one size of a sweep: FLOP and bytes per step, seconds per step of each block."""

    value: int
    flops: float
    bytes: float
    blocks: list[float] = field(default_factory=list)


@dataclass
class Contestant:
    """A frontend in a given interpreter, roots of content, environment and thread count, and how it ended.

    The same frontend may appear several times under different ids: with another interpreter (version against
    version), other ``roots`` and package (commit against commit), other threads, or as it is (A/A). Contestants
    of one ``group`` are compared with each other alone: they are alive together and launched equally often. ``source``
    says in words where it comes from, such as a commit or a version.
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
    source: str = ""
    outcome: Outcome = Outcome.OK
    reason: str = ""
    proof: Proof | None = None
    launches: list[LaunchRecord] = field(default_factory=list)
    sweep: list[SweepPoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_id(self.id)

    @property
    def running(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self.outcome is Outcome.OK

    def fail(self, failure: WorkerFailedError) -> None:
        """Note how it ended; the first failure counts."""
        if self.running:
            self.outcome, self.reason = failure.outcome, failure.reason
