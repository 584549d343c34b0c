"""The parts of a content file: which of its lines are data, model, loss, gradient, update, loop or result.

Content files have one structure: set-up, a function that reads the state, ``yield`` of it, a loop that yields losses.
So a statement's part follows from its position (in a function, before or in the loop), what it assigns, and what it
calls. A statement that does two jobs, such as ``minimize``, belongs to both parts; every line belongs to at least one.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PARTS = {
    "about": "description",
    "imports": "imports",
    "data": "data, and moving it to the device",
    "model": "model: parameters and their initial values",
    "loss": "forward pass and loss",
    "gradient": "gradient",
    "update": "parameter update",
    "loop": "training loop",
    "result": "reading the state",
    "whole": "the whole file, in a language whose parts are not told apart",
}
_GRADIENT_CALLS = {"GradientTape", "backward", "fit", "grad", "gradient", "gradients", "minimize", "value_and_grad"}
_GRADIENT_NAME = re.compile(r"d\w*_d\w+\Z|.*gradient")
_LOOPED = {"step", "value"}  # functions in the form in which the loop, or evaluating, calls them
_UPDATE_NAMES = {"apply_gradients", "assign_sub", "learning_rate", "minimize", "optimizer"}

_Block = ast.FunctionDef | ast.ClassDef | ast.With | ast.For | ast.While | ast.If | ast.Try


@dataclass(frozen=True)
class _Unit:
    """A simple statement, or the head of a compound one, with the block that contains it."""

    node: ast.stmt
    end: int
    block: Sequence[ast.stmt]
    function: str | None  # name of the innermost function


def split(source: str) -> dict[str, list[int]]:
    """The line numbers, from 1, of each part of a content file, in the order of PARTS; every line is in some part.

    Raises:
        SyntaxError: when the source is not valid Python.
    """
    module = ast.parse(source)
    units = list(_units(module.body, None))
    train = next((node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "train"), None)
    labels = _labels(units, _Frame.of(train))
    numbers: dict[str, list[int]] = {part: [] for part in PARTS}
    line, count = 1, len(lines_of(source))
    for index, unit in enumerate(units):
        end = count if index == len(units) - 1 else unit.end
        for part in labels[index]:
            numbers[part] += range(line, end + 1)
        line = max(line, end + 1)
    return numbers


def lines_of(source: str) -> list[str]:
    """The lines of a source as Python counts them: form feeds and Unicode line separators do not end a line."""
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
    """The skeleton of a training: the loop, what is around it, the names of the loss, and who reads the state."""

    loop: ast.stmt | None
    around: tuple[ast.stmt, ...]
    losses: frozenset[str]
    state: str

    @classmethod
    def of(cls, train: ast.FunctionDef | None) -> _Frame:
        """The frame of a ``train`` function: its first loop that yields."""
        nodes = [] if train is None else list(ast.walk(train))
        loop = next((node for node in nodes if isinstance(node, ast.For | ast.While) and _yields(node)), None)
        around = tuple(node for node in nodes if loop and isinstance(node, _Block) and loop in ast.walk(node))
        yielded = [node for node in ast.walk(loop) if isinstance(node, ast.Yield)] if loop else []
        names = {_root(node.value).removesuffix("_value") for node in yielded}
        functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        ready = [node for node in nodes if isinstance(node, ast.Yield) and node not in yielded]
        loaded = [node for node in _all(ready) if isinstance(node, ast.Name) and node.id in functions]
        first = min(loaded, key=lambda node: (node.lineno, node.col_offset), default=None)
        return cls(loop, around, frozenset({"loss", *names} - {""}), first.id if first else "")

    def within(self, node: ast.stmt) -> bool:
        """Whether a statement is inside the loop."""
        return self.loop is not None and self.loop.lineno < node.lineno <= (self.loop.end_lineno or 0)


def _labels(units: Sequence[_Unit], frame: _Frame) -> list[tuple[str, ...]]:
    """Each unit's parts; a head without any follows the next statement, and a bare return the previous one."""
    blocks = {id(unit.block): unit.block for unit in units}  # each is looked through once: files may be long
    forward = {id(node) for block in blocks.values() for node in _forward(block, frame)}
    labels = [_own_labels(unit, frame, id(unit.node) in forward) for unit in units]
    for index in reversed(range(len(units) - 1)):
        if not labels[index] and not isinstance(units[index].node, ast.Return):
            labels[index] = labels[index + 1][:1]
    for index in range(1, len(units)):
        labels[index] = labels[index] or labels[index - 1][-1:]
    return [unit_labels or ("model",) for unit_labels in labels]


