"""Figures of a content file: its lines of code in any language, and what it uses of its folder's helpers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from workbench.catalog.figures import code_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pygments.lexer import Lexer


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


def helper_modules(source: ast.Module, folder: str) -> list[str]:
    """The modules of its own folder that a content file imports from, such as optimizers and layouts."""
    prefix = f"frontends.{folder}."
    modules = [node.module or "" for node in ast.walk(source) if isinstance(node, ast.ImportFrom)]
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


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines: of a function, a class, or a constant."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]


def _lines_of_code(text: str, name: str) -> int:
    """How many lines of code the definition of a name has; 0 if it is not defined there."""
    for node in ast.parse(text).body:
        if name in _defined(node):
            return len(set(range(node.lineno, (node.end_lineno or node.lineno) + 1)) & code_lines(text))
    return 0
