"""Every notebook is kept without outputs, uses public names alone, and does what it says in a fresh kernel."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import workbench
from workbench.catalog import catalog

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
TOOLS = ("nbclient", "nbformat", "ipykernel")
MAY_IMPORT = {"workbench", "pandas", "matplotlib", *sys.stdlib_module_names}
CELL_SECONDS = 300
ALWAYS = ("01_first_steps", "03_what_a_step_costs")


@pytest.fixture(params=NOTEBOOKS)
def notebook(request):
    return json.loads(NOTEBOOKS[request.param].read_text(encoding="utf-8"))


def chosen(name):
    """A notebook: one of those that are always executed, or one of which something may have changed since it passed."""
    if name in ALWAYS:
        return name
    files = [NOTEBOOKS[name], ROOT / "constraints.txt", ROOT / "workbench" / "api.py", Path(__file__)]
    return pytest.param(name, marks=pytest.mark.unless_proven(f"notebook {name}", files))


def cell(kind, name, *lines):
    made = {"cell_type": kind, "id": name, "metadata": {}, "source": [f"{line}\n" for line in lines]}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def planted(*lines):
    """A small notebook that is all right, and after it a cell with these lines."""
    cells = [
        cell("markdown", "title", "# Planted"),
        cell("code", "fine", "import workbench", "", "print('a word on stdout')", "assert workbench.run"),
        cell("code", "planted", *lines),
    ]
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def code_of(notebook):
    cells = [one for one in notebook["cells"] if one["cell_type"] == "code"]
    return ast.parse("\n".join("".join(one["source"]) for one in cells))


def unkempt(notebook):
    """What does not belong into git, or would change there without need."""
    ids = [one.get("id", "") for one in notebook["cells"]]
    code = [one for one in notebook["cells"] if one["cell_type"] == "code"]
    found = {
        "outputs": any(one["outputs"] for one in code),
        "execution counts": any(one["execution_count"] is not None for one in code),
        "metadata of cells": any(one["metadata"] for one in notebook["cells"]),
        "ids that are no words": not all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name) for name in ids),
        "ids twice": len({*ids}) < len(ids),
        "kernel": notebook["metadata"].get("kernelspec", {}).get("name") != "python3",
        "format": (notebook["nbformat"], notebook["nbformat_minor"] >= 5) != (4, True),
    }
    return {name for name, bad in found.items() if bad}


def beyond(notebook):
    """What its code uses but should not: imports, and names of workbench that are not public."""
    found = set()
    for node in ast.walk(code_of(notebook)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {name for name in names if name.partition(".")[0] not in MAY_IMPORT or "workbench." in name}
        elif isinstance(node, ast.ImportFrom):
            module = str(node.module)
            found |= {module} if module.partition(".")[0] not in MAY_IMPORT - {"workbench"} else set()
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "workbench":
            found |= {f"workbench.{node.attr}"} - {f"workbench.{name}" for name in workbench.__all__}
    return found


def missing_packages(notebook):
    """Packages that a frontend named in its code needs and that are not installed."""
    known = catalog().frontends.values()
    texts = [node.value for node in ast.walk(code_of(notebook)) if isinstance(node, ast.Constant)]
    words = {word.strip() for text in texts if isinstance(text, str) for word in text.split(",")}
    named = [mode for mode in known if words & {mode.id, *mode.families}]
    return sorted({package for mode in named for package in mode.packages if find_spec(package) is None})


@pytest.fixture
def executed(tmp_path):
    """Executes a notebook with a fresh kernel in an empty folder that must stay empty."""
    if absent := [name for name in TOOLS if find_spec(name) is None]:
        pytest.skip(f"needs {', '.join(absent)}: pip install -e '.[test]'")
    import nbclient
    import nbformat

    def execute(notebook):
        if absent := missing_packages(notebook):
            pytest.skip(f"needs {', '.join(absent)}: pip install -e '.[all]'")
        folder = tmp_path / "empty"
        folder.mkdir()
        made = nbformat.reads(json.dumps(notebook), as_version=4)
        nbformat.validate(made)
        client = nbclient.NotebookClient(
            made, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute(env=users_environment(IPYTHONDIR=str(tmp_path / "ipython")))
        assert list(folder.iterdir()) == [], "a notebook leaves something behind"
        return made

    return execute


def users_environment(**changes):
    """The environment without what a test run has put into it, and without a user's own matplotlib backend."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MPL"))} | changes


