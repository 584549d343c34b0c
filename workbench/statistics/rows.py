"""From what was recorded to what is shown: one row per contestant and stage, ranks, and the sizes of a sweep. Pure.

Times are in seconds, memory in bytes. A contestant that is not ok shows no speed.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.model.outcomes import Outcome
from workbench.model.proof import Proof
from workbench.model.records import ContestantRecord, Launch, RunRecord, Settings
from workbench.model.rows import Row
from workbench.model.stage import TRAIN
from workbench.statistics.fits import Overhead, break_even, break_even_range, fit_overhead
from workbench.statistics.launches import Places, round_by_round, side_by_side, steady, unit_times
from workbench.statistics.ranks import median_interval, paired_ranks, shared_ranks
from workbench.statistics.rounds import ratio_errors, without_rounds
from workbench.statistics.warmup import WarmupClass, warmup_class

FEWEST_FOR_RANKS = 7  # below, no exact test at 2 % exists
FEWEST_FOR_FIT = 3


def rows(record: RunRecord, stage: str = TRAIN.name) -> list[Row]:
    """One row per contestant, in the order measured; what was not measured is None."""
    disturbed = record.disturbed
    alone = [_row(record, contestant, stage, disturbed) for contestant in record.contestants]
    paired = [unit_times(launches, stage, disturbed) for launches in _side_by_side(record, stage)]
    timed = _compared([row for row in alone if row.timed], paired)
    by_id = {row.id: row for row in timed}
    for contestant in record.contestants:
        eager, compiled = by_id.get(contestant.compiles or ""), by_id.get(contestant.id)
        if eager and compiled:
            by_id[compiled.id] = _with_break_even(compiled, eager)
    return [by_id.get(row.id, row) for row in alone]


def _row(record: RunRecord, contestant: ContestantRecord, stage: str, disturbed: Places) -> Row:
    """What one contestant comes to by itself."""
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
    )
    launches = contestant.measured(stage)
    if not launches:
        return untimed
    timed = _with_times(untimed, launches, disturbed)
    observed = _with_observations(timed, launches)
    return _with_work(dataclasses.replace(observed, warnings=_ignored_requests(record.settings, observed)), record)


def _verdict(proof: Proof | None) -> str:
    if proof is None:
        return "not compared"
    return "agrees" if proof.passed else "differs"


def _with_times(row: Row, launches: Sequence[Launch], disturbed: Places) -> Row:
    """Phases as timed in the first launch, and the steady unit; set-up and first unit are the training's."""
    training = row.stage == TRAIN.name
    timed = [launch for launch in launches if launch.timed]
    blocks = [launch.of(row.stage) for launch in launches]
    places = [(launch.number, number) for launch in launches for number in launch.of(row.stage).rounds]
    warmup = warmup_class(blocks[0].trace_s)
    time = steady(launches, row.stage, disturbed)
    return dataclasses.replace(
        row,
        import_s=_median(launch.import_s for launch in timed),
        setup_s=_median(launch.setup_s for launch in timed) if training else None,
        first_s=_median(launch.first_s for launch in timed) if training else None,
        unit_s=time.seconds,
        unit_s_low=time.low,
        unit_s_high=time.high,
        interval=time.interval,
        warmup=str(warmup.kind),
        steady_from=None if warmup.kind is WarmupClass.unsteady else warmup.steady_from,
        launches=len(launches),
        blocks=len(places),
        disturbed_blocks=sum(place in disturbed for place in places),
        block_units=blocks[0].units,
    )


def _with_observations(row: Row, launches: Sequence[Launch]) -> Row:
    """Memory, energy, metrics, and the settings that the framework was observed to use."""
    blocks = [launch.of(row.stage) for launch in launches]
    busy = _median(found.cpu_per_wall for found in blocks)
    seen = next((launch.observed for launch in reversed(launches) if launch.observed), {})
    device = seen.get("device")
    return dataclasses.replace(
        row,
        peak_bytes=_largest(launch.peak_bytes for launch in launches),
        import_bytes=_largest(launch.import_bytes for launch in launches),
        peak_device_bytes=_largest(launch.peak_device_bytes for launch in launches),
        energy_j=_median(joules for found in blocks for joules in found.energy_j),
        cpu_per_wall=busy,
        threads=_threads(seen.get("threads"), busy),
        device=None if device is None else str(device),
        matmul_precision=seen.get("matmul_precision"),
        flush_to_zero=seen.get("flush_to_zero"),
        deterministic=seen.get("deterministic"),
        xla=seen.get("xla"),
        allocator=seen.get("allocator"),
        metrics=_metrics(launches),
    )


def _threads(observed: object, busy: float | None) -> float:
    """The threads a framework says it uses; the CPUs it kept busy where it does not say."""
    return observed if isinstance(observed, int | float) and observed else max(1, round(busy or 1))


def _metrics(launches: Sequence[Launch]) -> dict[str, float]:
    """Each metric's median over the launches that reported it."""
    names = dict.fromkeys(name for launch in launches for name in launch.metrics)
    return {
        name: statistics.median(launch.metrics[name] for launch in launches if name in launch.metrics) for name in names
    }


def _with_work(row: Row, record: RunRecord) -> Row:
    """The time of the whole task, rates from its own count of work, and the share of this machine's matrix product.

    Work is counted for a step of the training alone.
    """
    if row.stage != TRAIN.name or row.unit_s is None:
        return row
    problem = record.problem
    flops, moved = problem.flops / row.unit_s, problem.bytes / row.unit_s
    products = [entry.matrix_flops for entry in record.rounds if entry.matrix_flops]
    start = None
    if row.import_s is not None and row.setup_s is not None and row.first_s is not None:
        start = row.import_s + row.setup_s + row.first_s
    return dataclasses.replace(
        row,
        gflops=flops / 1e9,
        gbytes=moved / 1e9,
        matrix_share=flops / statistics.median(products) if products and record.settings.device.kind == "cpu" else None,
        total_s=None if start is None else start + (problem.steps - 1) * row.unit_s,
    )


