"""How many launches a session makes: pure decisions based on the measurements and the time so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from workbench.model.contestant import Contestant
from workbench.model.records import Launch, Round, Settings
from workbench.model.stage import TRAIN
from workbench.statistics import median_interval
from workbench.statistics.arrays import saturating_exp
from workbench.statistics.disturbance import flagged
from workbench.statistics.launches import RoundIds, arms_side_by_side, side_by_side, unit_time
from workbench.statistics.resolution import FEWEST_FOR_INTERVAL

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
        rounds: Sequence[Round],
        spent: Spent,
    ) -> Mapping[str, str]:
        """All groups, or none."""
        launches = [
            [launch for launch in contestant.launches if launch.measured()]
            for contestant in contestants
            if contestant.proof is None or contestant.proof.proving or not contestant.proof.judged  # those with a rank
        ]
        more = another_launch(
            done=spent.launches,
            launches=self._settings.launches,
            budget_s=self._settings.budget_s,
            precision=self._settings.precision,
            elapsed_s=spent.elapsed_s,
            last_launch_s=spent.last_launch_s,
            half_widths=half_widths(launches, {entry.key for entry in flagged(rounds) if entry.flags}),
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
    half_widths: Sequence[float],
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
        half_widths: those reached so far.
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
    return precision is None or max(half_widths, default=0.0) > precision


def half_widths(launches: Sequence[Sequence[Launch]], disturbed: RoundIds) -> list[float]:
    """How far each contestant's interval extends, relative, as the table shows it; infinite with too few launches.

    Args:
        launches: those of each contestant.
        disturbed: the disturbed rounds.
    """
    together = arms_side_by_side(side_by_side(launches), TRAIN.name, disturbed)
    if together is None or len(launches[0]) < FEWEST_FOR_INTERVAL:
        return [half_width([unit_time(launch, TRAIN.name, disturbed) for launch in own]) for own in launches]
    return [saturating_exp(float(arm)) - 1 for arm in together]


def half_width(times: Sequence[float]) -> float:
    """Relative half-width of the median's 95 % confidence interval over launches; infinite with too few launches."""
    interval = median_interval(times) if times else None
    if interval is None or not interval.confidence_reached or not interval.estimate > 0:
        return float("inf")
    return max(interval.high - interval.estimate, interval.estimate - interval.low) / interval.estimate
