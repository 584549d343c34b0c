"""What a pair of task and frontend consists of: its files, and every file of the content that these import."""

from __future__ import annotations

import ast
from pathlib import Path

from workbench.catalog import Catalog
from workbench.catalog.roots import module_folders
from workbench.catalog.sources import parsed
from workbench.errors import WorkbenchError
from workbench.model.content import Frontend

PACKAGE = "frontends"


def files_of(content: Catalog, task: str, frontend: Frontend) -> list[Path]:
    """The files whose text decides what a pair computes, in a fixed order; the task's own file makes the problem.

    A file that cannot be read as Python counts as one that imports nothing.
    """
    folders = module_folders(content.roots, frontend.folder, frontend.root)
    pending = [f"{PACKAGE}.{frontend.folder}.{name}" for name in ("runtime", task)]
    found: dict[str, Path] = {}
    while pending:
        name = pending.pop()
        package, _, module = name.rpartition(".")
        file = next(
            (path for folder in folders.get(package, ()) if (path := Path(folder, f"{module}.py")).is_file()), None
        )
        if file is None or name in found:
            continue
        found[name] = file
        pending += [*_imports(file), f"{PACKAGE}.__init__", f"{package}.__init__"]
    return [frontend.root / PACKAGE / frontend.folder / "frontend.toml", *(found[name] for name in sorted(found))]


def _imports(file: Path) -> list[str]:
    """Full names of the modules of content that a file may import."""
    try:
        tree = parsed(file)
    except WorkbenchError:
        return []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.startswith(f"{PACKAGE}.")]
