"""The gate: whether a commit, or a run, made any frontend slower or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench import api
from workbench.comparison import apart
from workbench.comparison.commits import Gate, regress
from workbench.comparison.judge import Finding, Judgement
from workbench.model.option import keywords
from workbench.model.request import COMPARE, Judging

__all__ = ["Finding", "Gate", "Judgement", "compare", "regress"]


@keywords(Judging, COMPARE)
def compare(base: str | Path, head: str | Path, *, store: str | Path | None = None, **options: Any) -> Gate:
    """Compare two runs made at different times, as far as they can be compared.

    Args:
        base: what is measured against: a run's folder, its id or the beginning of it.
        head: the same for what is judged.
        store: where ids are looked up; ./results when None.
        **options: those of :class:`workbench.model.request.Judging`.

    Raises:
        WorkbenchError: when there is no such run, or the two are of different tasks.
    """
    return judged_apart(base, head, Judging.of(COMPARE, options), store)


def judged_apart(base: str | Path, head: str | Path, judging: Judging, store: str | Path | None = None) -> Gate:
    """What :func:`compare` does, for a request."""
    runs = [api.load(name, store) for name in (base, head)]
    rows = apart.rows(runs[0], runs[1], delta=judging.delta)
    return Gate(runs[0].id, runs[1].id, rows, [runs[1]], judging.delta, judging.strict, apart=True)
