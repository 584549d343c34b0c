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
TASK_NAMES = {path.stem for path in TASKS}
ALL = sorted(path for path in ROOT.glob("frontends/*/[a-z]*.py") if path.name != "runtime.py")
MODULES = [path for path in ALL if path.stem in TASK_NAMES]
HELPERS = [path for path in ALL if path.stem not in TASK_NAMES]  # what several tasks of a frontend share
RUNTIMES = sorted(ROOT.glob("frontends/*/runtime.py"))
MOST_LINES = 80
CONTRACT = "workbench.contract"
SHARED_RUNTIMES = {  # of the folders whose runtime is another's, or that of a backend
    "keras": {"frontends.tf1.runtime", "frontends.jax.runtime", "frontends.pytorch.runtime"},
    "tf2": {"frontends.tf1.runtime"},
}
DATA_SETS = {"sklearn"}
PURE = {
    "collections.abc",
    "functools",
    "itertools",
    "math",
    "operator",
}  # what helpers may have of the standard library
CLOCKS_AND_OUTPUT = {"print", "time", "timeit", "datetime", "perf_counter", "monotonic", "logging", "input", "open"}
RUNTIME_OFFERS = {"configure", "wait", "versions", "observe", "peak_device_bytes"}
COMPILERS = {"jax": "jax.jit(", "pytorch": "torch.compile(", "tf2": "tf.function("}  # of folders with a compiled mode


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
    return homes | SHARED_RUNTIMES.get(folder, set())


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
    return ", ".join(outside(tree, homes_of(path) | (set() if path.stem in TASK_NAMES else PURE)))


def rule_no_clock_no_output(tree: ast.Module, source: str, path: Path) -> str:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {part for name in imported(tree) for part in name.split(".")}
    return ", ".join(sorted(names & CLOCKS_AND_OUTPUT))


def rule_no_class_but_the_frameworks_own(tree: ast.Module, source: str, path: Path) -> str:
    bare = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and not node.bases]
    return ", ".join(bare)


def rule_the_line_that_makes_the_mode(tree: ast.Module, source: str, path: Path) -> str:
    """It stands in the file itself, once, and nowhere else: it is what two modes of a folder differ by.

    But for another one of the same form, which makes the function of the loss alone, `value`.
    """
    call = COMPILERS.get(path.parent.name)
    if call is None:
        return "problem.mode is of no use here" if "problem.mode" in source else ""
    lines = [line for line in source.splitlines() if call in line]
    made = [line.partition("=")[0].strip() for line in lines]
    alike = all(any(f"if {condition} else" in line for condition in conditions(path)) for line in lines)
    if not alike or len(made) != len({*made}) or len({*made} - {"value"}) != 1:
        return f"expected one line with {call}...) if problem.mode == ... else ..."
    return ""


def compiled_modes(path: Path) -> dict[str, str]:
    """The modes of a folder that compile another one, and which."""
    table = tomllib.loads((path.parent / "frontend.toml").read_text(encoding="utf-8"))
    return {name: mode["compiles"] for name, mode in table["modes"].items() if "compiles" in mode}


def conditions(path: Path) -> set[str]:
    """How a file may say in which modes something is compiled: in one, or in all but one."""
    modes = compiled_modes(path)
    if len(modes) == 1:
        return {f'problem.mode == "{mode}"' for mode in modes}
    return {f'problem.mode != "{eager}"' for eager in modes.values()}


RULES = [rule for name, rule in list(globals().items()) if name.startswith("rule_")]
HELPER_RULES = [rule_docstring, rule_length, rule_imports, rule_no_clock_no_output]


def broken(source: str, path: Path) -> dict[str, str]:
    """The rules a content module breaks, and how."""
    tree = ast.parse(source)
    rules = RULES if path.stem in TASK_NAMES else HELPER_RULES
    return {rule.__name__: text for rule in rules if (text := rule(tree, source, path))}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*MODULES, *HELPERS], ids=label)
def test_a_content_module_keeps_every_rule(path):
    assert broken(path.read_text(encoding="utf-8"), path) == {}


def test_there_are_helpers_beside_the_tasks_and_no_task_is_taken_for_one():
    assert {"optimizers", "layouts", "fitting"} <= {path.stem for path in HELPERS}
    assert not {path.stem for path in HELPERS} & set(catalog().tasks)
    assert {path.stem for path in MODULES} == set(catalog().tasks) == TASK_NAMES


@pytest.mark.parametrize("path", HELPERS, ids=label)
def test_a_helper_is_used_by_a_task_beside_it_and_trains_nothing_itself(path):
    name = f"frontends.{path.parent.name}.{path.stem}"
    users = [other for other in path.parent.glob("*.py") if other != path]
    assert any(within(found, {name}) for other in users for found in imported(ast.parse(other.read_text("utf-8"))))
    source = path.read_text(encoding="utf-8")
    assert "train" not in functions(ast.parse(source))
    assert "Problem.batches" not in source


