"""Durable sessions: every finished launch is logged before the next one starts; all else is derived from the log.

While a session runs, its folder has a temporary name and an event log. When it ends, everything that is shown is
derived from the log and the folder gets its final name. A folder whose harness died can be resumed or rebuilt.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.catalog import Catalog
from workbench.catalog.checks import check_pair
from workbench.catalog.figures import counts
from workbench.catalog.roots import FOLDERS, package_root
from workbench.errors import ProblemError, WorkbenchError
from workbench.host import files, locks, machine
from workbench.host.cpus import busy_cpus, measuring_cpus, siblings
from workbench.host.signals import late_signals
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.events import Begun, ContestantEnded, Ended, Event, LaunchMeasured, Record
from workbench.model.outcomes import CutShortError, Outcome, WorkerFailedError
from workbench.model.progress import Progress, Silence
from workbench.model.records import Entrant, RunRecord, Settings
from workbench.session.launcher import IN_THE_LOG, end_orphans
from workbench.session.session import Session
from workbench.session.settings import refuse_other_settings
from workbench.session.stopping import Plan
from workbench.session.workers import PROBLEM, REFERENCE_PROOF
from workbench.store import records, results
from workbench.store.eventlog import EventLog
from workbench.store.results import PARTIAL, NotWrittenError, StoredRun
from workbench.version import __version__
from workbench.wire import exchange


def measure(
    content: Catalog,
    contestants: Sequence[Contestant],
    settings: Settings,
    store: Path,
    progress: Progress | None = None,
    *,
    if_busy: str = "wait",
    plan: Plan | None = None,
) -> StoredRun:
    """Measure any contestants in one session and write a run folder; :func:`workbench.run` does so for frontends.

    Args:
        content: makes the problem and its reference.
        contestants: who is measured; their frontends may come from other content roots.
        settings: of the session.
        store: the folder in which the run's folder is created.
        progress: where progress is reported.
        if_busy: "wait" or "refuse" while another session is measuring on this host.
        plan: decides which contestants are launched how often; by default according to ``settings``.

    Raises:
        ProblemError: when the problem or its reference cannot be made.
        WorkbenchError: when nothing can be written, or another session is measuring.
        NotWrittenError: when the disk was full, or the folder gone, before everything was written.
    """
    progress = progress or Silence()
    results.check_store(store)
    _fail_malformed(contestants, settings.task)
    with _exclusively(if_busy, progress):
        folder = results.new_folder(store, settings.task, settings.preset)
        events: list[Event] = []
        try:
            with _recording(folder, events) as record:
                settings = _beside_others(settings, progress)
                record(_begun(content, contestants, settings))
                for contestant in contestants:
                    if not contestant.running:  # for example because its environment could not be built
                        record(ContestantEnded(contestant.id, contestant.outcome, contestant.reason))
                bring_ups = previous_bring_ups(store)
                session = Session(
                    content, contestants, settings, folder, progress, previous_bring_up_s=bring_ups, plan=plan
                )
                _run(session, record)
        except BaseException as error:
            if any(isinstance(event, LaunchMeasured) for event in events):
                error.add_note(f"The measurements are kept in {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    return finish(folder, events)


def _fail_malformed(contestants: Sequence[Contestant], task: str) -> None:
    """End contestants whose own files contain a mistake that reading finds; the others are measured.

    Those with another interpreter are not checked: what is not valid Python here may be valid there.
    """
    for contestant in contestants:
        try:
            if contestant.interpreter == sys.executable:
                check_pair(Catalog(contestant.roots), task, contestant.frontend)
        except WorkbenchError as error:
            contestant.fail(WorkerFailedError(Outcome.ERROR, str(error)))


def resume(
    path: str | Path, store: Path, content: Catalog, progress: Progress | None = None, *, if_busy: str = "wait"
) -> StoredRun:
    """Measure only what an interrupted session had not finished.

    Raises:
        WorkbenchError: when there is nothing to resume, or machine, versions, content or problem have changed.
        NotWrittenError: as in :func:`measure`.
    """
    progress = progress or Silence()
    results.find(Path(path), store, unfinished=True)  # fail before waiting for the lock
    with _exclusively(if_busy, progress):
        folder = results.find(Path(path), store, unfinished=True)
        events = results.events_of(folder)
        before = _folded(folder, events)
        name = folder.name.removeprefix(PARTIAL)
        if name != folder.name and folder.with_name(name).exists():
            raise WorkbenchError(
                f"run {folder.name} cannot be resumed: a run {name} lies beside it; move one of them away"
            )
        if before.interrupted:
            settings = before.settings
            _refuse_impossible(folder, settings, content)
            contestants = _contestants_of(folder, content, before)
            _refuse_changes(folder, before, _begun(content, contestants, settings))
            for contestant, record in zip(contestants, before.contestants, strict=True):
                contestant.sweep, contestant.launches = record.sweep, records.finished_launches(record, settings)
                contestant.proof = records.proof_after(events, record.id, contestant.launches)
                if record.outcome not in (Outcome.OK, Outcome.INTERRUPTED):
                    contestant.fail(WorkerFailedError(record.outcome, record.reason))
            with _reopened(folder) as folder, _recording(folder, events) as write:
                bring_ups = previous_bring_ups(store)
                session = Session(
                    content,
                    contestants,
                    settings,
                    folder,
                    progress,
                    previous_bring_up_s=bring_ups,
                    rounds=before.rounds,
                )
                _run(session, write)
        elif not folder.name.startswith(PARTIAL):
            raise WorkbenchError(f"run {folder.name} is complete: there is nothing to resume")
    return finish(folder, events)


def _refuse_impossible(folder: Path, settings: Settings, content: Catalog) -> None:
    """Refuse to go on with settings that nobody can ask for here and now."""
    try:
        refuse_other_settings(content, settings)
    except WorkbenchError as error:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: {error}; start a new run") from None


def _contestants_of(folder: Path, content: Catalog, before: RunRecord) -> list[Contestant]:
    """The contestants of an interrupted run, from the current content."""
    by_id, package = content.frontends, package_root()
    if any(record.source or record.id != record.frontend for record in before.contestants):
        raise WorkbenchError(
            f"run {folder.name} cannot be resumed: it compares commits or versions, which existed only while it ran"
        )
    if missing := [record.frontend for record in before.contestants if record.frontend not in by_id]:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: frontend {missing[0]!r} no longer exists")
    return [Contestant(record.id, by_id[record.frontend], content.roots, package) for record in before.contestants]


@contextlib.contextmanager
def _reopened(folder: Path) -> Iterator[Path]:
    """An interrupted run's folder, renamed to that of a run in progress; if nothing comes of it, it is as before."""
    if folder.name.startswith(PARTIAL):
        yield folder
        return
    try:
        reopened = folder.rename(folder.with_name(PARTIAL + folder.name))
    except OSError as error:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: {error.strerror}") from None
    try:
        yield reopened
    except NotWrittenError:  # it has launches that its files do not show yet
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            results.complete(reopened)
        raise


