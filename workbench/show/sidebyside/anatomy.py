"""A content file taken apart: which of its lines are data, model, loss, gradient, update, loop or result.

Content files look alike: set-up, ``yield``, a loop that yields losses, ``return Result``. So a statement's part
follows from where it stands (before, in or after the loop, in a function), what it assigns, and what it calls.
A statement that does two things, such as ``minimize``, belongs to both parts; every line belongs to at least one.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PARTS = {
    "about": "what it is",
    "imports": "imports",
    "data": "data, and how it gets to the device",
    "model": "model: parameters and their start values",
    "loss": "forward pass and loss",
    "gradient": "gradient",
    "update": "update of the parameters",
    "loop": "the training loop",
    "result": "what comes out",
}
_GRADIENT_CALLS = {"GradientTape", "backward", "fit", "grad", "gradient", "gradients", "minimize", "value_and_grad"}
_GRADIENT_NAME = re.compile(r"d\w*_d\w+\Z|.*gradient")
_UPDATE_NAMES = {"apply_gradients", "assign_sub", "learning_rate", "minimize", "optimizer"}

_Block = ast.FunctionDef | ast.ClassDef | ast.With | ast.For | ast.While | ast.If | ast.Try


@dataclass(frozen=True)
class _Unit:
    """A simple statement, or the head of a compound one, with the block that it stands in."""

    node: ast.stmt
    end: int
    block: Sequence[ast.stmt]
    function: str | None  # the innermost function, by name


def split(source: str) -> dict[str, list[int]]:
    """The line numbers, counted from 1, of each part of a content file, in the order of PARTS; none is left out.

    Raises:
        SyntaxError: when the source is no Python.
    """
    module = ast.parse(source)
    units = list(_units(module.body, None))
    train = next((node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "train"), None)
    labels = _labels(units, _Frame.of(train))
    found: dict[str, list[int]] = {part: [] for part in PARTS}
    line, count = 1, len(lines_of(source))
    for place, unit in enumerate(units):
        end = count if place == len(units) - 1 else unit.end
        for part in labels[place]:
            found[part] += range(line, end + 1)
        line = max(line, end + 1)
    return found


def lines_of(source: str) -> list[str]:
    """The lines of a source as Python counts them: a form feed or a line separator inside a text ends none."""
    return source.removesuffix("\n").split("\n")


def _units(block: Sequence[ast.stmt], function: str | None) -> Iterator[_Unit]:
    for node in block:
        if not isinstance(node, _Block) or isinstance(node, ast.ClassDef):
            yield _Unit(node, node.end_lineno or node.lineno, block, function)
            continue
        yield _Unit(node, _first_line(node.body[0]) - 1, block, function)
        inside = node.name if isinstance(node, ast.FunctionDef) else function
        handlers = [part for handler in getattr(node, "handlers", []) for part in handler.body]
        for body in (node.body, handlers, getattr(node, "orelse", []), getattr(node, "finalbody", [])):
            yield from _units(body, inside)


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


@dataclass(frozen=True)
class _Frame:
    """The skeleton of a training: the loop, what stands around it, and what the loss is called."""

    loop: ast.stmt | None
    around: tuple[ast.stmt, ...]
    losses: frozenset[str]

    @classmethod
    def of(cls, train: ast.FunctionDef | None) -> _Frame:
        """The frame of a ``train`` function: its first loop that yields."""
        nodes = [] if train is None else list(ast.walk(train))
        loop = next((node for node in nodes if isinstance(node, ast.For | ast.While) and _yields(node)), None)
        around = tuple(node for node in nodes if loop and isinstance(node, _Block) and loop in ast.walk(node))
        yielded = [node for node in ast.walk(loop) if isinstance(node, ast.Yield)] if loop else []
        names = {_root(node.value).removesuffix("_value") for node in yielded}
        return cls(loop, around, frozenset({"loss", *names} - {""}))

    def after(self, node: ast.stmt) -> bool:
        """Whether a statement follows the loop."""
        return self.loop is not None and node.lineno > (self.loop.end_lineno or 0)

    def within(self, node: ast.stmt) -> bool:
        """Whether a statement stands in the loop."""
        return self.loop is not None and self.loop.lineno < node.lineno <= (self.loop.end_lineno or 0)


def _labels(units: Sequence[_Unit], frame: _Frame) -> list[tuple[str, ...]]:
    """Each unit's parts; a head without one goes with the statement after it, a bare return with the one before it."""
    found = [_own_labels(unit, frame) for unit in units]
    for place in reversed(range(len(units) - 1)):
        if not found[place] and not isinstance(units[place].node, ast.Return):
            found[place] = found[place + 1][:1]
    for place in range(1, len(units)):
        found[place] = found[place] or found[place - 1][-1:]
    return [labels or ("model",) for labels in found]


