"""Break-even of start-up cost against time per step, and the fit of overhead and throughput."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from workbench.statistics.arrays import Floats, as_floats, as_times, t_quantile


def break_even(start_a_s: float, step_a_s: float, start_b_s: float, step_b_s: float) -> int | None:
    """Fewest steps after which b (say, compiled: slower to start, faster per step) has taken no longer than a in total.

    Args:
        start_a_s: seconds a needs before its first steady step.
        step_a_s: seconds per steady step of a.
        start_b_s: the same for b.
        step_b_s: the same for b.

    Returns:
        a number of steps; 0 if b is ahead from the start; None if b never catches up, or a time is not finite.

    """
    behind, gain = start_b_s - start_a_s, step_a_s - step_b_s
    if not (math.isfinite(behind) and math.isfinite(gain)):
        return None
    if behind <= 0:
        return 0
    steps = behind / gain if gain > 0 else math.inf
    return math.ceil(steps * (1 - 1e-12)) if math.isfinite(steps) else None


def break_even_range(
    start_a_s: float, step_a_s: tuple[float, float], start_b_s: float, step_b_s: tuple[float, float]
) -> tuple[int | None, int | None]:
    """`break_even` where the step times are known as intervals ``(low, high)``, in seconds.

    Returns:
        ``(earliest, latest)``: earliest if a is slow and b is fast, latest the other way round; None means never.

    """
    earliest = break_even(start_a_s, step_a_s[1], start_b_s, step_b_s[0])
    return earliest, break_even(start_a_s, step_a_s[0], start_b_s, step_b_s[1])


class Overhead(NamedTuple):
    """The fit of ``seconds = overhead_s + seconds_per_unit * work``, with 95 % confidence intervals."""

    overhead_s: float
    overhead_low: float
    overhead_high: float
    seconds_per_unit: float
    seconds_per_unit_low: float
    seconds_per_unit_high: float
    relative_residual: float
    """Root mean square of (measured - fitted) / measured: 0 is a perfect fit."""
    crossover_work: float
    """Amount of work whose arithmetic takes as long as the overhead; inf if time does not grow with work."""


def fit_overhead(work: ArrayLike, seconds: ArrayLike) -> Overhead:
    """Fit a fixed cost and a cost per unit of work to step times, both >= 0, by least squares of relative errors.

    Weights are ``1 / seconds``: timing errors grow with the time measured, and the small sizes, which determine
    the overhead, have to count as much as the large ones. Intervals are Student's t with n - 2 degrees of
    freedom from the weighted residuals, truncated at zero (with three points they are wide, as they should be).

    Source: Lawson and Hanson 1974, Solving Least Squares Problems (non-negative least squares, which for
    two unknowns means: if one of them comes out negative, set it to zero and fit the other).

    Args:
        work: amounts of work >= 0, such as FLOP or bytes per step, shape (n,), n >= 3.
        seconds: positive seconds per step, shape (n,).

    Raises:
        ValueError: if there are fewer than three points, the shapes differ, all amounts of work are equal, a
            number is not finite, an amount of work is negative, or a time is not positive.

    """
    amount, times = as_floats(work, "work"), as_times(seconds, "seconds")
    if len(amount) != len(times) or len(amount) < 3:
        raise ValueError(
            f"a fit needs three or more points, each with work and time, not {len(amount)} and {len(times)}"
        )
    if (amount < 0).any() or float(np.ptp(amount)) == 0:
        raise ValueError("a fit needs work >= 0, and at least two different amounts of it")
    unit = float(amount.max())
    design = np.stack([1 / times, amount / unit / times], axis=1) * times.min()
    coefficients, residuals = _non_negative_fit(design)
    errors = _standard_errors(design, residuals)
    scale = np.array([times.min(), times.min() / unit])
    (overhead, slope), (overhead_error, slope_error) = coefficients * scale, errors * scale
    return Overhead(
        float(overhead),
        max(0.0, float(overhead - overhead_error)),
        float(overhead + overhead_error),
        float(slope),
        max(0.0, float(slope - slope_error)),
        float(slope + slope_error),
        math.sqrt(float(np.mean(residuals**2))),
        float(overhead / slope) if slope > 0 else math.inf,
    )


def _non_negative_fit(design: Floats) -> tuple[Floats, Floats]:
    """Non-negative least squares of ``design @ x = 1`` for two unknowns: (x, residuals)."""
    ones = np.ones(len(design))
    solution: Floats = np.linalg.lstsq(design, ones)[0].astype(np.float64)
    if (solution < 0).any():
        kept = int(np.argmax(solution))
        column = design[:, kept]
        solution = np.zeros(2)
        solution[kept] = column.sum() / (column @ column)
    return solution, ones - design @ solution


def _standard_errors(design: Floats, residuals: Floats) -> Floats:
    """Half widths of the 95 % t intervals of the two coefficients; infinite where the points do not tell them apart."""
    degrees_of_freedom = len(design) - 2
    variance = float(residuals @ residuals) / degrees_of_freedom
    try:
        covariance = variance * np.linalg.inv(design.T @ design)
    except np.linalg.LinAlgError:
        return np.array([np.inf, np.inf])
    widths: Floats = t_quantile(0.975, degrees_of_freedom) * np.sqrt(np.diag(covariance))
    return widths
