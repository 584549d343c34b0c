"""content_root: the wheel's copy, else the checkout, else one clear line."""

from __future__ import annotations

import pytest

from workbench.catalog import roots
from workbench.errors import WorkbenchError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "workbench"
    folder.mkdir()
    monkeypatch.setattr(roots, "package_root", lambda: folder)
    return folder


def fill(folder):
    for name in roots.FOLDERS:
        (folder / name).mkdir(parents=True)
    return folder


def test_the_package_is_where_it_is_imported_from():
    assert (roots.package_root() / "contract.py").is_file()


def test_the_content_of_this_very_checkout_or_wheel_is_found():
    assert (roots.content_root() / "tasks" / "linreg.py").is_file()


def test_a_checkout_has_the_content_beside_the_package(package):
    assert fill(package.parent) == roots.content_root()


def test_a_wheels_own_copy_goes_before_what_lies_beside_it(package):
    fill(package.parent)  # in site-packages this would be somebody else's
    assert fill(package / "_content") == roots.content_root()


@pytest.mark.parametrize("missing", roots.FOLDERS)
def test_a_folder_that_is_missing_is_named(package, missing):
    (fill(package.parent) / missing).rmdir()
    with pytest.raises(WorkbenchError, match=f"^{missing}/ is missing in "):
        roots.content_root()


def test_a_broken_wheel_does_not_fall_back_on_what_lies_beside_it(package):
    fill(package.parent)
    (package / "_content").mkdir()
    with pytest.raises(WorkbenchError, match=r"^tasks/ and frontends/ are missing in .*_content: reinstall"):
        roots.content_root()
