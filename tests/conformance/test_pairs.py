"""Every pair of task and frontend, run once per quick preset, then looked at by named checks.

A new task or frontend is found in the tree and checked here without a line of its own. By default those are run that a
commit can have changed: those of one task always, so that the harness meets every frontend, and of the others those of
which a file has changed since they last passed.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from workbench import api
from workbench.catalog import Catalog, catalog
from workbench.catalog.depends import files_of
from workbench.catalog.roots import content_root
from workbench.contract import Problem
from workbench.model.content import Frontend
from workbench.model.proof import Check, Proof
from workbench.model.rows import Row
from workbench.session.verify import tolerance
from workbench.show.run import Run

STEPS = 40
ROUNDS = 3  # in a single block, a ReLU that flips may exceed what rounding explains, or hide what the block changes
CATALOG, ROOT = catalog(), content_root()
QUICK_PRESETS = {
    "linreg": ("points", "diabetes"),
    "two_layer_net": ("classic", "batches"),
    "cnn": ("digits", "normalised"),
}
FLOAT64_CASES = (("linreg", "points"),)
EVERYWHERE = (
    "check_losses_finite",
    "check_first_loss",
    "check_first_update",
    "check_every_loss",
    "check_dtype",
    "check_first_losses",
    "check_first_step",
    "check_block",
    "check_block_rounding",
)
LEARNED = 1.5  # times as many right answers, after STEPS steps, as by guessing
MOMENTS = {"momentum": ("velocity",), "nesterov": ("velocity",), "adam": ("m", "v"), "adamw": ("m", "v")}
COLD_COMPILERS = ("pytorch_compiled",)  # half a minute each: at one preset

UNCOMPILED = ("numpy_manual", "tf1_graph", "pytorch_eager", "tf2_eager", "keras_torch")

MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """One session: a task at a preset in a type, and the frontends that take part."""

    task: str
    preset: str
    dtype: str
    frontends: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.task}-{self.preset}-{self.dtype}"


@functools.cache
def problem_of(case: Case) -> Problem:
    """What the case's frontends are given, but for the number of steps."""
    file = CATALOG.tasks[case.task].root / "tasks" / f"{case.task}.py"
    spec = importlib.util.spec_from_file_location(f"task_{case.task}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make(case.preset, 0)


def special_checks(problem: Problem) -> set[str]:
    """The checks that only some problems call for."""
    return {
        *(("check_parameters", "check_predictions") if problem.init else ("check_gradients",)),
        *(("check_carried", "check_plain_step") if not problem.plain else ()),
        *(("check_accuracy",) if problem.answers is not None else ()),
    }


def quick_presets(task: str) -> tuple[str, ...]:
    return QUICK_PRESETS.get(task, (CATALOG.tasks[task].default_preset,))


def cases() -> list[Case]:
    warm = tuple(name for name in CATALOG.frontends if name not in COLD_COMPILERS)
    found = [Case(task, preset, "float32", warm) for task in CATALOG.tasks for preset in quick_presets(task)]
    found += [Case(task, quick_presets(task)[-1], "float32", COLD_COMPILERS) for task in CATALOG.tasks]
    return found + [Case(task, preset, "float64", warm) for task, preset in FLOAT64_CASES]


CASES = cases()
PAIRS = [(case, CATALOG.frontends[name]) for case in CASES for name in case.frontends]
ALWAYS = ("mlp-digits-float32", "linreg-points-float64")


def files_deciding(case: Case, frontend: Frontend) -> list[Path]:
    """What decides what a pair computes, but for the harness, and what is asked of it."""
    own = [CATALOG.tasks[case.task].root / "tasks" / f"{case.task}.py", *files_of(CATALOG, case.task, frontend)]
    return [*own, ROOT / "workbench" / "contract.py", ROOT / "constraints.txt", Path(__file__)]


def chosen(case: Case, frontend: Frontend) -> ParameterSet:
    """A pair, with what it takes to be run."""
    if str(case) in ALWAYS:
        return pytest.param(case, frontend)
    proof = pytest.mark.unless_proven(f"{case} {frontend.id}", files_deciding(case, frontend))
    return pytest.param(case, frontend, marks=proof)


@dataclass(frozen=True)
class Pair:
    """One frontend in one finished session."""

    case: Case
    frontend: Frontend
    run: Run

    @property
    def row(self) -> dict[str, Any]:
        return next(row for row in self.run.summary()["contestants"] if row["frontend"] == self.frontend.id)

    @property
    def evaluation(self) -> Row:
        return next(row for row in self.run.rows_of("evaluate") if row.frontend == self.frontend.id)

    @property
    def losses(self) -> list[float]:
        return self.run.losses[self.frontend.id].dropna().tolist()

    @property
    def proof(self) -> Proof:
        return next(entry.proof for entry in self.run.contestants if entry.id == self.frontend.id)

    @property
    def checks(self) -> dict[str, Check]:
        return {check.name: check for check in self.proof.checks}


@pytest.fixture(scope="module")
def run_of(request, tmp_path_factory, quick) -> Callable[[Case], Run]:
    """Each case's session of the frontends that were chosen, run when the first check asks for it."""
    done: dict[Case, Run] = {}
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {(params["case"], params["frontend"].id) for params in asked if {"case", "frontend"} <= set(params)}

    def run(case: Case) -> Run:
        if case not in done:
            store: Path = tmp_path_factory.mktemp(case.task)
            settings = {"preset": case.preset, "dtype": case.dtype, "steps": STEPS, "output": store}
            frontends = [name for name in case.frontends if (case, name) in wanted] or case.frontends
            done[case] = api.run(case.task, frontends, evaluate=True, **settings, **{**quick, "rounds": ROUNDS})
        return done[case]

    return run


def missing_packages(frontend: Frontend) -> list[str]:
    return [package for package in frontend.packages if importlib.util.find_spec(package) is None]


def check_ends_ok(pair: Pair) -> None:
    assert (pair.row["outcome"], pair.row["reason"]) == ("ok", "")


def check_agrees_with_the_reference(pair: Pair) -> None:
    assert pair.row["verdict"] == "agrees"
    assert pair.row["max_relative_error"] <= pair.row["tolerance"]


def check_is_off_by_no_more_than_rounding_explains(pair: Pair) -> None:
    """Of so few steps; a ReLU that flips needs more of them to matter."""
    problem = pair.run.record.problem
    assert pair.row["max_relative_error"] <= tolerance(pair.case.dtype, problem.terms, STEPS)


def check_is_proven_in_float64_over_all_steps_with_a_margin(pair: Pair) -> None:
    assert (pair.row["float64_steps"], pair.proof.exact.of, pair.proof.exact.reason) == (STEPS, STEPS, "")
    assert pair.row["float64_error"] <= pair.row["float64_limit"] / 3
    assert pair.row["float64_limit"] < 1e-9


def check_was_looked_at_by_every_check(pair: Pair) -> None:
    """Each is there and passed, and those that no flipped ReLU can touch yet with a margin."""
    expected = set(EVERYWHERE) | special_checks(problem_of(pair.case))
    if pair.evaluation.timed:
        expected |= {"check_evaluation"} | ({"check_unchanged"} if problem_of(pair.case).init else set())
    assert expected == set(pair.checks)
    assert all(check.passed for check in pair.checks.values())
    firsts = [pair.checks[name] for name in ("check_first_losses", "check_first_step")]
    assert all(check.difference <= check.limit / 2 for check in firsts), firsts


def check_clocked_blocks_were_repeated_and_prove_that_they_were_computed(pair: Pair) -> None:
    assert 1 <= pair.row["blocks_proving"] <= pair.row["blocks_judged"] <= ROUNDS


def check_accuracy_is_counted_where_there_are_answers(pair: Pair) -> None:
    answered = problem_of(pair.case).answers is not None
    assert ("accuracy" in pair.row) == answered
    if answered:
        answers, classes = problem_of(pair.case).answers, 1 + problem_of(pair.case).answers.max()
        assert LEARNED * classes ** -float(answers[0].size) < pair.row["accuracy"] <= 1


def check_nothing_is_compiled_while_it_is_timed(pair: Pair) -> None:
    assert pair.row["compilations_while_timed"] in (0, None)
    assert pair.row["graph_breaks"] in (0, None)
    assert (pair.row["compilations"] or 0) > 0 or pair.frontend.id in UNCOMPILED


def check_has_no_reservation(pair: Pair) -> None:
    assert pair.row["warnings"] == []


def check_a_loss_per_step(pair: Pair) -> None:
    assert pair.run.record.problem.steps == STEPS
    assert len(pair.losses) == STEPS


def check_losses_are_finite(pair: Pair) -> None:
    assert all(math.isfinite(loss) for loss in pair.losses)


def check_losses_fall_where_something_is_learned(pair: Pair) -> None:
    if pair.run.record.problem.learning_rate:
        assert pair.losses[-1] < pair.losses[0]
    else:
        assert len(set(pair.losses)) == 1


def check_every_phase_takes_time(pair: Pair) -> None:
    phases = {name: pair.row[name] for name in ("import_s", "setup_s", "first_step_s", "step_s")}
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in phases.values()), phases


