"""From records to the rows of tables: one row per contestant and stage, ranks, and the sizes of a sweep. Pure.

Times are in seconds, memory in bytes. A contestant whose outcome is not ok has no times in its row.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from workbench.model.outcomes import Outcome
from workbench.model.proof import Proof
from workbench.model.records import Blocks, ContestantRecord, Launch, RunRecord, Settings
from workbench.model.rows import Row
from workbench.model.stage import EVALUATE, TRAIN
from workbench.statistics.arrays import Floats, saturating_exp
from workbench.statistics.fits import Overhead, break_even, break_even_range, fit_overhead
from workbench.statistics.launches import (
    RoundIds,
    arms_side_by_side,
    metric_values,
    side_by_side,
    steady,
    unit_time,
    unit_times,
)
from workbench.statistics.ranks import median_interval, shared_ranks
from workbench.statistics.resolution import FEWEST_FOR_INTERVAL, smallest_difference
from workbench.statistics.rounds import without_rounds
from workbench.statistics.warmup import WarmupClass, warmup_class

FEWEST_FOR_FIT = 3
ENERGY_S = 1.0  # of measuring, before an energy means anything
GRAPH_BREAKS = "graph breaks"  # the counter of places at which a compiler gave up


def rows(record: RunRecord, stage: str = TRAIN.name) -> list[Row]:
    """One row per contestant, in the order measured; a value that was not measured is None."""
    disturbed = record.disturbed
    single = [_row(record, contestant, stage, disturbed) for contestant in record.contestants]
    proven = [row for row in single if row.timed and _has_rank(row)]
    launches = _side_by_side(record, stage, {row.id for row in proven})
    timed = _compared(
        proven,
        [unit_times(entry, stage, disturbed) for entry in launches],
        arms_side_by_side(launches, stage, disturbed),
    )
    by_id = {row.id: row for row in timed}
    for contestant in record.contestants:
        eager, compiled = by_id.get(contestant.compiles or ""), by_id.get(contestant.id)
        if eager and compiled:
            by_id[compiled.id] = _with_break_even(compiled, eager)
    return [by_id.get(row.id, row) for row in single]


def _has_rank(row: Row) -> bool:
    """Whether a block of it proves that it was computed; of a run of the first versions, which judged none, any row."""
    return bool(row.blocks_proving) or (not row.blocks_judged and row.float64_steps is None)


def _row(record: RunRecord, contestant: ContestantRecord, stage: str, disturbed: RoundIds) -> Row:
    """The row of one contestant, before it is compared with the others."""
    proof = contestant.proof
    untimed = Row(
        id=contestant.id,
        frontend=contestant.frontend,
        title=contestant.title,
        color=contestant.color,
        outcome=contestant.outcome,
        reason=contestant.reason,
        log=contestant.log,
        verdict=_verdict(proof),
        stage=stage,
        versions=contestant.versions,
        max_relative_error=proof.max_relative_error if proof else None,
        tolerance=proof.tolerance if proof else None,
        code_lines=contestant.code_lines,
        api_names=contestant.api_names,
    )
    untimed = _with_proof(untimed, proof)
    launches = contestant.measured(stage)
    if not launches:
        return untimed
    timed = _with_times(untimed, launches, disturbed)
    if stage == EVALUATE.name:
        timed = dataclasses.replace(timed, step_ratio=_step_ratio(launches, disturbed))
    observed = _with_compilations(_with_observations(timed, launches), launches[-1])
    return _with_work(dataclasses.replace(observed, warnings=_reservations(record.settings, observed)), record)


def _with_proof(row: Row, proof: Proof | None) -> Row:
    """The row with what is known of the training in float64 and of the judged blocks."""
    if proof is None or proof.exact is None:
        return row
    exact = proof.exact
    note = exact.reason
    if exact.steps and exact.steps < exact.of:
        note = f"{exact.steps} of {exact.of} steps: {exact.reason or 'only whole calls and whole periods are run'}"
    return dataclasses.replace(
        row,
        float64_error=exact.difference,
        float64_limit=exact.limit,
        float64_steps=exact.steps,
        float64_note=note,
        blocks_judged=proof.judged,
        blocks_proving=proof.proving,
    )


def _verdict(proof: Proof | None) -> str:
    if proof is None:
        return "not compared"
    return "agrees" if proof.passed else "differs"


def _with_times(row: Row, launches: Sequence[Launch], disturbed: RoundIds) -> Row:
    """The row with its phases, as timed in the first launch, and its steady time per unit.

    Set-up and first unit are those of the training.
    """
    training = row.stage == TRAIN.name
    timed = [launch for launch in launches if launch.timed]
    blocks = [launch.of(row.stage) for launch in launches]
    round_ids = [(launch.number, number) for launch in launches for number in launch.of(row.stage).rounds]
    warmup = warmup_class(blocks[0].trace_s)
    steady_time = steady(launches, row.stage, disturbed)
    return dataclasses.replace(
        row,
        import_s=_median(launch.import_s for launch in timed),
        setup_s=_median(launch.setup_s for launch in timed) if training else None,
        first_s=_median(launch.first_s for launch in timed) if training else None,
        unit_s=steady_time.seconds,
        unit_s_low=steady_time.low,
        unit_s_high=steady_time.high,
        interval=steady_time.interval,
        warmup=str(warmup.kind),
        steady_from=None if warmup.kind is WarmupClass.unsteady else warmup.steady_from,
        launches=len(launches),
        blocks=len(round_ids),
        disturbed_blocks=sum(round_id in disturbed for round_id in round_ids),
        block_units=blocks[0].units,
    )


def _step_ratio(launches: Sequence[Launch], disturbed: RoundIds) -> float | None:
    """The time of a training step over that of its loss alone: the median over the launches, each of one process."""
    return _median(
        unit_time(launch, TRAIN.name, disturbed) / unit_time(launch, EVALUATE.name, disturbed)
        for launch in launches
        if launch.measured(TRAIN.name)
    )


def _with_observations(row: Row, launches: Sequence[Launch]) -> Row:
    """The row with memory, energy, metrics, and the settings that the framework was observed to use."""
    blocks = [launch.of(row.stage) for launch in launches]
    cpus_busy = _median(stage.cpu_per_wall for stage in blocks)
    observed = next((launch.observed for launch in reversed(launches) if launch.observed), {})
    device = observed.get("device")
    return dataclasses.replace(
        row,
        peak_bytes=_largest(launch.peak_bytes for launch in launches),
        import_bytes=_largest(launch.import_bytes for launch in launches),
        peak_device_bytes=_largest(launch.peak_device_bytes for launch in launches),
        energy_j=_energy(blocks),
        cpu_per_wall=cpus_busy,
        threads=_threads(observed.get("threads"), cpus_busy),
        device=None if device is None else str(device),
        matmul_precision=observed.get("matmul_precision"),
        flush_to_zero=observed.get("flush_to_zero"),
        deterministic=observed.get("deterministic"),
        xla=observed.get("xla"),
        allocator=observed.get("allocator"),
        metrics=metric_values(launches),
    )


def _with_compilations(row: Row, launch: Launch) -> Row:
    """The row with how often its framework compiled, in the latest launch; unchanged where it does not count."""
    if not launch.compiled:
        return row
    counts = {name: count for name, count in launch.compiled.items() if name != GRAPH_BREAKS}
    # a count can fall: TensorFlow forgets graphs that nothing refers to
    later = sum(max(0, count - launch.compiled_before.get(name, 0)) for name, count in counts.items())
    return dataclasses.replace(
        row,
        compilations=sum(counts.values()),
        compilations_while_timed=later,
        graph_breaks=launch.compiled.get(GRAPH_BREAKS),
    )


def _energy(blocks: Sequence[Blocks]) -> float | None:
    """Joules per unit, over all blocks; None if they took less than ENERGY_S together.

    A GPU's driver updates its counter every few dozen milliseconds, so a single block may be told nothing, or twice its
    own energy; the mean of many is right.
    """
    told = [
        (joules, stage.units, seconds * stage.units)
        for stage in blocks
        for joules, seconds in zip(stage.energy_j, stage.seconds, strict=False)
        if joules is not None
    ]
    if sum(seconds for *_, seconds in told) < ENERGY_S:
        return None
    return sum(joules * units for joules, units, _ in told) / sum(units for _, units, _ in told)


def _threads(reported: object, cpus_busy: float | None) -> float:
    """The number of threads that a framework reports; if it reports none, the number of CPUs it kept busy."""
    return reported if isinstance(reported, int | float) and reported else max(1, round(cpus_busy or 1))


def _with_work(row: Row, record: RunRecord) -> Row:
    """The row with the time of the whole task, its rates, and its share of this machine's matrix-product rate.

    The rates use the task's own count of work, which exists for training steps only.
    """
    if row.stage != TRAIN.name or row.unit_s is None:
        return row
    problem = record.problem
    flop_rate, byte_rate = problem.flops / row.unit_s, problem.bytes / row.unit_s
    matrix_rates = [entry.matrix_flops for entry in record.rounds if entry.matrix_flops]
    on_cpu = record.settings.device.kind == "cpu"
    start = None
    if row.import_s is not None and row.setup_s is not None and row.first_s is not None:
        start = row.import_s + row.setup_s + row.first_s
    one_phase = not problem.timed_from  # of another, no step was timed
    target = problem.target_steps
    target = target - problem.timed_from if target is not None and target > problem.timed_from else None
    return dataclasses.replace(
        row,
        gflops=flop_rate / 1e9,
        gbytes=byte_rate / 1e9,
        matrix_share=flop_rate / statistics.median(matrix_rates) if matrix_rates and on_cpu else None,
        memory_share=byte_rate / problem.copy_bytes_per_s if problem.copy_bytes_per_s else None,
        samples_per_s=problem.samples / row.unit_s if problem.samples else None,
        total_s=start + (problem.steps - 1) * row.unit_s if start is not None and one_phase else None,
        target_s=target * row.unit_s if target else None,
        target_total_s=start + (target - 1) * row.unit_s if target and start is not None and one_phase else None,
    )


def _reservations(settings: Settings, row: Row) -> tuple[str, ...]:
    """A sentence for each requested setting that was observed to be ignored, and for what limits the row's proof."""
    warnings = []
    threads, cpus_busy, precision = settings.threads, row.cpu_per_wall, settings.matmul_precision
    if threads is not None and row.threads != threads:
        warnings.append(f"asked for {threads} threads, observed {row.threads:g}")
    if threads is not None and cpus_busy is not None and cpus_busy > 1.2 * threads:
        warnings.append(f"asked for {threads} CPUs, kept {cpus_busy:.1f} busy")
    if precision is not None and row.matmul_precision not in (precision, None):
        warnings.append(f"asked for {precision} matrix products, observed {row.matmul_precision}")
    if row.float64_note:
        warnings.append(f"proven in float64 with a reservation: {row.float64_note}")
    if row.blocks_judged and not row.blocks_proving:
        warnings.append("no rank: its clocked blocks change too little for skipped updates to be seen")
    if row.compilations_while_timed:
        warnings.append(f"compiled {row.compilations_while_timed} more times while it was timed")
    if row.graph_breaks:
        warnings.append(f"its compiler left {row.graph_breaks} graph breaks to the interpreter")
    return tuple(warnings)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _compared(timed: Sequence[Row], paired: Sequence[Sequence[float]], found: Floats | None) -> list[Row]:
    """The timed rows, each with its relative time, the interval by which it is compared, and its rank.

    Args:
        timed: the rows.
        paired: their seconds per unit, a list per launch; empty if their numbers of launches differ.
        found: their arms, if they were measured round by round; else each keeps the interval of its own time.
    """
    relative = relative_times([row.unit_s for row in timed if row.unit_s is not None], paired)
    compared = [dataclasses.replace(row, relative=ratio) for row, ratio in zip(timed, relative, strict=True)]
    if found is not None:
        compared = [_with_arm(row, float(arm)) for row, arm in zip(compared, found, strict=True)]
    intervals = [_relative_interval(row) for row in compared]
    ranks = shared_ranks(*zip(*intervals, strict=True)) if intervals else []
    return [dataclasses.replace(row, rank=rank) for row, rank in zip(compared, ranks, strict=True)]


