"""Figures of a content file: its lines of code, and the names it uses from its framework."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pygments.lexer import Lexer

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


def lexer_of(file: str) -> Lexer:
    """What tells a file's tokens apart, by the file's name; for an unknown language everything is plain text."""
    from pygments.lexers import TextLexer, get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        return get_lexer_for_filename(file, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False, ensurenl=False)


def code_lines_in_any_language(source: str, file: str) -> set[int]:
    """The numbers of the lines with code, as far as comments are known in the language of a file of that name."""
    from pygments.token import Comment

    numbers: set[int] = set()
    line = 1
    for kind, value in lexer_of(file).get_tokens(source):
        for offset, part in enumerate(value.split("\n")):
            if part.strip() and kind not in Comment:
                numbers.add(line + offset)
        line += value.count("\n")
    return numbers


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


def helper_modules(source: str, folder: str) -> list[str]:
    """The modules of its own folder that a content file imports from, such as optimizers and layouts."""
    prefix = f"frontends.{folder}."
    modules = [node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return [module.removeprefix(prefix) for module in dict.fromkeys(modules) if module.startswith(prefix)]


def helpers(source: str, folder: str, modules: Mapping[str, str]) -> dict[str, int]:
    """The names that a content file imports from its own folder, each with its lines of code there.

    Args:
        source: of the file.
        folder: the frontend's.
        modules: the text of each module in the folder, by its name.
    """
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        text = modules.get(module.removeprefix(f"frontends.{folder}."))
        if isinstance(node, ast.ImportFrom) and text is not None:
            found |= {alias.name: _lines_of_code(text, alias.name) for alias in node.names}
    return found


def _lines_of_code(text: str, name: str) -> int:
    """How many lines of code the definition of a name has; 0 if it is not defined there."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return len(set(range(node.lineno, (node.end_lineno or node.lineno) + 1)) & code_lines(text))
    return 0
