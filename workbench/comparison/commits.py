"""The gate: base and head commits of a repository, measured as contestants of interleaved sessions, one per task."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.catalog import Catalog, Roots
from workbench.catalog.roots import FOLDERS, package_root
from workbench.comparison import judge
from workbench.comparison.judge import HEAD, SCREENING, SIDES, UNKNOWN, WORSE, Finding, Judgement
from workbench.comparison.sides import by_group
from workbench.contract import CONTRACT
from workbench.errors import (
    EXIT_CONTESTANT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_UNAVAILABLE,
    OptionError,
    ProblemError,
    WorkbenchError,
    unknown,
)
from workbench.host import checkouts, machine, venvs
from workbench.host.checkouts import WORKING_TREE, Checkout
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.outcomes import WorkerFailedError
from workbench.model.progress import Progress, Silence
from workbench.model.records import Round, Settings
from workbench.model.request import GateRequest, patterns_of
from workbench.session import runner
from workbench.session.problem import problem_hash
from workbench.session.settings import settings_of
from workbench.session.stopping import Spent
from workbench.statistics import LADDER
from workbench.statistics.disturbance import flagged, shared_cpu
from workbench.statistics.launches import RoundIds
from workbench.store.results import store_of
from workbench.wire import exchange

if TYPE_CHECKING:
    from workbench.store.results import StoredRun

ALONE = "alone"  # the purpose of a launch that only proves, because there is nothing to compare it with


@dataclass(frozen=True)
class GateResult:
    """The result of comparing two commits or runs: the judgements, and the runs that hold the launches.

    Attributes:
        base: the baseline commit or run, as a name for people.
        head: the commit or run under test, likewise.
        rows: a judgement per pair of task and frontend, and per stage.
        runs: a run per task.
        delta: smallest relative change that matters.
        strict: whether an undecided comparison fails the gate.
        facts: machine and versions, for the reports.
        unpaired: whether the two sides were measured at different times.
    """

    base: str
    head: str
    rows: Sequence[Judgement]
    runs: Sequence[StoredRun]
    delta: float
    strict: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    unpaired: bool = False

    @property
    def worse(self) -> list[Judgement]:
        """Rows that fail the gate: wrong, failed or slower."""
        return [row for row in self.rows if row.finding in WORSE]

    @property
    def unknown(self) -> list[Judgement]:
        """Rows without an answer: inconclusive or not comparable."""
        return [row for row in self.rows if row.finding in UNKNOWN]

    @property
    def cut_short(self) -> str:
        """Why a session could not go on; empty if all could."""
        return next((run.record.cut_short for run in self.runs if run.record.cut_short), "")

    @property
    def nothing_compared(self) -> bool:
        """Whether two runs have nothing in common; of a commit, what is new was at least proven."""
        return self.unpaired and all(row.finding in (Finding.NEW, Finding.REMOVED) for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 if nothing is worse, 1 if something is, 3 if a comparison is undecided (1 if strict); 130: interrupted."""
        if any(run.record.interrupted and not run.record.cut_short for run in self.runs):
            return EXIT_INTERRUPTED
        if self.worse:
            return EXIT_CONTESTANT
        if self.unknown or self.cut_short or not self.rows or self.nothing_compared:
            return EXIT_CONTESTANT if self.strict else EXIT_UNAVAILABLE
        return EXIT_OK


class Ladder:
    """The launch plan of a gate: each pair is screened along the ladder, and an apparent slowdown is confirmed.

    Args:
        delta: smallest relative change that matters.
        pairs: number of pairs in the whole gate, over all tasks.
        budget_s: seconds that this session may take, or None.
        max_screening: most launches that a pair's screening may take, one of LADDER.
    """

    def __init__(
        self, delta: float, pairs: int, budget_s: float | None = None, max_screening: int = LADDER[-1]
    ) -> None:
        self._delta, self._pairs, self._budget_s, self._max_screening = delta, pairs, budget_s, max_screening

    def purposes(self, contestants: Sequence[Contestant], rounds: Sequence[Round], spent: Spent) -> Mapping[str, str]:
        """The pairs that need another launch, and its purpose; none if the budget has no room for one like the last."""
        if self._budget_s is not None and spent.launches and spent.elapsed_s + spent.last_launch_s > self._budget_s:
            return {}
        disturbed = {entry.key for entry in flagged(rounds) if entry.flags}
        by_pair = by_group(contestants)
        purposes = {group: self._purpose(sides, disturbed) for group, sides in by_pair.items()}
        return {group: purpose for group, purpose in purposes.items() if purpose is not None}

    def _purpose(self, sides: Mapping[str, Contestant], disturbed: RoundIds) -> str | None:
        complete = all(side in sides for side in SIDES)
        if not any(member.launches for member in sides.values()):
            return SCREENING if complete else ALONE
        if not complete:  # already proven, or one of the three failed: its times will not be compared
            return None
        launches = [sides[side].launches for side in SIDES]
        return judge.purpose_of_pair(
            launches, disturbed, delta=self._delta, pairs=self._pairs, max_screening=self._max_screening
        )