def relative_times(times: Sequence[float], paired: Sequence[Sequence[float]]) -> list[float]:
    """Steady times as multiples of the fastest, compared round by round and launch by launch where possible.

    They may therefore differ slightly from the quotient of two steady times, each of which is a contestant's own
    median: while the machine is slow, that median changes, but the comparison does not.

    Args:
        times: the steady time of each contestant.
        paired: their seconds per unit, a list per launch; empty if their numbers of launches differ.
    """
    compared = [float(seconds) for seconds in without_rounds(paired)] if paired else list(times)
    return [seconds / min(compared) for seconds in compared]


def _with_arm(row: Row, arm: float) -> Row:
    """The row with the interval by which it is compared with the others."""
    if row.unit_s is None:
        return row
    launches = "launch" if row.launches == 1 else "launches"
    kind = "95 % over" if (row.launches or 0) >= FEWEST_FOR_INTERVAL else "range over the rounds of"
    return dataclasses.replace(
        row,
        unit_s_low=row.unit_s * math.exp(-arm),
        unit_s_high=row.unit_s * saturating_exp(arm),
        interval=f"{kind} {row.launches} {launches}, compared with the others",
    )


def _relative_interval(row: Row) -> tuple[float, float]:
    """The lower and upper end of the interval of a row's relative time."""
    if row.relative is None or row.unit_s is None or row.unit_s_low is None or row.unit_s_high is None:
        raise ValueError(f"{row.id} has no time to rank it by")
    return row.relative * (row.unit_s_low / row.unit_s), row.relative * (row.unit_s_high / row.unit_s)


