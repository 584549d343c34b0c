"""Wheel, sdist and installations, each made once per session, outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".editable", ".*_cache", "__pycache__", ".hypothesis", "build", "dist", "_content"
)

Run = Callable[..., subprocess.CompletedProcess[str]]


def run_command(
    *command: str | Path, cwd: Path, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would: nothing of this test run's Python or build settings is inherited."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HATCH_", "PYTEST_", "GIT_"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if check:
        assert done.returncode == 0, (
            f"{command} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done


@dataclass(frozen=True)
class Environment:
    """A virtual environment that also sees the packages this test run uses, but not their .pth files."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))

    def install(self, *what: str | Path) -> Environment:
        """Install without dependencies, without an index and with the build backend that is here."""
        pip = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check"]
        run_command(*pip, "install", "--no-index", "--no-deps", "--no-build-isolation", *what, cwd=self.folder)
        return self


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def run() -> Run:
    return run_command


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree as it is now, committed or not."""
    home = tmp_path_factory.mktemp("clone") / "a clone"
    shutil.copytree(ROOT, home, ignore=NOT_SOURCE)
    return home


@pytest.fixture(scope="session")
def build(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Path]]:
    """Build with the backend that is installed; the files by suffix."""

    def build(*options: str, **environment: str) -> dict[str, Path]:
        out = tmp_path_factory.mktemp("dist")
        command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", out, clone]
        run_command(*command, cwd=out, **environment)
        return {file.suffix: file for file in out.iterdir()}

    return build


@pytest.fixture(scope="session")
def wheel(build: Callable[..., dict[str, Path]]) -> Path:
    return build("--wheel")[".whl"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Environment]:
    """Makes environments in which workbench is not installed yet."""

    def make() -> Environment:
        new = Environment(tmp_path_factory.mktemp("environment"))
        venv.create(new.folder, symlinks=True)
        new.site_packages.joinpath("outer.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        return new

    return make


@pytest.fixture(scope="session")
def from_wheel(environment: Callable[[], Environment], wheel: Path) -> Environment:
    return environment().install(wheel)


@pytest.fixture(scope="session")
def editable(environment: Callable[[], Environment], clone: Path) -> Environment:
    return environment().install("--editable", clone)