def _own_labels(unit: _Unit, frame: _Frame, forward: bool) -> tuple[str, ...]:
    node, head = unit.node, _head(unit.node)
    if _is_docstring(unit):
        return ("about",) if unit.function is None else ()
    if isinstance(node, ast.Import | ast.ImportFrom):
        return ("imports",)
    if isinstance(node, ast.ClassDef):
        return ("model",)
    if unit.function is not None and unit.function == frame.state:
        return ("result",)
    if node in frame.around or any(_yields(part) for part in head):
        return ("loop",)
    if any(isinstance(part, ast.Call) and _root(part.func) == "step" for part in _all(head)):
        return ("loop",)
    parts = _labels_by_effect(unit, frame, forward)
    return parts if parts or isinstance(node, _Block) else _labels_by_position(unit, frame)


def _labels_by_effect(unit: _Unit, frame: _Frame, forward: bool) -> tuple[str, ...]:
    head = _head(unit.node)
    stored, called, names = _stored(head), _called(head), _names(head)
    problem_attributes = _attributes_of(head, "problem")
    tests = {
        "data": bool(problem_attributes & {"batches", "data", "resident"})
        or stored == {"device"}
        or (unit.function == "train" and bool(stored & {"x", "y"}) and "init" not in problem_attributes),
        "loss": bool(stored & frame.losses and not called & _GRADIENT_CALLS)
        or forward
        or any(isinstance(part, ast.keyword) and part.arg == "loss" for part in _all(head)),
        "gradient": bool(called & _GRADIENT_CALLS)
        or any(_GRADIENT_NAME.match(name) for name in stored)
        or "zero_grad" in called
        or "grad" in _stored_attributes(head),
        "update": bool(names & _UPDATE_NAMES or "update" in called) and "zero_grad" not in called,
        "loop": "fit" in called,
    }
    labels = tuple(part for part, holds in tests.items() if holds)
    return ("data",) if "data" in labels else labels


def _labels_by_position(unit: _Unit, frame: _Frame) -> tuple[str, ...]:
    if isinstance(unit.node, ast.Return) and not any(
        isinstance(part, ast.Call | ast.BinOp) for part in ast.walk(unit.node)
    ):
        return ()
    if unit.function not in (None, "train"):
        return ("loss",)
    return ("loop",) if frame.within(unit.node) or _stored(_head(unit.node)) & _LOOPED else ("model",)


def _forward(block: Sequence[ast.stmt], frame: _Frame) -> list[ast.stmt]:
    """The statements of a block that its loss is computed from, except those that read from the problem."""
    needed: set[str] = set()
    statements: list[ast.stmt] = []
    for node in reversed(block):
        head = _head(node)
        stored = _stored(head)
        if isinstance(node, _Block) or _called(head) & _GRADIENT_CALLS or _attributes_of(head, "problem"):
            continue
        if stored & (frame.losses | needed):
            needed |= _loaded(*head)
            statements.append(node)
    return statements


def _is_docstring(unit: _Unit) -> bool:
    node = unit.node
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _head(node: ast.stmt) -> list[ast.AST]:
    """The expressions of a statement itself, without the statements nested in it."""
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
    """The name at the root of an attribute or method call: "loss" for ``loss.detach()``; "" if there is none."""
    while isinstance(node, ast.Attribute) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""


def _yields(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def _stored(nodes: Sequence[ast.AST]) -> set[str]:
    inside = {id(part) for node in _all(nodes) if isinstance(node, ast.comprehension) for part in ast.walk(node.target)}
    return {
        node.id
        for part in _all(nodes)
        if isinstance(part, ast.Name | ast.Subscript) and isinstance(part.ctx, ast.Store) and id(part) not in inside
        for node in [part.value if isinstance(part, ast.Subscript) else part]
        if isinstance(node, ast.Name)
    }


def _stored_attributes(nodes: Sequence[ast.AST]) -> set[str]:
    return {node.attr for node in _all(nodes) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}


def _loaded(*nodes: ast.AST) -> set[str]:
    return {node.id for node in _all(nodes) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _called(nodes: Sequence[ast.AST]) -> set[str]:
    """The unqualified names of called functions, such as "matmul" for ``tf.matmul(...)``."""
    functions = [node.func for node in _all(nodes) if isinstance(node, ast.Call)]
    names = [getattr(function, "attr", getattr(function, "id", "")) for function in functions]
    return set(names)


def _names(nodes: Sequence[ast.AST]) -> set[str]:
    names = {node.id for node in _all(nodes) if isinstance(node, ast.Name)}
    return names | {node.attr for node in _all(nodes) if isinstance(node, ast.Attribute)}


def _attributes_of(nodes: Sequence[ast.AST], name: str) -> set[str]:
    return {
        node.attr
        for node in _all(nodes)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
