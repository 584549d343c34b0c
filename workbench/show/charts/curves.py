"""The loss over the steps, and each contestant's deviation from the reference.

Both charts take the losses as a frame (index: step; a column per contestant and, optionally, "reference"; NaN where a
value is missing) and the colour of every contestant, including those without a column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.show.charts.kinds import LOG_SPAN, Axis, Curve, Curves, Table
from workbench.show.charts.looks import looks
from workbench.show.units import counted, listed
from workbench.statistics.arrays import Floats
from workbench.statistics.deviation import deviations_of

REFERENCE = "reference"
EXACT = 1e-17  # relative deviations of float64 numbers below this are meaningless
FLAT = 1e-4  # relative range up to which a loss counts as constant
HUGE, TINY = 1e30, 1e-100  # larger losses count as infinite, smaller ones as 0
ASTRAY = 1e3  # losses beyond this multiple of the reference's largest do not extend the axis


def loss(losses: pd.DataFrame, colors: Mapping[str, str | None], most: int | None = None) -> Curves:
    """The loss over the steps; ``most`` thins long runs to about that many steps, always with the last one."""
    finite = _finite(losses)
    count, empty = len(finite), not finite.notna().any(axis=None)
    shown = (
        finite.iloc[sorted({*range(0, count, math.ceil(count / (most or count)) or 1), count - 1})] if count else finite
    )
    between = {round(count ** (part / 8)) - 1 for part in range(1, 8)}  # closer together at the beginning
    sample = finite.iloc[sorted({0, *between, count - 1} & {*range(count)})]
    cells = [[f"{step:,.0f}", *map(_number, values)] for step, *values in sample.itertuples(name=None)]
    return Curves(
        key="loss",
        title="Loss",
        about="No contestant got as far as the proof, so there are no losses to show." if empty else _about(finite),
        numbers=Table("Loss at selected steps", ["step", *sample], cells),
        steps=shown.index.to_numpy(),
        curves=_curves(shown, colors),
        axis=_loss_axis(finite),
        empty=empty,
        reference=shown[REFERENCE].to_numpy() if REFERENCE in shown else None,
    )


def _finite(losses: pd.DataFrame) -> pd.DataFrame:
    """Steps in order and losses as finite numbers; the reference, if it has any value, as the first column."""
    frame = losses.astype(float).sort_index().set_axis([str(name) for name in losses.columns], axis=1)
    frame.index = frame.index.astype(float)
    frame = frame.where(frame.abs() < HUGE).mask(frame.abs() < TINY, 0.0)
    has_reference = REFERENCE in frame and frame[REFERENCE].notna().any()
    return frame[[*([REFERENCE] if has_reference else []), *frame.columns.drop(REFERENCE, errors="ignore")]]


def _curves(frame: pd.DataFrame, colors: Mapping[str, str | None]) -> list[Curve]:
    names = [name for name in map(str, frame) if name != REFERENCE]
    look_of = looks({name: colors.get(name) for name in {*names, *colors}})
    return [Curve(name, look_of[name], frame[name].to_numpy()) for name in names]


def _loss_axis(finite: pd.DataFrame) -> Axis:
    """An axis for all losses but the extreme ones: a contestant that diverges must not squeeze the others."""
    values = finite.to_numpy()[finite.notna()]
    if REFERENCE in finite and finite[REFERENCE].any():
        values = values[np.abs(values) <= ASTRAY * finite[REFERENCE].abs().max()]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if 0 < low * LOG_SPAN < high:
        return Axis("loss", low, high, log=True)
    size = max(abs(low), abs(high))
    # around a constant, a tenth of its value on both sides, not its rounding errors
    room = 0.05 * (high - low) if high - low > FLAT * size else 0.1 * size or 1.0
    return Axis("loss", low - room, high + room)


def _about(finite: pd.DataFrame) -> str:
    sentences = ["Where curves coincide they are drawn as alternating dashes, with staggered markers."]
    if broken := [str(name) for name in finite if name != REFERENCE and finite[name].isna().any()]:
        sentences.insert(0, f"Not every step has a finite loss in {listed(broken)}.")
    if REFERENCE in finite:
        reference = finite[REFERENCE].dropna().to_numpy()
        steps = counted(len(finite), "step")
        sentences.insert(0, f"The reference's loss goes from {reference[0]:.4g} to {reference[-1]:.4g} in {steps}.")
    return " ".join(sentences)


def deviation(
    losses: pd.DataFrame,
    colors: Mapping[str, str | None],
    tolerance: float | None = None,
    most: int = 100,
    dtype: str = "float32",
) -> Curves | None:
    """How far each loss is from the reference's, as the proof measures it.

    Args:
        losses: the losses; without a reference the result is None.
        colors: by contestant.
        tolerance: relative deviation that the proof allows.
        most: points of a curve; in longer runs each point is the largest deviation in a stretch of steps.
        dtype: in which the contestants computed.
    """
    finite = _finite(losses)
    if REFERENCE not in finite:
        return None
    off = deviations_of(finite, dtype)
    stretch = math.ceil(len(off) / most)
    shown = off.groupby(np.arange(len(off)) // stretch).max().set_axis(off.index[::stretch])
    bound = tolerance if tolerance and 0 < tolerance < math.inf else None
    axis, floor, exact = _deviation_axis(shown.to_numpy(), bound)
    about = "Relative deviation of each loss from float64 NumPy, on the scale of the proof"
    about += f"; the proof's tolerance is {bound:.1e}." if bound else "."
    about += f" Each point is the largest difference in {stretch} steps." if stretch > 1 else ""
    about += f" Points at {floor:.1e} stand for exact agreement." if exact else ""
    cells = [[str(name), _number(values.max()), _number(values.iloc[-1])] for name, values in off.items()]
    return Curves(
        key="deviation",
        title="Deviation from the reference",
        about=about,
        numbers=Table("Deviation from the reference", ["frontend", "largest", "last step"], cells),
        steps=shown.index.to_numpy(),
        curves=_curves(shown.clip(lower=floor), colors),
        axis=axis,
        limit=bound,
        exact=floor if exact else None,
        stretch=stretch,
        digits=2,
    )


def _deviation_axis(values: Floats, bound: float | None) -> tuple[Axis, float, bool]:
    """The axis, its lowest value, and whether that value, a decade below all deviations, stands for exact agreement."""
    inexact, exact = values[values > 0], bool((values == 0).any())
    smallest = max(EXACT, float(inexact.min(initial=1.0)) if len(inexact) else EXACT)
    floor = max(EXACT, 10.0 ** math.floor(math.log10(smallest) - 1)) if exact else smallest
    high = min(max(float(inexact.max(initial=0.0)), bound or 0.0, 100 * floor), 100 * max(1.0, floor))
    return Axis("relative deviation from the reference", min(floor, bound or floor), high, log=True), floor, exact


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"