def rebuild(path: str | Path, store: Path) -> StoredRun:
    """Rebuild a run from its log, finished or not, and rewrite its records.

    Raises:
        WorkbenchError: when there is no such run or no log.
        NotWrittenError: as in :func:`measure`.
    """
    folder = results.find(Path(path), store, unfinished=True)
    events = results.events_of(folder)
    record = _folded(folder, events)
    run = StoredRun(folder, record)
    for stage in run.stages:
        run.rows_of(stage.name)  # raises: the old files stay as they are
    try:
        results.save(folder, record)
        return results.load(folder)
    except OSError as error:
        raise _not_written(folder, events, error) from None


def finish(folder: Path, events: Sequence[Event]) -> StoredRun:
    """Write a run's records and give its folder the final name."""
    try:
        with late_signals():
            results.save(folder, records.fold(results.events_of(folder)))
            return results.load(results.complete(folder))
    except (OSError, WorkbenchError) as error:
        raise _not_written(folder, events, error) from error


@contextlib.contextmanager
def _exclusively(if_busy: str, progress: Progress) -> Iterator[None]:
    """Hold the host's lock, and end processes that a killed session has left running."""
    with locks.measuring(if_busy, lambda text: progress.phase("lock", text)):
        end_orphans()
        yield


def _beside_others(settings: Settings, progress: Progress) -> Settings:
    """Settings with other CPUs if somebody works on those chosen, such as a session in another container.

    Who works there only for a moment is no reason: CPUs are watched twice.
    """
    if settings.profile == "stock" or not settings.cpus:
        return settings
    cores = siblings()
    chosen = {neighbour for cpu in settings.cpus for neighbour in cores.get(cpu, (cpu,))}
    busy = busy_cpus()
    busy = busy & busy_cpus() if busy & chosen else set()
    if not busy & chosen:
        return settings
    workers, harness = measuring_cpus(len(settings.cpus), busy=busy)
    if busy & set(workers):
        one = min(busy & set(workers))
        progress.phase(
            "cpus", f"other processes keep CPU {one} busy, and no other one of its kind is idle: measuring there"
        )
    return dataclasses.replace(settings, cpus=workers, harness_cpus=harness)


