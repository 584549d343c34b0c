"""Content from several places: roots side by side, and what of which is used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.catalog import Catalog, catalog, roots
from workbench.catalog.roots import content_root, copy_content, module_folders, package_root
from workbench.errors import WorkbenchError
from workbench.session.runner import content_hash
from workbench.show import listing, sidebyside

BUILT_IN = content_root()
TOML = """title = "{title}"
families = ["own"]
packages = ["numpy"]
devices = ["cpu"]
[modes.{id}]
title = "{title}"
"""


@pytest.fixture
def root(tmp_path) -> Callable[..., Path]:
    """Makes a root of some files, each with its text."""

    def make(name: str, files: dict[str, str]) -> Path:
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / name

    return make


def source(path: str) -> str:
    return (BUILT_IN / path).read_text(encoding="utf-8")


def toml(identifier: str, title: str = "Own") -> str:
    return TOML.format(id=identifier, title=title)


def files_of(content: Catalog, task: str, frontend: str) -> list[Path | None]:
    """The pair's own file and the runtime that it runs with."""
    mode = content.frontends[frontend]
    return [content.file(task, mode), content.module(mode, "runtime")]


def test_a_root_stands_beside_the_built_in_one(root):
    own = root("own", {"tasks/iris.py": source("tasks/linreg.py")})
    content = catalog(own)
    assert content.roots == (BUILT_IN, own)
    assert list(content.tasks) == [*catalog().tasks, "iris"]
    assert list(content.frontends) == list(catalog().frontends)
    assert (content.tasks["iris"].root, content.tasks["linreg"].root) == (own, BUILT_IN)
    assert content.replaced == []


def test_the_built_in_root_named_once_more_is_the_same():
    assert catalog([BUILT_IN, BUILT_IN]).roots == (BUILT_IN,)


def test_a_folder_without_a_toml_adds_files_to_the_frontend_of_that_name(root):
    own = root("own", {"frontends/pytorch/iris.py": source("frontends/pytorch/linreg.py")})
    content = catalog(own)
    for frontend in ("pytorch_eager", "pytorch_compiled"):
        assert files_of(content, "iris", frontend) == [
            own / "frontends/pytorch/iris.py",
            BUILT_IN / "frontends/pytorch/runtime.py",
        ]
    assert content.hole("iris", content.frontends["pytorch_eager"]) is None
    assert content.hole("iris", content.frontends["jax_jit"]) == "frontends/jax/iris.py does not exist"


def test_such_a_file_fills_a_hole_that_the_built_in_frontend_declares(root):
    own = root("own", {"frontends/keras/graph_gradients.py": source("frontends/tf2/graph_gradients.py")})
    assert catalog().hole("graph_gradients", catalog().frontends["tf2_keras"])
    assert catalog(own).hole("graph_gradients", catalog(own).frontends["tf2_keras"]) is None


def test_such_a_file_replaces_that_of_an_earlier_root_and_list_says_so(root):
    own = root("own", {"frontends/numpy/linreg.py": source("frontends/numpy/linreg.py")})
    assert files_of(catalog(own), "linreg", "numpy_manual") == [
        own / "frontends/numpy/linreg.py",
        BUILT_IN / "frontends/numpy/runtime.py",
    ]
    assert listing.as_json(catalog(own))["replaced"] == [
        {"names": ["frontends/numpy/linreg.py"], "by": str(own), "of": str(BUILT_IN)}
    ]


def test_folders_of_one_name_with_frontends_of_their_own_coexist(root):
    files = {name: source(f"frontends/numpy/{name}") for name in ("runtime.py", "linreg.py")}
    first = root("first", {f"frontends/numpy/{name}": text for name, text in files.items()})
    second = root("second", {f"frontends/numpy/{name}": text for name, text in files.items()})
    for folder, identifier in ((first, "numpy_first"), (second, "numpy_second")):
        (folder / "frontends/numpy/frontend.toml").write_text(toml(identifier))
    content = catalog([first, second])
    homes = {"numpy_manual": BUILT_IN, "numpy_first": first, "numpy_second": second}
    for frontend, home in homes.items():
        folder = home / "frontends" / "numpy"
        assert files_of(content, "linreg", frontend) == [folder / "linreg.py", folder / "runtime.py"]
        assert module_folders(content.roots, "numpy", home)["frontends.numpy"] == (str(folder),)
    assert content.hole("two_layer_net", content.frontends["numpy_manual"]) is None
    assert content.hole("two_layer_net", content.frontends["numpy_first"])
    assert content.replaced == []
    assert [modes["root"] for modes in listing.as_json(content)["frontends"] if modes["frontend"] == "numpy"] == [
        str(home) for home in homes.values()
    ]


