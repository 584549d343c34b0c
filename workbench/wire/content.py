"""Where a worker finds the packages of content: in the folders that its job names, and nowhere else.

Content may come from several roots. A package such as ``frontends.pytorch`` then has several folders, and each of its
modules is taken from the first folder that has it: a user's ``frontends/pytorch/iris.py`` finds the ``runtime`` of the
built-in folder. Standard library only, since workers of other interpreters import this.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class ContentFinder:
    """Finds the packages of content by name; Python finds their modules in the packages' folders as usual.

    Args:
        folders: of each package, in search order.
    """

    def __init__(self, folders: Mapping[str, Sequence[str]]) -> None:
        self._folders = folders

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The package of that name, with the first ``__init__.py`` of its folders if there is one."""
        if fullname not in self._folders:
            return None
        folders = list(self._folders[fullname])
        files = [file for folder in folders if (file := Path(folder, "__init__.py")).is_file()]
        if files:
            return importlib.util.spec_from_file_location(fullname, files[0], submodule_search_locations=folders)
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = folders
        return spec


def install(folders: Mapping[str, Sequence[str]]) -> None:
    """Import the packages of content from these folders, ahead of anything else of the same name."""
    sys.meta_path.insert(0, ContentFinder(folders))
