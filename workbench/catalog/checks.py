"""Mistakes in content that reading finds, so that nobody waits for a worker process to find them.

A task and its reference are checked before anything is started: without them there is nothing to measure. A mistake
in a contestant's own files costs that contestant alone. What reading cannot tell, such as a ``train`` that is
imported from elsewhere, is left to the worker.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from workbench.catalog import REFERENCE, Catalog
from workbench.catalog.sources import parsed
from workbench.errors import WorkbenchError
from workbench.model.content import Frontend, Task

RUNTIME = ("configure", "wait", "versions", "observe", "peak_device_bytes")


def check_task(content: Catalog, name: str) -> None:
    """Refuse a task that cannot be measured: it must make its problem and have a reference.

    Raises:
        WorkbenchError: one line that names the file, the line where there is one, and what is expected.
    """
    task = content.task(name)
    _check_function(task.root / "tasks" / f"{name}.py", "make", "make(preset, seed, **changes)", least=2)
    if REFERENCE not in content.frontends:
        raise WorkbenchError(f"no frontend {REFERENCE}: it makes the reference that every task needs")
    reference = content.frontends[REFERENCE]
    if content.file(name, reference) is None:
        raise WorkbenchError(_without_reference(content, task, reference))
    check_pair(content, name, reference)


def check_pair(content: Catalog, task: str, frontend: Frontend) -> None:
    """Refuse a frontend's file for a task, or its runtime, that cannot work; a pair that does not exist passes.

    Raises:
        WorkbenchError: one line that names the file, the line where there is one, and what is expected.
    """
    file = content.file(task, frontend)
    if file is None:
        return
    train = _check_function(file, "train", "train(problem)", least=1)
    if train is not None and not any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _within(train)):
        raise WorkbenchError(
            f"{file}, line {train.lineno}: train never yields; it must yield once after set-up, then each step's loss"
        )
    runtime = content.module(frontend, "runtime")
    if runtime is None:
        folder = frontend.root / "frontends" / frontend.folder
        raise WorkbenchError(f"{folder}: no runtime.py; it must define {', '.join(RUNTIME)}")
    names = _names_in(parsed(runtime))
    if missing := [name for name in RUNTIME if name not in names and "*" not in names]:
        raise WorkbenchError(f"{runtime}: does not define {', '.join(missing)}; it must define {', '.join(RUNTIME)}")


def _without_reference(content: Catalog, task: Task, reference: Frontend) -> str:
    missing = Path("frontends", reference.folder, f"{task.name}.py")
    having = [frontend.id for frontend in content.frontends.values() if content.file(task.name, frontend)]
    others = f"; the files of {', '.join(having)} are proven against it" if having else ""
    return f"task {task.name} lacks its reference, {task.root / missing}: every task needs this NumPy file{others}"


def _check_function(file: Path, name: str, signature: str, least: int) -> ast.FunctionDef | None:
    """The function of that name; None when the name is bound otherwise, so that reading cannot tell.

    Raises:
        WorkbenchError: when the file is not valid Python, nothing has the name, or it takes fewer arguments.
    """
    module = parsed(file)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        if _names_in(module) & {name, "*"}:
            return None
        raise WorkbenchError(f"{file}: does not define {signature}")
    function = functions[-1]
    if not _takes(function.args, least):
        raise WorkbenchError(f"{file}, line {function.lineno}: {name} must be defined as {signature}")
    return function if not function.decorator_list else None


def _takes(arguments: ast.arguments, count: int) -> bool:
    """Whether a function can be called with so many positional arguments and no others."""
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    named = [value for value in arguments.kw_defaults if value is None]
    return not named and required <= count and (len(positional) >= count or arguments.vararg is not None)


def _within(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What a function is made of, without functions and classes that are defined inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _names_in(module: ast.Module) -> set[str]:
    """Names that a module binds at its top, or within a condition or try there; "*" when that cannot be told."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(module.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add("*" if node.name == "__getattr__" else node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            waiting += ast.iter_child_nodes(node)
    return names
