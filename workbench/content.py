"""Where this workbench's content lies: the folder that holds ``tasks/`` and ``frontends/``.

A wheel carries the content inside the one import package, as ``workbench/_content``; in a checkout, installed
as editable or not at all, it stands beside the package. Only worker processes ever import from that folder.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import WorkbenchError

FOLDERS = ("tasks", "frontends")


def package_root() -> Path:
    """The folder of the workbench package itself."""
    return Path(__file__).resolve().parent


def content_root() -> Path:
    """The folder that holds tasks/ and frontends/: a wheel's own copy, else the checkout."""
    package = package_root()
    carried = package / "_content"
    root = carried if carried.is_dir() else package.parent
    missing = [f"{folder}/" for folder in FOLDERS if not (root / folder).is_dir()]
    if missing:
        raise WorkbenchError(f"no {' and no '.join(missing)} in {root}: reinstall the workbench, or use a whole clone")
    return root
