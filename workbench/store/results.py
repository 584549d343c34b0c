"""Runs on disk: one folder each, written under a temporary name, renamed when complete, never changed again.

A run folder holds::

    events.jsonl           the log: all files below except npz and log.txt follow from it (`workbench rebuild`)
    run.json               machine, versions, settings, problem, how it was called
    problem.npz            the problem, as every worker got it
    reference.npz          losses and result of numpy_manual in float64
    contestants/<id>/      samples.json (outcome, checks, launches), proof.npz, log.txt
    summary.json .csv .md  the table; losses.csv: a row per step, a column per frontend
    loss.png .svg          curves and their deviation from the reference
    time.png .svg          steady step and first step
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError, one_line
from workbench.host import files
from workbench.model.contestant import check_id
from workbench.model.outcomes import Outcome
from workbench.model.proof import Trained
from workbench.model.stage import EVALUATE, TRAIN, in_order
from workbench.statistics.rows import rows as rows_of_record
from workbench.store import eventlog, records, upgrade
from workbench.store.codec import DamageError, Json, parsed, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from workbench.contract import Array
    from workbench.model.events import Event
    from workbench.model.records import ContestantRecord, RunRecord
    from workbench.model.rows import Row
    from workbench.model.stage import Stage

PARTIAL = ".partial-"


class StoredRun:
    """One finished run: what was measured, as typed records, and the arrays of its proofs.

    Attributes:
        path: the run's folder.
        record: machine, versions, settings, problem, rounds, and what each contestant did.
    """

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path = path
        self.record = record
        self._rows: dict[str, list[Row]] = {}

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def title(self) -> str:
        """Task, preset and device in one line."""
        settings = self.record.settings
        return f"{settings.task} · {settings.preset} · {settings.device}"

    @property
    def contestants(self) -> list[ContestantRecord]:
        """What each contestant did."""
        return self.record.contestants

    @property
    def stages(self) -> list[Stage]:
        """What was measured, in the order of a model's life; the training at least."""
        return in_order({TRAIN.name, *self.record.stages})

    def rows_of(self, stage: str = TRAIN.name) -> list[Row]:
        """One row per contestant at a stage, in the order measured.

        Raises:
            WorkbenchError: when there is no such stage, or the run is damaged.
        """
        known = [each.name for each in in_order({*(each.name for each in self.stages), *self._asked_for})]
        if stage not in known:
            raise WorkbenchError(f"run {self.id} has no stage {stage!r}: choose from {', '.join(known)}")
        if stage not in self._rows:
            with self.reading():
                rows = [self._with_its_log(row) for row in rows_of_record(self.record, stage)]
                text_of(rows)  # raises: every number must be finite
                self._rows[stage] = rows
        return self._rows[stage]

    @property
    def _asked_for(self) -> set[str]:
        """Stages that may be asked about, though nobody could take part."""
        return {EVALUATE.name} if self.record.settings.evaluate else set()

    def _with_its_log(self, row: Row) -> Row:
        """The row; one of a contestant that was refused before it was started names no log."""
        return row if (self.path / row.log).is_file() else dataclasses.replace(row, log="")

    @property
    def rows(self) -> list[Row]:
        """One row per contestant: outcome, proof, phases, steady step, memory."""
        return self.rows_of()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Report values that do not fit together, for whatever reason, as one WorkbenchError."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            reason = one_line(f"{type(error).__name__}: {error}")
            raise WorkbenchError(f"run {self.id} is damaged: cannot compute its table ({reason})") from error

    @cached_property
    def losses(self) -> pd.DataFrame:
        """A row per step, a column per contestant that trained in the session's type, and one for the reference."""
        import pandas as pd

        files = {"reference": "reference.npz", **{name: f"contestants/{name}/proof.npz" for name in self._trained_ones}}
        series = {name: pd.Series(self._trained(file).losses) for name, file in files.items()}
        return pd.DataFrame(series).rename_axis("step")

    def result(self, contestant: str) -> dict[str, Array]:
        """A contestant's parameters, predictions and gradients, by name; "reference" gives the reference's.

        Raises:
            WorkbenchError: when the run has none, or its file is damaged.
        """
        names = ["reference", *self._trained_ones]
        if contestant not in names:
            raise WorkbenchError(f"run {self.id} has no result of {contestant!r}: choose from {', '.join(names)}")
        file = "reference.npz" if contestant == "reference" else f"contestants/{contestant}/proof.npz"
        return dict(self._trained(file).result)

    @property
    def _trained_ones(self) -> list[str]:
        """Who left a proof file: whoever has a time, and of the others those whose proof failed only after it."""
        return [
            entry.id
            for entry in self.contestants
            if entry.proof is not None
            and (entry.outcome is Outcome.OK or (self.path / "contestants" / entry.id / "proof.npz").is_file())
        ]

    @property
    def colors(self) -> dict[str, str | None]:
        """Each contestant's colour."""
        return {contestant.id: contestant.color for contestant in self.contestants}

    def _trained(self, file: str) -> Trained:
        from workbench.wire import exchange

        try:
            return Trained.of(exchange.load_arrays(files.open_regular(self.path / file)))
        except Exception as error:
            raise WorkbenchError(f"run {self.id} is damaged: {file}: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.title}>"


class NotWrittenError(Exception):
    """The measurements are in ``run``, but could not all be written: the disk is full or gone."""

    def __init__(self, run: StoredRun, reason: str) -> None:
        super().__init__(reason)
        self.run = run


def check_store(store: Path) -> None:
    """Check that runs can be written to a folder, before anything is waited for or started.

    Raises:
        WorkbenchError: when it is no folder, or cannot be written to.
    """
    existing = next((path for path in (store, *store.absolute().parents) if os.path.lexists(path)), store)
    number = 0 if os.access(existing, os.W_OK) else errno.EACCES
    if not existing.is_dir():
        number = errno.ENOTDIR
    elif number and os.statvfs(existing).f_flag & os.ST_RDONLY:
        number = errno.EROFS
    if number:
        raise WorkbenchError(f"cannot write results to {store}: {os.strerror(number)}; choose another folder")


def new_folder(store: Path, task: str, preset: str) -> Path:
    """A new, empty folder for a run in progress; its name is random in part, so two runs never collide.

    Raises:
        WorkbenchError: when the folder cannot be created.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = store / f"{PARTIAL}{now}-{task}-{preset}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        reason = f"cannot write results to {store}: {error.strerror}; choose another folder"
        raise WorkbenchError(reason) from None
    return folder


def save(folder: Path, record: RunRecord) -> None:
    """Write the files that a run is loaded from: run.json and each contestant's samples.json.

    Raises:
        OSError: when the disk is full or the folder gone.
    """
    for contestant in record.contestants:
        own = folder / "contestants" / contestant.id
        for place in (own.parent, own):  # a contestant may have put something else there
            files.make_folder(place)
        files.clear(own / "samples.json")
        files.write_text(own / "samples.json", text_of(records.samples_of(contestant)))
    files.write_text(folder / "run.json", text_of(records.facts_of(record)))


def complete(folder: Path) -> Path:
    """Give a run in progress its final name."""
    final = folder.with_name(folder.name.removeprefix(PARTIAL))
    folder.rename(final)
    files.flush(final.parent)
    return final


def load(path: str | Path, store: Path | None = None) -> StoredRun:
    """A run by its folder, or by its id (or a prefix of it) in a store.

    Raises:
        WorkbenchError: when there is none, when it is damaged, or when a newer workbench wrote it.
    """
    folder = find(Path(path), store)
    facts = _read_json(folder, folder / "run.json")
    with _undamaged(folder, "run.json"):
        if not isinstance(facts, dict):
            raise DamageError("not a JSON object")
        format_ = _checked_format(folder, facts.get("format"))
        names = facts.get("contestants")
        if not isinstance(names, list):
            raise DamageError("it has no list of contestants")
        if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
            raise DamageError(f"it lists {twice!r} twice")
    contestants = [_contestant(folder, name, format_) for name in names]
    with _undamaged(folder, "run.json"):
        return StoredRun(folder, records.run_from(facts, contestants, format_))


def _contestant(folder: Path, name: object, format_: int) -> ContestantRecord:
    """One contestant; its id comes from a file and is validated before it is used in a path."""
    with _undamaged(folder, "samples.json"):
        check_id(name)
        value = _read_json(folder, folder / "contestants" / str(name) / "samples.json")
        record = records.contestant_from(value, format_)
        if record.id != name:
            raise DamageError(f"that of {name!r} belongs to {record.id!r}")
        return record


class _DamagedError(WorkbenchError):
    """A run's files cannot be read; the message already names the run."""


@contextlib.contextmanager
def _undamaged(folder: Path, file: str) -> Iterator[None]:
    """Report whatever is wrong with one of a run's files as one error that names the run."""
    try:
        yield
    except _DamagedError:
        raise
    except (DamageError, WorkbenchError) as error:
        hint = "" if isinstance(error, WorkbenchError) else "; `workbench rebuild` may repair it"
        raise _DamagedError(f"run {folder.name} is damaged: {file}: {error}{hint}") from None


def find(path: Path, store: Path | None, *, unfinished: bool = False) -> Path:
    """The folder of a run given by path, id, a prefix of an id, or "latest".

    Args:
        path: which run.
        store: the folder of runs to search for an id.
        unfinished: whether an unfinished run will do.

    Raises:
        WorkbenchError: when there is none, or more than one.
    """
    if (path / "run.json").is_file() or (unfinished and (path / eventlog.NAME).is_file()):
        return path
    if store is not None and path.name == str(path):
        if path.name == "latest" and (latest := next(newest_first(store, unfinished=unfinished), None)):
            return store / latest
        matching = list(newest_first(store, unfinished=unfinished, prefix=path.name.removeprefix(PARTIAL)))
        if path.name in matching:  # beside a copy with a longer name
            return store / path.name
        if len(matching) > 1:
            raise WorkbenchError(f"{path.name!r} matches {len(matching)} runs: give more of the name")
        if matching:
            return store / matching[0]
    _refuse_unfinished(path, store)
    where = f" in {store}" if store else ""
    raise WorkbenchError(f"no run {str(path)!r}{where}: `workbench results` lists the runs")


def _refuse_unfinished(path: Path, store: Path | None) -> None:
    """Say what can be done with a run that was asked for, if it is an unfinished one."""
    names = [path.name] if (path / eventlog.NAME).is_file() else []
    if store is not None and path.name == str(path):
        names += newest_first(store, unfinished=True, prefix=path.name.removeprefix(PARTIAL))
    for name in names:
        short = name.removeprefix(PARTIAL)
        raise WorkbenchError(
            f"run {short} is unfinished: `workbench results` says how to finish it, and `workbench rebuild {short}` "
            "shows what it has"
        )


def _read_json(folder: Path, path: Path) -> Json:
    try:
        return parsed(files.read_text(path))
    except (OSError, ValueError) as error:
        name = path.relative_to(folder)
        reason = f"run {folder.name} is damaged: {name}: {error}; `workbench rebuild` may repair it"
        raise _DamagedError(reason) from None


def newest_first(store: Path, *, unfinished: bool = False, prefix: str = "") -> Iterator[str]:
    """The names of the folders of finished runs, newest first; only those that are asked for are looked into.

    Args:
        store: the folder of runs.
        unfinished: whether unfinished ones count, too.
        prefix: how their ids begin.

    Raises:
        WorkbenchError: when the folder exists, but cannot be read.
    """
    try:
        names = os.listdir(store)  # noqa: PTH208 - with ten thousand runs, pathlib takes most of the time
    except PermissionError as error:
        raise WorkbenchError(f"{store}: the folder of runs cannot be read: {error.strerror}") from None
    except OSError:
        return
    names = [name for name in names if name.isascii() or _is_text(name)]
    by_id = [(name.removeprefix(PARTIAL), name) for name in names if name.removeprefix(PARTIAL).startswith(prefix)]
    for _, name in sorted(by_id, reverse=True):
        partial = name.startswith(PARTIAL)
        if unfinished if partial else not name.startswith("."):
            file = os.path.join(store, name, eventlog.NAME if partial else "run.json")  # noqa: PTH118
            if os.path.isfile(file):  # noqa: PTH113
                yield name


def _is_text(name: str) -> bool:
    """Whether a file's name is valid UTF-8; no run's is otherwise."""
    try:
        name.encode()
    except UnicodeError:
        return False
    return True


def folders(store: Path) -> list[Path]:
    """The folders of all finished runs of a store, newest first."""
    return [store / name for name in newest_first(store)]


def unfinished_folders(store: Path) -> list[Path]:
    """Folders of runs whose harness died or is still running."""
    try:
        return [path for path in store.glob(f"{PARTIAL}*") if (path / eventlog.NAME).is_file()]
    except OSError:
        return []


def events_of(folder: Path) -> list[Event]:
    """All intact events of a run's log.

    Raises:
        WorkbenchError: when there is no log, when it is damaged, or when a newer workbench wrote it.
    """
    try:
        lines, _, blank = eventlog.read(folder)
    except OSError as error:
        raise WorkbenchError(f"run {folder.name} has no readable log: {error.strerror}") from None
    if not blank and not any(line.get("event") == "begin" for line in lines):
        raise WorkbenchError(
            f"run {folder.name} is damaged: the first line of its log cannot be read, which says what was measured"
        )
    for line in lines:
        if line.get("event") == "begin" or "format" in line:
            _checked_format(folder, line.get("format"))
    try:
        return records.typed(lines)
    except DamageError as error:
        raise WorkbenchError(f"run {folder.name} is damaged: its log is not valid: {error}") from None


def _checked_format(folder: Path, format_: object) -> int:
    if type(format_) is not int or format_ < 1:
        raise _DamagedError(f"run {folder.name} is damaged: {str(format_)[:80]!r} is not a valid format number")
    if format_ > upgrade.FORMAT:
        raise _DamagedError(
            f"run {folder.name} has format {format_}, but this workbench reads only up to "
            f"{upgrade.FORMAT}: use a newer workbench"
        )
    return format_


def store_of(folder: str | Path | None) -> Path:
    """A folder of runs; the default one when None."""
    return Path(folder) if folder is not None else default_store()


def default_store() -> Path:
    """The default folder of runs: ./results."""
    return Path("results")
