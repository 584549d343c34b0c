"""Contestants are general: the same frontend twice, with another interpreter, threads, environment or content."""

import shutil
import subprocess
import sys
import venv

import numpy as np
import pytest

from workbench import api
from workbench.catalog import Catalog, catalog
from workbench.catalog.roots import copy_content, package_root
from workbench.host.cpus import measuring_cpus, usable_cpus
from workbench.model.contestant import Contestant
from workbench.model.progress import Silence
from workbench.model.records import Settings


@pytest.fixture(scope="module")
def other_interpreter(tmp_path_factory):
    """A fresh virtual environment that sees this one's packages, but has no workbench of its own."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    code = "import site; print(site.getsitepackages()[0])"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    (folder / "packages.pth").write_text("")
    numpy_home = str(__import__("pathlib").Path(np.__file__).parent.parent)
    (__import__("pathlib").Path(site) / "packages.pth").write_text(numpy_home + "\n")
    return str(python)


def test_the_same_frontend_several_times_in_one_session(tmp_path, other_interpreter):
    found = catalog()
    numpy_manual = found.frontends["numpy_manual"]
    elsewhere = tmp_path / "clone"
    copy_content(elsewhere)
    shutil.copytree(package_root(), elsewhere / "workbench", ignore=shutil.ignore_patterns("_content", "__pycache__"))
    clone = Catalog((elsewhere,))
    here = {"frontend": numpy_manual, "roots": found.roots, "package": package_root()}
    contestants = [
        Contestant("base", **here),
        Contestant("null", **here),
        Contestant("other-python", **here, interpreter=other_interpreter),
        Contestant("other-environment", **here, environment={"WORKBENCH_TEST": "1"}),
        Contestant("clone", clone.frontends["numpy_manual"], clone.roots, elsewhere / "workbench"),
        Contestant("slower", **here, slowdown=1.0),
    ]
    cpus, harness = measuring_cpus(1)
    settings = Settings("linreg", "points", steps=20, launches=2, rounds=3, cpus=cpus, harness_cpus=harness)
    finished = api.measure(found, contestants, settings, tmp_path / "runs", Silence())
    rows = {row.id: row for row in finished.rows}
    assert {name: row.outcome for name, row in rows.items()} == dict.fromkeys(
        [contestant.id for contestant in contestants], "ok"
    )
    assert len({row.max_relative_error for row in rows.values()}) == 1
    assert all(row.launches == 2 for row in rows.values())


def test_the_stock_profile_is_not_the_equal_one(tmp_path):
    finished = api.run("linreg", "numpy", steps=20, profile="stock", launches=1, rounds=2, output=tmp_path)
    settings = finished.record.settings
    assert (settings.threads, settings.matmul_precision) == (None, None)
    assert len(settings.cpus) == len(usable_cpus())
    assert finished.rows[0].outcome == "ok"


def test_contestants_that_do_not_fit_into_memory_take_turns(tmp_path):
    found = catalog()
    here = {"frontend": found.frontends["numpy_manual"], "roots": found.roots, "package": package_root()}
    contestants = [Contestant(name, **here) for name in ("a", "b", "c")]
    settings = Settings("linreg", "points", steps=20, launches=1, rounds=2, max_alive=2)
    finished = api.measure(found, contestants, settings, tmp_path, Silence())
    assert [row.outcome for row in finished.rows] == ["ok"] * 3


def test_this_interpreter_is_the_default():
    found = catalog()
    assert Contestant("a", found.frontends["numpy_manual"], found.roots, package_root()).interpreter == sys.executable
