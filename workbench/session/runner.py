"""Sessions made durable: every finished launch is logged before the next one starts, all else is derived.

While a session runs, its folder has a temporary name and an event log. When it ends, everything that is shown is
derived from the log and the folder gets its final name. A folder whose harness died can be resumed or rebuilt.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import workbench
from workbench.catalog import Catalog
from workbench.catalog.checks import check_pair
from workbench.catalog.roots import FOLDERS, package_root
from workbench.errors import ProblemError, WorkbenchError
from workbench.host import files, locks, machine
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant, Settings
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.progress import Progress, Silence
from workbench.session.launcher import end_orphans
from workbench.session.session import Session
from workbench.session.stopping import Plan
from workbench.show import tables
from workbench.store import records, results
from workbench.store.eventlog import EventLog
from workbench.store.results import FORMAT, PARTIAL, Run
from workbench.wire import exchange


class NotWrittenError(Exception):
    """What was measured is in ``run``, but it could not all be written: the disk is full or gone."""

    def __init__(self, run: Run, reason: str) -> None:
        super().__init__(reason)
        self.run = run


class PlotFailedError(Exception):
    """Everything was measured and written, but a plot could not be drawn."""

    def __init__(self, run: Run, reason: str) -> None:
        super().__init__(reason)
        self.run = run


def measure(
    content: Catalog,
    contestants: Sequence[Contestant],
    settings: Settings,
    store: Path,
    progress: Progress | None = None,
    *,
    if_busy: str = "wait",
    plan: Plan | None = None,
) -> Run:
    """Measure any contestants in one session and write a run folder; what :func:`workbench.run` does for frontends.

    Args:
        content: makes the problem and its reference.
        contestants: who is measured; their frontends may come from other roots of content.
        settings: what is asked for.
        store: receives the run's folder.
        progress: who is told how it gets on.
        if_busy: "wait" when another session measures on this host, or "refuse".
        plan: how often who is launched; by default as ``settings`` say.

    Raises:
        ProblemError: when the problem or its reference cannot be made.
        WorkbenchError: when nothing can be written, or another session measures.
        NotWrittenError: when the disk was full, or the folder gone, before all was written.
        PlotFailedError: when all is measured and written but for a plot.
    """
    progress = progress or Silence()
    _fail_unreadable(contestants, settings.task)
    with _alone(if_busy, progress):
        folder = results.new_folder(store, settings.task, settings.preset)
        events: list[dict[str, Any]] = []
        try:
            with _recording(folder, events) as record:
                record("begin", **_begin(content, contestants, settings))
                for contestant in contestants:
                    if not contestant.running:  # such as one whose environment could not be built
                        ended = {"outcome": str(contestant.outcome), "reason": contestant.reason, "proof": None}
                        record("outcome", contestant=contestant.id, **ended)
                session = Session(content, contestants, settings, folder, progress, known_bring_ups(store), plan)
                _run(session, record)
        except BaseException as error:
            if any(event["event"] == "launch" for event in events):
                error.add_note(f"What was measured is kept in {folder}")
            else:  # nothing was measured, so nothing stays
                shutil.rmtree(folder, ignore_errors=True)
            raise
    return finish(folder, events)


def _fail_unreadable(contestants: Sequence[Contestant], task: str) -> None:
    """End contestants in whose own files reading finds a mistake; the others are measured.

    Those of another interpreter are left to it: what is not valid Python here may be so there.
    """
    for contestant in contestants:
        try:
            if contestant.interpreter == sys.executable:
                check_pair(Catalog(contestant.roots), task, contestant.frontend)
        except WorkbenchError as error:
            contestant.fail(WorkerFailedError(Outcome.ERROR, str(error)))


def resume(
    path: str | Path, store: Path, content: Catalog, progress: Progress | None = None, *, if_busy: str = "wait"
) -> Run:
    """Measure what an interrupted session had not finished, and only that.

    Raises:
        WorkbenchError: when there is nothing to resume, or machine, versions, content or problem have changed.
        NotWrittenError, PlotFailedError: as in :func:`measure`.
    """
    progress = progress or Silence()
    results.find(Path(path), store, unfinished=True)  # what is not there is said at once, not after waiting
    with _alone(if_busy, progress):
        folder = results.find(Path(path), store, unfinished=True)
        events = results.events_of(folder)
        info, old = _folded(folder, events)
        if info["interrupted"]:
            settings = records.settings_from(info["settings"])
            contestants = _again(folder, content, old)
            _refuse_changes(folder, info, old, _begin(content, contestants, settings))
            for contestant, record in zip(contestants, old, strict=True):
                records.restore(contestant, record, settings)
                if record["outcome"] not in (Outcome.OK, Outcome.INTERRUPTED):
                    contestant.fail(WorkerFailedError(Outcome(record["outcome"]), record["reason"]))
            rounds = records.restore_rounds(info)
            folder = _reopened(folder)
            with _recording(folder, events) as write:
                session = Session(content, contestants, settings, folder, progress, known_bring_ups(store))
                session.rounds, session.logged_rounds = rounds, len(rounds)
                _run(session, write)
        elif not folder.name.startswith(PARTIAL):
            raise WorkbenchError(f"run {folder.name} is complete: there is nothing to resume")
    return finish(folder, events)


def _again(folder: Path, content: Catalog, old: Sequence[Mapping[str, Any]]) -> list[Contestant]:
    """The contestants of an interrupted run, as they are here and now."""
    by_id, package = content.frontends, package_root()
    if any(record.get("source") or record["frontend"] != record["mode"] for record in old):
        raise WorkbenchError(
            f"run {folder.name} cannot be resumed: it compares commits or versions, which were only there while it ran"
        )
    if unknown := [record["mode"] for record in old if record["mode"] not in by_id]:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: there is no frontend {unknown[0]!r} any more")
    return [Contestant(record["frontend"], by_id[record["mode"]], content.roots, package) for record in old]


def _reopened(folder: Path) -> Path:
    """An interrupted run's folder under the name of a run in progress."""
    if folder.name.startswith(PARTIAL):
        return folder
    try:
        return folder.rename(folder.with_name(PARTIAL + folder.name))
    except OSError as error:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: {error.strerror}") from None


