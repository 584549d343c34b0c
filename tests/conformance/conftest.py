"""Content loaded in this process: tasks and NumPy only, and forgotten again afterwards; and proofs made anew.

torch.compile takes half a minute a pair, so only those of one task are run without `--everything`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from workbench.catalog.roots import content_root

COMPILED, ONE_TASK = "pytorch_compiled", "mlp"


@pytest.hookimpl(tryfirst=True)  # before those marked as slow are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark torch.compile's sessions as slow."""
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if (
            {"case", "frontend"} <= set(params)
            and params["frontend"].id == COMPILED
            and params["case"].task != ONE_TASK
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def content_module() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the content by its name, such as tasks.linreg."""
    root = str(content_root())
    sys.path.insert(0, root)
    yield importlib.import_module
    sys.path.remove(root)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tasks", "frontends")]:
        del sys.modules[name]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every training in float64 is run here, whatever earlier runs on this machine have kept of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
