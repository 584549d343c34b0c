"""Figures of a content file in Python: its lines of code, and the names it uses from its framework."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterator
from pathlib import Path

from workbench.catalog.sources import NOT_PYTHON, text_of
from workbench.errors import WorkbenchError

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> set[int]:
    """The numbers of the lines with code, that is, without blank lines, comments and docstrings."""
    numbers: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            numbers |= set(range(token.start[0], token.end[0] + 1))
    return numbers - _docstring_lines(ast.parse(source))


def counts(file: Path, packages: Collection[str]) -> tuple[int, int] | None:
    """How many lines of code a file has, and how many names it uses of these packages; None if it is not Python."""
    try:
        source = text_of(file)
        return len(code_lines(source)), len(api_names(source, packages))
    except (WorkbenchError, *NOT_PYTHON):
        return None


def _docstring_lines(module: ast.Module) -> set[int]:
    return {
        line
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def api_names(source: str, packages: Collection[str]) -> list[str]:
    """The full names that a source uses from these packages, sorted, such as "tensorflow.matmul" for ``tf.matmul``.

    Methods of objects, such as ``loss.backward()``, do not name a package and are left out.
    """
    return sorted({name for _, name in api_uses(source, packages)})


def api_uses(source: str, packages: Collection[str]) -> list[tuple[ast.expr, str]]:
    """The uses of these packages in a source: each expression with its full name."""
    module = ast.parse(source)
    imported = _imported(module)
    return [(node, name) for node, name in _used(module, imported) if name.partition(".")[0] in packages]


def _imported(module: ast.Module) -> dict[str, str]:
    """The full name behind each local name that an import defines."""
    full_names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                full_names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            full_names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return full_names


def _used(node: ast.AST, imported: dict[str, str]) -> Iterator[tuple[ast.expr, str]]:
    """The longest attribute chains that begin with an imported name."""
    if isinstance(node, ast.Attribute | ast.Name) and (name := _full_name(node, imported)):
        yield node, name
        return
    for child in ast.iter_child_nodes(node):
        yield from _used(child, imported)


def _full_name(node: ast.expr, imported: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute) and (prefix := _full_name(node.value, imported)):
        return f"{prefix}.{node.attr}"
    return None
