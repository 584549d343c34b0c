"""Tasks and frontends in folders of a user's own, beside the built-in ones: measured as a user would do it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import workbench
from workbench.catalog.roots import content_root
from workbench.show.run import Run

BUILT_IN = content_root()
TOML = """title = "Plain"
families = ["plain"]
packages = ["numpy"]
devices = ["cpu"]
[modes.plain_numpy]
title = "NumPy, written otherwise"
"""


def copied(source: str, target: Path) -> None:
    """A built-in file under another name in a folder of one's own, which is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(BUILT_IN / source, target)


@pytest.fixture
def task_folder(tmp_path) -> Path:
    """A task of one's own: two files and nothing else."""
    folder = tmp_path / "task"
    copied("tasks/linreg.py", folder / "tasks" / "iris.py")
    copied("frontends/numpy/linreg.py", folder / "frontends" / "numpy" / "iris.py")
    return folder


@pytest.fixture
def frontend_folder(tmp_path) -> Path:
    """A frontend of one's own for the built-in task linreg and for iris."""
    folder = tmp_path / "frontend" / "frontends" / "plain"
    for name in ("linreg.py", "iris.py"):
        copied("frontends/numpy/linreg.py", folder / name)
    copied("frontends/numpy/runtime.py", folder / "runtime.py")
    (folder / "frontend.toml").write_text(TOML)
    return tmp_path / "frontend"


def outcomes(run: Run) -> dict[str, str]:
    return {row.frontend: row.outcome for row in run.rows}


def test_a_task_of_ones_own_is_two_files(cli, task_folder, tmp_path, quick_options):
    words = ["run", "iris", "--steps=3", *quick_options, "--content", task_folder]
    done = cli(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = workbench.load("latest", tmp_path / "results")
    assert outcomes(run) == {"numpy_manual": "ok"}  # the other frontends do not have it, and need not say why


def test_a_frontend_that_lacks_the_task_is_unsupported_when_it_is_named(task_folder, tmp_path, quick):
    run = workbench.run("iris", "numpy,jax_jit", steps=3, content=task_folder, output=tmp_path / "store", **quick)
    rows = {row.frontend: row for row in run.rows}
    assert outcomes(run) == {"numpy_manual": "ok", "jax_jit": "unsupported"}
    assert rows["jax_jit"].reason == "frontends/jax/iris.py does not exist"


def test_a_frontend_of_ones_own_is_measured_beside_the_built_in_ones(frontend_folder, tmp_path, quick):
    run = workbench.run("linreg", "numpy,plain", steps=3, content=frontend_folder, output=tmp_path / "store", **quick)
    assert outcomes(run) == {"numpy_manual": "ok", "plain_numpy": "ok"}


def test_three_roots_at_once(task_folder, frontend_folder, tmp_path, quick):
    """The task and its reference of one, a frontend of another, and the runtime of the built-in reference."""
    run = workbench.run("iris", steps=3, content=[task_folder, frontend_folder], output=tmp_path / "store", **quick)
    assert outcomes(run) == {"numpy_manual": "ok", "plain_numpy": "ok"}
    assert len({row.max_relative_error for row in run.rows}) == 1
    shown = workbench.source("iris", "all", content=[task_folder, frontend_folder])
    assert [snippet.file for snippet in shown.snippets] == ["frontends/numpy/iris.py", "frontends/plain/iris.py"]


def test_the_command_line_takes_several_folders(cli, task_folder, frontend_folder, tmp_path, quick_options):
    folders = ["--content", task_folder, "--content", frontend_folder]
    listed = cli("list", *folders).stdout
    assert {"iris", "plain_numpy"} <= set(listed.split())
    done = cli("run", "iris", "--steps=3", *quick_options, *folders, "-o", tmp_path / "store")
    assert done.returncode == 0, done.stderr
    assert outcomes(workbench.load("latest", tmp_path / "store")) == {"numpy_manual": "ok", "plain_numpy": "ok"}


def test_folders_of_one_name_run_side_by_side(task_folder, tmp_path, quick):
    """Each with its own file: the one that computes something else is told from the other."""
    numpy = tmp_path / "numpy" / "frontends" / "numpy"
    copied("frontends/numpy/linreg.py", numpy / "iris.py")
    copied("frontends/numpy/runtime.py", numpy / "runtime.py")
    (numpy / "iris.py").write_text((numpy / "iris.py").read_text().replace("yield loss", "yield 2 * loss"))
    (numpy / "frontend.toml").write_text(TOML)
    run = workbench.run("iris", steps=3, content=[task_folder, tmp_path / "numpy"], output=tmp_path / "store", **quick)
    assert outcomes(run) == {"numpy_manual": "ok", "plain_numpy": "invalid"}


def test_nothing_of_where_one_stands_is_imported(cli, task_folder, tmp_path, quick_options):
    """Packages of the content's names where one stands, and beside the content."""
    for folder in (tmp_path / "cwd", task_folder):
        for name in ("numpy.py", "workbench.py", "tasks.py"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text("raise SystemExit('trapped')\n")
    words = ["run", "iris", "--steps=3", *quick_options, "--content", task_folder, "-o", tmp_path / "store"]
    done = cli(*words, cwd=tmp_path / "cwd")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_smallest_frontend_of_the_readme_works_as_it_stands(tmp_path, quick):
    readme = (BUILT_IN / "README.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^<!-- example: (\S+) -->\n```\w+\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))
    assert set(shown) == {"frontend.toml", "runtime.py", "linreg.py"}
    folder = tmp_path / "content" / "frontends" / "mine"
    folder.mkdir(parents=True)
    for name, text in shown.items():
        (folder / name).write_text(text, encoding="utf-8")
    options = {"content": tmp_path / "content", "output": tmp_path / "runs", "steps": 20}
    run = workbench.run("linreg", "mine,numpy", **options, **quick)
    assert {row.id: (row.outcome, row.reason) for row in run.rows} == dict.fromkeys(
        ("mine", "numpy_manual"), ("ok", "")
    )
