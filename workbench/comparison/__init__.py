"""The gate: whether a commit, or a run, made any frontend slower or wrong."""

from __future__ import annotations

from pathlib import Path

from workbench.comparison import apart
from workbench.comparison.commits import Gate, regress
from workbench.comparison.judge import Finding, Judgement
from workbench.errors import WorkbenchError
from workbench.store import results

__all__ = ["Finding", "Gate", "Judgement", "compare", "regress"]


def compare(
    base: str | Path, head: str | Path, *, delta: float = 0.03, strict: bool = False, store: str | Path | None = None
) -> Gate:
    """Compare two runs made at different times, as far as they can be compared.

    Args:
        base: what is measured against: a run's folder, its id or the beginning of it.
        head: the same for what is judged.
        delta: smallest relative change that matters, such as 0.03.
        strict: let what could not be told fail.
        store: where ids are looked up; ./results when None.

    Raises:
        WorkbenchError: when there is no such run, or the two are of different tasks.
    """
    if not 0 < delta < 1:
        raise WorkbenchError(f"--delta {delta:g}: must lie between 0 and 100 %, such as 3%")
    place = Path(store) if store is not None else results.default_store()
    runs = [results.load(name, place) for name in (base, head)]
    rows = apart.rows(runs[0], runs[1], delta=delta)
    return Gate(runs[0].id, runs[1].id, rows, [runs[1]], delta, strict, apart=True)