@contextlib.contextmanager
def _recording(folder: Path, events: list[Event]) -> Iterator[Record]:
    """A function that records an event: first in memory, so that it can be shown even if it cannot be written."""
    try:
        log = EventLog(folder)
    except BlockingIOError:
        raise WorkbenchError(f"another session is measuring run {folder.name}") from None
    except OSError as error:
        raise WorkbenchError(f"cannot write results to {folder}: {error.strerror}") from None

    def record(event: Event) -> None:
        events.append(event)
        try:
            log.append(event)
        except OSError:
            if isinstance(event, ContestantEnded):  # a failure because nothing can be written is not an outcome
                events.pop()
            raise

    try:
        yield record
    except OSError as error:
        raise _not_written(log.path.parent, events, error) from None
    finally:
        log.close()


def _not_written(folder: Path, events: Sequence[Event], error: Exception) -> Exception:
    """The error that carries the measurements, if there are any."""
    cause = error.strerror if isinstance(error, OSError) else str(error)
    reason = f"results cannot be written to {folder}: {cause}"
    try:
        record = records.fold(events)
    except WorkbenchError:
        return WorkbenchError(reason)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = f"{'make room' if full else 'make it writable'}, then resume run {folder.name.removeprefix(PARTIAL)}"
    helps = isinstance(error, OSError) and folder.is_dir()
    return NotWrittenError(StoredRun(folder, record), f"{reason}; {remedy}" if helps else reason)


def _folded(folder: Path, events: Sequence[Event]) -> RunRecord:
    try:
        return records.fold(events)
    except WorkbenchError as error:
        if isinstance(error, records.NothingMeasuredError) and not (folder / "run.json").exists():
            name = folder.name.removeprefix(PARTIAL)
            reason = f"run {name} was cut off before anything was measured; its folder can be deleted: {folder}"
            raise WorkbenchError(reason) from None
        raise WorkbenchError(f"run {folder.name} is damaged: {error}") from None


def _run(session: Session, record: Record) -> None:
    try:
        session.run(record)
    except (WorkerFailedError, CutShortError) as failure:
        log = session.folder / "reference" / "log.txt"
        last_line = log.read_text(errors="replace").strip().splitlines()[-1:] if log.is_file() else []
        reason = str(failure).removesuffix(IN_THE_LOG)  # which is removed with the folder
        detail = " ".join(line for line in last_line if not _says(reason, line))
        raise ProblemError(f"the problem could not be made: {reason} {detail}".strip()) from None
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with late_signals():
        record(Ended(now, session.interrupted, session.cut_short))


def _says(reason: str, line: str) -> bool:
    """Whether a reason already has what a traceback's last line says, after the exception's class."""
    return line.partition(": ")[2].strip() in reason