def _own_labels(unit: _Unit, frame: _Frame) -> tuple[str, ...]:
    node, head = unit.node, _head(unit.node)
    if _is_docstring(unit):
        return ("about",) if unit.function is None else ()
    if isinstance(node, ast.Import | ast.ImportFrom):
        return ("imports",)
    if isinstance(node, ast.ClassDef):
        return ("model",)
    if unit.function is not None and frame.after(node):
        return ("result",)
    if node in frame.around or any(_yields(part) for part in head):
        return ("loop",)
    if any(isinstance(part, ast.Call) and _root(part.func) == "step" for part in _all(head)):
        return ("loop",)
    parts = _by_what_it_does(unit, frame)
    return parts if parts or isinstance(node, _Block) else _by_where_it_stands(unit, frame)


def _by_what_it_does(unit: _Unit, frame: _Frame) -> tuple[str, ...]:
    head = _head(unit.node)
    stored, called, words, of_problem = _stored(head), _called(head), _words(head), _attributes_of(head, "problem")
    tests = {
        "data": bool(of_problem & {"batches", "data", "resident"})
        or stored == {"device"}
        or (unit.function == "train" and bool(stored & {"x", "y"}) and "init" not in of_problem),
        "loss": bool(stored & frame.losses and not called & _GRADIENT_CALLS)
        or unit.node in _forward(unit.block, frame)
        or any(isinstance(part, ast.keyword) and part.arg == "loss" for part in _all(head)),
        "gradient": bool(called & _GRADIENT_CALLS)
        or any(_GRADIENT_NAME.match(name) for name in stored)
        or "zero_grad" in called
        or "grad" in _stored_attributes(head),
        "update": bool(words & _UPDATE_NAMES) and "zero_grad" not in called,
        "loop": "fit" in called,
    }
    found = tuple(part for part, holds in tests.items() if holds)
    return ("data",) if "data" in found else found


def _by_where_it_stands(unit: _Unit, frame: _Frame) -> tuple[str, ...]:
    if isinstance(unit.node, ast.Return) and not any(
        isinstance(part, ast.Call | ast.BinOp) for part in ast.walk(unit.node)
    ):
        return ()
    if unit.function not in (None, "train"):
        return ("loss",)
    return ("loop",) if frame.within(unit.node) or "step" in _stored(_head(unit.node)) else ("model",)


def _forward(block: Sequence[ast.stmt], frame: _Frame) -> list[ast.stmt]:
    """The statements of a block that its loss is worked out from, but for what comes from the problem."""
    wanted: set[str] = set()
    found: list[ast.stmt] = []
    for node in reversed(block):
        head = _head(node)
        stored = _stored(head)
        if isinstance(node, _Block) or _called(head) & _GRADIENT_CALLS or _attributes_of(head, "problem"):
            continue
        if stored & (frame.losses | wanted):
            wanted |= _loaded(*head)
            found.append(node)
    return found


def _is_docstring(unit: _Unit) -> bool:
    node = unit.node
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _head(node: ast.stmt) -> list[ast.AST]:
    """What a statement itself says, without the statements inside it."""
    if isinstance(node, ast.With):
        return list(node.items)
    if isinstance(node, ast.For):
        return [node.target, node.iter]
    if isinstance(node, ast.While | ast.If):
        return [node.test]
    if isinstance(node, ast.FunctionDef):
        return list(node.decorator_list)
    return [] if isinstance(node, ast.Try | ast.ClassDef) else [node]


def _all(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _root(node: ast.AST | None) -> str:
    """The name that attributes and methods hang on: "loss" for ``loss.detach()``; "" for what has none."""
    while isinstance(node, ast.Attribute) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""


def _yields(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def _stored(nodes: Sequence[ast.AST]) -> set[str]:
    inside = {id(part) for node in _all(nodes) if isinstance(node, ast.comprehension) for part in ast.walk(node.target)}
    return {
        node.id
        for node in _all(nodes)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in inside
    }


def _stored_attributes(nodes: Sequence[ast.AST]) -> set[str]:
    return {node.attr for node in _all(nodes) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}


def _loaded(*nodes: ast.AST) -> set[str]:
    return {node.id for node in _all(nodes) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _called(nodes: Sequence[ast.AST]) -> set[str]:
    """The last names of what is called, such as "matmul" for ``tf.matmul(...)``."""
    functions = [node.func for node in _all(nodes) if isinstance(node, ast.Call)]
    names = [getattr(function, "attr", getattr(function, "id", "")) for function in functions]
    return set(names)


def _words(nodes: Sequence[ast.AST]) -> set[str]:
    names = {node.id for node in _all(nodes) if isinstance(node, ast.Name)}
    return names | {node.attr for node in _all(nodes) if isinstance(node, ast.Attribute)}


def _attributes_of(nodes: Sequence[ast.AST], name: str) -> set[str]:
    return {
        node.attr
        for node in _all(nodes)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
