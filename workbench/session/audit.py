"""Whether the blocks of a launch, seen from outside, are what their worker told: the checks that METHODOLOGY names.

The median over the blocks decides: whoever computes at another time always does, a busy machine disturbs some blocks.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from workbench.model.outcomes import Outcome, WorkerFailedError

UNFINISHED_SHARE = 0.1  # tolerated before the clock starts and after the wait: this share of a block,
UNFINISHED_S = 0.001  # after the wait: or this time
UNCLOCKED_S = 0.003  # before the clock starts: and this time, to read what changes from its file
FETCH_S = {"cpu": 5e-5, "gpu": 5e-4}  # that fetching a finished loss takes at most
SHORTEST_S = 0.004  # that a block which was sized may take, unless it is a single unit
STOPPED_SHARE = 0.1  # of one CPU, tolerated while the process is stopped
LAZY_SHARE = 0.05  # fetching a loss may take longer than fetching a finished scalar by this share of a step,
LAZY_SCALARS = 2.0  # by so many scalars,
LAZY_S = 1e-6  # or by this time
BUSY_SHARE = 0.5  # of one CPU, tolerated after the wait
CPU_SHARE = 1.25  # CPU time over wall time and threads, tolerated
FASTER = 2.0  # times as fast as all judged blocks that no block may be if nobody knows which will be judged
FEWEST = 3  # blocks by which a launch is known


@dataclass(frozen=True)
class Seen:
    """A block, seen from outside. CPU is in CPUs, None where the system does not tell.

    Attributes:
        seconds: of its steps, as the worker told.
        outside_s: from the last change of the feed to the answer that the steps have run.
        fetch_s: that each of its losses took to be fetched afterwards.
        cpu: used meanwhile, from the last change of the feed.
        computed_s: CPU seconds used from the last change of the feed until the process was stopped.
        busy: used after the answer, before anything else was asked for.
        stopped: used before the block, while the process was stopped.
    """

    seconds: float
    outside_s: float
    fetch_s: Sequence[float]
    cpu: float | None = None
    computed_s: float | None = None
    busy: float | None = None
    stopped: float | None = None


@dataclass(frozen=True)
class Expected:
    """What is known of the blocks of a launch before they run.

    Attributes:
        units: steps of a block.
        unit: the fewest steps that can be run.
        lead: untimed steps between the last change of the feed and the clock.
        per_call: whether a call runs several steps, and so moves its own data.
        sized: the units that this very process was found to need for a block of the proper length; 0: none.
        fetch_s: seconds that fetching one loss takes once it is sure to be computed.
        scalar_s: seconds that fetching one finished scalar of the framework takes.
        device: "cpu" or "gpu".
    """

    units: int
    unit: int
    lead: int
    per_call: bool
    sized: int
    fetch_s: float
    scalar_s: float
    device: str


def check_synchronised(blocks: Sequence[Seen], expected: Expected, threads: int) -> None:
    """Check that nothing was left to compute when the wait returned.

    Raises:
        WorkerFailedError: *invalid*, and why.
    """
    most = min(expected.fetch_s, FETCH_S[expected.device])
    unfinished = _median(blocks, lambda seen: max(0.0, sum(seen.fetch_s) - len(seen.fetch_s) * most) / seen.seconds)
    if unfinished > max(UNFINISHED_SHARE, UNFINISHED_S / _median(blocks, lambda seen: seen.seconds)):
        share = unfinished / (1 + unfinished)
        raise _refused(
            "synchronised", f"{share:.0%} of a block was unfinished after the wait: times would be too short"
        )

    def beyond(seen: Seen) -> float:
        allowed = max(LAZY_SHARE * seen.seconds / expected.units, LAZY_SCALARS * expected.scalar_s, LAZY_S)
        return (statistics.median(seen.fetch_s) - expected.scalar_s) / allowed

    if _median(blocks, beyond) > 1:
        text = "fetching a loss takes much longer than fetching a number: it is computed only when it is fetched"
        raise _refused("synchronised", text)
    if threads == 1 and _median(blocks, lambda seen: seen.busy) > BUSY_SHARE:  # pools of threads may spin
        raise _refused("synchronised", "the process was still computing after the wait: times would be too short")


def check_prepared(blocks: Sequence[Seen], expected: Expected, threads: int) -> None:
    """Check that no step was computed before the clock started, that the clock tells the time, and blocks their length.

    On a CPU, whoever computes beforehand uses CPU time; a harness that had to wait for its own CPU only sees time pass.

    Raises:
        WorkerFailedError: *invalid*, and why.
    """

    def unclocked(seen: Seen) -> float:
        per_unit = seen.seconds / expected.units * expected.unit
        tolerated = UNFINISHED_SHARE * seen.seconds + 2 * per_unit * bool(expected.lead) + UNCLOCKED_S
        beyond = seen.outside_s - seen.seconds
        if expected.device == "cpu" and seen.computed_s is not None:
            beyond = min(beyond, seen.computed_s - threads * seen.seconds)
        return beyond / tolerated

    if _median(blocks, unclocked) > (1 if len(blocks) >= FEWEST else 3):
        text = "the command that runs a block took much longer than the block"
        reason = "steps are computed before the clock starts, or the clock is slow"
        raise _refused("prepared", f"{text}: {reason}")
    seconds = _median(blocks, lambda seen: seen.seconds)
    shortest = SHORTEST_S * expected.units / expected.sized if expected.sized > expected.unit else 0.0
    if not expected.per_call and seconds < shortest:
        text = f"its blocks take {seconds * 1e3:.2g} ms: its steps were slower while these were sized"
        raise _refused("prepared", text)


def check_stopped(blocks: Sequence[Seen]) -> None:
    """Check that nobody of the process computes while others are timed.

    Raises:
        WorkerFailedError: *invalid*, with the share of a CPU.
    """
    used = _median(blocks, lambda seen: seen.stopped)
    if used > STOPPED_SHARE:
        raise _refused("stopped", f"it used {used:.0%} of a CPU while others were timed")


def check_threads(blocks: Sequence[Seen], threads: int, strays: Collection[int]) -> None:
    """Check that it computed on the CPUs that it was given, and no more than it was allowed.

    Args:
        blocks: of a launch.
        threads: that it was allowed.
        strays: CPUs that it may run on, though it was not given them.

    Raises:
        WorkerFailedError: *invalid*, and why.
    """
    if strays:
        raise _refused("threads", f"it may run on CPU {min(strays)} as well, which it was not given")
    used = _median(blocks, lambda seen: seen.cpu)
    if used > CPU_SHARE * threads:
        text = f"it used {used:.2g} CPUs while it was timed, {threads} allowed: it works elsewhere"
        raise _refused("threads", text)


def check_unjudged(judged: Sequence[float], others: Sequence[float]) -> None:
    """Check that the blocks that are not judged are not faster than those that are, as if somebody knew.

    Args:
        judged: seconds of the blocks that were.
        others: seconds of those that were not.

    Raises:
        WorkerFailedError: *invalid*, if all of them took less than half the time of any judged one.
    """
    if not judged or len(others) < FEWEST:
        return
    slowest, fastest = max(others), min(judged)
    if slowest * (FASTER if len(judged) >= FEWEST else 2 * FASTER) < fastest:
        text = f"blocks that were not judged took at most {slowest / fastest:.0%} of the others' time"
        raise _refused("unjudged", text)


def _median(blocks: Sequence[Seen], of: Callable[[Seen], float | None]) -> float:
    """Over the blocks for which it is known; 0 if for none."""
    known = [value for seen in blocks if (value := of(seen)) is not None]
    return statistics.median(known) if known else 0.0


def _refused(check: str, text: str) -> WorkerFailedError:
    return WorkerFailedError(Outcome.INVALID, f"check_{check}: {text}")
