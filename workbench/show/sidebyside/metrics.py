"""What a content file comes to in numbers and names: lines of code, and what it uses of its framework."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: no blank line, no comment, no docstring."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            found |= set(range(token.start[0], token.end[0] + 1))
    return found - _docstring_lines(ast.parse(source))


def _docstring_lines(module: ast.Module) -> set[int]:
    return {
        line
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def api_names(source: str, packages: Collection[str]) -> list[str]:
    """The full names that a source uses of these packages, sorted, such as "tensorflow.matmul" for ``tf.matmul``.

    Methods of objects, such as ``loss.backward()``, carry no package's name and are left out.
    """
    return sorted({name for _, name in api_places(source, packages)})


def api_places(source: str, packages: Collection[str]) -> list[tuple[ast.expr, str]]:
    """Where a source uses these packages: each expression with its full name."""
    module = ast.parse(source)
    known = _imported(module)
    return [(node, name) for node, name in _used(module, known) if name.partition(".")[0] in packages]


def _imported(module: ast.Module) -> dict[str, str]:
    """Full names by the local names that imports give them."""
    known: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _used(node: ast.AST, known: dict[str, str]) -> Iterator[tuple[ast.expr, str]]:
    """The longest chains of attributes that begin with an imported name."""
    if isinstance(node, ast.Attribute | ast.Name) and (name := _full_name(node, known)):
        yield node, name
        return
    for child in ast.iter_child_nodes(node):
        yield from _used(child, known)


def _full_name(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute) and (before := _full_name(node.value, known)):
        return f"{before}.{node.attr}"
    return None


def helpers(source: str, folder: str, runtime: str) -> dict[str, int]:
    """What a content file takes from the runtime of its folder, each with its lines of code there."""
    taken = [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == f"frontends.{folder}.runtime"
        for alias in node.names
    ]
    lines = code_lines(runtime)
    places = {
        node.name: set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        for node in ast.parse(runtime).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    return {name: len(places.get(name, set()) & lines) for name in taken}