def _ignored_requests(settings: Settings, row: Row) -> tuple[str, ...]:
    """Requests that were observed to be ignored, in words."""
    warnings = []
    threads, busy, precision = settings.threads, row.cpu_per_wall, settings.matmul_precision
    if threads is not None and row.threads != threads:
        warnings.append(f"asked for {threads} threads, observed {row.threads:g}")
    if threads is not None and busy is not None and busy > 1.2 * threads:
        warnings.append(f"asked for {threads} CPUs, kept {busy:.1f} busy")
    if precision is not None and row.matmul_precision not in (precision, None):
        warnings.append(f"asked for {precision} products, observed {row.matmul_precision}")
    return tuple(warnings)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _compared(timed: Sequence[Row], paired: Sequence[Sequence[float]]) -> list[Row]:
    """Rows that show a speed, each with its relative time and its rank."""
    relative = relative_times([row.unit_s for row in timed if row.unit_s is not None], paired)
    compared = [dataclasses.replace(row, relative=ratio) for row, ratio in zip(timed, relative, strict=True)]
    return [dataclasses.replace(row, rank=rank) for row, rank in zip(compared, ranks(compared, paired), strict=True)]


def relative_times(times: Sequence[float], paired: Sequence[Sequence[float]]) -> list[float]:
    """Steady times against the fastest's: compared round by round and launch by launch where that is possible.

    So they may differ a little from the quotient of two steady times, which are each contestant's own medians: a
    machine that is slow for a while moves those, but not this.

    Args:
        times: the steady time of each contestant.
        paired: their seconds per unit, a list per launch; empty where they were not launched equally often.
    """
    compared = [float(seconds) for seconds in without_rounds(paired)] if paired else list(times)
    return [seconds / min(compared) for seconds in compared]


def ranks(timed: Sequence[Row], paired: Sequence[Sequence[float]]) -> list[int | None]:
    """Ranks of the rows that show a speed; those that the data cannot tell apart share one.

    With enough launches pairs of launches are tested (Wilcoxon); with fewer, overlapping intervals share a rank.

    Args:
        timed: the rows, which know their relative time.
        paired: their seconds per unit, a list per launch; empty where they were not launched equally often.
    """
    if len(paired) >= FEWEST_FOR_RANKS:
        return paired_ranks(paired)
    reach = [_reach(row) for row in timed]
    return shared_ranks(*zip(*reach, strict=True)) if reach else []


def _reach(row: Row) -> tuple[float, float, float]:
    """The relative time with its interval."""
    if row.relative is None or row.unit_s is None or row.unit_s_low is None or row.unit_s_high is None:
        raise ValueError(f"{row.id} has no time to rank it by")
    return (
        row.relative * row.unit_s / row.unit_s,
        row.relative * row.unit_s_low / row.unit_s,
        row.relative * row.unit_s_high / row.unit_s,
    )


def _with_break_even(compiled: Row, eager: Row) -> Row:
    """After how many units the compiled style has overtaken the eager one; None where it never does.

    Both import the same framework, so the import is left out: its noise would outweigh what is compared.
    """
    a, b = _start(eager), _start(compiled)
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
class _Start:
    """Seconds before the first steady unit, and the steady unit with its interval."""

    seconds: float
    unit_s: float
    low: float
    high: float


def _start(row: Row) -> _Start | None:
    unit_s, low, high = row.unit_s, row.unit_s_low, row.unit_s_high
    if unit_s is None or low is None or high is None or row.setup_s is None or row.first_s is None:
        return None
    return _Start(row.setup_s + row.first_s - unit_s, unit_s, low, high)


def least_difference(record: RunRecord, stage: str = TRAIN.name) -> float | None:
    """Relative difference below which no two contestants of a run can be told apart: two standard errors of a ratio.

    Of the two whose ratio is known best, and from the scatter of rounds alone: others, and what differs from launch to
    launch, only add to it. None where fewer than two were measured side by side.
    """
    disturbed = record.disturbed
    blocks = [round_by_round(launches, stage, disturbed) for launches in _side_by_side(record, stage)]
    if not blocks or any(len(each) < 2 or len(each[0]) < 2 for each in blocks):
        return None
    errors = np.sqrt(sum(ratio_errors(each) ** 2 for each in blocks)) / len(blocks)
    return 2 * float(errors[np.triu_indices(len(errors), k=1)].min())


def _side_by_side(record: RunRecord, stage: str) -> list[tuple[Launch, ...]]:
    """What all timed contestants did, launch by launch; empty where they were not launched equally often."""
    return side_by_side([launches for entry in record.contestants if (launches := entry.measured(stage))])


@dataclass(frozen=True)
class SizeTime:
    """One contestant at one size of a sweep: FLOP per step, and the steady step with its interval in seconds."""

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
    """The sweep's times, contestant by contestant."""
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
    """Per contestant the fit step = overhead + work * seconds per unit of work, with its 95 % intervals."""
    fits = []
    for name in dict.fromkeys(point.contestant for point in points):
        sizes = [point for point in points if point.contestant == name]
        if len(sizes) >= FEWEST_FOR_FIT:
            fit = fit_overhead([point.work for point in sizes], [point.step_s for point in sizes])
            fits.append(SizeFit(name, sizes[0].frontend, fit))
    return fits
