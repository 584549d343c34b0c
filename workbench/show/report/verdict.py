"""What a run comes to, in one sentence, and what must be known beside it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import one_line
from workbench.show import tables
from workbench.show.report.parts import Row, interval, listed, split
from workbench.show.summary import FEWEST_FOR_RANKS
from workbench.show.units import format_ratio, format_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.store.results import Run

ABSENT = ("unsupported", "unavailable")


def verdict(run: Run) -> str:
    """Who is fastest as far as the data can tell, who failed, and whether the machine was quiet: one sentence."""
    timed, others = split(run)
    failed = [entry for entry in others if entry["outcome"] not in ABSENT]
    clauses = [_fastest(timed) if timed else "No frontend has a valid time"]
    if failed:
        reasons = ", ".join(f"{entry['frontend']} ({_outcome(entry)})" for entry in failed)
        clauses.append(f"{len(failed)} of {len(run.rows)} failed: {reasons}")
    if tables.disturbance(run):
        clauses.append("the machine was not quiet")
    if run.info.get("interrupted"):
        clauses.append("the run was interrupted before its end")
    return one_line("; ".join(clauses) + ".")


def _fastest(timed: Sequence[Row]) -> str:
    best = timed[0]
    if len(timed) == 1:
        return (
            f"{best['frontend']} takes {format_seconds(best['step_s'])} per steady step ({interval(best)}), "
            "with no other valid time to compare it with"
        )
    leaders = [entry for entry in timed if entry["rank"] == best["rank"]]
    names = listed([entry["frontend"] for entry in leaders])
    seconds = sorted(entry["step_s"] for entry in leaders)
    steps = f"{format_seconds(seconds[0])} to {format_seconds(seconds[-1])} per steady step"
    if len(leaders) == len(timed):
        return f"{names} are not distinguishable here: {steps}"
    following = next(entry for entry in timed if entry not in leaders)
    rest = f"the next, {following['frontend']}, takes {format_ratio(following['relative_step'])} as long"
    if len(leaders) > 1:
        return f"{names} share the first place and are not distinguishable here ({steps}), while {rest}"
    return f"{names} is the fastest at {format_seconds(best['step_s'])} per steady step ({interval(best)}), {rest}"


def _outcome(entry: Row) -> str:
    return "no time" if entry["outcome"] == "ok" else str(entry["outcome"])


def caveats(run: Run) -> list[str]:
    """What a reader must know beside the verdict, a sentence each."""
    timed, others = split(run)
    tolerance = run.info["tolerance"]
    lines = [f"Every row with a time agrees with float64 NumPy within {tolerance:.1e}, step by step."] if timed else []
    fewest = min((entry["launches"] for entry in timed), default=FEWEST_FOR_RANKS)
    if fewest < FEWEST_FOR_RANKS:
        lines.append(
            f"Only {_launches(fewest)} per frontend: too few for a test, so ranks go by whether intervals overlap "
            f"({FEWEST_FOR_RANKS} launches make a test possible)."
        )
    if absent := [entry for entry in others if entry["outcome"] in ABSENT]:
        names = listed([f"{entry['frontend']} ({entry['outcome']})" for entry in absent])
        lines.append(f"Not measured here: {names}.")
    lines += [f"{entry['frontend']} {warning}." for entry in timed for warning in entry["warnings"]]
    lines += tables.ledger(list(map(dict, timed)))
    return [one_line(line) for line in [*lines, *filter(None, [tables.disturbance(run)])]]


def _launches(count: int) -> str:
    return "1 launch" if count == 1 else f"{count:g} launches"


def overtaking(entry: Row) -> str:
    """When a compiled style has overtaken its eager one."""
    after, low, high = (entry[name] for name in ("break_even", "break_even_low", "break_even_high"))
    if after is None:
        when = "never, as measured" if low is None else f"never, as measured, or after {low:,} steps at the earliest"
    else:
        latest = f"{high:,}" if high is not None else "never"
        earliest = f"{low:,}" if low is not None else "never"
        when = f"after {after:,} steps ({earliest} to {latest})"
    return f"{entry['frontend']} overtakes {entry['break_even_against']} {when}"
