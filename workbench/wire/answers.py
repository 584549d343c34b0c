"""What a worker answers, by command: decoded and checked on the harness's side. Times in seconds, memory in bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from workbench.model.metric import metric_of
from workbench.model.records import Knob

LONGEST_S = 1e9
LARGEST = 1e18  # of whatever else is counted: bytes, threads


def _check_seconds(*, least: float = 0.0, **times: float) -> None:
    for name, seconds in times.items():
        if not (least <= seconds < LONGEST_S):
            raise ValueError(f"{name} = {seconds!r}, expected a time in seconds")


@dataclass(frozen=True)
class Done:
    """The command was carried out; there is nothing to report."""


@dataclass(frozen=True)
class Failure:
    """The command failed: in which phase, the exception's class and text, and the missing package, if any.

    ``where`` is the file and line of the content that raised it; empty if something that the content calls did.
    """

    failed: str
    kind: str = ""
    text: str = ""
    missing: str | None = None
    where: str = ""


@dataclass(frozen=True)
class Imported:
    """Framework and content are imported and configured."""

    import_s: float
    versions: dict[str, str]
    rss_bytes: int | None = None

    def __post_init__(self) -> None:
        _check_seconds(import_s=self.import_s)


@dataclass(frozen=True)
class Proven:
    """The task's training is done; its losses and result are in the job's proof file."""

    setup_s: float
    first_step_s: float

    def __post_init__(self) -> None:
        _check_seconds(setup_s=self.setup_s, first_step_s=self.first_step_s)


@dataclass(frozen=True)
class Prepared:
    """The timed training is set up, its block size is known, its wait is audited."""

    block_steps: int
    wait_s: float
    trace: list[float]
    audit_block_s: float
    audit_fetch_s: float
    audit_busy: float
    per_call: bool = False

    def __post_init__(self) -> None:
        _check_seconds(wait_s=self.wait_s, audit_block_s=self.audit_block_s, audit_fetch_s=self.audit_fetch_s)
        if not self.trace or self.block_steps < 1 or not _all_seconds(self.trace):
            raise ValueError("its warm-up trace or its number of steps per block is not valid")


@dataclass(frozen=True)
class Block:
    """A block has run."""

    seconds: float
    cpu_s: float

    def __post_init__(self) -> None:
        _check_seconds(least=math.ulp(0.0), seconds=self.seconds)
        _check_seconds(cpu_s=self.cpu_s)


@dataclass(frozen=True)
class Canary:
    """The constant workload has run; ``flops`` is the rate of the matrix product."""

    canary_s: float
    flops: float | None = None
    waited_share: float | None = None

    def __post_init__(self) -> None:
        _check_seconds(canary_s=self.canary_s)


@dataclass(frozen=True)
class Observed:
    """What the process and its framework report of themselves."""

    observed: dict[str, Knob]
    pool_threads: dict[str, int]
    peak_bytes: int | None
    peak_device_bytes: int | None
    metrics: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        threads = self.observed.get("threads")
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int | float)):
            raise ValueError(f"observed threads = {str(threads)[:80]!r}, expected a number")
        numbers = {**self.observed, **self.pool_threads, "peak": self.peak_bytes, "device": self.peak_device_bytes}
        for name, value in numbers.items():
            if isinstance(value, int | float) and not abs(value) < LARGEST:
                raise ValueError(f"observed {name[:80]} = {str(value)[:80]}, expected a number below {LARGEST:.0e}")
        for name, value in self.metrics.items():
            if metric_of(name) is None:
                raise ValueError(f"the metric {name[:80]!r} is not declared in workbench/model/metric.py")
            if not math.isfinite(value):
                raise ValueError(f"the metric {name} = {value!r}, expected a finite number")


def _all_seconds(values: Sequence[float]) -> bool:
    return all(0 <= value < LONGEST_S for value in values)


# The answer to each command of the protocol.
ANSWERS: dict[str, type] = {
    "make": Done,
    "import": Imported,
    "prove": Proven,
    "prepare": Prepared,
    "block": Block,
    "use": Done,
    "move": Done,
    "canary": Canary,
    "observe": Observed,
    "finish": Done,
}
