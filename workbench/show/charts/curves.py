"""The loss over the steps, and how far each contestant's is from the reference's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.show.charts.kinds import LOG_SPAN, Axis, Curve, Curves, Table
from workbench.show.charts.looks import Look, looks
from workbench.show.units import listed
from workbench.statistics.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "reference"
TITLES = {"loss": "Loss", "deviation": "Deviation from the reference"}
EXACT = 1e-17  # below it a relative deviation of float64 numbers means nothing
FLAT = 1e-4  # a relative range up to which a loss counts as constant
HUGE = 1e30  # larger losses count as infinite
TINY = 1e-100  # smaller ones count as 0
ASTRAY = 1e3  # losses beyond this many times the reference's largest do not stretch the axis


@dataclass(frozen=True)
class Losses:
    """Losses by contestant at the same steps, in order; NaN where there is none, or none that is finite.

    ``reference`` is None where it has no value at all.
    """

    steps: Floats
    each: Mapping[str, Floats]
    reference: Floats | None
    looks: Mapping[str, Look]

    @classmethod
    def of(cls, frame: pd.DataFrame, colors: Mapping[str, str | None]) -> Losses:
        """The same from a frame: its index the step, a column per contestant and, optionally, "reference".

        Args:
            frame: the losses.
            colors: a contestant's colour, also of those that have no column.
        """
        ordered = frame.astype(float).sort_index()
        values = {str(name): _finite(ordered[name].to_numpy()) for name in ordered}
        reference = values.pop(REFERENCE, None)
        if reference is not None and np.isnan(reference).all():
            reference = None
        known = looks({name: colors.get(name) for name in {*values, *colors}})
        return cls(ordered.index.to_numpy(dtype=float), values, reference, known)

    @property
    def all(self) -> Floats:
        """All losses there are, in one array."""
        columns = [*self.each.values(), *([] if self.reference is None else [self.reference])]
        joined: Floats = np.concatenate([np.empty(0), *columns])
        return joined[~np.isnan(joined)]


def _finite(values: Floats) -> Floats:
    size = np.abs(values)
    return np.where(size < TINY, 0.0, np.where(size < HUGE, values, np.nan))


def loss(losses: Losses, most: int | None = None) -> Curves:
    """The loss over the steps; with ``most``, of long runs about so many steps and the last one alone."""
    stride = math.ceil(len(losses.steps) / most) if most else 1
    kept = sorted({*range(0, len(losses.steps), max(1, stride)), *range(len(losses.steps))[-1:]})
    return Curves(
        key="loss",
        title="Loss",
        about=_about_loss(losses),
        numbers=_some_losses(losses),
        steps=losses.steps[kept],
        curves=[Curve(name, losses.looks[name], values[kept]) for name, values in losses.each.items()],
        axis=_loss_axis(losses),
        reference=None if losses.reference is None else losses.reference[kept],
    )


def _loss_axis(losses: Losses) -> Axis:
    """Over all losses but those far astray: a contestant that diverges does not take the scale from the others."""
    values = losses.all
    if losses.reference is not None and losses.reference.any():
        values = values[np.abs(values) <= ASTRAY * np.nanmax(np.abs(losses.reference))]
    if not len(values):
        return Axis("loss", 0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if 0 < low * LOG_SPAN < high:
        return Axis("loss", low, high, log=True)
    size = max(abs(low), abs(high))
    # a constant has a tenth of itself on both sides, not its rounding
    room = 0.05 * (high - low) if high - low > FLAT * size else 0.1 * size or 1.0
    return Axis("loss", low - room, high + room)


def _about_loss(losses: Losses) -> str:
    if not len(losses.all):
        return "Nothing has been proven, so there is no curve."
    sentences = []
    if losses.reference is not None:
        ends = losses.reference[~np.isnan(losses.reference)]
        sentences.append(
            f"The reference's loss goes from {ends[0]:.4g} to {ends[-1]:.4g} in {len(losses.steps):,} steps."
        )
    if broken := [name for name, values in losses.each.items() if np.isnan(values).any()]:
        sentences.append(f"Without a finite loss at every step: {listed(broken)}.")
    sentences.append("Where curves coincide they take turns, and their symbols stand at different steps.")
    return " ".join(sentences)


def _some_losses(losses: Losses) -> Table:
    """The first step, the last, and some between, closer together at the beginning."""
    count = len(losses.steps)
    between = (round(count ** (part / 8)) - 1 for part in range(1, 8))
    shown = sorted({0, *(index for index in between if 0 <= index < count), count - 1}) if count else []
    columns = {**({} if losses.reference is None else {REFERENCE: losses.reference}), **losses.each}
    lines = [
        [f"{losses.steps[index]:,.0f}", *(_number(values[index]) for values in columns.values())] for index in shown
    ]
    return Table("Loss at some steps", ["step", *columns], lines)


def deviation(losses: Losses, tolerance: float | None = None, most: int = 100) -> Curves | None:
    """How far each loss is from the reference's, relative to it, or to its largest where it is 0.

    Args:
        losses: the losses; without a reference there is no deviation.
        tolerance: relative; what the proof allows.
        most: points of a curve. In longer runs each is the largest deviation of a stretch of steps.
    """
    if losses.reference is None:
        return None
    stretch = max(1, math.ceil(len(losses.steps) / most))
    relative = {name: _relative(values, losses.reference) for name, values in losses.each.items()}
    shown = {name: _largest(values, stretch) for name, values in relative.items()}
    bound = tolerance if tolerance and 0 < tolerance < math.inf else None
    axis, floor, exact = _deviation_axis(np.concatenate([np.empty(0), *shown.values()]), bound)
    sentences = ["How far each loss is from float64 NumPy, relative"]
    sentences[0] += f"; the tolerance of the proof is {bound:.1e}." if bound else "."
    sentences += [f"Each point is the largest of {stretch} steps."] if stretch > 1 else []
    sentences += [f"Points at {floor:.1e} agree exactly."] if exact else []
    lines = [[name, _number(np.fmax.reduce(values)), _number(values[-1])] for name, values in relative.items()]
    return Curves(
        key="deviation",
        title="Deviation from the reference",
        about=" ".join(sentences),
        numbers=Table("Deviation from the reference", ["frontend", "largest", "last step"], lines),
        steps=losses.steps[::stretch],
        curves=[Curve(name, losses.looks[name], np.maximum(values, floor)) for name, values in shown.items()],
        axis=axis,
        limit=bound,
        exact=floor if exact else None,
        stretch=stretch,
        digits=2,
    )


def _relative(values: Floats, reference: Floats) -> Floats:
    size = np.abs(reference)
    relative: Floats = np.abs(values - reference) / np.where(size > 0, size, np.nanmax(size) or 1.0)
    return relative


def _largest(values: Floats, stretch: int) -> Floats:
    """The largest of each so many values, NaN where there is none."""
    padded = np.append(values, np.full(-len(values) % stretch, np.nan))
    largest: Floats = np.fmax.reduce(padded.reshape(-1, stretch), axis=1)
    return largest


def _deviation_axis(values: Floats, bound: float | None) -> tuple[Axis, float, bool]:
    """The axis, its lowest value, and whether that stands for exact agreement: a decade beneath all deviations."""
    inexact, exact = values[values > 0], bool((values == 0).any())
    smallest = max(EXACT, float(inexact.min(initial=1.0)) if len(inexact) else EXACT)
    floor = max(EXACT, 10.0 ** math.floor(math.log10(smallest) - 1)) if exact else smallest
    high = min(max(float(inexact.max(initial=0.0)), bound or 0.0, 100 * floor), 100 * max(1.0, floor))
    return Axis("relative deviation from the reference", min(floor, bound or floor), high, log=True), floor, exact


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"