@dataclass(frozen=True)
class Side:
    """One side of a gate: a commit, its content, and the workbench that its workers run.

    ``unmeasurable`` says why that workbench cannot measure it, if so; another workbench never does so instead.
    """

    checkout: Checkout
    content: Catalog
    package: Path
    unmeasurable: str = ""


@dataclass(frozen=True)
class TaskPlan:
    """The plan for one task: the frontends that both sides have, and those that only head or only base has."""

    task: str
    preset: str
    both: Sequence[str]
    new: Sequence[str]
    removed: Sequence[str]
    incomparable: str = ""  # why no pair of this task can be compared; empty if they can


def compare_commits(
    base: str,
    head: str | None,
    tasks: Sequence[str],
    frameworks: str | Sequence[str],
    request: GateRequest,
    progress: Progress | None = None,
) -> GateResult:
    """Measure base, a second copy of base, and head in interleaved sessions, and judge every pair.

    Args:
        base: the baseline commit: a branch, tag or hash.
        head: the commit under test, likewise; None is the working tree with its uncommitted changes.
        tasks: names of tasks; all tasks of either side if empty.
        frameworks: ids, families, globs or "all"; a string may hold several, separated by commas.
        request: how to measure and judge them.
        progress: receives progress events.

    Raises:
        WorkbenchError: when an argument is invalid.
    """
    chosen = patterns_of(frameworks)
    with _sides(base, head, request.content) as (old, new):
        plans = [_plan(old, new, task, request.preset, chosen) for task in _chosen_tasks(old, new, tasks)]
        rows, runs = _Measuring(old, new, request, progress or Silence()).measure(plans)
        facts = {"machine": machine.stable_key(machine.facts())}
        return GateResult(old.checkout.title, new.checkout.title, rows, runs, request.delta, request.strict, facts)


@contextlib.contextmanager
def _sides(base: str, head: str | None, content: Roots) -> Iterator[tuple[Side, Side]]:
    """Both commits, checked out; each side uses only the content of its own checkout."""
    root = _one_folder(content)
    top = checkouts.repository(root)
    inside = root.relative_to(top.resolve())
    after = checkouts.working_tree(top) if head is None else checkouts.commit_of(top, head)
    commits = [checkouts.commit_of(top, base), after]
    with (
        checkouts.checked_out(top, commits[0], base) as old,
        checkouts.checked_out(top, commits[1], head or WORKING_TREE) as new,
    ):
        yield _side(old, inside), _side(new, inside)


def _one_folder(content: Roots) -> Path:
    """The folder of content that both commits have.

    Raises:
        WorkbenchError: when more than one is given.
    """
    folders = [content] if isinstance(content, str | Path) else list(content or [])
    if len(folders) > 1:
        raise WorkbenchError(f"commits are compared in one content folder, but {len(folders)} were given: name one")
    return Path(folders[0]).resolve() if folders else _current_content()


def _current_content() -> Path:
    """The content that the working folder lies in; never the workbench's own, which may be another repository's.

    Raises:
        WorkbenchError: when it lies in none.
    """
    try:
        working_folder = Path.cwd()
    except OSError as error:
        raise WorkbenchError(f"the working folder is gone ({error.strerror}): change to a folder that exists") from None
    for folder in (working_folder, *working_folder.parents):
        if all((folder / part).is_dir() for part in FOLDERS):
            return folder
    raise WorkbenchError(
        f"{working_folder} lies in no folder with tasks/ and frontends/: run this in a clone, or name the folder of a "
        "repository whose content is to be compared (content)"
    )


def _side(checkout: Checkout, inside: Path) -> Side:
    root = checkout.root / inside
    content = Catalog((root,))
    if missing := [f"{name}/" for name in FOLDERS if not (root / name).is_dir()]:
        raise WorkbenchError(f"{checkout.title}: no {' and no '.join(missing)} in {inside}")
    try:
        content.tasks, content.frontends  # noqa: B018 - reads them, so that errors come now
    except OptionError as error:
        raise WorkbenchError(f"{checkout.title}: {error.message}") from None
    except WorkbenchError as error:  # it names files in a temporary checkout
        raise WorkbenchError(f"{checkout.title}: {str(error).replace(f'{root}/', '')}") from None
    own = checkout.root / "workbench"
    if not own.is_dir():  # a repository of content alone
        return Side(checkout, content, package_root())
    contract = contract_of(own)
    if contract != CONTRACT:
        reason = (
            f"not comparable: contract {contract}: {checkout.title} proves and times by another contract than this "
            f"workbench's ({CONTRACT}); compare commits with the same contract"
        )
        return Side(checkout, content, own, unmeasurable=reason)
    protocol = protocol_of(own)
    if protocol == exchange.VERSION:
        return Side(checkout, content, own)
    version = "an unknown worker protocol" if protocol is None else f"worker protocol {protocol}"
    reason = (
        f"{checkout.title} contains a workbench that speaks {version}, but this one speaks {exchange.VERSION}: compare "
        "commits with the same protocol"
    )
    return Side(checkout, content, own, unmeasurable=reason)


