"""Content files as syntax trees: read, never run."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.wire.exchange import PARSING


def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        WorkbenchError: when it cannot be read or is not valid Python; names the file, and the line where there is one.
    """
    try:
        source = file.read_text(encoding="utf-8")
        with PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like are reported where the file is run
            return ast.parse(source, filename=str(file))
    except SyntaxError as error:
        raise WorkbenchError(f"{file}, line {error.lineno}: {error.msg}") from None
    except OSError as error:
        raise WorkbenchError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, a null byte, or nested too deeply
        raise WorkbenchError(f"{file}: {error}") from None


def assigned(node: ast.stmt, name: str) -> ast.expr | None:
    """The value that a statement assigns to a name, or None."""
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    if isinstance(node, ast.Assign | ast.AnnAssign) and any(isinstance(t, ast.Name) and t.id == name for t in targets):
        return node.value
    return None