def rebuild(path: str | Path, store: Path) -> Run:
    """Make everything that is derived from a run's log once more: summaries, tables, plots.

    Raises:
        WorkbenchError: when there is no such run or no log.
        NotWrittenError, PlotFailedError: as in :func:`measure`.
    """
    folder = results.find(Path(path), store, unfinished=True)
    events = results.events_of(folder)
    _folded(folder, events)
    try:
        derive(folder)
        return _drawn(results.load(folder))
    except OSError as error:
        raise _not_written(folder, events, error) from None


def finish(folder: Path, events: Sequence[Mapping[str, Any]]) -> Run:
    """Derive a run's files, give its folder the final name, and draw its pictures."""
    try:
        derive(folder)
        loaded = results.load(results.complete(folder))
    except (OSError, WorkbenchError) as error:
        raise _not_written(folder, events, error) from error
    return _drawn(loaded)


@contextlib.contextmanager
def _alone(if_busy: str, progress: Progress) -> Iterator[None]:
    """Hold the host's lock, and end what a killed session has left running."""
    with locks.measuring(if_busy, lambda text: progress.phase("lock", text)):
        end_orphans()
        yield


@contextlib.contextmanager
def _recording(folder: Path, events: list[dict[str, Any]]) -> Iterator[Callable[..., None]]:
    """What puts an event on record: in memory first, so that it can be shown where it cannot be written."""
    try:
        log = EventLog(folder)
    except BlockingIOError:
        raise WorkbenchError(f"another session is measuring run {folder.name}") from None
    except OSError as error:
        raise WorkbenchError(f"cannot write results to {folder}: {error.strerror}") from None

    def record(event: str, **fields: Any) -> None:
        events.append({"event": event, **fields})
        try:
            log.append(event, **fields)
        except OSError:
            if event == "outcome":  # how a contestant fails when nothing can be written is no outcome of its own
                events.pop()
            raise

    try:
        yield record
    except OSError as error:
        raise _not_written(log.path.parent, events, error) from None
    finally:
        log.close()


def _not_written(folder: Path, events: Sequence[Mapping[str, Any]], error: Exception) -> Exception:
    """The error that carries what was measured, if anything was."""
    said = error.strerror if isinstance(error, OSError) else str(error)
    reason = f"results cannot be written to {folder}: {said}"
    try:
        info, found = records.fold(events)
    except WorkbenchError:
        return WorkbenchError(reason)
    remedy = f"make room, then `workbench run --resume {folder.name.removeprefix(PARTIAL)}`"
    return NotWrittenError(Run(folder, info, found), f"{reason}; {remedy}" if folder.is_dir() else reason)


