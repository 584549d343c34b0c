"""The available content: tasks, presets, frontends, modes, and the matrix of pairs.

Everything is derived from the tree, by reading: a task's docstring and literal ``PRESETS`` from its source, a
frontend from its ``frontend.toml``. Nothing is imported or executed. :mod:`~workbench.catalog.roots` says where
content comes from, :mod:`~workbench.catalog.tasks` and :mod:`~workbench.catalog.frontends` read it, and
:mod:`~workbench.catalog.checks` finds mistakes in it before anything is started.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workbench.catalog.frontends import read_frontends
from workbench.catalog.roots import checked_root, content_root, folders_of
from workbench.catalog.tasks import read_task
from workbench.errors import WorkbenchError, unknown
from workbench.model.content import Frontend, Task

__all__ = ["REFERENCE", "Catalog", "Replacement", "Roots", "catalog", "read_frontends", "read_task"]

REFERENCE = "numpy_manual"  # the frontend that every task needs: it computes the reference that proves all others

Roots = str | Path | Sequence[str | Path] | None  # one folder of content, several, or only the built-in one


@dataclass(frozen=True)
class Replacement:
    """Content of an earlier root that content of a later root replaces.

    Attributes:
        names: tasks, frontend ids, and files below the root.
        by: the root whose content is used.
        of: the root whose content is replaced.
    """

    names: tuple[str, ...]
    by: Path
    of: Path

    def __str__(self) -> str:
        return f"{self.by} replaces {', '.join(self.names)} of {self.of}"


@dataclass(frozen=True)
class Catalog:
    """The content of one or several roots, side by side.

    A task and its frontends may come from different roots. Of tasks with the same name, and of frontends with the
    same id, the later root's is used; :attr:`replaced` lists the others. A folder ``frontends/<name>`` without a
    ``frontend.toml`` adds its files to the frontends in folders of that name in other roots, and replaces files of
    earlier roots; one with a ``frontend.toml`` stands on its own, so folders of the same name coexist if the ids of
    their frontends differ.

    Attributes:
        roots: folders that hold tasks/ or frontends/ or both.
    """

    roots: tuple[Path, ...]

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Tasks by name."""
        tasks: dict[str, Task] = {}
        for root in self.roots:
            tasks |= {file.stem: read_task(file) for file in _modules(root / "tasks")}
        return tasks

    @cached_property
    def frontends(self) -> dict[str, Frontend]:
        """Frontends by id, root by root, in alphabetical order of their folders."""
        frontends: dict[str, Frontend] = {}
        for root in self.roots:
            frontends |= _frontends_in(root)
        for frontend in frontends.values():
            if frontend.compiles is not None and frontend.compiles not in frontends:
                raise WorkbenchError(
                    f"{frontend.root / 'frontends' / frontend.folder / 'frontend.toml'}: {frontend.id} compiles "
                    f"{frontend.compiles!r}, but no frontend has that id"
                )
        return frontends

    def file(self, task: str, frontend: Frontend) -> Path | None:
        """The file of a (task, frontend) pair, or None when the pair does not exist.

        With a command the frontend is in another language: the file is ``<task>`` with any one suffix, such as
        ``linreg.js``.

        Raises:
            WorkbenchError: when there are several, or as :meth:`module` does.
        """
        if not frontend.command:
            return self.module(frontend, task)
        for folder in folders_of(self.roots, frontend.folder, frontend.root):
            files = sorted(file for file in folder.iterdir() if file.stem == task and file.suffix and file.is_file())
            if len(files) > 1:
                names = " and ".join(file.name for file in files)
                raise WorkbenchError(f"{folder}: {names} exist, expected one file for {task}")
            if files:
                return files[0]
        return None

    def module(self, frontend: Frontend, name: str) -> Path | None:
        """The file of a module in a frontend's folder, such as its ``runtime``, or None when there is none.

        Raises:
            WorkbenchError: when it is a package, which Python would import instead of the file that is read and shown.
        """
        folders = folders_of(self.roots, frontend.folder, frontend.root)
        for folder in folders:
            _refuse_package(folder / name)
        return next((file for folder in folders if (file := folder / f"{name}.py").is_file()), None)

    def hole(self, task: str, frontend: Frontend) -> str | None:
        """Why a pair does not exist, or None when it does.

        Raises:
            WorkbenchError: when its file is next to the frontend.toml that declares it a hole.
        """
        file, declared = self.file(task, frontend), frontend.holes.get(task)
        if file is None:
            return declared or self._missing(task, frontend)
        if task in frontend.folder_holes and file.parents[2] == frontend.root:
            raise WorkbenchError(f"{file.parent}: frontend.toml lists {task} under [holes], but {file.name} exists")
        return None if task in frontend.folder_holes else declared  # of a mode: the file is the other modes'

    def _missing(self, task: str, frontend: Frontend) -> str:
        """Why a pair that ought to exist has no file."""
        name = f"{task}.{'*' if frontend.command else 'py'}"
        odd = any(os.path.lexists(folder / name) for folder in folders_of(self.roots, frontend.folder, frontend.root))
        return f"frontends/{frontend.folder}/{name} {'is not a regular file' if odd else 'does not exist'}"

    def task(self, name: str) -> Task:
        """The task of that name.

        Raises:
            WorkbenchError: when there is none; suggests the closest.
        """
        if name not in self.tasks:
            raise unknown("task", name, self.tasks)
        return self.tasks[name]

    def preset(self, task: Task, name: str | None) -> str:
        """The name of an existing preset; the task's first when None.

        Raises:
            WorkbenchError: when there is none of that name; suggests the closest.
        """
        if name is None:
            return task.default_preset
        if name not in task.presets:
            raise unknown("preset", name, task.presets, f"of {task.name}")
        return name

    def select(self, patterns: Iterable[str], task: str | None = None) -> list[Frontend]:
        """Frontends selected by ids, families, globs or ``all``, each once, in the catalog's order.

        Args:
            patterns: ids, families, globs or ``all``.
            task: omits frontends that have no file for it, except those that declare the reason under ``[holes]``
                and those of a pattern that none of its frontends has one for.

        Raises:
            WorkbenchError: for a pattern that matches nothing, and as :meth:`hole` does.
        """
        selected: set[str] = set()
        for pattern in patterns:
            matching = {f.id for f in self.frontends.values() if _matches(pattern, f)}
            if not matching:
                families = {family for f in self.frontends.values() for family in f.families}
                raise unknown("frontend", pattern, {"all", *self.frontends, *families})
            selected |= {name for name in matching if task is None or self._expected(task, name)} or matching
        return [frontend for frontend in self.frontends.values() if frontend.id in selected]

    def _expected(self, task: str, frontend: str) -> bool:
        """Whether a pair exists or its frontend declares why it does not."""
        return self.hole(task, self.frontends[frontend]) is None or task in self.frontends[frontend].holes

    @cached_property
    def replaced(self) -> list[Replacement]:
        """Which content of later roots replaces content of earlier ones."""
        pairs = ((of, by) for number, of in enumerate(self.roots) for by in self.roots[number + 1 :])
        return [Replacement(tuple(names), by, of) for of, by in pairs if (names := _replaced(of, by))]


