"""The ladder of interim looks, the significance level spent at each, and what a number of launches can detect."""

import math

from workbench.statistics.arrays import check_level, saturating_exp, t_quantile

ALPHA = 0.02
"""Two-sided false positive rate of one whole comparison, over all its looks: 1 % on each side."""


LADDER = (8, 12, 16, 24)
"""Launch counts at which a running comparison looks at its data; it stops at the first look that is conclusive."""


_SPENT = (0.008, 0.004, 0.004, 0.004)


def alpha_at(look: int) -> float:
    """The part of `ALPHA` that is spent at a look (counted from 0) of `LADDER`.

    The parts sum to `ALPHA`, so by Bonferroni's inequality the false positive rate over all looks is at most
    `ALPHA`, however noise is distributed, if launches do not depend on each other. The first look takes what eight
    launches need to be able to reject at all.

    Raises:
        ValueError: if the ladder has no such look.

    """
    if not 0 <= look < len(LADDER):
        raise ValueError(f"look must be one of the ladder's, 0 to {len(LADDER) - 1}, not {look}")
    return _SPENT[look]


def minimum_launches(alpha: float) -> int:
    """Fewest launches with which the two-sided signed-rank test can reach ``p < alpha``: 2 / 2**n < alpha.

    Raises:
        ValueError: if alpha is not between 0 and 1.

    """
    check_level("alpha", alpha)
    launches = 1
    while 2.0 ** (1 - launches) >= alpha:
        launches += 1
    return launches


def smallest_detectable(sd_log: float, launches: int, alpha: float, power: float = 0.8) -> float:
    """Smallest relative change that the test would detect with the given power, such as 0.04 for 4 %.

    Normal approximation with the efficiency 3/pi that the signed-rank test has under normal noise, and with
    quantiles of Student's t with launches - 1 degrees of freedom, because normal quantiles are too optimistic
    for few launches: ``exp((t[1 - alpha/2] + t[power]) * sd_log * sqrt(pi / (3 launches))) - 1``. Under
    heavier tails the test is more efficient than that; just above `minimum_launches` it is less so.
    Source: Lehmann 1975, Nonparametrics, section 4.3.

    Args:
        sd_log: standard deviation of the paired log ratios of launches.
        launches: number of pairs of launches.
        alpha: two-sided significance level of the test.
        power: probability of detecting the change.

    Returns:
        a relative change, or ``inf`` if so few launches cannot detect anything at this level.

    Raises:
        ValueError: if sd_log is negative or not finite, or a level is not between 0 and 1.

    """
    check_level("power", power)
    if not (math.isfinite(sd_log) and sd_log >= 0):
        raise ValueError(f"sd_log must be a finite number >= 0, not {sd_log}")
    if launches < minimum_launches(alpha):
        return math.inf
    reach = t_quantile(1 - alpha / 2, launches - 1) + t_quantile(power, launches - 1)
    return saturating_exp(reach * sd_log * math.sqrt(math.pi / (3 * launches))) - 1
