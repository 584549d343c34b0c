"""Where content lies: in *roots*, folders that hold ``tasks/`` or ``frontends/`` or both.

The workbench brings one root. A wheel carries it inside the one import package, as ``workbench/_content``; in a
checkout, installed as editable or not at all, it stands beside the package. Users name any number of further roots.
Only worker processes ever import from a root.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import OptionError, WorkbenchError

FOLDERS = ("tasks", "frontends")


def package_root() -> Path:
    """The folder of the workbench package itself."""
    return Path(__file__).resolve().parents[1]


def content_root() -> Path:
    """The root that comes with the workbench: a wheel's own copy, else the checkout."""
    package = package_root()
    carried = package / "_content"
    root = carried if carried.is_dir() else package.parent
    missing = [f"{folder}/" for folder in FOLDERS if not (root / folder).is_dir()]
    if missing:
        raise WorkbenchError(f"no {' and no '.join(missing)} in {root}: reinstall the workbench, or use a whole clone")
    return root


def checked_root(folder: str | Path) -> Path:
    """A user's folder as a root: absolute, and with content in it.

    Raises:
        WorkbenchError: when there is no such folder, or nothing of content in it.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise OptionError("content", folder, "there is no such folder")
    if not any((root / name).is_dir() for name in FOLDERS):
        raise OptionError("content", folder, "holds neither tasks/ nor frontends/")
    return root


def folders_of(roots: Sequence[Path], folder: str, home: Path) -> tuple[Path, ...]:
    """Where the modules of a frontend's folder are looked for, first come first.

    A frontend consists of the folder that holds its ``frontend.toml``, in the root that is its *home*, and of the
    folders of the same name in other roots that have no ``frontend.toml``: those only add files, or replace files of
    earlier roots. A folder of the same name with a ``frontend.toml`` of its own is another frontend.
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
        by package (``tasks``, ``frontends``, ``frontends.numpy``, ...), the folders that its modules are looked for
        in, the first that has a module wins. Other frontends' folders are those of the home where it has them, else
        of the latest root that does.
    """
    names = {path.name for root in roots for path in (root / "frontends").glob("[a-z]*/") if path.name.isidentifier()}
    packages = {name: tuple(root / name for root in reversed(roots) if (root / name).is_dir()) for name in FOLDERS}
    for name in sorted(names):
        owners = [root for root in roots if (root / "frontends" / name / "frontend.toml").is_file()]
        owner = home if home in owners or name == folder else [roots[0], *owners][-1]
        packages[f"frontends.{name}"] = folders_of(roots, name, owner)
    return {package: tuple(map(str, folders)) for package, folders in packages.items()}


def copy_content(folder: str | Path) -> Path:
    """Copy this workbench's tasks/ and frontends/ into a folder, to change them there; use it with ``content=``.

    Args:
        folder: is made where it is missing; must not hold tasks/ or frontends/ yet.

    Returns:
        the folder.

    Raises:
        WorkbenchError: when there is content already, or the folder cannot be written.
    """
    target = Path(folder)
    if present := [name for name in FOLDERS if (target / name).exists()]:
        raise WorkbenchError(f"{target} holds {present[0]}/ already: name another folder")
    try:
        for name in FOLDERS:
            shutil.copytree(content_root() / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        raise WorkbenchError(f"cannot copy to {target}: {error.strerror}") from None
    return target
