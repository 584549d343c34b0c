"""What all tests share: quick settings, the command line as a user calls it, and content with something planted.

And which tests are run. There are more pairs and notebooks than a commit can wait for, so a test that is marked
``unless_proven(name, files)`` is left out while none of these files has changed since it last passed. `pytest
--everything` runs all of them, and records in proven.json those that pass.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from workbench import api
from workbench.catalog import Catalog, catalog
from workbench.catalog.roots import content_root
from workbench.model.records import Launch, SweepPoint
from workbench.show.run import Run

ROOT = Path(__file__).resolve().parents[1]
SOURCES_ONLY = shutil.ignore_patterns("__pycache__")
NOT_A_USERS = (
    "PYTEST_",
    "PYTHON",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "TERMINAL_WIDTH",
    "_TYPER",
)

# Under nohup, or in the background of a script, signals are ignored, and so they are by all that is started from here.
# With a handler here, even of nothing, they mean to those programs what they usually do.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
PROVEN = Path(__file__).with_name("proven.json")
UNLESS_PROVEN = "unless_proven"
passed: dict[str, bool] = {}
digests: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The command that runs every pair and notebook."""
    text = "Run what is unchanged since it last passed, too, and record in tests/proven.json what passes."
    parser.addoption("--everything", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Everything includes what is marked as slow."""
    if config.option.everything:
        config.option.markexpr = ""


@pytest.hookimpl(tryfirst=True)  # before those marked as slow are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as slow what is unchanged since it last passed."""
    known = json.loads(PROVEN.read_text(encoding="utf-8")) if PROVEN.is_file() else {}
    for item in items:
        for marker in item.iter_markers(UNLESS_PROVEN):
            name, files = marker.args
            if name not in digests:
                contents = b"".join(without_docstrings(Path(file)) for file in files)
                digests[name] = hashlib.sha256(contents).hexdigest()
            item.user_properties.append((UNLESS_PROVEN, name))
            if known.get(name) == digests[name] and not config.option.everything:
                item.add_marker(pytest.mark.slow)


def without_docstrings(file: Path) -> bytes:
    """The lines of a file, of a Python module but for those of docstrings: what they say changes nothing."""
    lines = file.read_bytes().splitlines(keepends=True)
    nodes = ast.walk(ast.parse(b"".join(lines))) if file.suffix == ".py" else ()
    for node in nodes:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            text = node.body[0]
            lines[text.lineno - 1 : text.end_lineno] = [b""] * (text.end_lineno - text.lineno + 1)
    return b"".join(lines)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note whether all tests of a name pass."""
    for kind, name in report.user_properties:
        if kind == UNLESS_PROVEN:
            passed[name] = passed.get(name, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Record what passed, and forget what did not."""
    if session.config.option.everything:
        known = json.loads(PROVEN.read_text(encoding="utf-8")) if PROVEN.is_file() else {}
        found = {name: digest for name, digest in known.items() if name not in passed}
        found |= {name: digests[name] for name, ok in passed.items() if ok}
        PROVEN.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n", encoding="utf-8")


class ContentFolder:
    """The real tasks and the real NumPy frontend, copied, with room for what is planted beside them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(content_root() / "tasks", root / "tasks", ignore=SOURCES_ONLY)
        shutil.copytree(content_root() / "frontends" / "numpy", root / "frontends" / "numpy", ignore=SOURCES_ONLY)
        shutil.copy(content_root() / "frontends" / "__init__.py", root / "frontends")

    @property
    def numpy(self) -> Path:
        """The folder of the NumPy frontend."""
        return self.root / "frontends" / "numpy"

    @property
    def frontends(self) -> str:
        """The ids of its own frontends, as --frameworks takes them: without the built-in ones beside them."""
        return ",".join(Catalog((self.root,)).frontends)

    def changed(self, *replacements: tuple[str, str], file: str = "linreg.py", times: int = 1) -> str:
        """A source of the NumPy frontend, each replacement made exactly ``times`` times."""
        source = (self.numpy / file).read_text(encoding="utf-8")
        for old, new in replacements:
            assert source.count(old) == times, f"{old!r} stands {source.count(old)} times in numpy's {file}"
            source = source.replace(old, new)
        return source

    def plant(
        self,
        name: str,
        source: str,
        *,
        runtime: str | None = None,
        packages: tuple[str, ...] = ("numpy",),
        devices: tuple[str, ...] = ("cpu",),
    ) -> str:
        """A frontend of one mode for linreg, in a folder of its own; its id."""
        folder = self.root / "frontends" / name
        folder.mkdir()
        lines = [
            f'title = "Planted {name}"',
            'families = ["planted"]',
            f"packages = {list(packages)}",
            f"devices = {list(devices)}",
            'extra = "planted"',
            f'[modes.{name}]\ntitle = "Planted: {name}"',
        ]
        files = {
            "__init__.py": "",
            "runtime.py": runtime or self.changed(file="runtime.py"),
            "linreg.py": source,
            "frontend.toml": "\n".join(lines) + "\n",
        }
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        return name


@pytest.fixture(scope="session")
def new_content(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], ContentFolder]:
    """Makes content folders."""
    return lambda: ContentFolder(tmp_path_factory.mktemp("content"))


@pytest.fixture
def content(new_content: Callable[[], ContentFolder]) -> ContentFolder:
    """A content folder of the test's own."""
    return new_content()


@pytest.fixture(scope="session")
def quick() -> Mapping[str, int]:
    """Settings of workbench.run that measure as little as it can."""
    return {"launches": 1, "rounds": 1}


@pytest.fixture(scope="session")
def quick_options(quick: Mapping[str, int]) -> tuple[str, ...]:
    """The same for the command line."""
    return tuple(f"--{name}={value}" for name, value in quick.items())


@pytest.fixture(scope="session")
def numpy_run(tmp_path_factory: pytest.TempPathFactory, quick: Mapping[str, int]) -> Run:
    """One small finished run; to be copied by who wants to change it."""
    return api.run("linreg", "numpy", steps=5, output=tmp_path_factory.mktemp("store"), **quick)


@pytest.fixture
def full_run(tmp_path: Path, numpy_run: Run) -> Run:
    """A run of every frontend there is, made up from NumPy's: eight launches, a sweep, compilers that start late."""
    folder = tmp_path / "20260101-000000-linreg-points-aaaaaa"
    shutil.copytree(numpy_run.path, folder)
    rounds = [
        dataclasses.replace(numpy_run.record.rounds[0], launch=launch, number=number, flags=())
        for launch in range(8)
        for number in range(3)
    ]
    first, contestants = numpy_run.contestants[0], []
    for index, frontend in enumerate(catalog().frontends.values()):
        shutil.copytree(
            numpy_run.path / "contestants/numpy_manual", folder / "contestants" / frontend.id, dirs_exist_ok=True
        )
        late = frontend.compiles is not None
        contestants.append(
            dataclasses.replace(
                first,
                id=frontend.id,
                frontend=frontend.id,
                title=frontend.title,
                framework=frontend.framework,
                folder=frontend.folder,
                color=frontend.color,
                compiles=frontend.compiles,
                launches=_made_up_launches(first.launches[0], index, late=late),
                sweep=_made_up_sweep(index, late=late),
            )
        )
    return Run(folder, dataclasses.replace(numpy_run.record, rounds=rounds, contestants=contestants))


def _made_up_step(index: int, *, late: bool) -> float:
    """Seconds per step, the slower the further down the frontend stands."""
    return 2e-5 * 1.3 ** (index - 3 * late)


def _made_up_launches(like: Launch, index: int, *, late: bool) -> list[Launch]:
    step, shaken = _made_up_step(index, late=late), random.Random(index)
    return [
        dataclasses.replace(
            copy.deepcopy(like),
            number=number,
            timed=number == 0,
            import_s=0.1 + 0.3 * index,
            setup_s=1e-3 * (index + 1),
            first_s=0.2 if late else 4e-4,
            import_bytes=(60 + 30 * index) << 20,
            peak_bytes=(80 + 40 * index) << 20,
            blocks={
                "train": dataclasses.replace(
                    like.of(), seconds=[step * shaken.uniform(1, 1.02) for _ in range(3)], rounds=[0, 1, 2], energy_j=[]
                )
            },
        )
        for number in range(8)
    ]


def _made_up_sweep(index: int, *, late: bool) -> list[SweepPoint]:
    step = _made_up_step(index, late=late)
    return [SweepPoint(size, 1000.0 * size, 8.0 * size, [step + size * 1e-8] * 7) for size in (16, 128, 1024, 4096)]


def users_environment(**changes: str) -> dict[str, str]:
    """The environment without what a test run has put into it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_A_USERS)} | changes


@pytest.fixture(scope="session")
def command() -> list[str]:
    """How the command line starts from a clone."""
    return [sys.executable, str(ROOT / "cli.py")]


@pytest.fixture(scope="session")
def shell_environment() -> dict[str, str]:
    """The environment of a user's shell."""
    return users_environment()


@pytest.fixture(scope="session")
def cli(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Runs the command line in an empty folder."""

    def run(*words: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *(str(word) for word in words)],
            cwd=cwd or tmp_path_factory.mktemp("cwd"),
            env=users_environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
