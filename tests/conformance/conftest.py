"""Which pairs are run; content loaded in this process and forgotten again afterwards; and proofs made anew.

There are more pairs than a commit can wait for. Those of two tasks are always run, so that the harness meets every
frontend; of the others, those of which something has changed since they last passed: a file of the pair, the task, the
contract, the tested versions, or the checks. `pytest tests/conformance --all-pairs` runs every pair, and records the
ones that pass in proven.json.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from workbench.catalog import catalog
from workbench.catalog.depends import files_of
from workbench.catalog.roots import content_root

HERE = Path(__file__).parent
PROVEN = HERE / "proven.json"
ALWAYS = {"linreg", "mlp"}
WITHOUT_COMPILER = {"linreg"}  # torch.compile takes half a minute, and once is enough


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-pairs", action="store_true", help="Run unchanged pairs, too, and record all that pass.")


@functools.cache
def digest(task: str, frontend: str) -> str:
    """Of all that decides what a pair computes, but for the harness, and of what is asked of it."""
    found, root = catalog(), content_root()
    files = files_of(found, task, found.frontends[frontend])
    files += [root / "tasks" / f"{task}.py", root / "workbench" / "contract.py", root / "constraints.txt"]
    together = hashlib.sha256()
    for file in [*files, HERE / "test_pairs.py"]:
        together.update(file.read_bytes())
    return together.hexdigest()


def proven() -> dict[str, str]:
    """The digest with which each pair last passed."""
    return json.loads(PROVEN.read_text(encoding="utf-8")) if PROVEN.is_file() else {}


def unchanged(task: str, frontend: str) -> bool:
    """Whether a pair need not be run again."""
    if task in ALWAYS and not (task in WITHOUT_COMPILER and frontend == "pytorch_compiled"):
        return False
    return proven().get(f"{task}/{frontend}") == digest(task, frontend)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what need not be run as slow, which is left out by default."""
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if "case" not in params or item.path.name != "test_pairs.py":
            continue
        frontends = [params["frontend"].id] if "frontend" in params else params["case"].frontends
        if "frontend" in params:
            item.user_properties.append(("pair", f"{params['case'].task}/{params['frontend'].id}"))
        if not config.getoption("all_pairs", False) and all(unchanged(params["case"].task, name) for name in frontends):
            item.add_marker(pytest.mark.slow)


passed: dict[str, bool] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note whether each pair passes all its checks."""
    for name, pair in report.user_properties:
        if name == "pair":
            passed[pair] = passed.get(pair, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Record what passed."""
    if session.config.getoption("all_pairs", False):
        found = {pair: digest(*pair.split("/")) for pair, ok in passed.items() if ok}
        kept = {pair: known for pair, known in proven().items() if pair not in passed}
        PROVEN.write_text(json.dumps({**kept, **found}, indent=0, sort_keys=True) + "\n", encoding="utf-8")


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
