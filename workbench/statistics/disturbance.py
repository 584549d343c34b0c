"""Which rounds were disturbed by other load, judged from the machine's own counters, and how to say so. Pure.

Nothing here looks at a contestant's times.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.model.records import Covariates, Round

TICK_NS = 10_000_000  # the unit of /proc/stat: USER_HZ is 100 on every current Linux


@dataclass(frozen=True)
class Limits:
    """Thresholds, as fractions, above which a round is disturbed; steal below `steal_ns` may be a rounding error."""

    canary: float = 0.05
    steal_share: float = 0.01
    steal_ns: int = 2 * TICK_NS
    frequency_drop: float = 0.05
    psi_cpu_share: float = 0.20
    psi_memory_share: float = 0.05
    psi_io_share: float = 0.50
    canary_waited_share: float = 0.10
    other_busy_share: float = 0.20


LIMITS = Limits()


def flagged(rounds: Sequence[Round]) -> list[Round]:
    """The rounds, each with the reasons why it was disturbed: its covariates, and its canary against their median."""
    if not rounds:
        return []
    median_s = sorted(entry.canary_s for entry in rounds)[len(rounds) // 2]
    return [
        dataclasses.replace(entry, flags=flag(entry.covariates, entry.canary_s * 1e9, median_s * 1e9))
        for entry in rounds
    ]


def flag(
    covariates: Covariates,
    canary_ns: float | None,
    canary_median_ns: float | None,
    *,
    limits: Limits = LIMITS,
) -> tuple[str, ...]:
    """Why a round was disturbed, in short phrases such as 'canary 12 % slow' or 'steal 3 %'; () if it was not.

    The canary is compared with its median over the rounds; if either is None, it is not considered.
    """
    phrases = [_canary_phrase(canary_ns, canary_median_ns, limits.canary)]
    if (covariates.steal_ns or 0) >= limits.steal_ns:
        phrases.append(_above("steal", covariates.steal_share, limits.steal_share))
    phrases += [f"throttled by {reason}" for reason in covariates.throttled]
    phrases.append(_dropped("CPU frequency", covariates.frequency_ratio, limits.frequency_drop))
    phrases.append(_dropped("GPU clock", covariates.gpu_clock_ratio, limits.frequency_drop))
    phrases.append("suspended" if covariates.suspended else None)
    phrases.append(_above("CPU pressure", covariates.psi_cpu_share, limits.psi_cpu_share))
    phrases.append(_above("memory pressure", covariates.psi_memory_share, limits.psi_memory_share))
    phrases.append(_above("IO pressure", covariates.psi_io_share, limits.psi_io_share))
    phrases.append(_above("CPU shared", covariates.canary_waited_share, limits.canary_waited_share))
    return tuple(phrase for phrase in phrases if phrase)


def shared_cpu(rounds: Sequence[Round]) -> float:
    """The share of rounds in which somebody else's process ran on the measured CPUs.

    Time slices of others are a part of every time then: blocks of different lengths are hit differently. It is told by
    the CPUs' busy time less that of the session's own processes; the canary need not wait, because it is short.
    """
    others = [entry.covariates.other_busy_share for entry in rounds]
    known = [share for share in others if share is not None]
    return sum(share > LIMITS.other_busy_share for share in known) / len(known) if known else 0.0


def sentence(
    rounds_flags: Sequence[tuple[str, ...]], least: float | None = None, *, tolerated: float = 0.2
) -> str | None:
    """A sentence for reports when more than the tolerated share of rounds was disturbed; None when it was not.

    Args:
        rounds_flags: why each round was disturbed, if it was.
        least: relative difference below which contestants cannot be distinguished, if known.
        tolerated: share of rounds that may be disturbed on a quiet machine.
    """
    disturbed = [flags for flags in rounds_flags if flags]
    if not disturbed or len(disturbed) <= tolerated * len(rounds_flags):
        return None
    causes = Counter(cause for flags in disturbed for cause in dict.fromkeys(map(_cause, flags)))
    cause = causes.most_common(1)[0][0]
    most = "" if len(causes) == 1 else "mostly "
    advice = (
        ""
        if least is None
        else f"; even between the two rows that are known best, differences under about {_percent(least)} are noise"
    )
    rounds = f"{len(disturbed)} of {len(rounds_flags)} round{'' if len(rounds_flags) == 1 else 's'}"
    return f"The machine was not quiet in {rounds} ({most}{_CAUSES.get(cause, cause)}){advice}."


_CAUSES = {
    "canary": "changes in our control job's speed",
    "steal": "CPU time stolen by the hypervisor",
    "suspended": "suspension of the machine",
    "CPU frequency down": "drops in CPU frequency",
    "GPU clock down": "drops in GPU clock",
    "CPU shared": "another process on the same CPU",
}
"""Causes in a reader's words; those that are not listed, such as IO pressure, explain themselves."""


def _cause(phrase: str) -> str:
    """The phrase without its amount: 'steal 3 %' and 'steal 9 %' have one cause."""
    return re.sub(r" [\d<>.]+ %( (slow|fast))?", "", phrase)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %" if fraction >= 0.02 else f"{100 * fraction:.1f} %"


def _above(quantity: str, share: float | None, limit: float) -> str | None:
    return f"{quantity} {_percent(share)}" if share is not None and share > limit else None


def _dropped(quantity: str, ratio: float | None, limit: float) -> str | None:
    return f"{quantity} {_percent(1 - ratio)} down" if ratio is not None and 1 - ratio > limit else None


def _canary_phrase(now_ns: float | None, median_ns: float | None, limit: float) -> str | None:
    if not now_ns or not median_ns:
        return None
    deviation_ns = now_ns - median_ns
    if abs(deviation_ns) <= limit * median_ns:
        return None
    return f"canary {_percent(abs(deviation_ns) / median_ns)} {'slow' if deviation_ns > 0 else 'fast'}"
