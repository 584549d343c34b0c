"""Numbers formatted for people: times, sizes, shares, counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

UNEQUAL, LEAST_SHOWN = (
    0.1,
    0.005,
)  # sides of an interval that differ by this share of the longer, and this, are both shown
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def format_seconds(seconds: float | None) -> str:
    """Seconds with three significant digits and a unit, for example "12.3 µs"; "–" for None and NaN."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    scale, unit = next(((scale, unit) for scale, unit in _SECONDS if abs(seconds) >= 0.9995 * scale), _SECONDS[-1])
    return f"{three_digits(seconds / scale)} {unit}"


def format_interval(low: float | None, high: float | None) -> str:
    """An interval of seconds, for example "11.9 µs to 12.4 µs"."""
    return f"{format_seconds(low)} to {format_seconds(high)}"


def format_bytes(count: float | None) -> str:
    """Bytes in binary units, for example "32 MiB" or "1.2 GiB"."""
    if count is None or not math.isfinite(count):
        return "–"
    value, units = float(count), ["TiB", "GiB", "MiB", "KiB", "B"]
    unit = units.pop()
    while units and abs(value) >= 1000:
        value, unit = value / 1024, units.pop()
    return f"{value:.1f} {unit}" if 0 < abs(value) < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def format_ratio(ratio: float | None) -> str:
    """A ratio as a multiple, for example "1.05×"."""
    if ratio is None or not math.isfinite(ratio):
        return "–"
    return f"{three_digits(ratio)}×"


def format_share(share: float | None) -> str:
    """A share as a percentage, for example "3 %" or "0.8 %"; "–" for None and what is not finite."""
    if share is None or not math.isfinite(share):
        return "–"
    return f"{100 * share:.{0 if abs(round(100 * share, 1) - round(100 * share)) < 0.05 else 1}f} %"


def format_change(change: float | None) -> str:
    """A relative change in percent, for example "+3.0 %"; "–" for None."""
    return "–" if change is None else f"{round(100 * change, 1) + 0.0:+.1f} %"


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun, for example "1 step" or "1,200 steps"; the plural adds an "s" unless given."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def listed(names: Sequence[str]) -> str:
    """Names as part of a sentence, for example "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def format_error(error: float | None) -> str:
    """A relative difference: "exact", "1.0e-7", or "–" for None, where nothing was compared."""
    if error is None:
        return "–"
    return "exact" if error == 0 else f"{error:.1e}".replace("e-0", "e-")


def format_range(time: float | None, low: float | None, high: float | None) -> str:
    """How far an interval extends from a time, such as "±3 %", or "−1 +9 %" where its sides differ; "–" for none."""
    if time is None or low is None or high is None:
        return "–"
    below, above = 1 - low / time if time > 0 else math.inf, high / time - 1 if time > 0 else math.inf
    longer, shorter = max(below, above), min(below, above)
    if longer - shorter > max(LEAST_SHOWN, UNEQUAL * longer):
        return f"−{_percent(below)} +{_percent(above)} %"
    return f"±{_percent(longer)} %"


def _percent(share: float) -> str:
    return f"{100 * share:.{1 if share < 0.01 else 0}f}"


def three_digits(value: float) -> str:
    """A number with three significant digits, never in scientific notation."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(float(f"{value:.2e}")))))
    return f"{float(f'{value:.2e}'):,.{decimals}f}".replace(",", "")
