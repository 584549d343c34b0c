"""Version against version: an environment per version, all of them in one session; speed and numeric drift."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workbench import api
from workbench.catalog import Catalog, Roots, catalog
from workbench.catalog.checks import check_task
from workbench.catalog.roots import package_root
from workbench.errors import WorkbenchError, one_line
from workbench.host import venvs
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.progress import Progress, Silence
from workbench.session import runner, verify
from workbench.session.stopping import RATIO_ERROR
from workbench.show import summary, tables
from workbench.show.units import format_ratio, format_seconds
from workbench.statistics import Comparison, compare
from workbench.store.results import Run, default_store

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from workbench.contract import Array

LAUNCHES = 8  # with fewer than seven no test at 2 % exists
HEADINGS = ("frontend", "version", "step", "within", "× base", "verdict", "off by", "drift")
BUILDS = ("cpu", "gpu", "rocm", "nightly")  # one framework under several names

Row = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """One version of a distribution, as it was asked for."""

    distribution: str
    version: str
    requirement: str


@dataclass(frozen=True)
class VersionsReport:
    """What a session of versions came to.

    Attributes:
        run: the session itself, as :func:`workbench.load` gives it again.
        environments: by contestant, the versions of all packages in its environment.
    """

    run: Run
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[Row]:
        """A row per frontend and version as plain values; times in seconds, differences relative."""
        with self.run.reading():
            return rows(self.run)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows as a frame."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    @property
    def also_differs(self) -> dict[str, dict[str, list[str]]]:
        """By frontend, packages besides the compared one whose versions differ between the environments."""
        return also_differs(self.rows, self.environments)

    def as_json(self) -> dict[str, Any]:
        """What `workbench versions --json` prints."""
        return {"run": self.run.id, "title": self.run.title, "rows": self.rows, "also_differs": self.also_differs}

    def terminal(self) -> list[RenderableType]:
        """The table and what must be known beside it."""
        return _terminal(self)

    def _repr_html_(self) -> str:
        return _html(self)


def versions(
    requirements: str | Iterable[str],
    task: str,
    frameworks: str | Iterable[str] | None = None,
    *,
    preset: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
    launches: int | None = None,
    budget_s: float | None = None,
    rounds: int = 10,
    timeout_s: float = 300.0,
    output: str | Path | None = None,
    content: Roots = None,
    progress: Progress | None = None,
    if_busy: str = "wait",
    environments: Path | None = None,
) -> VersionsReport:
    """Measure versions of one package side by side, each in an environment of its own that is built where it lacks.

    Args:
        requirements: such as "torch==2.12,torch==2.13"; the first is the base of every comparison.
        task: a task's name.
        frameworks: frontends to measure; those that import the package when None.
        preset: one of the task's presets; its first when None.
        device: as in :func:`workbench.run`, and so for all below but where said.
        threads: CPU threads of every contestant.
        steps: instead of the preset's number of steps.
        seed: of start weights, generated data and the order of batches.
        dtype: "float32" or "float64".
        launches: fresh processes per contestant; 8 when neither this nor ``budget_s`` is given.
        budget_s: launches go on while this many seconds have room for one more; building does not count.
        rounds: how often each contestant is measured per launch; up to four times as often where blocks scatter.
        timeout_s: how long one phase of one contestant may take, in seconds.
        output: the folder that receives the run's folder; ./results when None.
        content: as in :func:`workbench.run`.
        progress: who is told how it gets on.
        if_busy: "wait" when another session measures on this host, or "refuse".
        environments: the folder that keeps environments; in the user's cache when None.

    Raises:
        WorkbenchError: for anything that was asked for wrongly; nothing is written then.
        NotWrittenError, PlotFailedError: as in :func:`workbench.run`.
    """
    wanted = parse(requirements)
    found, told = catalog(content), progress or Silence()
    check_task(found, task)
    if frameworks is None:
        chosen = frontends_of(found, wanted[0].distribution, task)
    else:
        chosen = api.chosen_frontends(found, frameworks, task)
    if launches is None and budget_s is None:
        launches = LAUNCHES
    settings = api.settings_of(
        found,
        task,
        preset=preset,
        device=device,
        threads=threads,
        steps=steps,
        seed=seed,
        dtype=dtype,
        launches=launches,
        budget_s=budget_s,
        rounds=rounds,
        timeout_s=timeout_s,
    )
    settings = dataclasses.replace(settings, ratio_error=RATIO_ERROR)
    contestants = contestants_of(found, chosen, wanted)
    with venvs.undisturbed(if_busy, told):
        made = _equipped(contestants, task, found, told, environments)
    store = Path(output) if output is not None else default_store()
    return VersionsReport(runner.measure(found, contestants, settings, store, told, if_busy=if_busy), made)


def parse(requirements: str | Iterable[str]) -> list[Version]:
    """The versions that are asked for, two or more of one distribution.

    Raises:
        WorkbenchError: for anything else.
    """
    texts = requirements.split(",") if isinstance(requirements, str) else list(requirements)
    wanted = [_pinned(text) for text in filter(None, (text.strip() for text in texts))]
    if others := {version.distribution for version in wanted[1:]} - {version.distribution for version in wanted[:1]}:
        raise WorkbenchError(
            f"versions of one package are compared, not of {wanted[0].distribution} and {min(others)}: run them apart"
        )
    if len({version.version for version in wanted}) < max(2, len(wanted)):
        raise WorkbenchError("two or more different versions are needed, such as numpy==2.2.6,numpy==2.4.6")
    return wanted


def _pinned(text: str) -> Version:
    """The one version that a requirement allows.

    Raises:
        WorkbenchError: when it allows several, or is not a requirement.
    """
    refused = WorkbenchError(f"{text!r} names no version: write NAME==VERSION, such as numpy==2.2.6,numpy==2.4.6")
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise refused from None
    pins = [pin.version for pin in requirement.specifier if pin.operator == "==" and "*" not in pin.version]
    if len(pins) != 1 or len(requirement.specifier) != 1 or requirement.marker:
        raise refused
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return Version(canonicalize_name(requirement.name), pins[0], f"{requirement.name}{extras}=={pins[0]}")


def frontends_of(found: Catalog, distribution: str, task: str) -> list[Frontend]:
    """The frontends of a task that import what a distribution brings.

    Raises:
        WorkbenchError: when none does.
    """
    chosen = [
        frontend
        for frontend in found.select(["all"], task)
        if any(brings(distribution, package) for package in frontend.packages)
    ]
    if not chosen:
        raise WorkbenchError(f"no frontend imports {distribution} by itself: name those to measure with --frameworks")
    return chosen


def brings(distribution: str, package: str) -> bool:
    """Whether a distribution brings a package that is imported by this name."""
    name = canonicalize_name(package)
    return distribution in {name, *(f"{name}-{build}" for build in BUILDS)}


def contestants_of(found: Catalog, frontends: Sequence[Frontend], wanted: Sequence[Version]) -> list[Contestant]:
    """Every frontend in every version; those of one frontend are compared with each other."""
    return [
        Contestant(
            f"{frontend.id}@{version.version}",
            frontend,
            found.roots,
            package_root(),
            group=frontend.id,
            source=version.requirement,
        )
        for frontend in frontends
        for version in wanted
    ]


def _equipped(
    contestants: Sequence[Contestant], task: str, found: Catalog, told: Progress, root: Path | None
) -> dict[str, Mapping[str, str]]:
    """Give every contestant its interpreter; what is installed there, by contestant."""
    made: dict[str, Mapping[str, str]] = {}
    for contestant in contestants:
        if found.hole(task, contestant.frontend):
            continue
        needed, constraints = needs(contestant.frontend, contestant.source)
        environment = venvs.equip(contestant, needed, constraints, told, root)
        if environment is not None:
            made[contestant.id] = environment.packages
    return made


def needs(frontend: Frontend, requirement: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """What goes into the environment of a frontend at a version, and what all else is held to, in order of trial.

    The tested versions of all other packages; else those of packages that are not this framework's own parts; else
    none: an older framework may need older companions.
    """
    varied, tested = venvs.name_of(requirement), venvs.tested_versions()
    own = list(frontend.requirements) or [
        _distribution(package) for package in frontend.packages if not brings(varied, package)
    ]
    others = [other for other in dict.fromkeys([*own, *venvs.NEEDED]) if venvs.name_of(other) != varied]
    fewer = venvs.without(tested, [varied])
    return [requirement, *others], [fewer, venvs.without(fewer, own), ()]


def _distribution(package: str) -> str:
    """The distribution that brings a package here; where there is none, of the same name."""
    from importlib.metadata import packages_distributions

    return packages_distributions().get(package, [package])[0]


def rows(run: Run) -> list[Row]:
    """A row per frontend and version; the first version of each frontend is the base of its others."""
    dirty = summary.dirty_rounds(run.info)
    bases: dict[str, Mapping[str, Any]] = {}
    found: list[Row] = []
    for entry, contestant in zip(run.rows, run.contestants, strict=True):
        base = bases.setdefault(contestant["mode"], contestant)
        row = {
            "frontend": contestant["mode"],
            "version": one_line(contestant.get("source") or contestant["frontend"]),
            "contestant": contestant["frontend"],
            **{name: entry[name] for name in ("outcome", "reason", "versions")},
            **{name: entry[name] for name in ("step_s", "step_s_low", "step_s_high", "launches")},
            "off_by": entry["max_relative_error"],
            "tolerance": run.info["tolerance"],
            "base": base["frontend"],
        }
        drift: Row = dict.fromkeys(("loss_drift", "result_drift"))
        compared: Row = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "p", "verdict", "sentence"))
        if contestant is not base:
            drift = drift_between(run, base, contestant)
            compared = _comparison(compare(*_paired(base, contestant, dirty)), base, contestant)
        found.append({**row, **compared, **drift})
    return found


def _paired(
    base: Mapping[str, Any], head: Mapping[str, Any], dirty: set[tuple[int, int]]
) -> tuple[list[float] | None, list[float] | None]:
    """Seconds per step of both, launch by launch, of the launches that both have; None for one without a time."""
    measured = [
        {launch["launch"]: launch for launch in contestant["launches"] if launch["blocks"]}
        if contestant["outcome"] == "ok"
        else {}
        for contestant in (base, head)
    ]
    if not all(measured):
        return ([], None) if measured[0] else (None, [])
    both = [number for number in measured[0] if number in measured[1]]
    steps = [summary.launch_steps([launches[number] for launches in measured], dirty) for number in both]
    return [pair[0] for pair in steps], [pair[1] for pair in steps]


def _comparison(found: Comparison, base: Mapping[str, Any], head: Mapping[str, Any]) -> Row:
    names = {"base": base["frontend"], "head": head["frontend"]}
    sentence = re.sub(r"\b(base|head)\b", lambda word: names[word[0]], found.reason)
    numbers = {"ratio": found.ratio, "ratio_low": found.low, "ratio_high": found.high, "p": found.p}
    return {**numbers, "verdict": str(found.verdict), "sentence": sentence}


def drift_between(run: Run, base: Mapping[str, Any], head: Mapping[str, Any]) -> dict[str, float | None]:
    """The largest relative differences of two contestants' losses and results; None where they cannot be compared."""
    if base["proof"] is None or head["proof"] is None:
        return {"loss_drift": None, "result_drift": None}
    old, new = (run.losses[contestant["frontend"]].dropna().to_numpy() for contestant in (base, head))
    losses = None
    if len(old) == len(new) and len(old):
        losses = float(np.max(verify.loss_differences(new, old, run.info["settings"]["dtype"])))
    return {
        "loss_drift": losses,
        "result_drift": result_drift(run.result(base["frontend"]), run.result(head["frontend"])),
    }


