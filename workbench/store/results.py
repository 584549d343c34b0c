"""Runs on disk: one folder each, written under a temporary name, renamed when complete, never changed again.

A run folder holds::

    events.jsonl           the log: everything below but for npz and log.txt follows from it (`workbench rebuild`)
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
import datetime
import json
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError, one_line
from workbench.host import files
from workbench.model.contestant import check_id
from workbench.store import eventlog
from workbench.store.records import checked, scrubbed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from workbench.contract import Array
    from workbench.show.plots import RunPlots

# History of the format. 1: the first.
FORMAT = 1
PARTIAL = ".partial-"


class Run:
    """One finished run: what was measured, as plain values and as pandas frames.

    Attributes:
        path: the run's folder.
        info: machine, versions, settings and problem, as in run.json.
        contestants: what each contestant did, as in samples.json.
    """

    def __init__(self, path: Path, info: Mapping[str, Any], contestants: Sequence[Mapping[str, Any]]) -> None:
        self.path = path
        self.info = info
        self.contestants = contestants

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def title(self) -> str:
        """Task, preset and device in one line."""
        settings = self.info["settings"]
        return f"{settings['task']} · {settings['preset']} · {settings['device']}"

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per contestant: outcome, proof, phases, steady step, memory."""
        from workbench.show import summary

        with self.reading():
            return summary.table(self.info, self.contestants)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The table's rows as plain values."""
        from workbench.show import summary

        with self.reading():
            return summary.rows(self.info, self.contestants)

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """The size sweep's points, empty where there was none: frontend, size, work, step_s, its interval."""
        from workbench.show import summary

        with self.reading():
            return summary.sweep_points(self.contestants)

    @cached_property
    def fits(self) -> pd.DataFrame:
        """The sweep's fits, step = overhead_s + work x seconds_per_unit, a row per frontend, with 95 % intervals."""
        from workbench.show import summary

        with self.reading():
            return summary.sweep_fits(self.sweep)

    @property
    def plot(self) -> RunPlots:
        """The run's figures: plot.loss(), plot.time(), plot.phases(), plot.sweep()."""
        from workbench.show.plots import RunPlots

        return RunPlots(self)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Values that are no JSON of ours, however they came there, are one sentence."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            reason = one_line(f"{type(error).__name__}: {error}")
            raise WorkbenchError(f"run {self.id} is damaged: its values make no table ({reason})") from error

    @cached_property
    def losses(self) -> pd.DataFrame:
        """A row per step, a column per frontend that was proven, and the reference's."""
        import pandas as pd

        columns = {"reference": self._losses("reference.npz")}
        for contestant in self.contestants:
            if contestant["proof"] is not None:
                name = contestant["frontend"]
                columns[name] = self._losses(f"contestants/{name}/proof.npz")
        series = {name: pd.Series(values) for name, values in columns.items()}
        return pd.DataFrame(series).rename_axis("step")

    def result(self, frontend: str) -> dict[str, Array]:
        """A contestant's parameters, predictions and gradients, by name; "reference" gives the reference's."""
        known = ["reference", *(c["frontend"] for c in self.contestants if c["proof"] is not None)]
        if frontend not in known:
            raise WorkbenchError(f"run {self.id} has no result of {frontend!r}; it has {', '.join(known)}")
        file = "reference.npz" if frontend == "reference" else f"contestants/{frontend}/proof.npz"
        arrays = self._arrays(file)
        return {name.removeprefix("result/"): array for name, array in arrays.items() if name.startswith("result/")}

    @property
    def colors(self) -> dict[str, str | None]:
        """Each frontend's colour."""
        return {contestant["frontend"]: contestant["color"] for contestant in self.contestants}

    def summary(self) -> dict[str, Any]:
        """What summary.json holds."""
        return {"format": FORMAT, "run": self.id, **self.info, "contestants": self.rows}

    def _losses(self, name: str) -> Array:
        arrays = self._arrays(name)
        if "losses" not in arrays:
            raise WorkbenchError(f"run {self.id} is damaged: {name} holds no losses")
        return arrays["losses"]

    def _arrays(self, name: str) -> dict[str, Array]:
        from workbench.wire import exchange

        try:
            return exchange.load_arrays(self.path / name)
        except Exception as error:
            raise WorkbenchError(f"run {self.id} is damaged: {name}: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self.title}>"

    def _repr_html_(self) -> str:
        from workbench.show import tables

        with self.reading():
            return tables.html(self)


def new_folder(store: Path, task: str, preset: str) -> Path:
    """A new, empty folder for a run in progress; its name needs no counter, so two runs never meet.

    Raises:
        WorkbenchError: when the folder cannot be made.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = store / f"{PARTIAL}{now}-{task}-{preset}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise WorkbenchError(
            f"cannot write results to {store}: {error.strerror}; choose another folder with --output"
        ) from None
    return folder


def complete(folder: Path) -> Path:
    """Give a run in progress its final name."""
    final = folder.with_name(folder.name.removeprefix(PARTIAL))
    folder.rename(final)
    files.flush(final.parent)
    return final


def load(path: str | Path, store: Path | None = None) -> Run:
    """A run by its folder, or by its id (or the beginning of one) in a store.

    Raises:
        WorkbenchError: when there is none, when it is damaged, or when a newer workbench wrote it.
    """
    folder = find(Path(path), store)
    info = _read_json(folder, folder / "run.json")
    _check_format(folder, info.get("format"))
    _require(folder, "run.json", info, ("contestants", "settings", "problem", "rounds", "tolerance", "machine_key"))
    try:
        samples = [_samples(folder, name) for name in info["contestants"]]
    except (AttributeError, LookupError, TypeError) as error:
        raise WorkbenchError(f"run {folder.name} is damaged: {type(error).__name__}: {error}") from None
    return Run(folder, {name: value for name, value in info.items() if name != "contestants"}, samples)


def _samples(folder: Path, name: object) -> dict[str, Any]:
    """One contestant's samples; its id comes from a file and is not followed before it is known to be harmless."""
    with _damage_of(folder):
        check_id(name)
    sample = _read_json(folder, folder / "contestants" / str(name) / "samples.json")
    _require(folder, "samples.json", sample, ("frontend", "outcome", "reason", "proof", "launches", "sweep"))
    with _damage_of(folder):
        found = checked(sample)
    if found["frontend"] != name:
        raise WorkbenchError(f"run {folder.name} is damaged: the samples of {name!r} are another's")
    for launch in found["launches"]:
        _require(folder, "samples.json", launch, ("bring_up_s", "trace", "blocks", "rounds", "observed"))
    return found


@contextlib.contextmanager
def _damage_of(folder: Path) -> Iterator[None]:
    """What is wrong with values that were read is damage of the run they come from."""
    try:
        yield
    except WorkbenchError as error:
        raise WorkbenchError(f"run {folder.name} is damaged: {error}") from None


def find(path: Path, store: Path | None, *, unfinished: bool = False) -> Path:
    """The folder of a run named by path, id, the beginning of an id, or "latest"; an unfinished one if asked for.

    Raises:
        WorkbenchError: when there is none, or more than one.
    """
    if (path / "run.json").is_file() or (unfinished and (path / eventlog.NAME).is_file()):
        return path
    if store is not None and path.name == str(path):
        known = sorted([*folders(store), *(unfinished_folders(store) if unfinished else [])], key=_id, reverse=True)
        if path.name == "latest" and known:
            return known[0]
        wanted = path.name.removeprefix(PARTIAL)
        matching = [folder for folder in known if _id(folder).startswith(wanted)]
        if len(matching) > 1:
            raise WorkbenchError(f"{path.name!r} is the beginning of {len(matching)} runs; give more of the name")
        if matching:
            return matching[0]
    where = f" in {store}" if store else ""
    raise WorkbenchError(f"no run {str(path)!r}{where}: `workbench results` lists the runs")


def _require(folder: Path, file: str, value: Mapping[str, Any], keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in value]
    if missing:
        raise WorkbenchError(
            f"run {folder.name} is damaged: {file} has no {missing[0]!r}; `workbench rebuild` may mend it"
        )


def _read_json(folder: Path, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        name = path.relative_to(folder)
        raise WorkbenchError(
            f"run {folder.name} is damaged: {name}: {error}; `workbench rebuild` may mend it"
        ) from None
    if not isinstance(value, dict):
        raise WorkbenchError(f"run {folder.name} is damaged: {path.name} holds no object")
    cleaned: dict[str, Any] = scrubbed(value)
    return cleaned


def folders(store: Path) -> list[Path]:
    """The folders of all finished runs of a store, newest first."""
    try:
        found = [path for path in store.iterdir() if (path / "run.json").is_file()]
    except OSError:
        return []
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda p: p.name, reverse=True)


def unfinished_folders(store: Path) -> list[Path]:
    """Folders of runs whose harness died, or is still at work."""
    try:
        return [path for path in store.glob(f"{PARTIAL}*") if (path / eventlog.NAME).is_file()]
    except OSError:
        return []


def events_of(folder: Path) -> list[dict[str, Any]]:
    """All whole events of a run's log.

    Raises:
        WorkbenchError: when there is no log, or a newer workbench wrote it.
    """
    try:
        events = eventlog.read(folder).events
    except OSError as error:
        raise WorkbenchError(f"run {folder.name} has no readable log: {error.strerror}") from None
    for event in events:
        if event["event"] == "begin":
            _check_format(folder, event.get("format"))
    return events


def _id(folder: Path) -> str:
    return folder.name.removeprefix(PARTIAL)


def _check_format(folder: Path, found: object) -> None:
    if type(found) is not int or not 1 <= found <= FORMAT:
        version = one_line(str(found))
        raise WorkbenchError(
            f"run {folder.name} has format {version}, this workbench reads up to {FORMAT}: use a newer workbench"
        )


def default_store() -> Path:
    """Where runs go unless told otherwise: ./results."""
    return Path("results")
