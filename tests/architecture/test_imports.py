"""Who may import whom, read from the sources; and something planted for each rule to notice."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from workbench.catalog.roots import package_root

MODULES = {
    ".".join(path.relative_to(package_root()).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(package_root().rglob("*.py"))
    if "_content" not in path.parts
}
CONTENT = {"tasks", "frontends"}
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "jaxlib", "flax", "torchvision"}
PURE = (
    "contract",
    "errors",
    "model",
    "statistics",
    "comparison.judge",
    "comparison.sides",
    "session.verify",
    "session.stopping",
    "session.forecast",
    "store.codec",
    "store.records",
    "store.upgrade",
    "show.columns",
    "show.renderers",
    "show.tables",
    "show.charts",
    "show.units",
)
NEVER_IN_PURE = {"subprocess", "multiprocessing", "socket", "threading", "signal", "shutil", "tempfile"}
NEVER_BEHIND_PURE = {
    f"workbench.{name}" for name in ("api", "cli", "session.launcher", "session.session", "wire.worker", "show.listing")
}
LOADERS = {"import_module", "exec", "eval", "compile", "__import__", "run_path", "run_module", "exec_module"}
MAY_LOAD = {
    "__init__": {"import_module"},  # its own modules, when first used
    "wire._boot": {"exec_module"},  # workbench itself, by path
    "wire.worker": {"import_module"},  # content: the only place
    "selftest._boot": {"exec_module", "run_path"},  # as _boot
    "selftest.bare": {"exec", "compile"},  # the content's own loop without the generator, inside a worker
}
STARTS_PROCESSES = {"subprocess", "multiprocessing", "pty"}


class Imports(ast.NodeVisitor):
    """Modules a source imports when it runs, at its top or inside functions; what serves types alone is left out."""

    def __init__(self, source: str) -> None:
        self.found: set[str] = set()
        self.visit(ast.parse(source))

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)
        for other in node.orelse:
            self.visit(other)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}".removeprefix("workbench.")
            self.found.add(f"workbench.{inner}" if inner in MODULES else str(node.module))


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def behind(names: set[str]) -> set[str]:
    """What is imported, and what those modules of workbench import in turn."""
    reached: set[str] = set()
    while new := names - reached:
        reached |= new
        own = {name.removeprefix("workbench.") for name in new} & set(MODULES)
        names = set().union(*(Imports(MODULES[name].read_text(encoding="utf-8")).found for name in own))
    return reached


def harmless(call: ast.Call) -> bool:
    """Whether a call loads a module that is named in the source, and is neither content nor a framework."""
    name = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    return isinstance(name, str) and not tops({name}) & (CONTENT | FRAMEWORKS)


def loaders(source: str) -> set[str]:
    """Calls in a source that could load any code by its name."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and not harmless(node)]
    names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    attributes = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    return LOADERS & (names | attributes - {"compile"})  # re.compile


def rule_no_content(name: str, source: str) -> set[str]:
    return tops(Imports(source).found) & CONTENT


def rule_no_framework(name: str, source: str) -> set[str]:
    return tops(Imports(source).found) & FRAMEWORKS


def rule_nothing_imports_the_command_line(name: str, source: str) -> set[str]:
    found = Imports(source).found
    return set() if name.startswith("cli") else {module for module in found if re.match(r"(workbench\.)?cli\b", module)}


def rule_only_the_worker_loads_code(name: str, source: str) -> set[str]:
    return loaders(source) - MAY_LOAD.get(name, set())


def rule_no_pickles(name: str, source: str) -> set[str]:
    return tops(Imports(source).found) & {"pickle", "shelve", "marshal", "joblib", "dill", "cloudpickle"}


def rule_pure_modules_are_pure(name: str, source: str) -> set[str]:
    found = behind(Imports(source).found) if any(f"{name}.".startswith(f"{pure}.") for pure in PURE) else set()
    return found & NEVER_BEHIND_PURE | tops(found) & NEVER_IN_PURE


def rule_the_contract_stands_alone(name: str, source: str) -> set[str]:
    return {module for module in Imports(source).found if name == "contract" and module.startswith("workbench")}


def rule_the_worker_stays_apart_from_its_parent(name: str, source: str) -> set[str]:
    allowed = {
        f"workbench.{module}" for module in ("wire", "wire.exchange", "wire.canary", "wire.problems", "contract")
    }
    found = {module for module in Imports(source).found if module.startswith("workbench")}
    return found - allowed if name == "wire.worker" else set()


def rule_only_launcher_and_machine_start_processes(name: str, source: str) -> set[str]:
    used = tops(Imports(source).found) & STARTS_PROCESSES
    return set() if name in ("session.launcher", "host.machine", "host.noise", "host.venvs", "host.checkouts") else used


def rule_one_room_for_file_locks_and_atomic_files(name: str, source: str) -> set[str]:
    """Locks in host.locks; files that are flushed to disk in host.files, but for the log's every event."""
    homes = {"fcntl": {"host.locks"}, "fsync": {"host.files", "store.eventlog"}}
    attributes = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    return {used for used in (tops(Imports(source).found) | attributes) & set(homes) if name not in homes[used]}


RULES = [rule for name, rule in list(globals().items()) if name.startswith("rule_")]

PLANTED = {
    "rule_no_content": ("api", "def f():\n    from tasks import linreg\n"),
    "rule_no_framework": ("show.plots", "def f():\n    import jax.numpy as jnp\n"),
    "rule_nothing_imports_the_command_line": ("api", "from workbench import cli\n"),
    "rule_only_the_worker_loads_code": ("catalog", "import importlib\nimportlib.import_module('tasks.linreg')\n"),
    "rule_no_pickles": ("wire.exchange", "import pickle\n"),
    "rule_pure_modules_are_pure": ("statistics.ranks", "def f():\n    import subprocess\n"),
    "rule_the_contract_stands_alone": ("contract", "from workbench.wire import exchange\n"),
    "rule_the_worker_stays_apart_from_its_parent": ("wire.worker", "from workbench.session import session\n"),
    "rule_one_room_for_file_locks_and_atomic_files": ("store.results", "import os\n\nos.fsync(3)\n"),
    "rule_only_launcher_and_machine_start_processes": ("store.results", "from subprocess import run\n"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", MODULES)
def test_a_module_keeps_the_rule(name, rule):
    assert rule(name, MODULES[name].read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_notices_what_is_planted(rule):
    assert rule(*PLANTED[rule.__name__])


def test_what_serves_types_alone_is_no_import():
    assert Imports("if TYPE_CHECKING:\n    import torch\nelse:\n    import json\n").found == {"json"}


def test_every_module_named_here_exists():
    assert {*PURE, *MAY_LOAD, "session.launcher", "host.machine"} <= set(MODULES)


def test_the_command_line_from_a_clone_imports_the_package_alone():
    source = Path(package_root().parent, "cli.py")
    if not source.is_file():
        pytest.skip("no checkout around the installed package")
    assert Imports(source.read_text(encoding="utf-8")).found == {"sys", "workbench.cli"}
