"""Where this workbench's content lies: the folder that holds ``tasks/`` and ``frontends/``.

A wheel carries the content inside the one import package, as ``workbench/_content``; in a checkout, installed
as editable or not at all, it stands beside the package. Only worker processes ever import from that folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.errors import WorkbenchError

FOLDERS = ("tasks", "frontends")


def package_root() -> Path:
    """The folder of the workbench package itself."""
    return Path(__file__).resolve().parents[1]


def content_root() -> Path:
    """The folder that holds tasks/ and frontends/: a wheel's own copy, else the checkout."""
    package = package_root()
    carried = package / "_content"
    root = carried if carried.is_dir() else package.parent
    missing = [f"{folder}/" for folder in FOLDERS if not (root / folder).is_dir()]
    if missing:
        raise WorkbenchError(f"no {' and no '.join(missing)} in {root}: reinstall the workbench, or use a whole clone")
    return root


def copy_content(folder: str | Path) -> Path:
    """Copy this workbench's tasks/ and frontends/ into a folder, to change them there; use it with ``content=``.

    Args:
        folder: is made where it is missing; must not hold tasks/ or frontends/ yet.

    Returns:
        the folder.

    Raises:
        WorkbenchError: when there is content already, or the folder cannot be written.
    """
    place = Path(folder)
    if present := [name for name in FOLDERS if (place / name).exists()]:
        raise WorkbenchError(f"{place} holds {present[0]}/ already: name another folder")
    try:
        for name in FOLDERS:
            shutil.copytree(content_root() / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        raise WorkbenchError(f"cannot copy to {place}: {error.strerror}") from None
    return place
