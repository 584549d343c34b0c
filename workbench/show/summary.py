"""From what was recorded to what is shown: one row per contestant, as plain values and as pandas frames.

Pure functions on a run's recorded values: no subprocess, no content. Times are in seconds, memory in bytes.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.statistics import (
    WarmupClass,
    break_even,
    break_even_range,
    fit_overhead,
    median_interval,
    paired_ranks,
    ratio_errors,
    shared_ranks,
    warmup_class,
    without_rounds,
)

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]

PHASES = ("import_s", "setup_s", "first_step_s")
FEWEST_FOR_INTERVAL = 6  # below, a 95 % interval of a median over launches does not exist
FEWEST_FOR_RANKS = 7  # below, no exact test at 2 % exists
TEXTS = ("frontend", "title", "color", "outcome", "reason", "log", "verdict", "warmup", "interval", "device")
NUMBERS = (
    "max_relative_error",
    "tolerance",
    *PHASES,
    "step_s",
    "step_s_low",
    "step_s_high",
    "relative_step",
    "rank",
    "total_s",
    "break_even",
    "break_even_low",
    "break_even_high",
    "steady_from",
    "gflops",
    "gbytes",
    "matrix_share",
    "energy_j",
    "peak_bytes",
    "import_bytes",
    "peak_device_bytes",
    "threads",
    "cpu_per_wall",
    "launches",
    "blocks",
    "dirty_blocks",
    "block_steps",
)
OTHERS = (
    "matmul_precision",
    "flush_to_zero",
    "deterministic",
    "xla",
    "allocator",
    "warnings",
    "versions",
    "break_even_against",
)
COLUMNS = (*TEXTS, *NUMBERS, *OTHERS)


def rows(info: Record, contestants: Sequence[Record]) -> list[dict[str, Any]]:
    """One row per contestant, in the order given; what was not measured is None.

    Args:
        info: a run's settings, problem and rounds.
        contestants: what each contestant did.
    """
    dirty = dirty_rounds(info)
    found = [row(info, contestant, dirty) for contestant in contestants]
    timed = [entry for entry in found if entry["step_s"]]
    by_id = {entry["frontend"]: entry for entry in timed}
    paired = [launch_steps(launches, dirty) for launches in _side_by_side(contestants)]
    for entry, relative in zip(timed, relative_steps(timed, paired), strict=True):
        entry["relative_step"] = relative
    for entry, rank in zip(timed, ranks(timed, paired), strict=True):
        entry["rank"] = rank
    for contestant in contestants:
        eager, compiled = by_id.get(contestant["compiles"]), by_id.get(contestant["frontend"])
        if eager and compiled:
            compiled |= _break_even(eager, compiled)
    return found


def dirty_rounds(info: Record) -> set[tuple[int, int]]:
    """The (launch, round) pairs in which the machine was disturbed, as its own counters say."""
    return {(entry["launch"], entry["round"]) for entry in info["rounds"] if entry["flags"]}


def row(info: Record, contestant: Record, dirty: AbstractSet[tuple[int, int]]) -> dict[str, Any]:
    """What one contestant comes to. A contestant that is not ok shows no speed."""
    proof = contestant["proof"] or {}
    entry: dict[str, Any] = dict.fromkeys(COLUMNS)
    entry |= {name: contestant[name] for name in ("frontend", "title", "color", "outcome", "reason", "log")}
    entry["max_relative_error"] = proof.get("max_relative_error")
    entry["tolerance"] = proof.get("tolerance")
    entry["verdict"] = "agrees" if proof.get("passed") else "differs" if proof else "not compared"
    entry["versions"] = contestant["launches"][-1]["versions"] if contestant["launches"] else {}
    entry["warnings"] = []
    measured = [launch for launch in contestant["launches"] if launch["blocks"]]
    if contestant["outcome"] == "ok" and measured:
        entry |= _times(measured, dirty)
        entry |= _observed(measured)
        entry |= _work(info, entry)
        entry["warnings"] = _ignored_requests(info["settings"], entry)
        entry["total_s"] = sum(entry[phase] for phase in PHASES) + (info["problem"]["steps"] - 1) * entry["step_s"]
    return entry


def launch_step(launch: Record, dirty: AbstractSet[tuple[int, int]] = frozenset()) -> float:
    """Seconds per step of one launch: the median of its blocks, of the clean ones if half of them are clean."""
    return statistics.median(clean_blocks(launch, dirty))


def launch_steps(launches: Sequence[Record], dirty: AbstractSet[tuple[int, int]] = frozenset()) -> list[float]:
    """Seconds per step of contestants in one launch, without what a round did to all of them alike.

    For comparing contestants: a slow round makes no difference then. Where they were not measured in the same
    rounds, each one's own median.
    """
    blocks = _round_by_round(launches, dirty)
    if not blocks:
        return [launch_step(launch, dirty) for launch in launches]
    return [float(step) for step in without_rounds(blocks)]


def _round_by_round(launches: Sequence[Record], dirty: AbstractSet[tuple[int, int]]) -> list[list[float]]:
    """Blocks of contestants in one launch, a list per round, clean ones if half are; empty where rounds differ."""
    rounds = launches[0]["rounds"]
    if any(launch["rounds"] != rounds for launch in launches):
        return []
    clean = [place for place, number in enumerate(rounds) if (launches[0]["launch"], number) not in dirty]
    kept = clean if 2 * len(clean) >= len(rounds) else range(len(rounds))
    return [[launch["blocks"][place] for launch in launches] for place in kept]


def clean_blocks(launch: Record, dirty: AbstractSet[tuple[int, int]]) -> list[float]:
    """Blocks of undisturbed rounds; all blocks where fewer than half are undisturbed."""
    pairs = list(zip(launch["rounds"], launch["blocks"], strict=True))
    clean = [seconds for number, seconds in pairs if (launch["launch"], number) not in dirty]
    return clean if 2 * len(clean) >= len(pairs) else [seconds for _, seconds in pairs]


def steady_step(launches: Sequence[Record], dirty: AbstractSet[tuple[int, int]]) -> dict[str, Any]:
    """The steady step as the median over launches of each one's median: step_s, step_s_low, step_s_high, interval.

    From six launches on the interval is the 95 % interval of that median, the launch being the unit. With fewer
    no such interval exists: then it spans the intervals that the blocks of each launch support.
    """
    steps = [launch_step(launch, dirty) for launch in launches]
    if len(steps) >= FEWEST_FOR_INTERVAL:
        over = median_interval(steps)
        low, high, interval = over.low, over.high, f"95 % over {len(steps)} launches"
    else:
        each = [median_interval(clean_blocks(launch, dirty)) for launch in launches]
        low, high = min(part.low for part in each), max(part.high for part in each)
        interval = f"range of the blocks of {len(steps)} launch{'es' if len(steps) > 1 else ''}"
    return {"step_s": statistics.median(steps), "step_s_low": low, "step_s_high": high, "interval": interval}


def _times(launches: Sequence[Record], dirty: AbstractSet[tuple[int, int]]) -> dict[str, Any]:
    """Phases as timed in the first launch, and the steady step."""
    timed = [launch for launch in launches if launch["timed"]]
    warm = warmup_class(launches[0]["trace"])
    blocks = [(launch["launch"], number) for launch in launches for number in launch["rounds"]]
    return {
        **{phase: statistics.median(launch[phase] for launch in timed) for phase in PHASES},
        **steady_step(launches, dirty),
        "warmup": str(warm.kind),
        "steady_from": None if warm.kind is WarmupClass.unsteady else warm.steady_from,
        "launches": len(launches),
        "blocks": len(blocks),
        "dirty_blocks": sum(block in dirty for block in blocks),
        "block_steps": launches[0]["block_steps"],
    }


def _observed(launches: Sequence[Record]) -> dict[str, Any]:
    observed: Record = next((launch["observed"] for launch in reversed(launches) if launch["observed"]), {})
    joules = [energy for launch in launches for energy in launch["energy_j"] if energy is not None]
    shares = [launch["cpu_per_wall"] for launch in launches if launch["cpu_per_wall"] is not None]
    cpu_per_wall = statistics.median(shares) if shares else None
    return {
        "peak_bytes": _largest(launches, "peak_bytes"),
        "import_bytes": _largest(launches, "import_bytes"),
        "peak_device_bytes": _largest(launches, "peak_device_bytes"),
        "energy_j": statistics.median(joules) if joules else None,
        "cpu_per_wall": cpu_per_wall,
        "threads": observed.get("threads") or max(1, round(cpu_per_wall or 1)),
        **{
            name: observed.get(name)
            for name in ("device", "matmul_precision", "flush_to_zero", "deterministic", "xla", "allocator")
        },
    }


def _largest(launches: Sequence[Record], name: str) -> int | None:
    return max((launch[name] for launch in launches if launch[name] is not None), default=None)


def _work(info: Record, entry: Record) -> dict[str, Any]:
    """Rates from the task's own count of work, and the share of this machine's matrix product in this session."""
    flops, moved = info["problem"]["flops"] / entry["step_s"], info["problem"]["bytes"] / entry["step_s"]
    on_cpu = not info["settings"]["device"].startswith("gpu")
    products = [found["matrix_flops"] for found in info["rounds"] if found["matrix_flops"]]
    share = flops / statistics.median(products) if products and on_cpu else None
    return {"gflops": flops / 1e9, "gbytes": moved / 1e9, "matrix_share": share}


def _ignored_requests(settings: Record, entry: Record) -> list[str]:
    """Requests that were observed to be ignored, in words."""
    found = []
    threads, cpus = settings["threads"], entry["cpu_per_wall"]
    if threads is not None and entry["threads"] != threads:
        found.append(f"asked for {threads} threads, observed {entry['threads']:g}")
    if threads is not None and cpus is not None and cpus > 1.2 * threads:
        found.append(f"asked for {threads} CPUs, kept {cpus:.1f} busy")
    wanted, precision = settings["matmul_precision"], entry["matmul_precision"]
    if wanted is not None and precision not in (wanted, None):
        found.append(f"asked for {wanted} products, observed {precision}")
    return found


def ranks(timed: Sequence[Record], paired: Sequence[Sequence[float]]) -> list[int | None]:
    """Ranks of the timed rows, which know their relative step; those that the data cannot tell apart share one.

    With enough launches pairs of launches are tested (Wilcoxon); with fewer, overlapping intervals share a rank.

    Args:
        timed: the rows.
        paired: their seconds per step, a list per launch; empty where they were not launched equally often.
    """
    if len(paired) >= FEWEST_FOR_RANKS:
        return paired_ranks(paired)
    if not timed:
        return []
    reach = [
        [entry["relative_step"] * entry[name] / entry["step_s"] for entry in timed]
        for name in ("step_s", "step_s_low", "step_s_high")
    ]
    return shared_ranks(*reach)


def relative_steps(timed: Sequence[Record], paired: Sequence[Sequence[float]]) -> list[float]:
    """Steady steps against the fastest's: compared round by round and launch by launch where that is possible.

    So they may differ a little from the quotient of two ``step_s``, which are each contestant's own medians: a
    machine that is slow for a while moves those, but not this.
    """
    steps = [float(step) for step in without_rounds(paired)] if paired else [entry["step_s"] for entry in timed]
    return [step / min(steps) for step in steps]


def least_difference(info: Record, contestants: Sequence[Record]) -> float | None:
    """Relative difference below which no two contestants of a run can be told apart: two standard errors of a ratio.

    Of the two whose ratio is known best, and from the scatter of rounds alone: others, and what differs from launch to
    launch, only add to it. None where fewer than two were measured side by side.
    """
    dirty = dirty_rounds(info)
    blocks = [_round_by_round(launches, dirty) for launches in _side_by_side(contestants)]
    if not blocks or any(len(rounds) < 2 or len(rounds[0]) < 2 for rounds in blocks):
        return None
    errors = np.sqrt(sum(ratio_errors(rounds) ** 2 for rounds in blocks)) / len(blocks)
    return 2 * float(errors[np.triu_indices(len(errors), k=1)].min())


def _side_by_side(contestants: Sequence[Record]) -> list[tuple[Record, ...]]:
    """What all timed contestants did, launch by launch; empty where they were not launched equally often."""
    timed = [contestant["launches"] for contestant in contestants if contestant["outcome"] == "ok"]
    measured = [found for launches in timed if (found := [launch for launch in launches if launch["blocks"]])]
    return list(zip(*measured, strict=True)) if len({len(found) for found in measured}) == 1 else []


def _break_even(eager: Record, compiled: Record) -> dict[str, Any]:
    """After how many steps the compiled style has overtaken the eager one; None where it never does.

    Both import the same framework, so the import is left out: its noise would outweigh what is compared.
    """
    starts = [entry["setup_s"] + entry["first_step_s"] - entry["step_s"] for entry in (eager, compiled)]
    bounds = [(entry["step_s_low"], entry["step_s_high"]) for entry in (eager, compiled)]
    earliest, latest = break_even_range(starts[0], bounds[0], starts[1], bounds[1])
    return {
        "break_even": break_even(starts[0], eager["step_s"], starts[1], compiled["step_s"]),
        "break_even_low": earliest,
        "break_even_high": latest,
        "break_even_against": eager["frontend"],
    }


def table(info: Record, contestants: Sequence[Record]) -> pd.DataFrame:
    """All rows as a frame, numbers as floats with NaN where nothing was measured."""
    import pandas as pd

    frame = pd.DataFrame(rows(info, contestants), columns=list(COLUMNS))
    frame[list(NUMBERS)] = frame[list(NUMBERS)].apply(pd.to_numeric)
    return frame


def sweep_points(contestants: Sequence[Record]) -> pd.DataFrame:
    """The sweep's measurements: frontend, size, work (FLOP per step), and the step with its interval."""
    import pandas as pd

    points = []
    for contestant in contestants:
        for point in contestant["sweep"]:
            if contestant["outcome"] == "ok" and point["blocks"]:
                step = median_interval(point["blocks"])
                points.append((contestant["frontend"], point["value"], point["flops"], *step[:3]))
    return pd.DataFrame(points, columns=["frontend", "size", "work", "step_s", "step_s_low", "step_s_high"])


def sweep_fits(points: pd.DataFrame) -> pd.DataFrame:
    """Per frontend the fit t = overhead + work * seconds per unit, with its 95 % intervals."""
    import pandas as pd

    fits = {
        frontend: fit_overhead(of_one["work"], of_one["step_s"])._asdict()
        for frontend, of_one in points.groupby("frontend", sort=False)
        if len(of_one) >= 3
    }
    return pd.DataFrame.from_dict(fits, orient="index").rename_axis("frontend").reset_index()
