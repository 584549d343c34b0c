"""What is recorded: one session's facts, its rounds, and what each contestant did. Times in seconds, memory in bytes.

These types are the record's format: :mod:`workbench.store.codec` writes them as JSON and validates them on reading. A
new field needs a default, so that older runs stay readable; any other change needs a step in
:mod:`workbench.store.upgrade`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from workbench.model.device import Device
from workbench.model.outcomes import Outcome
from workbench.model.proof import Proof
from workbench.model.stage import TRAIN, check_stage

LONGEST_S = 1e9  # of anything that is measured; what is longer was not measured
SHORTEST_S = 1e-15  # per unit; light goes less than a micrometre meanwhile

DTYPES, PROFILES, PRECISIONS, SWEEPS = ("float32", "float64"), ("equal", "stock"), ("float32", "tf32"), ("size",)

Knob: TypeAlias = str | int | float | bool | None
"""A setting as a framework reports it."""


@dataclass(frozen=True)
class Settings:
    """What a session is asked for; all of it is kept in the run's results.

    ``profile`` is "equal" (the same threads, CPUs, precision and caches for all) or "stock" (every framework with its
    own defaults). ``launches`` is an exact number; without it ``budget_s`` and ``precision`` decide, see
    :mod:`workbench.session.stopping`. ``max_alive`` limits how many workers are alive at once. A launch has ``rounds``
    rounds, and more as long as the ratio of any two contestants is less certain than ``ratio_error``.
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
    evaluate: bool = False
    cpus: tuple[int, ...] = ()
    harness_cpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        choices = {"dtype": DTYPES, "profile": PROFILES, "matmul_precision": PRECISIONS, "sweep": SWEEPS}
        for name, allowed in choices.items():
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"{name} is none of {', '.join(allowed)}")


@dataclass
class Blocks:
    """What one launch measured of one stage.

    Attributes:
        units: per block.
        wait_s: the cost of waiting for an idle device.
        trace_s: seconds per unit of the first units, in small pieces: the warm-up.
        seconds: per unit, one entry per block.
        rounds: the number of the round that each block belongs to.
        energy_j: joules per unit, one entry per block, where the machine reports energy.
        cpu_per_wall: CPU time of the process and of all it started over wall time, the maximum over the blocks.
    """

    units: int = 0
    wait_s: float = 0.0
    trace_s: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    energy_j: list[float | None] = field(default_factory=list)
    cpu_per_wall: float | None = None

    def __post_init__(self) -> None:
        if not all(SHORTEST_S < seconds < LONGEST_S for seconds in self.seconds):
            raise ValueError(f"times of blocks must be above {SHORTEST_S:.0e} s and below {LONGEST_S:.0e} s")
        if len(self.seconds) != len(self.rounds):
            raise ValueError(f"{len(self.seconds)} blocks have {len(self.rounds)} rounds, expected one each")


@dataclass
class Launch:
    """What one launch (one fresh process) of one contestant measured.

    ``purpose`` says why the plan asked for the launch, where it has several reasons (see
    :mod:`workbench.session.stopping`). ``timed`` says whether its import, set-up and first unit had the machine to
    themselves and started with cold caches; only those are shown. ``blocks`` are by the name of their stage.
    ``evaluated`` says whether losses alone, too, were measured where they were asked for and could be.
    ``compiled_before`` and ``compiled`` are the framework's own counts of compilations before the first block and at
    the end.
    """

    number: int
    timed: bool
    import_s: float
    setup_s: float
    first_s: float
    purpose: str = ""
    bring_up_s: float = 0.0
    blocks: dict[str, Blocks] = field(default_factory=dict)
    import_bytes: int | None = None
    peak_bytes: int | None = None
    peak_device_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    observed: dict[str, Knob] = field(default_factory=dict)
    pool_threads: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    evaluated: bool = False
    compiled_before: dict[str, int] = field(default_factory=dict)
    compiled: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(0 <= seconds < LONGEST_S for seconds in (self.import_s, self.setup_s, self.first_s)):
            raise ValueError(f"times of phases must not be negative, and below {LONGEST_S:.0e} s")
        for name in self.blocks:
            check_stage(name)

    def of(self, stage: str = TRAIN.name) -> Blocks:
        """The blocks of a stage; empty where it was not measured."""
        return self.blocks.get(stage) or Blocks()

    def measured(self, stage: str = TRAIN.name) -> bool:
        """Whether a stage has any block."""
        return bool(self.of(stage).seconds)


@dataclass
class SweepPoint:
    """One contestant at one size of a sweep: FLOP and bytes per step, seconds per step of each block."""

    value: int
    flops: float
    bytes: float
    blocks: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """Who a contestant is: a frontend in a given interpreter, environment, thread count and device.

    The same frontend may enter several times under different ids. Entrants of one ``group`` are compared only with
    each other; ``side`` tells them apart, such as "base" or a version. ``source`` says in words where an entrant comes
    from, such as a commit. ``code_lines`` and ``api_names`` count what its content file consists of.
    """

    id: str
    frontend: str
    title: str
    framework: str
    folder: str
    color: str | None = None
    compiles: str | None = None
    interpreter: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    device: Device | None = None
    slowdown: float = 0.0
    group: str = ""
    side: str = ""
    source: str = ""
    code_lines: int | None = None
    api_names: int | None = None

    @property
    def log(self) -> str:
        """The file that keeps its output, relative to the run's folder."""
        return f"contestants/{self.id}/log.txt"


