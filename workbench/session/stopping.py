"""How many launches a session makes: pure decisions based on the measurements and the time so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from workbench.model.contestant import Contestant
from workbench.model.records import Round, Settings
from workbench.model.stage import TRAIN
from workbench.statistics import median_interval
from workbench.statistics.launches import unit_time

DEFAULT_LAUNCHES = 2
MOST_LAUNCHES = 24
RATIO_ERROR = 0.01  # allowed in a ratio within a launch, where ratios decide: a third of the default delta


class Spent(NamedTuple):
    """Launches made so far, seconds since the session began, and seconds that the last launch took."""

    launches: int
    elapsed_s: float
    last_launch_s: float


class Plan(Protocol):
    """Decides after every launch which contestants are launched again."""

    def purposes(self, contestants: Sequence[Contestant], rounds: Sequence[Round], spent: Spent) -> Mapping[str, str]:
        """By group of contestants, the purpose of its next launch; a group that is missing needs no more.

        Args:
            contestants: those that are still running, with their launches so far.
            rounds: all rounds so far.
            spent: launches and time so far.
        """


class UntilKnown:
    """The plan of a run: all contestants are launched equally often, see :func:`another_launch`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def purposes(
        self,
        contestants: Sequence[Contestant],
        rounds: Sequence[Round],  # noqa: ARG002 - the signature of Plan
        spent: Spent,
    ) -> Mapping[str, str]:
        """All groups, or none."""
        times = [
            [unit_time(launch, TRAIN.name) for launch in contestant.launches if launch.measured()]
            for contestant in contestants
        ]
        more = another_launch(
            done=spent.launches,
            launches=self._settings.launches,
            budget_s=self._settings.budget_s,
            precision=self._settings.precision,
            elapsed_s=spent.elapsed_s,
            last_launch_s=spent.last_launch_s,
            step_times=times,
        )
        return {contestant.group: "" for contestant in contestants} if more else {}


def another_launch(
    *,
    done: int,
    launches: int | None,
    budget_s: float | None,
    precision: float | None,
    elapsed_s: float,
    last_launch_s: float,
    step_times: Sequence[Sequence[float]],
) -> bool:
    """Whether to launch every contestant again.

    An exact number of launches takes precedence. Otherwise launches continue while the budget has room for one more
    as long as the last one, and until the precision is reached; with neither, there are DEFAULT_LAUNCHES.

    Args:
        done: launches made so far.
        launches: an exact number, or None.
        budget_s: seconds the whole session may take, or None.
        precision: target half-width of every contestant's interval, relative (0.02 is 2 %), or None.
        elapsed_s: seconds since the session began.
        last_launch_s: seconds the last launch took.
        step_times: per contestant, one step time per launch.
    """
    if done == 0:
        return True
    if launches is not None:
        return done < launches
    if done >= MOST_LAUNCHES:
        return False
    if budget_s is None and precision is None:
        return done < DEFAULT_LAUNCHES
    if budget_s is not None and elapsed_s + last_launch_s > budget_s:
        return False
    return precision is None or not reached(step_times, precision)


def reached(step_times: Sequence[Sequence[float]], precision: float) -> bool:
    """Whether every contestant's 95 % confidence interval over launches is within ±precision of its median."""
    return all(half_width(times) <= precision for times in step_times)


def half_width(times: Sequence[float]) -> float:
    """Relative half-width of the median's 95 % confidence interval over launches; infinite with too few launches."""
    interval = median_interval(times)
    if not interval.confidence_reached or not interval.estimate > 0:
        return float("inf")
    return max(interval.high - interval.estimate, interval.estimate - interval.low) / interval.estimate
