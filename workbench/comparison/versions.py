"""Comparing versions of a package: an environment per version, all measured in one session; speed and drift."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workbench.catalog import Catalog, catalog
from workbench.catalog.checks import check_task
from workbench.catalog.roots import package_root
from workbench.comparison.sides import MetricChange, by_group, metric_changes, metrics_of, times_side_by_side
from workbench.errors import WorkbenchError
from workbench.host import venvs
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome
from workbench.model.progress import Progress, Silence
from workbench.model.records import ContestantRecord
from workbench.model.request import Request, patterns_of
from workbench.model.stage import TRAIN, in_order
from workbench.session import runner
from workbench.session.settings import settings_of
from workbench.session.stopping import RATIO_ERROR
from workbench.statistics import Comparison, Names, compare
from workbench.statistics.deviation import array_deviation, loss_deviations
from workbench.statistics.launches import RoundIds, Steady, steady
from workbench.store.results import StoredRun, store_of

if TYPE_CHECKING:
    from workbench.contract import Array

LAUNCHES = 8  # with fewer than seven, no test can reach the 2 % level
LONGEST = 60  # characters of a version, which becomes part of a contestant's id
BUILDS = ("cpu", "gpu", "rocm", "nightly")  # suffixes of distributions that contain the same package


@dataclass(frozen=True)
class Version:
    """One version of a distribution, as requested."""

    distribution: str
    version: str
    requirement: str


@dataclass(frozen=True)
class Drift:
    """The largest relative differences of losses and of results from the base's; None if they cannot be compared."""

    losses: float | None = None
    results: float | None = None

    @property
    def larger(self) -> float | None:
        """The larger of the two; None if either cannot be compared."""
        return None if self.losses is None or self.results is None else max(self.losses, self.results)


@dataclass(frozen=True, kw_only=True)
class VersionRow:
    """A frontend at a version and a stage, compared with the base, which is the first version of that frontend.

    Attributes:
        version: the requirement, such as "torch==2.12".
        contestant, base: the ids of this contestant and of the base.
        versions: versions of all its packages.
        steady: its steady time per unit; None if it has none.
        launches: number of launches measured.
        off_by: the largest relative difference from float64 NumPy; rounding explains up to ``tolerance``.
        comparison: comparison of its time with the base's; None for the base itself.
        drift: numeric difference from the base; empty for the base itself.
        metrics: changes from the base's metrics; for the base itself, its own metrics alone.
    """

    frontend: str
    version: str
    contestant: str
    base: str
    stage: str
    outcome: Outcome
    reason: str
    versions: dict[str, str]
    steady: Steady | None
    launches: int | None
    off_by: float | None
    tolerance: float
    comparison: Comparison | None
    drift: Drift
    metrics: tuple[MetricChange, ...]

    @property
    def verdict(self) -> str | None:
        """The verdict of the comparison; None for the base itself."""
        return None if self.comparison is None else str(self.comparison.verdict)


@dataclass(frozen=True)
class VersionsResult:
    """The result of a session that compares versions.

    Attributes:
        run: the session's run, which :func:`workbench.load` can load again.
        environments: by contestant, the versions of all packages in its environment.
    """

    run: StoredRun
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[VersionRow]:
        """A row per stage, frontend and version; times in seconds, differences relative."""
        with self.run.reading():
            return rows(self.run)

    @property
    def also_differs(self) -> dict[str, dict[str, list[str]]]:
        """By frontend, other packages than the compared one whose versions differ between the environments."""
        return also_differs(self.rows, self.environments)


def compare_versions(
    requirements: str | Iterable[str],
    task: str,
    frameworks: str | Iterable[str] | None,
    request: Request,
    progress: Progress | None = None,
    environments: Path | None = None,
) -> VersionsResult:
    """Measure versions of one package side by side, each in an environment of its own, which is built if needed.

    Args:
        requirements: such as "torch==2.12,torch==2.13"; the first is the base of every comparison.
        task: a task's name.
        frameworks: frontends to measure; if None, those that import the package.
        request: how to measure them.
        progress: receives progress events.
        environments: the folder that keeps environments; if None, one in the user's cache.

    Raises:
        WorkbenchError: when an argument is invalid; nothing is written then.
        NotWrittenError, PlotFailedError: as in :func:`workbench.run`.
    """
    requested = parse(requirements)
    content, progress = catalog(request.content), progress or Silence()
    check_task(content, task)
    if frameworks is None:
        chosen = frontends_of(content, requested[0].distribution, task)
    else:
        chosen = content.select(patterns_of(frameworks), task)
    if request.launches is None and request.budget_s is None and request.precision is None:
        request = dataclasses.replace(request, launches=LAUNCHES)
    settings = dataclasses.replace(settings_of(content, task, request), ratio_error=RATIO_ERROR)
    contestants = contestants_of(content, chosen, requested)
    with venvs.undisturbed(request.if_busy, progress):
        installed = _equip(contestants, task, content, progress, environments)
    store = store_of(request.output)
    run = runner.measure(content, contestants, settings, store, progress, if_busy=request.if_busy)
    return VersionsResult(run, installed)