def _folded(folder: Path, events: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        return records.fold(events)
    except WorkbenchError as error:
        raise WorkbenchError(f"run {folder.name} is damaged: {error}") from None


def _run(session: Session, record: Callable[..., None]) -> None:
    try:
        session.run(record)
    except WorkerFailedError as failure:
        printed = session.folder / "reference" / "log.txt"
        last = printed.read_text(errors="replace").strip().splitlines()[-1:] if printed.is_file() else []
        raise ProblemError(f"the problem could not be made: {failure.reason} {' '.join(last)}".strip()) from None
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record("end", finished=now, interrupted=session.interrupted)


def _begin(content: Catalog, contestants: Sequence[Contestant], settings: Settings) -> dict[str, Any]:
    facts = machine.facts()
    return {
        "format": FORMAT,
        "workbench": workbench.__version__,
        "command": sys.argv,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": facts,
        "machine_key": machine.stable_key(facts),
        "packages": installed([contestant.frontend for contestant in contestants]),
        "content_hash": content_hash(content.roots),
        "settings": records.settings_facts(settings),
        "contestants": [records.contestant_facts(contestant) for contestant in contestants],
    }


def installed(frontends: Sequence[Frontend]) -> dict[str, str]:
    """Versions of the packages that some frontends need, without importing any."""
    from importlib.metadata import packages_distributions

    distributions = packages_distributions()
    modules = sorted({"numpy", *(package for frontend in frontends for package in frontend.packages)})
    versions = machine.package_versions({distributions.get(module, [module])[0] for module in modules})
    return {name: version for name, version in sorted(versions.items()) if version is not None}


def content_hash(roots: Sequence[Path]) -> str:
    """SHA-256 over all sources below tasks/ and frontends/ of some roots, wherever those lie."""
    digest = hashlib.sha256()
    for number, root in enumerate(roots):
        digest.update(b"another root\n" if number else b"")
        for folder in FOLDERS:
            for file in sorted((root / folder).rglob("*")):
                if file.suffix in (".py", ".toml"):
                    digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _refuse_changes(
    folder: Path, then: Mapping[str, Any], old: Sequence[Mapping[str, Any]], now: Mapping[str, Any]
) -> None:
    words = {
        "machine_key": "the machine",
        "workbench": "workbench's version",
        "packages": "the installed versions",
        "content_hash": "tasks or frontends",
    }
    if changed := [words[name] for name in words if then.get(name) != now[name]]:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: {changed[0]} changed; run it anew")
    for before, after in zip(old, now["contestants"], strict=True):
        if changed := [name for name in after if before.get(name) != after[name]]:
            raise WorkbenchError(
                f"run {folder.name} cannot be resumed: {before['frontend']} has another {changed[0]}; run it anew"
            )
    arrays = {}
    for name in ("problem.npz", "reference.npz"):
        try:
            arrays[name] = exchange.load_arrays(folder / name)
        except Exception as error:
            raise WorkbenchError(f"run {folder.name} cannot be resumed: {name}: {error}") from error
    if exchange.hash_of(arrays["problem.npz"]) != then["problem"]["hash"]:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: its problem.npz has changed")


def known_bring_ups(store: Path) -> dict[str, float]:
    """Seconds that bringing up each contestant took in the latest runs of a store, to forecast the next."""
    known: dict[str, float] = {}
    for folder in results.folders(store)[:10]:
        try:
            for record in results.load(folder).contestants:
                for launch in record["launches"][:1]:
                    known.setdefault(record["frontend"], float(launch["bring_up_s"]))
        except (WorkbenchError, TypeError, ValueError):
            continue
    return known


def derive(folder: Path) -> None:
    """Write all that follows from a run's log, but for the pictures."""
    info, found = records.fold(results.events_of(folder))
    for record in found:
        place = folder / "contestants" / record["frontend"]
        place.mkdir(parents=True, exist_ok=True)
        files.write_json(place / "samples.json", record)
    files.write_json(folder / "run.json", {**info, "contestants": [record["frontend"] for record in found]})
    made = Run(folder, info, found)
    files.write_json(folder / "summary.json", {**made.summary(), "run": folder.name.removeprefix(PARTIAL)})
    files.write_text(folder / "losses.csv", made.losses.to_csv())
    files.write_text(folder / "summary.csv", made.table.drop(columns=["versions", "color"]).to_csv(index=False))
    files.write_text(folder / "summary.md", tables.markdown(made))
    if not made.sweep.empty:
        files.write_text(folder / "sweep.csv", made.sweep.to_csv(index=False))


def _drawn(finished: Run) -> Run:
    try:
        draw(finished)
    except Exception as error:
        raise PlotFailedError(finished, f"{type(error).__name__}: {error}") from error
    return finished


def draw(finished: Run) -> None:
    """Draw the run's pictures into its folder."""
    from workbench.show import plots

    for name, figure in finished.plot.figures.items():
        plots.save(figure(), finished.path / name)
