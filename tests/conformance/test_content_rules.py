"""What content may look like, by reading its source; and something planted for each rule to refuse."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest

from workbench.catalog import catalog
from workbench.catalog.roots import content_root

ROOT = content_root()
TASKS = sorted(ROOT.glob("tasks/[a-z]*.py"))
MODULES = sorted(path for path in ROOT.glob("frontends/*/[a-z]*.py") if path.name != "runtime.py")
RUNTIMES = sorted(ROOT.glob("frontends/*/runtime.py"))
MOST_LINES = 80
CONTRACT = "workbench.contract"
SHARED_RUNTIME = dict.fromkeys(("keras", "tf2"), "frontends.tf1.runtime")
DATA_SETS = {"sklearn"}
CLOCKS_AND_OUTPUT = {"print", "time", "timeit", "datetime", "perf_counter", "monotonic", "logging", "input", "open"}
RUNTIME_OFFERS = {"configure", "wait", "observe", "peak_device_bytes"}


def imported(tree: ast.AST) -> list[str]:
    """Full names of what is imported anywhere below a node."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            found += [f"{package}.{alias.name}" for alias in node.names]
    return found


def within(name: str, homes: set[str]) -> bool:
    return any(name == home or name.startswith(f"{home}.") for home in homes)


def outside(tree: ast.AST, homes: set[str]) -> list[str]:
    return [name for name in imported(tree) if not within(name, homes)]


def own_packages(path: Path) -> set[str]:
    return set(tomllib.loads((path.parent / "frontend.toml").read_text(encoding="utf-8"))["packages"])


def homes_of(path: Path) -> set[str]:
    """What a module of a frontend may import from."""
    folder = path.parent.name
    homes = {CONTRACT, "numpy", f"frontends.{folder}", *own_packages(path)}
    return homes | ({SHARED_RUNTIME[folder]} if folder in SHARED_RUNTIME else set())


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def rule_docstring(tree: ast.Module, source: str, path: Path) -> str:
    return "" if ast.get_docstring(tree) else "no module docstring"


def rule_length(tree: ast.Module, source: str, path: Path) -> str:
    lines = len(source.splitlines())
    return "" if lines <= MOST_LINES else f"{lines} lines, at most {MOST_LINES}"


def rule_generator(tree: ast.Module, source: str, path: Path) -> str:
    train = functions(tree).get("train")
    if train is None:
        return "no function train"
    if [argument.arg for argument in train.args.args] != ["problem"] or train.args.kwonlyargs:
        return "train takes one argument, problem"
    yields = [node for node in ast.walk(train) if isinstance(node, ast.Yield)]
    return "" if len(yields) >= 2 else "train yields after set-up, then a loss per step"


def rule_imports(tree: ast.Module, source: str, path: Path) -> str:
    return ", ".join(outside(tree, homes_of(path)))


def rule_no_clock_no_output(tree: ast.Module, source: str, path: Path) -> str:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {part for name in imported(tree) for part in name.split(".")}
    return ", ".join(sorted(names & CLOCKS_AND_OUTPUT))


def rule_no_class_but_the_frameworks_own(tree: ast.Module, source: str, path: Path) -> str:
    bare = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and not node.bases]
    return ", ".join(bare)


RULES = [rule for name, rule in list(globals().items()) if name.startswith("rule_")]


def broken(source: str, path: Path) -> dict[str, str]:
    """The rules a content module breaks, and how."""
    tree = ast.parse(source)
    return {rule.__name__: text for rule in RULES if (text := rule(tree, source, path))}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_a_content_module_keeps_every_rule(path):
    assert broken(path.read_text(encoding="utf-8"), path) == {}


PLANTED = {
    "rule_docstring": ('"""Linear regression in NumPy', '_ = """Linear regression in NumPy'),
    "rule_length": ("import numpy as np\n", "import numpy as np\n" + "\n" * MOST_LINES),
    "rule_generator": ("        yield loss\n", ""),
    "rule_imports": ("import numpy as np\n", "import numpy as np\nfrom frontends.tf1 import runtime\n"),
    "rule_no_clock_no_output": ("        yield loss\n", "        print(loss)\n        yield loss\n"),
    "rule_no_class_but_the_frameworks_own": ("def train(", "class Model:\n    pass\n\n\ndef train("),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_each_rule_refuses_what_is_planted(rule):
    path = ROOT / "frontends" / "numpy" / "linreg.py"
    old, new = PLANTED[rule]
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    assert set(broken(source.replace(old, new), path)) == {rule}


def test_something_is_planted_for_every_rule():
    assert set(PLANTED) == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize(
    "line",
    [
        "import torch",
        "from workbench import session",
        "import workbench.wire.worker",
        "from time import perf_counter",
        "import os",
    ],
)
def test_an_import_from_elsewhere_is_refused(line):
    assert "rule_imports" in broken(f'"""Planted."""\n{line}\n', ROOT / "frontends" / "numpy" / "linreg.py")


@pytest.mark.parametrize("path", RUNTIMES, ids=label)
def test_a_runtime_offers_what_the_worker_calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set(functions(tree))
    names |= {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    names |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    assert names >= RUNTIME_OFFERS
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", RUNTIMES, ids=label)
def test_a_runtime_imports_its_framework_and_the_standard_library(path):
    helpers = {"threadpoolctl"} | (set(sys.stdlib_module_names) - CLOCKS_AND_OUTPUT - {"subprocess", "multiprocessing"})
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert outside(tree, homes_of(path) | helpers) == []


@pytest.mark.parametrize("path", RUNTIMES, ids=label)
def test_a_runtime_prints_nothing_and_reads_no_clock(path):
    source = path.read_text(encoding="utf-8")
    assert rule_no_clock_no_output(ast.parse(source), source, path) == ""


@pytest.mark.parametrize("path", TASKS, ids=label)
def test_a_task_imports_the_contract_and_numpy_and_data_sets_inside_functions_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
    assert outside(top, {CONTRACT, "numpy"}) == []
    assert outside(tree, {CONTRACT, "numpy", *DATA_SETS}) == []


@pytest.mark.parametrize("path", TASKS, ids=label)
def test_a_task_specifies_itself_and_makes_its_problem(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spec = ast.get_docstring(tree) or ""
    assert all(part in spec for part in ("Result:", "Feeding:", "What trips people who port this:"))
    assert [argument.arg for argument in functions(tree)["make"].args.args] == ["preset", "seed"]
    assert rule_no_clock_no_output(tree, "", path) == ""


@pytest.mark.parametrize("task", catalog().tasks)
def test_every_frontend_of_a_task_uses_the_same_names_in_its_result(task):
    """Read from the sources: what differs between two files is what differs between two frameworks."""
    found = {}
    for path in MODULES:
        if path.stem == task:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            results = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Result"]
            found[label(path)] = sorted(keyword.arg for call in results for keyword in call.keywords)
    assert len(set(map(tuple, found.values()))) == 1, found
