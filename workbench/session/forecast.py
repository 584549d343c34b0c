"""How long a session will still take: from how long things took before, here or in an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNKNOWN_BRING_UP_S = 6.0
BLOCK_S = 0.06  # a woken, warmed and timed block of most frontends, until a round has been seen
LATER_SHARE = 0.6  # a later launch against the first: side by side, and compilers find their caches


class Forecast:
    """Seconds left of a session of some launches, each with bring-ups and then rounds.

    Args:
        ids: the contestants.
        launches: how many launches are planned.
        rounds: rounds per launch.
        known: seconds that bringing up a contestant took in an earlier run.
    """

    def __init__(self, ids: Sequence[str], launches: int, rounds: int, known: Mapping[str, float]) -> None:
        self._bring_up = {name: known.get(name, UNKNOWN_BRING_UP_S) for name in ids}
        self._launches, self._rounds = launches, rounds
        self._round_s = BLOCK_S * len(ids)
        self._waiting: set[str] = set()
        self._rounds_left = 0
        self.begin_launch(0, ids)

    def begin_launch(self, number: int, ids: Sequence[str]) -> None:
        """A launch of these contestants begins."""
        self._number, self._waiting, self._rounds_left = number, set(ids), self._rounds

    def ready(self, name: str, seconds: float | None = None) -> None:
        """A contestant is up, after so many seconds, or has failed."""
        self._waiting.discard(name)
        if seconds is not None and self._number == 0:
            self._bring_up[name] = seconds

    def round_done(self, seconds: float, left: int) -> None:
        """A round took so many seconds; so many are left in this launch."""
        self._round_s, self._rounds_left = seconds, left

    def seconds_left(self) -> float:
        """What is left of this launch, and all of the later ones."""
        share = 1.0 if self._number == 0 else LATER_SHARE
        now = share * sum(self._bring_up[name] for name in self._waiting) + self._rounds_left * self._round_s
        later = LATER_SHARE * sum(self._bring_up.values()) + self._rounds * self._round_s
        return now + max(0, self._launches - self._number - 1) * later