def result_drift(base: Mapping[str, Array], head: Mapping[str, Array]) -> float | None:
    """The largest difference of two results, relative to the largest element of the base's arrays of that kind.

    None where their arrays differ in name or shape, or hold what is not finite.
    """
    if {name: array.shape for name, array in base.items()} != {name: array.shape for name, array in head.items()}:
        return None
    if not all(np.isfinite(array).all() for array in [*base.values(), *head.values()]):
        return None
    worst = 0.0
    for kind in {name.split("/")[0] for name in base}:
        names = [name for name in base if name.split("/")[0] == kind]
        largest = max(float(np.max(np.abs(base[name]), initial=0.0)) for name in names)
        worst = max(worst, *(verify.array_difference(head[name], base[name], largest) for name in names))
    return worst


def also_differs(
    found: Sequence[Row], environments: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, list[str]]]:
    """By frontend, packages besides the compared one that differ between its environments, version by version."""
    differing: dict[str, dict[str, list[str]]] = {}
    for frontend in dict.fromkeys(row["frontend"] for row in found):
        mine = [row for row in found if row["frontend"] == frontend and row["contestant"] in environments]
        compared = {venvs.name_of(row["version"]) for row in mine}
        names = sorted({name for row in mine for name in environments[row["contestant"]]} - compared)
        each = {name: [environments[row["contestant"]].get(name, "–") for row in mine] for name in names}
        if parted := {name: values for name, values in each.items() if len(set(values)) > 1}:
            differing[frontend] = parted
    return differing


