"""The loss over the steps, and how far each contestant's is from the reference's.

Both take losses as a frame: its index the step, a column per contestant and, optionally, "reference", NaN where there
is no value; and colours by contestant, also of those that have no column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.show.charts.kinds import LOG_SPAN, Axis, Curve, Curves, Table
from workbench.show.charts.looks import looks
from workbench.show.units import listed
from workbench.statistics.arrays import Floats

REFERENCE = "reference"
EXACT = 1e-17  # below it a relative deviation of float64 numbers means nothing
FLAT = 1e-4  # a relative range up to which a loss counts as constant
HUGE, TINY = 1e30, 1e-100  # larger losses count as infinite, smaller ones as 0
ASTRAY = 1e3  # losses beyond this many times the reference's largest do not stretch the axis


def loss(losses: pd.DataFrame, colors: Mapping[str, str | None], most: int | None = None) -> Curves:
    """The loss over the steps; with ``most``, of long runs about so many steps and the last one alone."""
    finite = _finite(losses)
    count, empty = len(finite), not finite.notna().any(axis=None)
    shown = (
        finite.iloc[sorted({*range(0, count, math.ceil(count / (most or count)) or 1), count - 1})] if count else finite
    )
    between = {round(count ** (part / 8)) - 1 for part in range(1, 8)}  # closer together at the beginning
    some = finite.iloc[sorted({0, *between, count - 1} & {*range(count)})]
    cells = [[f"{step:,.0f}", *map(_number, values)] for step, *values in some.itertuples(name=None)]
    return Curves(
        key="loss",
        title="Loss",
        about="Nothing has been proven, so there is no curve." if empty else _about(finite),
        numbers=Table("Loss at some steps", ["step", *some], cells),
        steps=shown.index.to_numpy(),
        curves=_curves(shown, colors),
        axis=_loss_axis(finite),
        empty=empty,
        reference=shown[REFERENCE].to_numpy() if REFERENCE in shown else None,
    )


def _finite(losses: pd.DataFrame) -> pd.DataFrame:
    """Steps in order and losses as finite numbers, the reference first, and only with a value."""
    frame = losses.astype(float).sort_index().set_axis([str(name) for name in losses.columns], axis=1)
    frame.index = frame.index.astype(float)
    frame = frame.where(frame.abs() < HUGE).mask(frame.abs() < TINY, 0.0)
    known = REFERENCE in frame and frame[REFERENCE].notna().any()
    return frame[[*([REFERENCE] if known else []), *frame.columns.drop(REFERENCE, errors="ignore")]]


def _curves(frame: pd.DataFrame, colors: Mapping[str, str | None]) -> list[Curve]:
    names = [name for name in map(str, frame) if name != REFERENCE]
    known = looks({name: colors.get(name) for name in {*names, *colors}})
    return [Curve(name, known[name], frame[name].to_numpy()) for name in names]


def _loss_axis(finite: pd.DataFrame) -> Axis:
    """Over all losses but those far astray: a contestant that diverges does not take the scale from the others."""
    values = finite.to_numpy()[finite.notna()]
    if REFERENCE in finite and finite[REFERENCE].any():
        values = values[np.abs(values) <= ASTRAY * finite[REFERENCE].abs().max()]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if 0 < low * LOG_SPAN < high:
        return Axis("loss", low, high, log=True)
    size = max(abs(low), abs(high))
    # a constant has a tenth of itself on both sides, not its rounding
    room = 0.05 * (high - low) if high - low > FLAT * size else 0.1 * size or 1.0
    return Axis("loss", low - room, high + room)


def _about(finite: pd.DataFrame) -> str:
    sentences = ["Where curves coincide they take turns, and their symbols stand at different steps."]
    if broken := [str(name) for name in finite if name != REFERENCE and finite[name].isna().any()]:
        sentences.insert(0, f"Without a finite loss at every step: {listed(broken)}.")
    if REFERENCE in finite:
        known = finite[REFERENCE].dropna().to_numpy()
        sentences.insert(
            0, f"The reference's loss goes from {known[0]:.4g} to {known[-1]:.4g} in {len(finite):,} steps."
        )
    return " ".join(sentences)


def deviation(
    losses: pd.DataFrame, colors: Mapping[str, str | None], tolerance: float | None = None, most: int = 100
) -> Curves | None:
    """How far each loss is from the reference's, relative to it, or to its largest where it is 0.

    Args:
        losses: the losses; without a reference there is no deviation.
        colors: by contestant.
        tolerance: relative; what the proof allows.
        most: points of a curve. In longer runs each is the largest deviation of a stretch of steps.
    """
    finite = _finite(losses)
    if REFERENCE not in finite:
        return None
    reference, size = finite[REFERENCE], finite[REFERENCE].abs()
    off = (
        finite.drop(columns=REFERENCE).sub(reference, axis=0).abs().div(size.where(size > 0, size.max() or 1.0), axis=0)
    )
    stretch = math.ceil(len(off) / most)
    shown = off.groupby(np.arange(len(off)) // stretch).max().set_axis(off.index[::stretch])
    bound = tolerance if tolerance and 0 < tolerance < math.inf else None
    axis, floor, exact = _deviation_axis(shown.to_numpy(), bound)
    about = "How far each loss is from float64 NumPy, relative"
    about += f"; the tolerance of the proof is {bound:.1e}." if bound else "."
    about += f" Each point is the largest of {stretch} steps." if stretch > 1 else ""
    about += f" Points at {floor:.1e} agree exactly." if exact else ""
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
    """The axis, its lowest value, and whether that stands for exact agreement: a decade beneath all deviations."""
    inexact, exact = values[values > 0], bool((values == 0).any())
    smallest = max(EXACT, float(inexact.min(initial=1.0)) if len(inexact) else EXACT)
    floor = max(EXACT, 10.0 ** math.floor(math.log10(smallest) - 1)) if exact else smallest
    high = min(max(float(inexact.max(initial=0.0)), bound or 0.0, 100 * floor), 100 * max(1.0, floor))
    return Axis("relative deviation from the reference", min(floor, bound or floor), high, log=True), floor, exact


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"
