"""All pairs: a run per task and preset, measured unless the store has it, so that it can be cut off anywhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.catalog import Catalog
from workbench.errors import ProblemError, WorkbenchError
from workbench.host import machine
from workbench.model.content import Frontend
from workbench.model.outcomes import Outcome
from workbench.model.records import Settings
from workbench.model.request import EVERY_PRESET, Request
from workbench.session.runner import content_hash, installed
from workbench.session.settings import settings_of
from workbench.store import index, results
from workbench.store.results import NotWrittenError, StoredRun


@dataclass(frozen=True)
class Part:
    """A task at a preset, and its run.

    ``failure`` says why there is none or only a part of it; it is empty where all went well, and for what was left out.
    ``unwritten`` says so where a run could not be written, ``interrupted`` that a signal ended it.
    """

    task: str
    preset: str
    run: StoredRun | None = None
    failure: str = ""
    unwritten: str = ""
    interrupted: bool = False

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
        presets = list(task.presets) if preset == EVERY_PRESET else [task.default_preset if preset is None else preset]
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
    """Each part with its run: the latest of the store that was measured as it would be now, or a new one.

    Args:
        content: what is measured.
        parts: of the matrix.
        frontends: of each run.
        request: the options; ``budget_s`` is for all runs together.
        measure: makes the run of a part.
    """
    started, store, now = time.monotonic(), results.store_of(request.output), Now.of(content, frontends)
    stopped = False
    for part in parts:
        own = dataclasses.replace(request, preset=part.preset, budget_s=None)
        late = request.budget_s is not None and time.monotonic() - started >= request.budget_s
        run, failure, unwritten, interrupted = None, "", "", False
        try:
            run = kept(settings_of(content, part.task, own), now, store)
            if run is None and not late and not stopped:
                run = measure(part, own)
                failure = run.record.cut_short  # for a reason of its own: the others are measured
                interrupted = run.record.interrupted and not failure
        except ProblemError as error:
            failure = str(error)
        except NotWrittenError as error:  # nor could any other be
            run, unwritten = error.run, str(error)
        except KeyboardInterrupt:  # before anything was measured
            if stopped:
                raise
            interrupted = True
        stopped = stopped or interrupted or bool(unwritten)
        yield dataclasses.replace(part, run=run, failure=failure, unwritten=unwritten, interrupted=interrupted)


@dataclass(frozen=True)
class Now:
    """What would be measured, by what, and where: a kept run of anything else does not count.

    Attributes:
        frontends: their ids.
        content: the hash of all tasks and frontends.
        machine: its key.
        packages: versions of the packages that the frontends need.
    """

    frontends: frozenset[str]
    content: str
    machine: str
    packages: dict[str, str]

    @classmethod
    def of(cls, content: Catalog, frontends: Sequence[Frontend]) -> Now:
        """As it is."""
        return cls(
            frozenset(frontend.id for frontend in frontends),
            content_hash(content.roots),
            machine.stable_key(machine.facts()),
            installed(frontends),
        )


_ELSEWHERE = {"cpus", "harness_cpus", "max_alive", "timeout_s", "budget_s", "ratio_error"}  # does not change a time
_ASKED = [entry.name for entry in dataclasses.fields(Settings) if entry.name not in _ELSEWHERE]


def kept(settings: Settings, now: Now, store: Path) -> StoredRun | None:
    """The latest run of a store in which these frontends were measured as they would be now; None if there is none."""
    for entry in index.runs(store)[0]:
        of = (entry.task, entry.preset, entry.dtype, entry.threads, entry.device, entry.content)
        wanted = (settings.task, settings.preset, settings.dtype, settings.threads, str(settings.device), now.content)
        cut_off = Outcome.INTERRUPTED in entry.outcomes.values()
        if of != wanted or cut_off or not now.frontends <= set(entry.contestants):
            continue
        try:
            run = results.load(store / entry.run)
        except WorkbenchError:  # damaged since the index was written
            continue
        known, own = run.record, run.record.settings
        same_place = known.machine_key == now.machine and now.packages.items() <= known.packages.items()
        if (
            same_place
            and not known.interrupted
            and all(getattr(own, name) == getattr(settings, name) for name in _ASKED)
        ):
            return run
    return None
