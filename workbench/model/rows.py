"""The results of a contestant at one stage, as every table, chart and comparison shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.model.outcomes import Outcome
from workbench.model.records import Knob
from workbench.model.stage import TRAIN


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contestant at one stage. Times in seconds, memory in bytes; None where nothing was measured.

    Only a contestant that is ok shows a speed.

    Attributes:
        id: the contestant.
        frontend: the frontend's id; two contestants may share it.
        verdict: of the proof: "agrees", "differs" or "not compared".
        max_relative_error: the largest deviation of any loss from the reference, in the process that was timed.
        float64_error, float64_limit, float64_steps: of the training in float64: its largest deviation, what was
            allowed, and how many steps it had; ``float64_note`` says why it was not the usual proof.
        blocks_judged, blocks_proving: clocked blocks that the reference repeated, and those of them in which leaving
            the updates out would have been seen.
        stage: what was measured; times are per unit of it.
        import_s, setup_s, first_s: of the first launch, with cold caches; ``first_s`` is the first unit.
        unit_s: the steady time of a unit, the median over launches; low and high are its interval.
        interval: what kind of interval that is.
        relative: the steady time over the fastest contestant's, compared round by round and launch by launch.
        rank: rows that the data cannot tell apart share one.
        step_ratio: of the stage `evaluate`: the steady time of a training step over that of its loss alone.
        total_s: from the start to the task's last step; of a training with several phases, None.
        samples_per_s: samples, or tokens, that a steady unit trains on in a second.
        target_s: of training until the accuracy that the preset names; target_total_s: from the start.
        break_even: units after which a compiled style has overtaken the eager one it compiles (``break_even_against``).
        warmup: how the first units went; from ``steady_from`` on they were steady.
        matrix_share: the FLOP rate over that of this machine's matrix product; memory_share: the rate of bytes over
            that at which this machine copies memory.
        energy_j: joules per unit.
        block_units: units per block.
        disturbed_blocks: blocks measured in rounds during which the machine was disturbed.
        compilations: by the framework's own counters; compilations_while_timed: of these, after the first block began.
        graph_breaks: places at which a compiler gave up and left the rest to the interpreter.
        code_lines, api_names: of its content file: lines of code, and names that it uses of its framework.
        warnings: requested settings that were observed to be ignored, in words.
        metrics: those declared in :mod:`workbench.model.metric`, by name.
    """

    id: str
    frontend: str
    title: str
    color: str | None
    outcome: Outcome
    reason: str
    log: str
    verdict: str
    stage: str = TRAIN.name
    versions: dict[str, str] = field(default_factory=dict)
    max_relative_error: float | None = None
    tolerance: float | None = None
    float64_error: float | None = None
    float64_limit: float | None = None
    float64_steps: int | None = None
    float64_note: str = ""
    blocks_judged: int | None = None
    blocks_proving: int | None = None
    import_s: float | None = None
    setup_s: float | None = None
    first_s: float | None = None
    unit_s: float | None = None
    unit_s_low: float | None = None
    unit_s_high: float | None = None
    interval: str | None = None
    relative: float | None = None
    rank: int | None = None
    step_ratio: float | None = None
    total_s: float | None = None
    samples_per_s: float | None = None
    target_s: float | None = None
    target_total_s: float | None = None
    break_even: int | None = None
    break_even_low: int | None = None
    break_even_high: int | None = None
    break_even_against: str | None = None
    warmup: str | None = None
    steady_from: int | None = None
    gflops: float | None = None
    gbytes: float | None = None
    matrix_share: float | None = None
    memory_share: float | None = None
    energy_j: float | None = None
    peak_bytes: int | None = None
    import_bytes: int | None = None
    peak_device_bytes: int | None = None
    threads: float | None = None
    cpu_per_wall: float | None = None
    launches: int | None = None
    blocks: int | None = None
    disturbed_blocks: int | None = None
    block_units: int | None = None
    device: str | None = None
    matmul_precision: Knob = None
    flush_to_zero: Knob = None
    deterministic: Knob = None
    xla: Knob = None
    allocator: Knob = None
    compilations: int | None = None
    compilations_while_timed: int | None = None
    graph_breaks: int | None = None
    code_lines: int | None = None
    api_names: int | None = None
    warnings: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether it shows a speed."""
        return self.outcome is Outcome.OK and self.unit_s is not None