def contract_of(package: Path) -> int:
    """The version of the contract that a workbench's content is written against; the first one declared none."""
    with contextlib.suppress(OSError, ValueError):
        if match := re.search(r"^CONTRACT = (\d+)\b", (package / "contract.py").read_text("utf-8"), re.MULTILINE):
            return int(match[1])
    return 1


def protocol_of(package: Path) -> int | None:
    """The version of a workbench's worker protocol, read from its source; None if it declares none."""
    for file in (package / "wire" / "exchange.py", package / "exchange.py"):  # the second is where old versions have it
        with contextlib.suppress(OSError, ValueError):
            if match := re.search(r"^VERSION = (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE):
                return int(match[1])
    return None


def _chosen_tasks(old: Side, new: Side, names: Sequence[str]) -> list[str]:
    known = list(dict.fromkeys([*new.content.tasks, *old.content.tasks]))
    for name in names:
        if name not in known:
            raise unknown("task", name, known)
    return list(names) or known


def _plan(old: Side, new: Side, task: str, preset: str | None, patterns: Sequence[str]) -> TaskPlan:
    """The plan for a task.

    Raises:
        WorkbenchError: when neither side has a chosen preset or frontend.
    """
    before, after = ({frontend.id for frontend in _frontends_with(side, task, patterns)} for side in (old, new))
    order = [name for name in dict.fromkeys([*new.content.frontends, *old.content.frontends]) if name in before | after]
    for pattern in patterns:
        if not any(_selected(side, [pattern]) for side in (old, new)):
            new.content.select([pattern])  # raises: a typing error must not leave a frontend untested
    presets = [side.content.tasks[task].presets for side in (old, new) if task in side.content.tasks]
    name = next(iter(presets[-1])) if preset is None else preset
    if not any(name in known for known in presets):
        raise unknown("preset", name, presets[-1], f"of {task}")
    return TaskPlan(
        task,
        name,
        both=[name for name in order if name in before & after],
        new=[name for name in order if name in after - before],
        removed=[name for name in order if name in before - after],
    )


def _selected(side: Side, patterns: Sequence[str]) -> list[Frontend]:
    chosen: dict[str, Frontend] = {}
    for pattern in patterns:
        with contextlib.suppress(WorkbenchError):  # the other side may know it
            chosen |= {frontend.id: frontend for frontend in side.content.select([pattern])}
    return list(chosen.values())


def _frontends_with(side: Side, task: str, patterns: Sequence[str]) -> list[Frontend]:
    """The chosen frontends of one side that implement a task."""
    if task not in side.content.tasks:
        return []
    return [frontend for frontend in _selected(side, patterns) if side.content.hole(task, frontend) is None]


def _missing_preset(side: Side, plan: TaskPlan) -> str:
    """A message if a side lacks the plan's preset and so cannot make its problem; empty if it has it."""
    known = side.content.tasks[plan.task].presets
    return "" if plan.preset in known else f"{side.checkout.title} has no preset {plan.preset!r} of {plan.task}"


class _Measuring:
    """Measures task by task; a pair is compared if both sides make the same problem."""

    def __init__(self, old: Side, new: Side, request: GateRequest, progress: Progress) -> None:
        self._old, self._new = old, new
        self._request, self._progress = request, progress

    def _settings(self, side: Side, plan: TaskPlan) -> Settings:
        """The settings of a session; launches and budget are up to the ladder."""
        request = dataclasses.replace(self._request, preset=plan.preset, launches=LADDER[0], budget_s=None)
        settings = settings_of(side.content, plan.task, request)
        return dataclasses.replace(settings, ratio_error=self._request.delta / 3)

    def measure(self, plans: Sequence[TaskPlan]) -> tuple[list[Judgement], list[StoredRun]]:
        """The rows and runs of all tasks, the rows corrected for the number of comparisons."""
        checked = [self._comparable(plan) for plan in plans]
        pairs = sum(len(plan.both) for plan in checked if not plan.incomparable)
        rows: list[Judgement] = []
        runs: list[StoredRun] = []
        budget_s, spent_s = self._request.budget_s, 0.0
        for index, plan in enumerate(checked):
            left = None if budget_s is None else (budget_s - spent_s) / (len(checked) - index)
            of_task, run = self._task(plan, pairs, left)
            rows += of_task
            runs += [run] if run else []
            spent_s += (run.record.took_s or 0.0) if run else 0.0  # without waiting for the host's lock
            if run and run.record.interrupted:
                break
        return judge.corrected(rows, pairs), runs

    def _comparable(self, plan: TaskPlan) -> TaskPlan:
        """The plan, with the reason why its pairs cannot be compared, if they cannot."""
        if reason := self._new.unmeasurable or (self._old.unmeasurable if plan.both else ""):
            return dataclasses.replace(plan, incomparable=reason)
        if not plan.both:
            return plan
        hashes = []
        for side in (self._old, self._new):
            if reason := _missing_preset(side, plan):
                return dataclasses.replace(plan, incomparable=reason)
            settings = self._settings(side, plan)
            try:
                hashes.append(problem_hash(side.content, settings))
            except WorkerFailedError as failure:
                reason = f"{side.checkout.title} cannot make the problem: {failure.reason}"
                return dataclasses.replace(plan, incomparable=reason)
        if hashes[0] != hashes[1]:
            return dataclasses.replace(plan, incomparable="the task's problem differs between the two sides")
        return plan

    def _task(self, plan: TaskPlan, pairs: int, budget_s: float | None) -> tuple[list[Judgement], StoredRun | None]:
        gone = [Judgement(plan.task, name, Finding.REMOVED, "only the base has it") for name in plan.removed]
        if reason := self._new.unmeasurable:
            left = [Judgement(plan.task, name, Finding.NOT_COMPARABLE, reason) for name in [*plan.both, *plan.new]]
            return [*left, *gone], None
        proven_only = bool(plan.incomparable) or not plan.both
        alone = [*plan.both, *plan.new] if proven_only else plan.new
        contestants = [
            *(self._contestant(name, side) for name in ([] if proven_only else plan.both) for side in SIDES),
            *(self._contestant(name, HEAD) for name in alone),
        ]
        if not contestants:
            return gone, None
        maker = self._new if proven_only else self._old
        if reason := _missing_preset(maker, plan):
            return [*(Judgement(plan.task, name, Finding.FAILED, reason) for name in alone), *gone], None
        settings = self._settings(maker, plan)
        self._equip(contestants)
        ladder = Ladder(self._request.delta, pairs, budget_s, self._request.launches or LADDER[-1])
        try:
            run = self._measured(maker.content, contestants, settings, ladder)
        except ProblemError as error:
            return [*(Judgement(plan.task, name, Finding.FAILED, str(error)) for name in alone), *gone], None
        return [*self._judged(plan, run, pairs), *gone], run

    def _measured(
        self, maker: Catalog, contestants: Sequence[Contestant], settings: Settings, plan: Ladder
    ) -> StoredRun:
        store, if_busy = store_of(self._request.output), self._request.if_busy
        return runner.measure(maker, contestants, settings, store, self._progress, if_busy=if_busy, plan=plan)

    def _equip(self, contestants: Sequence[Contestant]) -> None:
        """Give each contestant that needs one an environment of its own, or mark it as unavailable."""
        build, if_busy = self._request.build_environments, self._request.if_busy
        venvs.settle(contestants, build=build, progress=self._progress, if_busy=if_busy)

    def _contestant(self, name: str, side: str) -> Contestant:
        origin = self._new if side == HEAD else self._old
        frontend = origin.content.frontends[name]
        return Contestant(
            f"{name}@{side}",
            frontend,
            origin.content.roots,
            origin.package,
            group=name,
            side=side,
            source=origin.checkout.title,
        )

    def _judged(self, plan: TaskPlan, run: StoredRun, pairs: int) -> list[Judgement]:
        rows: list[Judgement] = []
        for name, sides in by_group(run.contestants).items():
            rows += judge.judge(plan.task, name, sides, run.record.disturbed, delta=self._request.delta, pairs=pairs)
        shared = shared_cpu(run.record.rounds)
        return [self._final(plan, judge.without_shared_cpu(row, shared), run) for row in rows]

    def _final(self, plan: TaskPlan, row: Judgement, run: StoredRun) -> Judgement:
        """The row with its run; a pair of both sides that could not be compared is not comparable, rather than new."""
        if row.finding is Finding.NEW and row.frontend in plan.both:
            row = dataclasses.replace(row, finding=Finding.NOT_COMPARABLE, reason=plan.incomparable)
        return dataclasses.replace(row, run=run.id)
