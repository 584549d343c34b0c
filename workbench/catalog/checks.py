"""Finds mistakes in content by reading it, so that nobody has to wait for a worker process to find them.

A task and its reference are checked before any process is started: without them there is nothing to measure. A
mistake in a contestant's own files costs only that contestant. What reading cannot decide, such as a ``train`` that is
imported from elsewhere, is left to the worker.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.catalog import REFERENCE, Catalog
from workbench.catalog.sources import parsed
from workbench.errors import WorkbenchError
from workbench.model.content import Frontend, Task

CONTRACT = "workbench.contract"
RUNTIME = {"configure": 1, "wait": 0, "versions": 0, "observe": 0, "peak_device_bytes": 0}  # with how many arguments


def check_task(content: Catalog, name: str) -> None:
    """Reject a task that cannot be measured: it must make its problem and have a reference.

    Raises:
        WorkbenchError: one line that names the file, the line where there is one, and what is expected.
    """
    task = content.task(name)
    _check_function(task.root / "tasks" / f"{name}.py", "make", "make(preset, seed, **changes)", least=2)
    if REFERENCE not in content.frontends:
        raise WorkbenchError(f"frontend {REFERENCE} is missing: it computes the reference that every task needs")
    reference = content.frontends[REFERENCE]
    if reference.command:
        raise WorkbenchError(f"frontend {REFERENCE} has a command: only a worker in Python can compute the reference")
    if content.file(name, reference) is None:
        raise WorkbenchError(_without_reference(content, task, reference))
    check_pair(content, name, reference)


def check_pair(content: Catalog, task: str, frontend: Frontend) -> None:
    """Reject a frontend's file for a task, or its runtime, that cannot work.

    A pair that does not exist passes, and so does one in another language, which cannot be read here.

    Raises:
        WorkbenchError: one line that names the file, the line where there is one, and what is expected.
    """
    file = content.file(task, frontend)
    if file is None or frontend.command:
        return
    if line := _imports_from_contract(parsed(file), "Result"):
        raise WorkbenchError(
            f"{file}, line {line}: Result belongs to contract 1; train() now ends its set-up with `yield state`, a "
            "function that returns a State, and never returns (see workbench/contract.py)"
        )
    train = _check_function(file, "train", "train(problem)", least=1)
    if train is not None and not any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _within(train.body)):
        raise WorkbenchError(
            f"{file}, line {train.lineno}: train never yields; it must yield once after set-up, then each step's loss"
        )
    if train is not None and not _yields_in_a_loop(train):
        raise WorkbenchError(
            f"{file}, line {train.lineno}: no loop of train yields; after `yield state`, it must yield each step's loss"
        )
    runtime = content.module(frontend, "runtime")
    if runtime is None:
        folder = frontend.root / "frontends" / frontend.folder
        raise WorkbenchError(f"{folder}: runtime.py is missing; it must define {', '.join(RUNTIME)}")
    module = parsed(runtime)
    names = _names_in(module)
    if missing := [name for name in RUNTIME if name not in names and "*" not in names]:
        raise WorkbenchError(f"{runtime}: does not define {', '.join(missing)}; it must define {', '.join(RUNTIME)}")
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    for node in functions:
        if node.name in RUNTIME and not _accepts(node.args, RUNTIME[node.name]):
            signature = f"{node.name}({'settings' if RUNTIME[node.name] else ''})"
            raise WorkbenchError(f"{runtime}, line {node.lineno}: {node.name} must be defined as {signature}")


def _without_reference(content: Catalog, task: Task, reference: Frontend) -> str:
    missing = Path("frontends", reference.folder, f"{task.name}.py")
    proven = [frontend.id for frontend in content.frontends.values() if content.file(task.name, frontend)]
    others = f"; {', '.join(proven)} will be checked against it" if proven else ""
    return f"task {task.name} has no reference, {task.root / missing}: every task needs this NumPy file{others}"


def _check_function(file: Path, name: str, signature: str, least: int) -> ast.FunctionDef | None:
    """The function of that name; None when the name is bound in some other way, which reading cannot check.

    Raises:
        WorkbenchError: when the file is not valid Python, nothing has the name, or the signature does not fit.
    """
    module = parsed(file)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        if _names_in(module) & {name, "*"}:
            return None
        raise WorkbenchError(f"{file}: does not define {signature}")
    function = functions[-1]
    if not _accepts(function.args, least):
        raise WorkbenchError(f"{file}, line {function.lineno}: {name} must be defined as {signature}")
    return function if not function.decorator_list else None


def _imports_from_contract(module: ast.Module, name: str) -> int | None:
    """The line at which a file imports a name from the contract, or None."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module == CONTRACT and name in {each.name for each in node.names}:
            return node.lineno
    return None


def _accepts(arguments: ast.arguments, count: int) -> bool:
    """Whether a function can be called with exactly ``count`` positional arguments and no others."""
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    required_keywords = [value for value in arguments.kw_defaults if value is None]
    return not required_keywords and required <= count and (len(positional) >= count or arguments.vararg is not None)


def _within(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of some statements, without those of functions and classes nested in them."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def _yields_in_a_loop(function: ast.FunctionDef) -> bool:
    """Whether a generator yields again and again, or leaves that to another."""
    nodes = list(_within(function.body))
    loops = [node for node in nodes if isinstance(node, ast.For | ast.While)]
    inside = [
        node for loop in loops for node in _within([*([loop.test] if isinstance(loop, ast.While) else ()), *loop.body])
    ]
    return any(isinstance(node, ast.YieldFrom) for node in nodes) or any(isinstance(node, ast.Yield) for node in inside)


def _names_in(module: ast.Module) -> set[str]:
    """Names that a module binds at its top level, conditionally or not; contains "*" if there may be others."""
    names: set[str] = set()
    pending: list[ast.AST] = list(module.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add("*" if node.name == "__getattr__" else node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            pending += ast.iter_child_nodes(node)
    return names