@dataclass(frozen=True, kw_only=True)
class ContestantRecord(Entrant):
    """What a contestant did: how it ended, its proof, its launches and its size sweep."""

    outcome: Outcome = Outcome.OK
    reason: str = ""
    proof: Proof | None = None
    launches: list[Launch] = field(default_factory=list)
    sweep: list[SweepPoint] = field(default_factory=list)

    def measured(self, stage: str = TRAIN.name) -> list[Launch]:
        """Its launches that have a block of a stage; none unless it is ok, since what failed shows no speed."""
        return [launch for launch in self.launches if launch.measured(stage)] if self.outcome is Outcome.OK else []

    @property
    def versions(self) -> dict[str, str]:
        """Versions of its packages, as its latest launch reported them."""
        return self.launches[-1].versions if self.launches else {}

    @property
    def observed(self) -> dict[str, Knob]:
        """What it reported of itself, from the latest launch that reported anything."""
        return next((launch.observed for launch in reversed(self.launches) if launch.observed), {})


@dataclass(frozen=True)
class Covariates:
    """What the machine did between two snapshots; shares and ratios are fractions, None means "not known here".

    ``steal_share`` and ``other_busy_share`` are shares of the chosen CPUs' time; the PSI shares are the share of time
    in which some process of the whole machine waited; ratios are after / before, the lowest of the CPUs.
    ``canary_waited_share`` is the share of the canary's time in which it waited for its CPU.
    """

    span_ns: int
    steal_ns: int | None = None
    steal_share: float | None = None
    other_busy_share: float | None = None
    psi_cpu_share: float | None = None
    psi_memory_share: float | None = None
    psi_io_share: float | None = None
    load: float | None = None
    frequency_ratio: float | None = None
    gpu_clock_ratio: float | None = None
    throttled: tuple[str, ...] = ()
    suspended: bool = False
    cpu_joules: float | None = None
    gpu_joules: float | None = None
    canary_waited_share: float | None = None


@dataclass(frozen=True)
class Round:
    """What the machine did during one round: the canary, the matrix product, and covariates.

    ``flags`` say why it was disturbed, if it was; they are computed from all rounds of a run, never recorded.
    """

    launch: int
    number: int
    repeat: bool
    canary_s: float
    matrix_flops: float | None
    covariates: Covariates
    flags: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        """Launch and number, which identify a round."""
        return self.launch, self.number


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as its driver describes it; ``index`` is NVML's, which ignores CUDA_VISIBLE_DEVICES."""

    index: int
    name: str
    uuid: str | None = None
    memory_bytes: int | None = None
    driver_version: str | None = None
    cuda_driver_version: str | None = None


@dataclass(frozen=True)
class MachineFacts:
    """What a host is: memory in bytes, frequencies in kHz; what cannot be read is None.

    ``cpu_quota`` is the number of CPUs' worth of time that the container may use (None: no limit).
    """

    cpu_model: str | None = None
    physical_cpus: int | None = None
    logical_cpus: int | None = None
    usable_cpus: list[int] | None = None
    smt_siblings: list[list[int]] = field(default_factory=list)
    numa_nodes: dict[str, list[int]] = field(default_factory=dict)
    cpu_quota: float | None = None
    governor: str | None = None
    frequency_khz: int | None = None
    max_frequency_khz: int | None = None
    virtualised: bool | None = None
    memory_bytes: int | None = None
    os: str | None = None
    os_name: str | None = None
    kernel: str | None = None
    libc: str | None = None
    python_version: str | None = None
    python_implementation: str | None = None
    gpus: list[Gpu] = field(default_factory=list)


@dataclass(frozen=True)
class ProblemFacts:
    """Hash and numbers of a problem; FLOP and bytes of a step, derived from the mathematics.

    Attributes:
        samples: that a step trains on; of sequences of tokens, these.
        timed_from: the step with which the last phase begins, whose steps are timed.
        target: the accuracy that the preset is to reach; None if it names none.
        target_steps: after how many steps the reference has it, to about a fortieth of the training; None if never.
        copy_bytes_per_s: at which this machine copies memory, counting what is read and what is written; None if
            unknown.
    """

    hash: str
    steps: int
    learning_rate: float
    terms: int
    flops: float
    bytes: float
    resident: bool
    samples: int = 0
    timed_from: int = 0
    target: float | None = None
    target_steps: int | None = None
    copy_bytes_per_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What is known of a session before anything is measured: what was asked for, where, and with which versions."""

    workbench: str
    command: list[str]
    started: str
    machine: MachineFacts
    machine_key: str
    packages: dict[str, str] = field(default_factory=dict)
    content_hash: str = ""
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class RunRecord(SessionFacts):
    """One whole run: what was asked for, where it was measured, and what came of it."""

    problem: ProblemFacts
    tolerance: float
    finished: str | None = None
    interrupted: bool = True
    cut_short: str = ""
    rounds: list[Round] = field(default_factory=list)
    contestants: list[ContestantRecord] = field(default_factory=list)

    @property
    def took_s(self) -> float | None:
        """Seconds from start to end; None if the run did not end by itself."""
        if self.finished is None:
            return None
        started, finished = (datetime.datetime.fromisoformat(text) for text in (self.started, self.finished))
        if not (started.tzinfo and finished.tzinfo):  # whoever wrote them
            started, finished = started.replace(tzinfo=None), finished.replace(tzinfo=None)
        return (finished - started).total_seconds()

    @property
    def disturbed(self) -> set[tuple[int, int]]:
        """The keys of the rounds in which the machine was disturbed, judged by its own counters."""
        return {entry.key for entry in self.rounds if entry.flags}

    @property
    def stages(self) -> set[str]:
        """The names of the stages in which anything was measured."""
        return {
            name
            for contestant in self.contestants
            for launch in contestant.launches
            for name, blocks in launch.blocks.items()
            if blocks.seconds
        }