def _with_break_even(compiled: Row, eager: Row) -> Row:
    """The compiled row, with the number of units after which it catches up with the eager one; None if never.

    Both import the same framework, so the import is left out: its noise would outweigh the difference.
    """
    a, b = _start_up(eager), _start_up(compiled)
    if a is None or b is None:
        return compiled
    earliest, latest = break_even_range(a.seconds, (a.low, a.high), b.seconds, (b.low, b.high))
    return dataclasses.replace(
        compiled,
        break_even=break_even(a.seconds, a.unit_s, b.seconds, b.unit_s),
        break_even_low=earliest,
        break_even_high=latest,
        break_even_against=eager.id,
    )


@dataclass(frozen=True)
class _StartUp:
    """Seconds before the first steady unit, and the seconds of a steady unit with their interval."""

    seconds: float
    unit_s: float
    low: float
    high: float


def _start_up(row: Row) -> _StartUp | None:
    unit_s, low, high = row.unit_s, row.unit_s_low, row.unit_s_high
    if unit_s is None or low is None or high is None or row.setup_s is None or row.first_s is None:
        return None
    return _StartUp(row.setup_s + row.first_s - unit_s, unit_s, low, high)


def least_difference(rows: Iterable[Row]) -> float | None:
    """The smallest relative difference that a run can resolve: that of the two ranked rows with the shortest arms.

    None if fewer than two are ranked.
    """
    found = [
        math.log(row.unit_s_high / row.unit_s)
        for row in rows
        if row.rank and row.unit_s and row.unit_s_high is not None
    ]
    return smallest_difference(found) if len(found) > 1 else None


