"""Statistics of launches: tests, intervals, verdicts, ranks, warm-up, break-even and overhead.

Pure functions on arrays and plain numbers: no I/O, no content, no state. The unit of every test is the
*launch*, one fresh process, because samples of one process are not independent of each other.
Comparisons work on paired log ratios of launches, ``log(head / base)``: the noise of a launch multiplies
a time, and swapping the two sides only changes the sign.

SciPy is imported inside the functions that need it, because importing it takes longer than importing all the rest.
"""

from workbench.statistics.arrays import Floats
from workbench.statistics.fits import Overhead, break_even, break_even_range, fit_overhead
from workbench.statistics.ladder import ALPHA, LADDER, alpha_at, minimum_launches, smallest_detectable
from workbench.statistics.ranks import MedianInterval, median_interval, shared_ranks
from workbench.statistics.rounds import ratio_errors, without_rounds
from workbench.statistics.rules import asv_rule, pyperf_rule, pytest_benchmark_rule
from workbench.statistics.signed_rank import hodges_lehmann, log_ratios, signed_rank_interval, signed_rank_p
from workbench.statistics.verdicts import Comparison, Names, Verdict, compare, compare_unpaired
from workbench.statistics.warmup import Warmup, WarmupClass, warmup_class

__all__ = [
    "ALPHA",
    "LADDER",
    "Comparison",
    "Floats",
    "MedianInterval",
    "Names",
    "Overhead",
    "Verdict",
    "Warmup",
    "WarmupClass",
    "alpha_at",
    "asv_rule",
    "break_even",
    "break_even_range",
    "compare",
    "compare_unpaired",
    "fit_overhead",
    "hodges_lehmann",
    "log_ratios",
    "median_interval",
    "minimum_launches",
    "pyperf_rule",
    "pytest_benchmark_rule",
    "ratio_errors",
    "shared_ranks",
    "signed_rank_interval",
    "signed_rank_p",
    "smallest_detectable",
    "warmup_class",
    "without_rounds",
]