def cells(row: Row) -> tuple[str, ...]:
    """A row as texts, in the order of HEADINGS."""
    timed = row["step_s"] is not None
    first = row["contestant"] == row["base"]
    return (
        row["frontend"],
        row["version"],
        format_seconds(row["step_s"]),
        tables.format_range(row["step_s"], row["step_s_low"], row["step_s_high"]) if timed else "–",
        "base" if first else format_ratio(row["ratio"]),
        "" if first else row["verdict"],
        tables.format_error(row["off_by"]),
        "" if first else tables.format_error(_drift(row)),
    )


def _drift(row: Row) -> float | None:
    """The larger drift of losses and result; None where either cannot be compared."""
    both = (row["loss_drift"], row["result_drift"])
    return None if None in both else max(both)


def notes(report: VersionsReport) -> list[str]:
    """What must be known beside the table."""
    lines = [f"{row['contestant']} {row['outcome']}: {row['reason']}" for row in report.rows if row["outcome"] != "ok"]
    lines += [row["sentence"] + "." for row in report.rows if row["verdict"] and row["outcome"] == "ok"]
    for frontend, packages in report.also_differs.items():
        parts = ", ".join(f"{name} {' / '.join(values)}" for name, values in packages.items())
        lines.append(f"{frontend}: other packages differ between the environments, too: {parts}.")
    lines.append(
        "off by: largest relative difference of losses and result from float64 NumPy; drift: from the base version. "
        f"Rounding explains up to {report.run.info['tolerance']:.1e}."
    )
    noisy = tables.disturbance(report.run)
    return [one_line(line) for line in [*lines, *([noisy] if noisy else [])]]


def _terminal(report: VersionsReport) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    lines = [cells(row) for row in report.rows]
    alone = len({line[0] for line in lines}) == 1
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in HEADINGS[alone:]:
        words = heading in ("frontend", "version", "verdict")
        shown.add_column(heading, justify="left" if words else "right", no_wrap=heading == "verdict", overflow="fold")
    for line in lines:
        shown.add_row(*(Text(one_line(cell)) for cell in line[alone:]))
    title = f"{report.run.title} · {lines[0][0]}" if alone else report.run.title
    return [Text(title, style="bold"), shown, *(Text(line, style="dim") for line in notes(report))]


def _html(report: VersionsReport) -> str:
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(one_line(cell))}</td>" for cell in cells(row)) + "</tr>"
        for row in report.rows
    )
    below = "".join(f"<p><small>{html.escape(line)}</small></p>" for line in notes(report))
    return f"<h4>{html.escape(report.run.title)}</h4><table><tr>{head}</tr>{body}</table>{below}"