def _side_by_side(record: RunRecord, stage: str, ids: Collection[str]) -> list[tuple[Launch, ...]]:
    """The launches of some timed contestants, launch by launch; empty if their numbers of launches differ."""
    measured = [entry.measured(stage) for entry in record.contestants if entry.id in ids]
    return side_by_side([launches for launches in measured if launches])


@dataclass(frozen=True)
class SizeTime:
    """One contestant at one size of a sweep: FLOP per step, and seconds per steady step with their interval."""

    contestant: str
    frontend: str
    size: int
    work: float
    step_s: float
    step_s_low: float
    step_s_high: float


@dataclass(frozen=True)
class SizeFit:
    """One contestant's fit over the sizes of a sweep."""

    contestant: str
    frontend: str
    fit: Overhead


def sweep_points(record: RunRecord) -> list[SizeTime]:
    """The times of a sweep, contestant by contestant."""
    points = []
    for contestant in record.contestants:
        for point in contestant.sweep if contestant.outcome is Outcome.OK else ():
            if point.blocks:
                step = median_interval(point.blocks)
                points.append(
                    SizeTime(
                        contestant.id,
                        contestant.frontend,
                        point.value,
                        point.flops,
                        step.estimate,
                        step.low,
                        step.high,
                    )
                )
    return points


def sweep_fits(points: Sequence[SizeTime]) -> list[SizeFit]:
    """For each contestant, the fit of step = overhead + work * seconds per unit of work."""
    fits = []
    for name in dict.fromkeys(point.contestant for point in points):
        sizes = [point for point in points if point.contestant == name]
        if len(sizes) >= FEWEST_FOR_FIT and len({point.work for point in sizes}) > 1:
            fit = fit_overhead([point.work for point in sizes], [point.step_s for point in sizes])
            fits.append(SizeFit(name, sizes[0].frontend, fit))
    return fits
