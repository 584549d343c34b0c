"""Columns for declared metrics in tables that compare two sides, such as a gate's (:mod:`workbench.model.metric`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from workbench.comparison.sides import MetricChange
from workbench.model import metric as metrics
from workbench.model.metric import Metric
from workbench.show.columns import Column, View, format_metric
from workbench.show.units import format_change

T = TypeVar("T")
Changes = Callable[[T], Sequence[MetricChange]]


def change_columns(changes: Changes[T], rows: Iterable[T], *, drop: int | None = None) -> tuple[Column[T], ...]:
    """The columns of every declared metric that any row has; none of them affects a verdict.

    Args:
        changes: returns a row's metrics on both sides.
        rows: of the table.
        drop: the columns' order of dropping, see :class:`~workbench.show.columns.Column`.
    """
    present = {change.name for row in rows for change in changes(row)}
    declared = [metric for metric in metrics.METRICS if metric.name in present]
    return tuple(column for metric in declared for column in _columns(metric, changes, drop))


def _columns(metric: Metric, changes: Changes[T], drop: int | None) -> Iterable[Column[T]]:
    def change_of(row: T) -> MetricChange:
        matching = (change for change in changes(row) if change.name == metric.name)
        return next(matching, MetricChange(metric.name, None, None))

    yield Column(
        key=metric.name,
        heading=metric.heading,
        meaning=f"{metric.meaning} ({metric.direction})",
        value=lambda row: change_of(row).head,
        text=lambda row: _text(metric, change_of(row)),
        drop=drop,
    )
    for key, meaning, value in (
        ("base", "the base's value", lambda row: change_of(row).base),
        ("change", "change relative to the base", lambda row: change_of(row).change),
    ):
        yield Column(key=f"{metric.name}_{key}", meaning=meaning, value=value, views=View.FILES_ONLY)


def _text(metric: Metric, change: MetricChange) -> str:
    """Both values and the change, such as "0.95 → 0.97 (+2.1 %)"; only the head's value where there is no base."""
    head = format_metric(metric, change.head)
    if change.base is None:
        return head
    share = "" if change.change is None else f" ({format_change(change.change)})"
    return f"{format_metric(metric, change.base)} → {head}{share}"
