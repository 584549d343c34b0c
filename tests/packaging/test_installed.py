"""The command works in each way to have it, whatever common names the user's own folder uses.

The user's folder holds modules with our content's names, each of which raises when it is imported.
"""

from __future__ import annotations

import json

import pytest

USERS_OWN = (
    "tasks.py",
    "cli.py",
    "frontends/__init__.py",
    "tests/__init__.py",
    "numpy_manual.py",
    "linreg.py",
)
REACH = """
import importlib.util, pathlib, sys
root = pathlib.Path(sys.argv[1])
for name in sys.argv[2:]:
    spec = importlib.util.find_spec(name)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or [])]
    if any(place and pathlib.Path(place).is_relative_to(root) for place in places):
        print(name)
"""


@pytest.fixture
def users_folder(tmp_path):
    """A folder of the user's, with a space and a letter beyond ASCII in its path."""
    folder = tmp_path / "my wörk"
    for name in USERS_OWN:
        own = folder / name
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(f"raise RuntimeError('the user\\'s own {name} was imported')\n")
    return folder


@pytest.fixture(params=["wheel", "editable", "clone"])
def workbench(request, clone, environment):
    """The words that start the command: installed in two ways, and from a clone where it is not installed."""
    if request.param == "clone":
        return [environment().python, clone / "cli.py"]
    home = request.getfixturevalue("from_wheel" if request.param == "wheel" else "editable")
    return [home.folder / "bin" / "workbench"]


def test_the_users_modules_are_a_trap(run, users_folder, environment):
    python = environment().python
    for name in USERS_OWN:
        module = name.removesuffix(".py").removesuffix("/__init__")
        done = run(python, "-c", f"import {module}", cwd=users_folder, check=False)
        assert f"the user's own {name} was imported" in done.stderr


def test_list_finds_the_content(run, workbench, users_folder, root):
    assert "linreg" in run(*workbench, "list", cwd=users_folder).stdout
    listed = json.loads(run(*workbench, "list", "--json", cwd=users_folder).stdout)["frontends"]
    folders = {file.parent.name for file in root.glob("frontends/*/frontend.toml")}
    assert {one["frontend"] for one in listed} == folders
    extras = {one["frontend"]: one["extra"] for one in listed}  # CI's matrix is made of these
    assert extras["numpy"] is None
    assert extras["pytorch"] == "torch"


def test_run_measures_and_writes_only_where_it_was_told(run, workbench, users_folder):
    before = {file for file in users_folder.rglob("*") if "__pycache__" not in file.parts}
    words = ["run", "linreg", "--frameworks", "numpy", "--steps", "20", "--output", "out", "--json"]
    rows = json.loads(run(*workbench, *words, cwd=users_folder).stdout)["contestants"]
    assert [(row["frontend"], row["outcome"]) for row in rows] == [("numpy_manual", "ok")]
    after = {file for file in users_folder.rglob("*") if "__pycache__" not in file.parts}
    out = users_folder / "out"
    assert any(out.rglob("*.json"))
    assert {file for file in after - before if file != out and out not in file.parents} == set()


def test_an_install_adds_one_name_to_site_packages(from_wheel, editable):
    assert added(from_wheel) == {"workbench", "framework_workbench-*.dist-info"}
    assert added(editable) == {"_framework_workbench.pth", "framework_workbench-*.dist-info"}


def test_an_editable_install_runs_no_code_when_python_starts(editable, clone):
    """An import hook would, and the times that are measured would depend on how workbench was installed."""
    path = editable.site_packages / "_framework_workbench.pth"
    assert path.read_text().splitlines() == [str(clone / ".editable")]


def test_an_editable_install_follows_the_checkout(run, editable, clone, tmp_path):
    """Nothing is copied, and the content root is the checkout itself."""
    script = "from workbench.catalog import roots; print(roots.package_root(), roots.content_root(), sep='\\n')"
    lines = run(editable.python, "-c", script, cwd=tmp_path).stdout.splitlines()
    assert lines == [str(clone / "workbench"), str(clone)]


def added(environment):
    names = {path.name for path in environment.site_packages.iterdir()} - {"outer.pth", "__pycache__"}
    return {"framework_workbench-*.dist-info" if name.endswith(".dist-info") else name for name in names}


def reached(run, environment, clone, tmp_path):
    """The names at the top of the clone that `import` finds there from an unrelated folder."""
    names = {
        path.stem for path in clone.iterdir() if path.suffix == ".py" or (path.is_dir() and path.stem.isidentifier())
    }
    assert {"workbench", "tasks", "frontends", "tests", "cli", "hatch_build"} <= names
    done = run(environment.python, "-c", REACH, clone.resolve(), *sorted(names), cwd=tmp_path)
    return set(done.stdout.split())


def test_an_editable_install_brings_only_workbench_into_reach(run, editable, clone, tmp_path):
    assert reached(run, editable, clone, tmp_path) == {"workbench"}


def test_an_editable_install_by_path_is_noticed(run, environment, clone, tmp_path):
    """What hatchling does by default, and what the test above is there to catch."""
    plain = environment()
    plain.site_packages.joinpath("clone.pth").write_text(f"{clone.resolve()}\n")
    assert reached(run, plain, clone, tmp_path) >= {"workbench", "tasks", "frontends", "tests", "cli"}
