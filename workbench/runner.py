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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import workbench
from workbench import eventlog, exchange, lock, machine, records, results, tables
from workbench.catalog import Catalog, Frontend
from workbench.contestant import Contestant, Settings
from workbench.errors import WorkbenchError
from workbench.eventlog import EventLog
from workbench.launcher import Outcome, WorkerFailedError
from workbench.results import FORMAT, PARTIAL, Run
from workbench.session import Progress, Session, Silence


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
) -> Run:
    """Measure any contestants in one session and write a run folder; what :func:`workbench.run` does for frontends.

    Raises:
        WorkbenchError: when the problem cannot be made, the disk is full, or another session measures.
        PlotFailedError: when all is measured and written but for a plot.
    """
    progress = progress or Silence()
    with lock.measuring(if_busy, lambda text: progress.phase("lock", text)):
        folder = results.new_folder(store, settings.task, settings.preset)
        session = Session(content, contestants, settings, folder, progress, known_bring_ups(store))
        log = EventLog(folder)
        try:
            log.append("begin", **_begin(content, contestants, settings))
            _run(session, log)
        except BaseException as error:
            _keep_or_discard(folder, error)
            raise
        finally:
            log.close()
    return finish(folder)


def resume(
    path: str | Path, store: Path, content: Catalog, progress: Progress | None = None, *, if_busy: str = "wait"
) -> Run:
    """Measure what an interrupted session had not finished, and only that.

    Raises:
        WorkbenchError: when there is nothing to resume, or machine, versions, content or problem have changed.
    """
    progress = progress or Silence()
    folder = results.find(Path(path), store, unfinished=True)
    events = results.events_of(folder)
    info, old = records.fold(events)
    settings = records.settings_from(info["settings"])
    by_id = content.frontends
    if unknown := [record["mode"] for record in old if record["mode"] not in by_id]:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: there is no frontend {unknown[0]!r} any more")
    package = Path(__file__).resolve().parent
    contestants = [Contestant(record["frontend"], by_id[record["mode"]], content.root, package) for record in old]
    _refuse_changes(folder, info, _begin(content, contestants, settings))
    for contestant, record in zip(contestants, old, strict=True):
        records.restore(contestant, record)
        if record["outcome"] not in ("ok", Outcome.INTERRUPTED):
            contestant.fail(WorkerFailedError(Outcome(record["outcome"]), record["reason"]))
    with lock.measuring(if_busy, lambda text: progress.phase("lock", text)):
        if not folder.name.startswith(PARTIAL):
            folder = folder.rename(folder.with_name(PARTIAL + folder.name))
        session = Session(content, contestants, settings, folder, progress, known_bring_ups(store))
        session.rounds = records.restore_rounds(info)
        session.logged_rounds = len(session.rounds)
        log = EventLog(folder)
        try:
            _run(session, log)
        finally:
            log.close()
    return finish(folder)


def rebuild(path: str | Path, store: Path) -> Run:
    """Make everything that is derived from a run's log once more: summaries, tables, plots."""
    folder = results.find(Path(path), store, unfinished=True)
    derive(folder)
    return _drawn(results.load(folder))


def finish(folder: Path) -> Run:
    """Derive a run's files, give its folder the final name, and draw its pictures."""
    derive(folder)
    return _drawn(results.load(results.complete(folder)))


def _run(session: Session, log: EventLog) -> None:
    try:
        session.run(log.append)
    except WorkerFailedError as failure:
        printed = session.folder / "reference" / "log.txt"
        last = printed.read_text(errors="replace").strip().splitlines()[-1:] if printed.is_file() else []
        raise WorkbenchError(f"the problem could not be made: {failure.reason} {' '.join(last)}".strip()) from None
    except OSError as error:
        raise WorkbenchError(
            f"results cannot be written: {error.strerror}; what was finished is in {session.folder}: "
            f"make room, then `workbench run --resume {session.folder.name}`"
        ) from None
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    log.append("end", finished=now, interrupted=session.interrupted)


def _keep_or_discard(folder: Path, error: BaseException) -> None:
    """A session that failed before it measured anything leaves nothing; later it leaves all it has."""
    with contextlib.suppress(OSError):
        if any(event["event"] == "launch" for event in eventlog.read(folder).events):
            sys.stderr.write(f"workbench: what was measured is kept in {folder} ({type(error).__name__})\n")
            return
    shutil.rmtree(folder, ignore_errors=True)


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
        "content_hash": content_hash(content.root),
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


def content_hash(root: Path) -> str:
    """SHA-256 over all sources below tasks/ and frontends/."""
    digest = hashlib.sha256()
    for folder in ("tasks", "frontends"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".py", ".toml"):
                digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _refuse_changes(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in ("machine_key", "packages", "content_hash") if then[name] != now[name]]
    words = {"machine_key": "the machine", "packages": "the installed versions", "content_hash": "tasks or frontends"}
    if changed:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: {words[changed[0]]} changed; run it anew")
    try:
        found = exchange.hash_of(exchange.load_arrays(folder / "problem.npz"))
    except Exception as error:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: problem.npz: {error}") from error
    if found != then["problem"]["hash"]:
        raise WorkbenchError(f"run {folder.name} cannot be resumed: its problem.npz has changed")


def known_bring_ups(store: Path) -> dict[str, float]:
    """Seconds that bringing up each contestant took in the latest runs of a store, to forecast the next."""
    known: dict[str, float] = {}
    for folder in results.folders(store)[:10]:
        try:
            found = results.load(folder).contestants
        except WorkbenchError:
            continue
        for record in found:
            for launch in record["launches"][:1]:
                known.setdefault(record["frontend"], float(launch["bring_up_s"]))
    return known


def derive(folder: Path) -> None:
    """Write all that follows from a run's log, but for the pictures."""
    info, found = records.fold(results.events_of(folder))
    for record in found:
        place = folder / "contestants" / record["frontend"]
        place.mkdir(parents=True, exist_ok=True)
        results.write_json(place / "samples.json", record)
    results.write_json(folder / "run.json", {**info, "contestants": [record["frontend"] for record in found]})
    made = Run(folder, info, found)
    results.write_json(folder / "summary.json", {**made.summary(), "run": folder.name.removeprefix(PARTIAL)})
    made.losses.to_csv(folder / "losses.csv")
    made.table.drop(columns=["versions", "color"]).to_csv(folder / "summary.csv", index=False)
    (folder / "summary.md").write_text(tables.markdown(made), encoding="utf-8")
    if not made.sweep.empty:
        made.sweep.to_csv(folder / "sweep.csv", index=False)


def _drawn(finished: Run) -> Run:
    try:
        draw(finished)
    except Exception as error:
        raise PlotFailedError(finished, f"{type(error).__name__}: {error}") from error
    return finished


def draw(finished: Run) -> None:
    """Draw the run's pictures into its folder."""
    from workbench import plots, summary

    figure = plots.loss(finished.losses, finished.colors, title=finished.title, tolerance=finished.info["tolerance"])
    plots.save(figure, finished.path / "loss")
    plots.save(plots.time(finished.table, title=finished.title), finished.path / "time")
    steps = finished.info["problem"]["steps"]
    plots.save(plots.phases(finished.table, title=finished.title, steps=steps), finished.path / "phases")
    if not finished.sweep.empty:
        fits = summary.sweep_fits(finished.sweep)
        figure = plots.sweep(finished.sweep, fits, finished.colors, title=finished.title, unit="FLOP")
        plots.save(figure, finished.path / "sweep")
