"""Build hook: only the name ``workbench`` may be importable, however it is installed.

``tasks``, ``frontends``, ``tests`` and ``cli`` are far too common as names to put into anyone's reach.

A standard wheel carries tasks/ and frontends/ inside the one import package, as workbench/_content.

An editable install is a plain path: to the folder .editable, which holds nothing but a link to workbench/.
The two usual ways will not do. With the checkout itself as the path, ``import tasks`` and ``import cli`` work
from anywhere. An import hook (hatchling's dev-mode-exact) adds some 40 ms and dozens of modules to each start
of Python, and this project measures such starts; static analysers do not see through it either.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ContentHook(BuildHookInterface):
    """Brings the content along in a wheel, and makes the folder that an editable install points to."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the build: hatchling leaves out ``__pycache__``, and fails if a folder is missing."""
        if version == "standard":
            for folder in ("tasks", "frontends"):
                build_data["force_include"][str(Path(self.root, folder))] = f"workbench/_content/{folder}"
        else:
            link = Path(self.root, ".editable", "workbench")
            link.parent.mkdir(exist_ok=True)
            link.with_name(".gitignore").write_text("*\n", encoding="utf-8")
            if not link.is_symlink():
                link.symlink_to(Path("..", "workbench"), target_is_directory=True)