@pytest.mark.parametrize("path", [*HELPERS, *RUNTIMES], ids=label)
def test_no_mode_is_made_where_the_reader_of_a_task_does_not_see_it(path):
    source = path.read_text(encoding="utf-8")
    assert "problem.mode" not in source
    assert not any(call in source for call in COMPILERS.values())


def test_every_folder_with_a_compiled_mode_has_its_rule():
    assert {path.parent.name for path in RUNTIMES if compiled_modes(path)} == set(COMPILERS)


@pytest.mark.parametrize("path", sorted(ROOT.glob("frontends/**/__init__.py")), ids=label)
def test_a_package_holds_nothing_but_its_docstring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


PLANTED = {
    "rule_docstring": ('"""Linear regression in NumPy', '_ = """Linear regression in NumPy'),
    "rule_length": ("import numpy as np\n", "import numpy as np\n" + "\n" * MOST_LINES),
    "rule_generator": ("        yield loss\n", ""),
    "rule_imports": ("import numpy as np\n", "import numpy as np\nfrom frontends.tf1 import runtime\n"),
    "rule_no_clock_no_output": ("        yield loss\n", "        print(loss)\n        yield loss\n"),
    "rule_no_class_but_the_frameworks_own": ("def train(", "class Model:\n    pass\n\n\ndef train("),
    "rule_the_line_that_makes_the_mode": ("    batches =", "    mode = problem.mode\n    batches ="),
}
PLANTED_IN_HELPERS = {
    "rule_docstring": ('"""Optimisers in NumPy', '_ = """Optimisers in NumPy'),
    "rule_length": PLANTED["rule_length"],
    "rule_imports": PLANTED["rule_imports"],
    "rule_no_clock_no_output": ("        self.t += 1\n", "        self.t += 1\n        print(self.t)\n"),
}


@pytest.mark.parametrize(
    ("name", "rule"), [*(("linreg", rule) for rule in PLANTED), *(("optimizers", rule) for rule in PLANTED_IN_HELPERS)]
)
def test_each_rule_refuses_what_is_planted(name, rule):
    path = ROOT / "frontends" / "numpy" / f"{name}.py"
    old, new = (PLANTED if name == "linreg" else PLANTED_IN_HELPERS)[rule]
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    assert set(broken(source.replace(old, new), path)) == {rule}


@pytest.mark.parametrize("folder", COMPILERS)
@pytest.mark.parametrize("fault", ["gone", "elsewhere", "another mode", "twice"])
def test_a_mode_that_is_made_otherwise_is_refused(folder, fault):
    path = ROOT / "frontends" / folder / "linreg.py"
    source = path.read_text(encoding="utf-8")
    line, *_ = [line for line in source.splitlines(keepends=True) if COMPILERS[folder] in line]
    (condition,) = conditions(path)
    new = {
        "gone": "",
        "elsewhere": "    step = in_mode(step)\n",
        "another mode": line.replace(condition, 'problem.mode == "another"'),
        "twice": line + line,
    }[fault]
    assert set(broken(source.replace(line, new), path)) == {"rule_the_line_that_makes_the_mode"}


def test_something_is_planted_for_every_rule():
    assert set(PLANTED) == {rule.__name__ for rule in RULES}
    assert set(PLANTED_IN_HELPERS) == {rule.__name__ for rule in HELPER_RULES}


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
    assert all(part in spec for part in ("State:", "Feeding:", "What trips people who port this:"))
    assert [argument.arg for argument in functions(tree)["make"].args.args] == ["preset", "seed"]
    assert rule_no_clock_no_output(tree, "", path) == ""


def state_of(source: str) -> list[str]:
    """The groups that a file names in its state, in order."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    (state,) = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "State"]
    assert not state.args, "a group is named"
    return sorted(keyword.arg for keyword in state.keywords)


@pytest.mark.parametrize("task", catalog().tasks)
def test_every_frontend_of_a_task_names_the_same_groups_in_its_state(task):
    """Read from the sources: what differs between two files is what differs between two frameworks."""
    found = {label(path): state_of(path.read_text(encoding="utf-8")) for path in MODULES if path.stem == task}
    assert len(set(map(tuple, found.values()))) == 1, found
    assert set(next(iter(found.values()))) <= {"parameters", "predictions", "gradients", "carried"}


def test_a_group_that_one_frontend_leaves_out_would_be_noticed():
    source = (ROOT / "frontends" / "numpy" / "mlp.py").read_text(encoding="utf-8")
    assert state_of(source) == ["carried", "parameters", "predictions"]
    assert state_of(source.replace(", carried=optimizer.carried", "")) == ["parameters", "predictions"]