def test_code_side_by_side_shows_each_of_them(root):
    changed = source("frontends/numpy/linreg.py").replace("import numpy as np", "import numpy as np  # planted")
    own = root("own", {"frontends/numpy/linreg.py": changed, "frontends/numpy/frontend.toml": toml("numpy_own")})
    (own / "frontends/numpy/runtime.py").write_text(source("frontends/numpy/runtime.py"))
    shown = {found.name: found.text for found in sidebyside.compare("linreg", "numpy", catalog(own)).sources}
    assert list(shown) == ["numpy_manual", "numpy_own"]
    assert {name: "planted" in text for name, text in shown.items()} == {"numpy_manual": False, "numpy_own": True}


def test_tasks_and_ids_of_a_later_root_replace_those_of_earlier_ones(root):
    files = {"tasks/linreg.py": source("tasks/linreg.py").replace('"""Linear', '"""Another linear', 1)}
    files |= {"frontends/mine/frontend.toml": toml("jax_jit", "Mine"), "frontends/mine/linreg.py": ""}
    own = root("own", files)
    content = catalog(own)
    assert content.tasks["linreg"].title.startswith("Another linear")
    assert (content.frontends["jax_jit"].folder, content.frontends["jax_jit"].root) == ("mine", own)
    assert list(content.frontends) == list(catalog().frontends)
    (replacement,) = content.replaced
    assert str(replacement) == f"{own} replaces linreg, jax_jit of {BUILT_IN}"
    assert str(replacement) in [str(part) for part in listing.terminal(content)]


def test_a_copy_of_the_built_in_content_is_used_instead_of_it_altogether(tmp_path):
    copy = copy_content(tmp_path / "copy")
    content = catalog(copy)
    assert {task.root for task in content.tasks.values()} == {copy}
    assert {frontend.root for frontend in content.frontends.values()} == {copy}
    assert list(content.frontends) == list(catalog().frontends)
    for frontend in content.frontends.values():
        folders = module_folders(content.roots, frontend.folder, frontend.root)
        assert {name: paths[0] for name, paths in folders.items()} == {
            name: str(copy.joinpath(*name.split("."))) for name in folders
        }
    (copy / "frontends" / "pytorch" / "linreg.py").unlink()
    assert (
        catalog(copy).hole("linreg", content.frontends["pytorch_eager"]) == "frontends/pytorch/linreg.py does not exist"
    )


def test_a_frontend_takes_others_from_its_own_root_where_that_has_them(tmp_path):
    """Keras uses the runtime of tf1's folder."""
    copy = copy_content(tmp_path / "copy")
    shutil.copytree(BUILT_IN / "frontends" / "keras", tmp_path / "own" / "frontends" / "keras")
    roots = (BUILT_IN, copy, tmp_path / "own")
    for home, expected in ((copy, copy), (BUILT_IN, BUILT_IN), (tmp_path / "own", copy)):
        assert module_folders(roots, "keras", home)["frontends.tf1"] == (str(expected / "frontends" / "tf1"),)


def test_the_hash_is_over_all_roots_and_not_over_where_they_lie(root, tmp_path):
    own = root("own", {"tasks/iris.py": source("tasks/linreg.py")})
    roots = catalog(own).roots
    shutil.copytree(own, tmp_path / "elsewhere")
    assert content_hash(roots) == content_hash((BUILT_IN, tmp_path / "elsewhere"))
    assert len({content_hash(roots), content_hash(roots[:1]), content_hash(roots[1:])}) == 3
    before = content_hash(roots)
    (own / "tasks" / "iris.py").write_text("# changed")
    assert content_hash(roots) != before


