"""Content files as syntax trees: read, never run."""

from __future__ import annotations

import ast
import tokenize
import warnings
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.wire.exchange import PARSING

NOT_PYTHON = (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError)  # what reading code may raise


def text_of(file: Path, name: str = "") -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        file: which.
        name: what errors call it; its path if empty.

    Raises:
        WorkbenchError: when it cannot be read, or is no text.
    """
    name = name or str(file)
    try:
        if file.exists() and not file.is_file():  # a FIFO would never end
            raise WorkbenchError(f"{name}: not a regular file")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WorkbenchError(f"{name}: {error.strerror}") from None
    except ValueError as error:
        raise WorkbenchError(f"{name}: not UTF-8: {error}") from None


def parsed(file: Path, name: str = "") -> ast.Module:
    """The syntax tree of a file.

    Args:
        file: which.
        name: what errors call it; its path if empty.

    Raises:
        WorkbenchError: when it cannot be read or is not valid Python; names the file, and the line where there is one.
    """
    source = text_of(file, name)
    try:
        with PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like are reported where the file is run
            return ast.parse(source, filename=str(file))
    except NOT_PYTHON as error:
        raise not_python(name or str(file), error) from None


def not_python(name: str, error: Exception) -> WorkbenchError:
    """One of NOT_PYTHON as an error that says in which file, on which line where that is known, and what is wrong."""
    if isinstance(error, RecursionError | MemoryError):  # the parser's answer to brackets or signs without end
        return WorkbenchError(f"{name}: nested too deeply to be read")
    line = getattr(error, "lineno", None)
    where = f", line {line}" if line else ""
    return WorkbenchError(f"{name}{where}: not valid Python: {getattr(error, 'msg', error)}")


def assigned(node: ast.stmt, name: str) -> ast.expr | None:
    """The value that a statement assigns to a name, or None."""
    targets = [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else getattr(node, "targets", [])
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and any(
        isinstance(t, ast.Name) and t.id == name for t in targets
    ):
        return node.value
    return None