def _entrant(contestant: Contestant, task: str) -> Entrant:
    """Who a contestant is, with the figures of its content file."""
    file = Catalog(contestant.roots).file(task, contestant.frontend)
    found = counts(file, contestant.frontend.packages) if file and file.suffix == ".py" else None
    lines, names = found or (None, None)
    return dataclasses.replace(contestant.entrant, code_lines=lines, api_names=names)


def _begun(content: Catalog, contestants: Sequence[Contestant], settings: Settings) -> Begun:
    facts = machine.facts()
    return Begun(
        workbench=__version__,
        command=sys.argv,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        machine=facts,
        machine_key=machine.stable_key(facts),
        packages=installed([contestant.frontend for contestant in contestants]),
        content_hash=content_hash(content.roots),
        settings=settings,
        contestants=[_entrant(contestant, settings.task) for contestant in contestants],
    )


def installed(frontends: Sequence[Frontend]) -> dict[str, str]:
    """Versions of the packages that some frontends need, without importing any."""
    from importlib.metadata import packages_distributions

    distributions = packages_distributions()
    modules = sorted({"numpy", *(package for frontend in frontends for package in frontend.packages)})
    versions = machine.package_versions({distributions.get(module, [module])[0] for module in modules})
    return {name: version for name, version in sorted(versions.items()) if version is not None}


_NO_CONTENT = {"__pycache__", "node_modules"}


def content_hash(roots: Sequence[Path]) -> str:
    """SHA-256 over all files below tasks/ and frontends/ of some roots, in any language, wherever the roots are.

    Hidden files do not count, nor does what languages keep for themselves.
    """
    digest = hashlib.sha256()
    for number, root in enumerate(roots):
        digest.update(b"another root\n" if number else b"")
        for folder in FOLDERS:
            for file in sorted((root / folder).rglob("*")):
                name = file.relative_to(root)
                if file.is_file() and not any(part in _NO_CONTENT or part[0] == "." for part in name.parts):
                    digest.update(f"{name}\n".encode(errors="surrogateescape") + _bytes_of(file))
    return digest.hexdigest()


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"{file}: {error.strerror}") from None


CONTENT = "tasks or frontends"


def _refuse_changes(folder: Path, before: RunRecord, now: Begun) -> None:
    changes = {
        "the machine": before.machine_key != now.machine_key,
        "workbench's version": before.workbench != now.workbench,
        "the installed versions": before.packages != now.packages,
        CONTENT: before.content_hash != now.content_hash,
    }
    if changed := [name for name, differs in changes.items() if differs]:
        remedy = "start a new run"
        if changed[0] == CONTENT:
            remedy = f"resume it with the content that it was started with, or {remedy}"
        raise WorkbenchError(f"run {folder.name} cannot be resumed: {changed[0]} changed; {remedy}")
    for recorded, entrant in zip(before.contestants, now.contestants, strict=True):
        names = [field.name for field in dataclasses.fields(entrant)]
        if changed := [name for name in names if getattr(recorded, name) != getattr(entrant, name)]:
            raise WorkbenchError(
                f"run {folder.name} cannot be resumed: {changed[0]} of {recorded.id} changed; start a new run"
            )
    arrays = {}
    for name in (PROBLEM, REFERENCE_PROOF):
        try:
            arrays[name] = exchange.load_arrays(files.open_regular(folder / name))
        except Exception as error:  # whatever stands in it
            problem = "is missing" if isinstance(error, FileNotFoundError) else "is damaged"
            raise WorkbenchError(
                f"run {folder.name} cannot be resumed: its {name} {problem}; start a new run"
            ) from error
    if exchange.hash_of(arrays[PROBLEM]) != before.problem.hash:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: its problem.npz has changed")


def previous_bring_ups(store: Path) -> dict[str, float]:
    """Seconds that bringing up each contestant took in the latest runs of a store, for the forecast."""
    seconds: dict[str, float] = {}
    for name in itertools.islice(results.newest_first(store), 10):
        with contextlib.suppress(WorkbenchError):
            for record in results.load(store / name).contestants:
                for launch in record.launches[:1]:
                    seconds.setdefault(record.id, launch.bring_up_s)
    return seconds
