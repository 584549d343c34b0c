"""Where content comes from: *roots*, folders that hold ``tasks/`` or ``frontends/`` or both.

The workbench ships with one root. A wheel contains it inside the import package, as ``workbench/_content``; in a
checkout, editable install or not, it is next to the package. Users may add any number of roots. Only worker
processes ever import from a root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import OptionError, WorkbenchError
from workbench.model.arguments import checked

FOLDERS = ("tasks", "frontends")


def package_root() -> Path:
    """The folder of the workbench package itself."""
    return Path(__file__).resolve().parents[1]


def content_root() -> Path:
    """The root that ships with the workbench: the wheel's copy, else the checkout."""
    package = package_root()
    bundled = package / "_content"
    root = bundled if bundled.is_dir() else package.parent
    missing = [f"{folder}/" for folder in FOLDERS if not (root / folder).is_dir()]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise WorkbenchError(
            f"{' and '.join(missing)} {verb} missing in {root}: reinstall the workbench, or use a complete clone"
        )
    return root


def checked_root(folder: str | Path) -> Path:
    """A user's folder as a root: an absolute path to a folder with content.

    Raises:
        WorkbenchError: when the folder does not exist or holds no content.
    """
    root = Path(os.path.realpath(folder))  # resolve() raises where a link leads to itself
    if not root.is_dir():
        raise OptionError("content", folder, "no such folder")
    if not any((root / name).is_dir() for name in FOLDERS):
        raise OptionError("content", folder, "contains neither tasks/ nor frontends/")
    return root


def folders_of(roots: Sequence[Path], folder: str, home: Path) -> tuple[Path, ...]:
    """The folders that are searched for the modules of a frontend, in search order.

    A frontend consists of the folder that holds its ``frontend.toml``, in the root that is its *home*, and of the
    folders of the same name in other roots that have no ``frontend.toml``: those only add files, or replace files of
    earlier roots. A folder of the same name with its own ``frontend.toml`` is another frontend.
    """
    extensions = [root for root in reversed(roots) if not (root / "frontends" / folder / "frontend.toml").is_file()]
    searched = sorted({*extensions, home}, key=roots.index, reverse=True)
    return tuple(path for root in searched if (path := root / "frontends" / folder).is_dir())


def module_folders(roots: Sequence[Path], folder: str, home: Path) -> dict[str, tuple[str, ...]]:
    """The packages that content consists of, as a worker of one frontend sees them, each with its folders.

    Args:
        roots: of the content, the built-in one first.
        folder: the frontend's.
        home: the root that holds the frontend's ``frontend.toml``.

    Returns:
        by package (``tasks``, ``frontends``, ``frontends.numpy``, ...), the folders that are searched for its
        modules; the first that has a module wins. Other frontends' folders are taken from ``home`` where it has them,
        else from the latest root that does.
    """
    names = {path.name for root in roots for path in (root / "frontends").glob("[a-z]*/") if path.name.isidentifier()}
    packages = {name: tuple(root / name for root in reversed(roots) if (root / name).is_dir()) for name in FOLDERS}
    for name in sorted(names):
        owners = [root for root in roots if (root / "frontends" / name / "frontend.toml").is_file()]
        owner = home if home in owners or name == folder else [roots[0], *owners][-1]
        packages[f"frontends.{name}"] = folders_of(roots, name, owner)
    return {package: tuple(map(str, folders)) for package, folders in packages.items()}


@checked
def copy_content(folder: str | Path) -> Path:
    """Copy this workbench's tasks/ and frontends/ into a folder to edit them there; use it with ``content=``.

    Args:
        folder: created if missing; must not contain tasks/ or frontends/ yet.

    Returns:
        the folder.

    Raises:
        WorkbenchError: when the folder already has content or cannot be written.
    """
    target, source = Path(folder), content_root()
    real = Path(os.path.realpath(target))
    if inside := [name for name in FOLDERS if real.is_relative_to(source / name)]:
        raise WorkbenchError(f"{target} lies in {source / inside[0]}, which is to be copied: choose another folder")
    if present := [name for name in FOLDERS if (target / name).exists()]:
        raise WorkbenchError(f"{target} already contains {present[0]}/: choose another folder")
    try:
        for name in FOLDERS:
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        for name in FOLDERS:  # which were not there before
            shutil.rmtree(target / name, ignore_errors=True)
        several = error.args[0] if isinstance(error, shutil.Error) else []
        reason = several[0][2] if several else error.strerror
        raise WorkbenchError(f"cannot copy to {target}: {reason}") from None
    return target