IMPORTS = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("content", sys.argv[2])
content = importlib.util.module_from_spec(spec)
spec.loader.exec_module(content)
content.install(json.loads(sys.argv[3]))
import importlib
for name in sys.argv[4:]:
    try:
        module = importlib.import_module(name)
        print(name, getattr(module, "__file__", None) or list(module.__path__)[0])
    except ModuleNotFoundError as error:
        print(name, "missing", error.name)
"""


@pytest.fixture
def imported(tmp_path):
    """Imports modules as a worker of one frontend does, with a trap of each name first on the path."""
    for name in ("tasks", "frontends"):
        (tmp_path / "trap" / name / "numpy").mkdir(parents=True)
        (tmp_path / "trap" / name / "__init__.py").write_text("raise SystemExit('trapped')")

    def found(content: Catalog, frontend: str, *names: str) -> dict[str, str]:
        import json

        mode = content.frontends[frontend]
        folders = json.dumps(module_folders(content.roots, mode.folder, mode.root))
        finder = package_root() / "wire" / "content.py"
        words = [sys.executable, "-P", "-c", IMPORTS, str(tmp_path / "trap"), str(finder), folders, *names]
        lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
        return dict(line.split(" ", 1) for line in lines)

    return found


def test_a_worker_finds_each_module_in_its_root_and_nothing_else(root, imported):
    files = {"tasks/iris.py": "", "frontends/numpy/iris.py": "", "frontends/numpy/helper/part.py": ""}
    own = root("own", files | {"frontends/own/__init__.py": "", "frontends/own/frontend.toml": toml("own")})
    names = ["tasks.iris", "tasks.linreg", "frontends.numpy.iris", "frontends.numpy.runtime"]
    names += ["frontends.numpy.helper.part", "frontends.own", "tasks.nothing", "frontends.numpy.nothing"]
    assert imported(catalog(own), "numpy_manual", *names) == {
        "tasks.iris": str(own / "tasks/iris.py"),
        "tasks.linreg": str(BUILT_IN / "tasks/linreg.py"),
        "frontends.numpy.iris": str(own / "frontends/numpy/iris.py"),
        "frontends.numpy.runtime": str(BUILT_IN / "frontends/numpy/runtime.py"),
        "frontends.numpy.helper.part": str(own / "frontends/numpy/helper/part.py"),
        "frontends.own": str(own / "frontends/own/__init__.py"),
        "tasks.nothing": "missing tasks.nothing",
        "frontends.numpy.nothing": "missing frontends.numpy.nothing",
    }


def test_a_package_without_an_init_is_one_all_the_same(root, imported):
    own = root("own", {"frontends/own/frontend.toml": toml("own"), "frontends/own/linreg.py": ""})
    found = imported(catalog(own), "own", "frontends.own", "frontends.own.linreg")
    assert found == {
        "frontends.own": str(own / "frontends/own"),
        "frontends.own.linreg": str(own / "frontends/own/linreg.py"),
    }


def test_a_copy_that_fails_leaves_nothing_and_says_why(tmp_path, monkeypatch):
    def full(_, target, **__):
        (target / "half").mkdir(parents=True)
        raise shutil.Error([("a.py", "b.py", "[Errno 28] No space left on device: 'b.py'")])

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(WorkbenchError, match=r"cannot copy to .*: .*No space left"):
        copy_content(tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.parametrize("place", ["tasks", "tasks/mine", "frontends/numpy/x/y", "link"])
def test_a_copy_does_not_go_into_what_is_copied(tmp_path, monkeypatch, place):
    for name in ("tasks", "frontends/numpy"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "tasks")
    monkeypatch.setattr(roots, "content_root", lambda: tmp_path)
    with pytest.raises(WorkbenchError, match="which is to be copied: choose another folder"):
        copy_content(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frontends", "link", "tasks"]
    assert not list((tmp_path / "tasks").iterdir())