def outputs(notebook):
    return [output for one in notebook["cells"] if one["cell_type"] == "code" for output in one["outputs"]]


def warnings(notebook):
    """Whatever its cells wrote to stderr: warnings of ours, of pandas, of anybody."""
    return [output["text"] for output in outputs(notebook) if output.get("name") == "stderr"]


def shown(notebook):
    return {kind for output in outputs(notebook) for kind in output.get("data", {})}


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 4


def test_a_notebook_is_kept_without_outputs(notebook):
    assert unkempt(notebook) == set()


def test_a_notebook_uses_public_names_alone(notebook):
    assert beyond(notebook) == set()


def test_a_notebook_checks_what_it_says(notebook):
    assert any(isinstance(node, ast.Assert) for node in ast.walk(code_of(notebook)))


def test_links_lead_somewhere(notebook):
    text = "".join(line for one in notebook["cells"] if one["cell_type"] == "markdown" for line in one["source"])
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / "notebooks" / link).exists()] == []


@pytest.mark.parametrize("name", [chosen(name) for name in NOTEBOOKS])
def test_a_notebook_runs_in_a_fresh_kernel(name, executed):
    done = executed(json.loads(NOTEBOOKS[name].read_text(encoding="utf-8")))
    assert warnings(done) == []
    assert "text/html" in shown(done)


def test_a_false_claim_is_noticed(executed):
    from nbclient.exceptions import CellExecutionError

    with pytest.raises(CellExecutionError) as failure:
        executed(planted("assert 1 == 2, 'a false claim'"))
    assert (failure.value.ename, failure.value.evalue) == ("AssertionError", "a false claim")


def test_a_warning_is_noticed_and_a_printed_word_is_none(executed):
    done = executed(planted("import warnings", "", "warnings.warn('planted', stacklevel=1)"))
    (found,) = warnings(done)
    assert "planted" in found


def test_a_file_left_behind_is_noticed(executed):
    with pytest.raises(AssertionError, match="leaves something behind"):
        executed(planted("from pathlib import Path", "", "Path('left.txt').touch()"))


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("outputs", lambda made: made["cells"][1]["outputs"].append({"output_type": "stream"})),
        ("execution counts", lambda made: made["cells"][1].update(execution_count=3)),
        ("metadata of cells", lambda made: made["cells"][0]["metadata"].update(collapsed=True)),
        ("ids that are no words", lambda made: made["cells"][0].update(id="8f3a01c2")),
        ("ids that are no words", lambda made: made["cells"][0].pop("id")),
        ("ids twice", lambda made: made["cells"][0].update(id="fine")),
        ("kernel", lambda made: made["metadata"]["kernelspec"].update(name="my-env")),
        ("format", lambda made: made.update(nbformat_minor=4)),
    ],
)
def test_what_does_not_belong_into_git_is_noticed(fault, change):
    made = planted()
    assert unkempt(made) == set()
    change(made)
    assert unkempt(made) == {fault}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import torch", "torch"),
        ("import numpy as np", "numpy"),
        ("import workbench.session.session", "workbench.session.session"),
        ("from workbench.store.results import Run", "workbench.store.results"),
        ("from workbench import api", "workbench"),
        ("workbench.api.run('linreg')", "workbench.api"),
    ],
)
def test_what_is_not_public_is_noticed(line, name):
    assert beyond(planted("import os, pandas, matplotlib.figure", "workbench.run")) == set()
    assert beyond(planted(line)) == {name}


def test_a_notebook_needs_what_its_frontends_need(monkeypatch):
    monkeypatch.setattr(f"{__name__}.find_spec", lambda _: None)
    assert missing_packages(planted("workbench.run('linreg', 'numpy, jax_jit')")) == ["jax", "jaxlib", "numpy"]
    assert missing_packages(planted("'a word', 3")) == []