def check_a_loss_alone_takes_time_too_where_it_can_be_computed(pair: Pair) -> None:
    if pair.evaluation.timed:
        assert 0 < pair.evaluation.step_ratio < math.inf


def check_the_range_holds_the_step(pair: Pair) -> None:
    assert pair.row["step_s_low"] <= pair.row["step_s"] <= pair.row["step_s_high"]


def check_versions_are_recorded(pair: Pair) -> None:
    versions = pair.row["versions"]
    assert {"python", *pair.frontend.packages} <= set(versions)
    assert all(re.match(r"\d+\.\d+", version) for version in versions.values()), versions


def check_one_thread(pair: Pair) -> None:
    assert pair.row["threads"] == 1


def check_no_more_cpu_than_one_thread_has(pair: Pair) -> None:
    assert 0 < pair.row["cpu_per_wall"] <= 1.2


def check_memory_is_plausible(pair: Pair) -> None:
    assert 16 * MIB < pair.row["peak_bytes"] < 4096 * MIB
    assert pair.row["peak_device_bytes"] is None


def check_precision_is_as_asked_for(pair: Pair) -> None:
    assert pair.row["matmul_precision"] == "float32"


def check_the_result_is_named_shaped_and_typed_as_the_reference(pair: Pair) -> None:
    found, expected = pair.run.result(pair.frontend.id), pair.run.result("reference")
    carried = {name for name in expected if name.startswith("carried/")}
    problem = problem_of(pair.case)
    moments = MOMENTS.get(problem.optimizer["name"], ())
    assert carried >= {f"carried/{moment}/{name}" for moment in moments for name in problem.init}
    assert {name: array.shape for name, array in found.items()} == {
        name: array.shape for name, array in expected.items()
    }
    assert {array.dtype.name for array in found.values()} == {pair.case.dtype}


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("case", "frontend"),
    [chosen(*pair) for pair in PAIRS],
    ids=lambda part: getattr(part, "id", None) or str(part),
)
def test_pair(case, frontend, check, run_of):
    reason = CATALOG.hole(case.task, frontend)
    if reason is None and (missing := missing_packages(frontend)):
        pytest.skip(f"{', '.join(missing)} not installed")
    pair = Pair(case, frontend, run_of(case))
    if reason is None:
        check(pair)
    else:
        assert (pair.row["outcome"], pair.row["reason"], pair.row["step_s"]) == ("unsupported", reason, None)


