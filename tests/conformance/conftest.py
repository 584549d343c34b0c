"""Content loaded in this process: tasks and NumPy only, and forgotten again afterwards."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from workbench.catalog.roots import content_root


@pytest.fixture(scope="session")
def content_module() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the content by its name, such as tasks.linreg."""
    root = str(content_root())
    sys.path.insert(0, root)
    yield importlib.import_module
    sys.path.remove(root)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tasks", "frontends")]:
        del sys.modules[name]
