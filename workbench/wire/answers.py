"""What a worker answers, by command: decoded and checked on the harness's side. Times in seconds, memory in bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from workbench.model.metric import metric_of
from workbench.model.records import Knob

LONGEST_S = 1e9
MOST_PER_CALL = 10_000  # steps: as many as a period may have
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
class Ready:
    """A training is set up; ``steps_per_call`` is 1, the number that every call runs, or None for as many as asked.

    ``evaluates`` says whether it can also compute losses alone.
    """

    setup_s: float
    steps_per_call: int | None = 1
    evaluates: bool = False

    def __post_init__(self) -> None:
        _check_seconds(setup_s=self.setup_s)
        if self.steps_per_call is not None and not 1 <= self.steps_per_call <= MOST_PER_CALL:
            raise ValueError(
                f"steps_per_call = {self.steps_per_call}, expected at least 1 and at most {MOST_PER_CALL}, or none"
            )


@dataclass(frozen=True)
class Ran:
    """Steps have run."""

    seconds: float

    def __post_init__(self) -> None:
        _check_seconds(least=math.ulp(0.0), seconds=self.seconds)


@dataclass(frozen=True)
class Took:
    """A wait took a while."""

    seconds: float

    def __post_init__(self) -> None:
        _check_seconds(seconds=self.seconds)


@dataclass(frozen=True)
class Fetched:
    """Losses or scalars were fetched; seconds of each."""

    seconds: list[float]

    def __post_init__(self) -> None:
        for seconds in self.seconds:
            _check_seconds(seconds=seconds)


@dataclass(frozen=True)
class Copied:
    """A large array was copied; bytes read and written per second."""

    bytes_per_s: float

    def __post_init__(self) -> None:
        if not 0 < self.bytes_per_s < LARGEST:
            raise ValueError(f"bytes_per_s = {self.bytes_per_s!r}, expected a positive number")


@dataclass(frozen=True)
class Compilations:
    """What a framework has compiled so far, by the names of its own counters."""

    compilations: dict[str, int]

    def __post_init__(self) -> None:
        if wrong := [count for count in self.compilations.values() if not 0 <= count < LARGEST]:
            raise ValueError(f"a number of compilations is {str(wrong[0])[:80]}, expected 0 or more")


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
        peaks = {"peak_bytes": self.peak_bytes, "peak_device_bytes": self.peak_device_bytes}
        for name, value in (*self.observed.items(), *self.pool_threads.items(), *peaks.items()):
            if isinstance(value, int | float) and not abs(value) < LARGEST:
                raise ValueError(f"observed {name[:80]} = {str(value)[:80]}, expected a number below {LARGEST:.0e}")
        for name, value in {"threads": threads, **peaks}.items():
            if value is not None and value < 0:
                raise ValueError(f"observed {name} = {value}, expected 0 or more")
        for name, value in self.metrics.items():
            if metric_of(name) is None:
                raise ValueError(f"the metric {name[:80]!r} is not declared in workbench/model/metric.py")
            if not math.isfinite(value):
                raise ValueError(f"the metric {name} = {value!r}, expected a finite number")


# The answer to each command of the protocol.
ANSWERS: dict[str, type] = {
    "make": Done,
    "import": Imported,
    "set_up": Ready,
    "run": Ran,
    "evaluate": Ran,
    "wait": Took,
    "fetch": Fetched,
    "scalars": Fetched,
    "state": Done,
    "feed": Done,
    "canary": Canary,
    "copy": Copied,
    "compilations": Compilations,
    "observe": Observed,
    "finish": Done,
}