def parse(requirements: str | Iterable[str]) -> list[Version]:
    """The requested versions: two or more, all of one distribution.

    Raises:
        WorkbenchError: when they are not.
    """
    texts = requirements.split(",") if isinstance(requirements, str) else list(requirements)
    requested = [_pinned(text) for text in filter(None, (text.strip() for text in texts))]
    first, others = requested[:1], requested[1:]
    if different := {version.distribution for version in others} - {version.distribution for version in first}:
        raise WorkbenchError(
            f"only versions of one package can be compared, not of {first[0].distribution} and {min(different)}: "
            "compare the versions of each package separately"
        )
    if len({version.version for version in requested}) < max(2, len(requested)):
        raise WorkbenchError("two or more different versions are needed, such as numpy==2.2.6,numpy==2.4.6")
    return requested


def _pinned(text: str) -> Version:
    """The single version that a requirement pins.

    Raises:
        WorkbenchError: when it allows several, or is not a requirement.
    """
    example = "NAME==VERSION, such as numpy==2.2.6,numpy==2.4.6"
    unpinned = WorkbenchError(f"{text!r} does not pin a version: write {example}")
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise unpinned from None
    pins = [pin.version for pin in requirement.specifier if pin.operator == "==" and "*" not in pin.version]
    if len(pins) != 1 or len(requirement.specifier) != 1 or requirement.marker:
        raise unpinned
    if "!" in pins[0] or len(pins[0]) > LONGEST:
        raise WorkbenchError(f"{text[:80]!r}: expected a version of at most {LONGEST} characters, without an epoch")
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return Version(canonicalize_name(requirement.name), pins[0], f"{requirement.name}{extras}=={pins[0]}")


def frontends_of(content: Catalog, distribution: str, task: str) -> list[Frontend]:
    """The frontends of a task that import the package of a distribution.

    Raises:
        WorkbenchError: when there are none.
    """
    chosen = [
        frontend
        for frontend in content.select(["all"], task)
        if any(provides(distribution, package) for package in frontend.packages)
    ]
    if not chosen:
        raise WorkbenchError(f"no frontend imports {distribution} directly: name the frontends to measure (frameworks)")
    return chosen


def provides(distribution: str, package: str) -> bool:
    """Whether a distribution provides the package that is imported by this name."""
    name = canonicalize_name(package)
    return distribution in {name, *(f"{name}-{build}" for build in BUILDS)}


def contestants_of(content: Catalog, frontends: Sequence[Frontend], versions: Sequence[Version]) -> list[Contestant]:
    """Every frontend at every version; those of one frontend are compared with each other."""
    return [
        Contestant(
            f"{frontend.id}@{version.version}",
            frontend,
            content.roots,
            package_root(),
            group=frontend.id,
            side=version.version,
            source=version.requirement,
        )
        for frontend in frontends
        for version in versions
    ]


def _equip(
    contestants: Sequence[Contestant], task: str, content: Catalog, progress: Progress, root: Path | None
) -> dict[str, Mapping[str, str]]:
    """Give every contestant its environment; return the packages installed in each, by contestant."""
    installed: dict[str, Mapping[str, str]] = {}
    for contestant in contestants:
        if content.hole(task, contestant.frontend):
            continue
        needed, constraints = needs(contestant.frontend, contestant.source)
        environment = venvs.equip(contestant, needed, constraints, progress, root)
        if environment is not None:
            installed[contestant.id] = environment.packages
    return installed


