"""The bare loop of a frontend: its own ``train`` without the generator and the harness.

A copy kept by hand would diverge from the content, so the loop is derived from the source. From::

    yield state                         # set-up ends here

    for x, y in batches:
        ...
        yield loss

comes, at the same position in the same function::

    yield state

    for _steps in _turns:
        _started = _clock()
        for x, y in _islice(batches, _steps):
            ...
            loss
        _wait()
        _seconds.append(_clock() - _started)
        yield  # not timed

That last yield lets both loops be advanced from the same call depth: some frameworks are slower the deeper the call
stack is. The first one is kept, because the state tells whether both compute the same. A style that runs many steps per
call (``steps = yield Calls(state)``, then ``while True:`` and ``steps = yield losses``) becomes one call per turn;
where all calls run the same number of steps, the loop has the first form, and ``_steps`` counts calls.
"""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TRAIN, BARE = "train", "_bare"
ARGUMENTS = ("_turns", "_wait", "_seconds")
BEFORE = "_started = _clock()"
AFTER = "_wait()\n_seconds.append(_clock() - _started)\nyield"


class NoBareLoopError(ValueError):
    """A ``train`` whose form this module does not know."""


class _YieldRemover(ast.NodeTransformer):
    """Removes the yields of one function's loop; functions and lambdas inside it stay as they are."""

    def __init__(self) -> None:
        self.set_ups, self.loops = 0, 0
        self.steps = ""  # the variable that holds how many steps a call is to run, in a style that has one
        self._looping: ast.For | ast.While | None = None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        raise NoBareLoopError(f"line {node.lineno}: this yield is neither the end of set-up nor a step's loss")

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        raise NoBareLoopError(f"line {node.lineno}: yield from")

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Keeps the end of set-up; turns ``yield loss`` into ``loss``, so that each step still computes the same."""
        if not isinstance(node.value, ast.Yield) or isinstance(self._looping, ast.While):
            return self.generic_visit(node)
        if self._looping is None:
            self.set_ups += 1
            return node
        return _value(node.value)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Drops ``steps =`` at the end of set-up, and turns ``steps = yield losses`` into ``losses``."""
        if not isinstance(node.value, ast.Yield) or isinstance(self._looping, ast.For):
            return self.generic_visit(node)
        name = ast.unparse(node.targets[0])
        if self._looping is None:
            self.set_ups += 1
            self.steps = name
            return ast.copy_location(ast.Expr(node.value), node)
        if name != self.steps:
            raise NoBareLoopError(f"line {node.lineno}: {name} is not the requested number of steps")
        return _value(node.value)

    def visit_For(self, node: ast.For) -> ast.AST:
        """Makes the loop over batches run for the steps of one turn."""
        if not _yields(node):
            return node
        self._visit_body(node)
        node.iter = ast.Call(ast.Name("_islice", ast.Load()), [node.iter, ast.Name("_steps", ast.Load())], [])
        return self._turns("_steps", [node])

    def visit_While(self, node: ast.While) -> ast.AST:
        """Makes ``while True:`` run once per turn."""
        if not _yields(node):
            return node
        if not (isinstance(node.test, ast.Constant) and node.test.value is True and self.steps):
            raise NoBareLoopError(f"line {node.lineno}: not a loop for ever that is told how many steps to run")
        self._visit_body(node)
        return self._turns(self.steps, node.body)

    def _visit_body(self, node: ast.For | ast.While) -> None:
        outer, self._looping = self._looping, node
        self.generic_visit(node)
        self._looping = outer

    def _turns(self, steps: str, body: list[ast.stmt]) -> ast.For:
        self.loops += 1
        timed = [*ast.parse(BEFORE).body, *body, *ast.parse(AFTER).body]
        return ast.For(ast.Name(steps, ast.Store()), ast.Name("_turns", ast.Load()), timed, [])


def _value(node: ast.Yield) -> ast.stmt:
    """What is yielded, computed and dropped."""
    return ast.copy_location(ast.Pass() if node.value is None else ast.Expr(node.value), node)


def _yields(loop: ast.For | ast.While) -> bool:
    remaining: list[ast.AST] = list(loop.body)
    while remaining:
        node = remaining.pop()
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            remaining += ast.iter_child_nodes(node)
    return False


def bare_source(source: str) -> ast.Module:
    """A module that defines the bare loop of a content file; line numbers are preserved.

    Raises:
        NoBareLoopError: when there is no ``train``, or its form is not known.
    """
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == TRAIN]
    if len(functions) != 1:
        raise NoBareLoopError(f"expected one function {TRAIN}(), found {len(functions)}")
    function, remover = functions[0], _YieldRemover()
    body = [remover.visit(statement) for statement in function.body]
    if (remover.set_ups, remover.loops) != (1, 1):
        found = f"{remover.set_ups} and {remover.loops}"
        raise NoBareLoopError(f"expected one yield that ends set-up, and one loop that yields; found {found}")
    function.name, function.body, function.returns = BARE, body, None
    function.args.args += [ast.arg(name) for name in ARGUMENTS]
    return ast.fix_missing_locations(ast.Module([function], []))


def bare_loop(path: Path, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The bare loop of a content file, ``bare(problem, turns, wait, seconds)``; only to be called inside a worker.

    It is a generator: the first ``next`` returns what ends the set-up, each further one runs and times one turn.

    Args:
        path: the content file.
        names: the names that its module defines.
    """
    module = bare_source(path.read_text(encoding="utf-8"))
    namespace = {**names, "_islice": itertools.islice, "_clock": time.perf_counter}
    exec(compile(module, str(path), "exec"), namespace)  # noqa: S102 - the content's own code
    loop: Callable[..., Any] = namespace[BARE]
    return loop
