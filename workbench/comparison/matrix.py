"""All pairs: a run per task and preset, measured unless the store has it, so that it can be cut off anywhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.catalog import Catalog
from workbench.errors import WorkbenchError
from workbench.model.content import Frontend
from workbench.model.outcomes import Outcome
from workbench.model.records import Settings
from workbench.model.request import EVERY_PRESET, Request
from workbench.session.runner import content_hash
from workbench.session.settings import settings_of
from workbench.store import index, results
from workbench.store.results import StoredRun


@dataclass(frozen=True)
class Part:
    """A task at a preset, and its run; ``run`` is None where there is none yet."""

    task: str
    preset: str
    run: StoredRun | None = None

    @property
    def name(self) -> str:
        """Both, as one word."""
        return f"{self.task}/{self.preset}"


def parts_of(content: Catalog, tasks: Sequence[str], preset: str | None) -> list[Part]:
    """What the matrix consists of, in the order of the tasks.

    Raises:
        WorkbenchError: for a task or a preset that does not exist.
    """
    chosen = [content.task(name) for name in tasks] or list(content.tasks.values())
    parts = []
    for task in chosen:
        presets = list(task.presets) if preset == EVERY_PRESET else [preset or task.default_preset]
        parts += [Part(task.name, name) for name in presets if name in task.presets]
    if not parts:
        raise WorkbenchError(f"no task has a preset {preset!r}; `workbench list` shows them")
    return parts


def measured(
    content: Catalog,
    parts: Sequence[Part],
    frontends: Sequence[Frontend],
    request: Request,
    measure: Callable[[Part, Request], StoredRun],
) -> Iterator[Part]:
    """Each part with its run: the latest of the store that is of the same content and settings, or a new one.

    Args:
        content: what is measured.
        parts: of the matrix.
        frontends: of each run.
        request: the options; ``budget_s`` is for all runs together.
        measure: makes the run of a part.
    """
    started, store = time.monotonic(), results.store_of(request.output)
    stopped = False
    for part in parts:
        own = dataclasses.replace(request, preset=part.preset, budget_s=None)
        run = kept(content, settings_of(content, part.task, own), frontends, store)
        late = request.budget_s is not None and time.monotonic() - started >= request.budget_s
        if run is None and not late and not stopped:
            run = measure(part, own)
            stopped = run.record.interrupted
        yield dataclasses.replace(part, run=run)


def kept(content: Catalog, settings: Settings, frontends: Sequence[Frontend], store: Path) -> StoredRun | None:
    """The latest run of a store in which these frontends were measured as they would be now; None if there is none."""
    digest, ids = content_hash(content.roots), {frontend.id for frontend in frontends}
    for entry in index.runs(store)[0]:
        of = (entry.task, entry.preset, entry.dtype, entry.threads, entry.device, entry.content)
        wanted = (settings.task, settings.preset, settings.dtype, settings.threads, str(settings.device), digest)
        cut_off = Outcome.INTERRUPTED in entry.outcomes.values()
        if of != wanted or cut_off or not ids <= set(entry.contestants):
            continue
        run = results.load(store / entry.run)
        own = run.record.settings
        if (own.steps, own.seed, own.profile) == (settings.steps, settings.seed, settings.profile):
            return run
    return None