def _modules(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob("*.py") if file.is_file() and not file.name.startswith(("_", ".")))
    for file in files:
        if not file.stem.isprintable():  # it becomes a part of pages and of the names of runs
            raise WorkbenchError(f"{file}: a file's name must be printable UTF-8; rename it")
        _refuse_package(file.with_suffix(""))
    return files


def _refuse_package(folder: Path) -> None:
    if (folder / "__init__.py").is_file():
        raise WorkbenchError(f"{folder} is a package, expected one file: write {folder.name}.py and remove the folder")


def _frontends_in(root: Path) -> dict[str, Frontend]:
    """The frontends that are declared in one root, by id.

    Raises:
        WorkbenchError: when two folders declare the same id.
    """
    frontends: dict[str, Frontend] = {}
    for file in sorted((root / "frontends").glob("*/frontend.toml")):
        for frontend in read_frontends(file):
            if frontend.id in frontends:
                other = frontends[frontend.id].folder
                raise WorkbenchError(
                    f"{file}: frontends/{other} also declares mode {frontend.id!r}; rename one of them"
                )
            frontends[frontend.id] = frontend
    return frontends


def _replaced(of: Path, by: Path) -> list[str]:
    """Tasks, frontend ids and files of one root that a later root also has."""
    tasks = [{file.stem: file for file in _modules(root / "tasks")} for root in (of, by)]
    frontends = [_frontends_in(root) for root in (of, by)]
    common = [name for earlier, later in (tasks, frontends) for name in earlier if name in later]
    extensions = [
        file.relative_to(by)
        for folder in sorted((by / "frontends").glob("[a-z]*/"))
        if not (folder / "frontend.toml").is_file()
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name[0] not in "_."
    ]
    return [*common, *(str(file) for file in extensions if (of / file).is_file())]


def _matches(pattern: str, frontend: Frontend) -> bool:
    names = (frontend.id, frontend.folder, *frontend.families)
    return pattern == "all" or any(fnmatch.fnmatchcase(name, pattern) for name in names)


def catalog(content: Roots = None) -> Catalog:
    """The built-in content and that of any further roots.

    Args:
        content: a folder that holds tasks/ or frontends/ or both, or several; later ones take precedence over earlier
            ones, and all of them over the built-in one, see :class:`Catalog`.

    Raises:
        WorkbenchError: when a folder does not exist or holds no content.
    """
    folders = [content] if isinstance(content, str | Path) else content or []
    return Catalog(tuple(dict.fromkeys([content_root(), *map(checked_root, folders)])))
