"""What a pair consists of: its files and whatever content these import, directly or not, from whichever root."""

from __future__ import annotations

import pytest

from workbench.catalog import Catalog, catalog
from workbench.catalog.depends import files_of
from workbench.catalog.roots import content_root

FOUND = catalog()
ROOT = content_root()


def names_of(task: str, frontend: str, content: Catalog = FOUND) -> set[str]:
    files = files_of(content, task, content.frontends[frontend])
    assert len(files) == len(set(files))
    return {str(file.relative_to(file.parents[1])) for file in files}


@pytest.mark.parametrize("frontend", FOUND.frontends)
@pytest.mark.parametrize("task", FOUND.tasks)
def test_every_pair_has_its_own_file_its_runtime_and_its_frontends_declaration(task, frontend):
    if FOUND.hole(task, FOUND.frontends[frontend]) is None:
        folder = FOUND.frontends[frontend].folder
        own = {f"{folder}/{name}" for name in ("frontend.toml", "__init__.py", "runtime.py", f"{task}.py")}
        found = names_of(task, frontend)
        assert found >= own
        others = {f"{folder}/{other}.py" for other in FOUND.tasks if other != task}
        assert not found & others, "another task's file is none of its files"


@pytest.mark.parametrize("frontend", ["tf2_eager", "tf2_function", "tf2_keras"])
def test_what_a_frontend_borrows_from_another_belongs_to_it(frontend):
    assert {"tf1/runtime.py", "tf1/__init__.py"} <= names_of("linreg", frontend)


def test_helpers_belong_to_those_who_use_them():
    assert "keras/fitting.py" in names_of("linreg", "tf2_keras")
    assert {"keras/fitting.py", "keras/optimizers.py"} <= names_of("mlp", "tf2_keras")
    assert "numpy/optimizers.py" in names_of("mlp", "numpy_manual")
    assert "numpy/optimizers.py" not in names_of("linreg", "numpy_manual")
    assert "pytorch/layouts.py" in names_of("mlp", "pytorch_compiled"), "also through another helper"


def test_the_order_is_the_same_every_time_and_starts_with_the_declaration():
    keras = FOUND.frontends["tf2_keras"]
    files = files_of(FOUND, "mlp", keras)
    assert files == files_of(FOUND, "mlp", keras)
    assert files[0] == ROOT / "frontends" / "keras" / "frontend.toml"
    assert files[1:] == sorted(files[1:], key=lambda file: (file.parent, file.stem))


IMPORTS = {
    "from a module": "from frontends.numpy.helper import something",
    "the module": "import frontends.numpy.helper",
    "the module under another name": "import frontends.numpy.helper as other",
    "from the package": "from frontends.numpy import helper",
    "among others": "from frontends.numpy import runtime, helper",
    "inside a function": "def late():\n    from frontends.numpy import helper",
    "in a condition": "if True:\n    import frontends.numpy.helper",
    "through another": "from frontends.numpy import through",
}


@pytest.mark.parametrize("how", IMPORTS)
def test_an_import_is_found_wherever_it_stands(content, how):
    (content.numpy / "helper.py").write_text("import numpy\nimport frontends.numpy.linreg\n")  # and back again
    (content.numpy / "through.py").write_text("from frontends.numpy.helper import x\n")
    file = content.numpy / "linreg.py"
    assert "numpy/helper.py" not in names_of("linreg", "numpy_manual", Catalog((content.root,)))
    file.write_text(f"{file.read_text()}\n{IMPORTS[how]}\n")
    assert "numpy/helper.py" in names_of("linreg", "numpy_manual", Catalog((content.root,)))


def test_what_is_no_content_is_no_file_of_a_pair(content):
    file = content.numpy / "linreg.py"
    file.write_text(f"import frontends.gone.runtime\nimport frontendsx.numpy\nimport tasks.linreg\n{file.read_text()}")
    found = names_of("linreg", "numpy_manual", Catalog((content.root,)))
    assert found == {
        "frontends/__init__.py",
        *(f"numpy/{name}" for name in ("__init__.py", "frontend.toml", "linreg.py", "runtime.py")),
    }


def test_a_file_that_is_no_python_is_a_file_all_the_same(content):
    (content.numpy / "linreg.py").write_text("def train(:")
    assert "numpy/linreg.py" in names_of("linreg", "numpy_manual", Catalog((content.root,)))


def test_files_are_those_that_a_worker_would_import(content):
    """A later root's file goes before an earlier one's, and brings its own imports along."""
    (content.numpy / "frontend.toml").unlink()
    (content.numpy / "runtime.py").unlink()
    (content.numpy / "linreg.py").write_text("from frontends.numpy import helper\n")
    (content.numpy / "helper.py").write_text("")
    both = catalog(content.root)
    files = files_of(both, "linreg", both.frontends["numpy_manual"])
    assert {content.numpy / "linreg.py", content.numpy / "helper.py"} <= {*files}
    assert ROOT / "frontends" / "numpy" / "runtime.py" in files
    assert ROOT / "frontends" / "numpy" / "linreg.py" not in files


def test_a_package_that_is_imported_from_runs_its_init_too(content):
    other = content.root / "frontends" / "other"
    other.mkdir()
    (other / "__init__.py").write_text("import os\n")
    (other / "helper.py").write_text("")
    file = content.numpy / "linreg.py"
    file.write_text(f"from frontends.other import helper\n{file.read_text()}")
    assert {"other/__init__.py", "other/helper.py"} <= names_of("linreg", "numpy_manual", Catalog((content.root,)))