@pytest.mark.parametrize("frontend", CATALOG.frontends.values(), ids=lambda frontend: frontend.id)
@pytest.mark.parametrize("task", CATALOG.tasks)
def test_every_pair_exists_or_is_a_hole_with_its_reason(task, frontend):
    assert undeclared(CATALOG, task, frontend) == ""


def undeclared(content: Catalog, task: str, frontend: Frontend) -> str:
    """What is wrong with a pair of the content that comes with the workbench: there, every pair is expected."""
    reason = content.hole(task, frontend)  # raises for one that is both
    if reason is None:
        return ""
    if task not in frontend.holes:
        return f"{reason}, nor a reason under [holes]"
    return "" if len(reason.split()) >= 5 else f"no reason: {reason}"


def test_a_pair_that_is_neither_is_noticed(content):
    """What content of a user's own may do without a word."""
    frontend = "numpy_manual"
    (content.numpy / "two_layer_net.py").unlink()
    planted = Catalog((content.root,))
    assert "two_layer_net.py" in undeclared(planted, "two_layer_net", planted.frontends[frontend])
    with (content.numpy / "frontend.toml").open("a") as file:
        file.write('[holes]\ntwo_layer_net = "no idea"\n')
    planted = Catalog((content.root,))
    assert "no idea" in undeclared(planted, "two_layer_net", planted.frontends[frontend])


def test_every_task_and_frontend_of_the_tree_takes_part():
    assert {(case.task, frontend.id) for case, frontend in PAIRS} == {
        (task, frontend) for task in CATALOG.tasks for frontend in CATALOG.frontends
    }


def test_all_but_the_sessions_of_two_cases_are_left_out_once_they_have_passed(request):
    pairs = [item for item in request.session.items if getattr(item, "originalname", "") == "test_pair"]
    always = {str(item.callspec.params["case"]) for item in pairs if not item.get_closest_marker("unless_proven")}
    assert always <= set(ALWAYS)


def test_every_quick_preset_exists():
    assert all(case.preset in CATALOG.tasks[case.task].presets for case in CASES)


@pytest.mark.parametrize("case", [case for case in CASES if str(case) in ALWAYS], ids=str)
def test_all_frontends_of_a_session_got_the_same_problem(case, run_of):
    run = run_of(case)
    settings = run.record.settings
    assert (settings.task, settings.preset, settings.dtype) == (case.task, case.preset, case.dtype)
    assert [row["frontend"] for row in run.summary()["contestants"]] == list(case.frontends)
    assert len(run.record.problem.hash) == 64


@pytest.mark.parametrize("task", ["linreg", "mlp"])
def test_the_seed_decides_the_problem(task, tmp_path, quick):
    settings = {"steps": STEPS, "output": tmp_path, **quick}
    first, again, other = (api.run(task, "numpy", seed=seed, **settings).record.problem.hash for seed in (0, 0, 1))
    assert first == again != other
