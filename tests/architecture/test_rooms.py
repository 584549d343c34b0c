"""The rooms of the package: each may use those below it, for types too; and nothing is imported in a circle."""

from __future__ import annotations

import ast
import itertools

import pytest

from workbench.catalog.roots import package_root

ROOT = package_root()
MODULES = {
    ".".join(("workbench", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if "_content" not in path.parts
}
# From the ground up. Those of one floor do not know each other.
FLOORS = (
    {"errors", "contract", "version"},
    {"model"},
    {"wire", "statistics"},
    {"catalog"},
    {"host"},
    {"store"},
    {"session"},
    {"comparison"},
    {"show"},
    {"api", "selftest", "testing"},
    {"cli", "pytest_plugin"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The part of the package that a module belongs to; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def imports(name: str, source: str) -> set[str]:
    """Modules of the package that a source imports, wherever it stands and whatever for."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {module if module in MODULES else node.module for module in inner}
    return {module for module in names if module in MODULES and module != name}


def misplaced(name: str, source: str) -> set[str]:
    """Imports of a room that does not lie below."""
    mine = room_of(name)
    others = {module for module in imports(name, source) if room_of(module) not in ("", mine)}
    return {module for module in others if FLOOR_OF[room_of(module)] >= FLOOR_OF[mine]} if mine else set()


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules that reach each other (Tarjan 1972, by reachability, which is enough for some hundred)."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen, waiting = set[str](), [start]
        while waiting:
            for module in graph.get(waiting.pop(), set()) - seen:
                seen.add(module)
                waiting.append(module)
        reached[start] = seen
    groups = [{other for other in reached[name] if name in reached.get(other, set())} for name in graph]
    return [group for group, _ in itertools.groupby(sorted(map(sorted, groups))) if group]


GRAPH = {name: imports(name, path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_uses_the_rooms_below_it_alone(name):
    assert misplaced(name, MODULES[name].read_text(encoding="utf-8")) == set()


def test_no_modules_import_each_other_in_a_circle_for_types_neither():
    inner = {name: found for name, found in GRAPH.items() if name != "workbench"}  # it hands out names of the others
    assert circles({name: found - {"workbench"} for name, found in inner.items()}) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("workbench.model.records", "from workbench.store import results"),
        ("workbench.session.runner", "def f():\n    from workbench.show import tables"),
        ("workbench.store.results", "if TYPE_CHECKING:\n    from workbench.show.tables import html"),
        ("workbench.statistics.rows", "import workbench.wire.exchange"),
    ],
)
def test_a_planted_import_from_above_is_noticed(name, source):
    assert misplaced(name, source)


def test_a_planted_circle_is_noticed():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_every_part_of_the_package_has_a_floor():
    assert {room_of(name) for name in MODULES} - {""} == set(FLOOR_OF)