def needs(frontend: Frontend, requirement: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """The requirements of a frontend's environment at a version, and sets of constraints, in the order to be tried.

    First the tested versions of all other packages, then those of packages that are not parts of this framework, then
    no constraints: an older framework may need older dependencies.
    """
    varied, tested = venvs.name_of(requirement), venvs.tested_versions()
    own = list(frontend.requirements) or [
        _distribution(package) for package in frontend.packages if not provides(varied, package)
    ]
    others = [other for other in dict.fromkeys([*own, *venvs.NEEDED]) if venvs.name_of(other) != varied]
    fewer = venvs.without(tested, [varied])
    return [requirement, *others], [fewer, venvs.without(fewer, own), ()]


def _distribution(package: str) -> str:
    """The installed distribution that provides a package; the package's name if none does."""
    from importlib.metadata import packages_distributions

    return packages_distributions().get(package, [package])[0]


def rows(run: StoredRun) -> list[VersionRow]:
    """A row per stage, frontend and version; the first version of each frontend is the base of its others."""
    groups = by_group(run.contestants)
    bases = {group: next(iter(sides.values())) for group, sides in groups.items()}
    drifts = {head.id: drift_between(run, bases[head.group], head) for head in run.contestants}
    return [
        _row(run, bases[contestant.group], contestant, stage.name, drifts[contestant.id])
        for stage in in_order(run.record.stages) or [TRAIN]
        for contestant in run.contestants
    ]


def _row(run: StoredRun, base: ContestantRecord, head: ContestantRecord, stage: str, drift: Drift) -> VersionRow:
    disturbed, launches, first = run.record.disturbed, head.measured(stage), head is base
    return VersionRow(
        frontend=head.frontend,
        version=head.source or head.id,
        contestant=head.id,
        base=base.id,
        stage=stage,
        outcome=head.outcome,
        reason=head.reason,
        versions=head.versions,
        steady=steady(launches, stage, disturbed) if launches else None,
        launches=len(launches) or None,
        off_by=head.proof.max_relative_error if head.proof else None,
        tolerance=run.record.tolerance,
        comparison=None if first else _compared(base, head, stage, disturbed),
        drift=drift,
        metrics=metric_changes({} if first else metrics_of(base), metrics_of(head)),
    )


def _compared(base: ContestantRecord, head: ContestantRecord, stage: str, disturbed: RoundIds) -> Comparison:
    """Compare launch by launch, over the launches that both have."""
    old, new = base.measured(stage), head.measured(stage)
    base_s, head_s = times_side_by_side([old, new], stage, disturbed)
    return compare(base_s if old else None, head_s if new else None, names=Names(base.id, head.id))


def drift_between(run: StoredRun, base: ContestantRecord, head: ContestantRecord) -> Drift:
    """The drift of a contestant's losses and result from the base's."""
    if base is head or base.proof is None or head.proof is None or not {base.id, head.id} <= {*run.losses}:
        return Drift()
    old, new = (run.losses[contestant.id].dropna().to_numpy() for contestant in (base, head))
    losses = None
    if len(old) == len(new) and len(old):
        losses = float(np.max(loss_deviations(new, old, run.record.settings.dtype)))
    return Drift(losses, result_drift(run.result(base.id), run.result(head.id)))


def result_drift(base: Mapping[str, Array], head: Mapping[str, Array]) -> float | None:
    """The largest difference of two results, relative to the largest element of the base's arrays of the same kind.

    None if their arrays differ in name or shape, or have values that are not finite.
    """
    if {name: array.shape for name, array in base.items()} != {name: array.shape for name, array in head.items()}:
        return None
    if not all(np.isfinite(array).all() for array in [*base.values(), *head.values()]):
        return None
    worst = 0.0
    for kind in {name.split("/")[0] for name in base}:
        names = [name for name in base if name.split("/")[0] == kind]
        largest = max(float(np.max(np.abs(base[name]), initial=0.0)) for name in names)
        worst = max(worst, *(array_deviation(head[name], base[name], largest) for name in names))
    return worst


def also_differs(
    rows: Sequence[VersionRow], environments: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, list[str]]]:
    """By frontend, other packages than the compared one that differ between its environments, version by version."""
    differing: dict[str, dict[str, list[str]]] = {}
    for frontend in dict.fromkeys(row.frontend for row in rows):
        versions_of = {row.contestant: row.version for row in rows if row.frontend == frontend}
        packages = {name: environments[name] for name in versions_of if name in environments}
        compared = {venvs.name_of(versions_of[name]) for name in packages}
        names = sorted({name for installed in packages.values() for name in installed} - compared)
        versions = {name: [installed.get(name, "–") for installed in packages.values()] for name in names}
        if different := {name: values for name, values in versions.items() if len(set(values)) > 1}:
            differing[frontend] = different
    return differing
