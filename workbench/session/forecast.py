"""Forecast of a session's remaining time, from how long its parts took before, here or in an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNKNOWN_BRING_UP_S = 6.0
BLOCK_S = 0.06  # waking, warm-up and timed block of most frontends, until a round has been measured
LATER_SHARE = 0.6  # a later bring-up over the first: in parallel, and with filled compiler caches


class Forecast:
    """Seconds left in a session of several launches, each with bring-ups and then rounds.

    Args:
        ids: the contestants.
        launches: how many launches are planned.
        rounds: rounds per launch.
        previous: seconds that bringing up a contestant took in an earlier run.
    """

    def __init__(self, ids: Sequence[str], launches: int, rounds: int, previous: Mapping[str, float]) -> None:
        self._bring_up = {name: previous.get(name, UNKNOWN_BRING_UP_S) for name in ids}
        self._launches, self._rounds = launches, rounds
        self._round_s = BLOCK_S * len(ids)
        self._waiting: set[str] = set()
        self._rounds_left = 0
        self.begin_launch(0, ids)

    def bring_up_s(self, name: str) -> float:
        """Seconds that bringing up a contestant takes, as far as is known."""
        return self._bring_up[name]

    def begin_launch(self, number: int, ids: Sequence[str]) -> None:
        """A launch of these contestants begins."""
        self._number, self._waiting, self._rounds_left = number, set(ids), self._rounds

    def ready(self, name: str, seconds: float | None = None) -> None:
        """A contestant is up, after the given seconds, or has failed."""
        self._waiting.discard(name)
        if seconds is not None and self._number == 0:
            self._bring_up[name] = seconds

    def round_done(self, seconds: float, left: int) -> None:
        """A round took ``seconds``; ``left`` rounds remain in this launch."""
        self._round_s, self._rounds_left = seconds, left

    def seconds_left(self) -> float:
        """The rest of this launch and all later ones."""
        share = 1.0 if self._number == 0 else LATER_SHARE
        this_launch = share * sum(self._bring_up[name] for name in self._waiting) + self._rounds_left * self._round_s
        later_launch = LATER_SHARE * sum(self._bring_up.values()) + self._rounds * self._round_s
        return this_launch + max(0, self._launches - self._number - 1) * later_launch
