"""What a wheel and an sdist hold. The planted fault: a wheel made without the build hook."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import workbench

Build = Callable[..., dict[str, Path]]


def files(folder: Path) -> set[str]:
    """What of a folder is source."""
    return {
        file.relative_to(folder.parent).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def complaints(wheel: Path, source: Path) -> list[str]:
    """What is wrong with a wheel, in words."""
    names = set(zipfile.ZipFile(wheel).namelist())
    content = {f"workbench/_content/{name}" for folder in ("tasks", "frontends") for name in files(source / folder)}
    top = {name.split("/")[0] for name in names}
    strangers = {name for name in top if name != "workbench" and not name.endswith(".dist-info")}
    wanted = content | files(source / "workbench")
    carried = {name for name in names if name.startswith("workbench/")}
    return [
        *(f"reaches site-packages: {name}" for name in sorted(strangers)),
        *(f"missing: {name}" for name in sorted(wanted - carried)),
        *(f"not in the tree: {name}" for name in sorted(carried - wanted)),
    ]


def test_a_wheel_is_the_one_package_with_the_content_inside(wheel, clone):
    assert complaints(wheel, clone) == []


def test_a_wheel_without_the_hook_is_noticed(build, clone):
    bare = build("--wheel", HATCH_BUILD_NO_HOOKS="true")[".whl"]
    assert "missing: workbench/_content/tasks/linreg.py" in complaints(bare, clone)


def test_a_stranger_in_a_wheel_is_noticed(wheel, clone, tmp_path):
    planted = tmp_path / wheel.name
    planted.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(planted, "a") as archive:
        archive.writestr("tasks/__init__.py", "")
    assert complaints(planted, clone) == ["reaches site-packages: tasks"]


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(build, wheel, clone):
    """`python -m build` makes the sdist, and the wheel from the unpacked sdist."""
    made = build()
    with tarfile.open(made[".gz"]) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    must = {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "constraints.txt",
        "cli.py",
        "hatch_build.py",
        "PKG-INFO",
        ".ci/run",
    }
    for folder in ("workbench", "tasks", "frontends", "tests"):
        must |= files(clone / folder)
    assert must - inside == set()
    assert complaints(made[".whl"], clone) == []
    assert sorted(zipfile.ZipFile(made[".whl"]).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_the_metadata_say_what_the_package_says(wheel):
    archive = zipfile.ZipFile(wheel)
    read = {name.partition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
    metadata = archive.read(read["METADATA"]).decode()
    assert f"\nVersion: {workbench.__version__}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "workbench = workbench.cli:main" in archive.read(read["entry_points.txt"]).decode()
    assert "licenses/LICENSE" in read


@pytest.fixture(scope="module")
def pins(root):
    lines = [line.split("#")[0].strip() for line in (root / "constraints.txt").read_text().splitlines()]
    return [line for line in lines if line]


def test_every_direct_dependency_has_a_tested_version(root, pins):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for extra in extras.values() for one in extra)]
    names = {re.match(r"[\w.-]+", one)[0] for one in wanted} - {project["name"]}
    assert names - {pin.split("==")[0] for pin in pins} == set()


def test_the_tested_versions_are_exact_and_name_no_index(pins):
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==\d+(\.\d+)*", pin)] == []
