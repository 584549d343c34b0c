"""What is called with something else than text, names or paths answers in one sentence, whatever it was."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import workbench
from workbench import api
from workbench.errors import WorkbenchError
from workbench.model.arguments import CHECKS

ODD = [5, 1.5, b"x", object(), [5], [None], {"a": 1}.items(), True]
PATHS = ["\0", "a\0b", "\ud800", 300 * "x", "a/" + 300 * "x" + "/b"]
CALLS = {
    "run": workbench.run,
    "run frameworks": lambda value: workbench.run("linreg", value),
    "run output": lambda value: workbench.run("linreg", "numpy", output=value),
    "run content": lambda value: workbench.run("linreg", "numpy", content=value),
    "source": workbench.source,
    "source frameworks": lambda value: workbench.source("linreg", value),
    "source parts": lambda value: workbench.source("linreg", "numpy", value),
    "source content": lambda value: workbench.source("linreg", content=value),
    "history": lambda value: workbench.history(value, "numpy_manual"),
    "history frontend": lambda value: workbench.history("linreg", value),
    "history preset": lambda value: workbench.history("linreg", "numpy_manual", preset=value),
    "history results": lambda value: workbench.history("linreg", "numpy_manual", results=value),
    "versions": lambda value: workbench.versions(value, "linreg"),
    "versions task": lambda value: workbench.versions("numpy==1,numpy==2", value),
    "regress": workbench.regress,
    "regress frameworks": lambda value: workbench.regress("HEAD", frameworks=value),
    "regress content": lambda value: workbench.regress("HEAD", content=value),
    "load": workbench.load,
    "load store": lambda value: workbench.load("latest", value),
    "compare": lambda value: workbench.compare(value, "latest"),
    "regress head": lambda value: workbench.regress("HEAD", value),
    "copy_content": workbench.copy_content,
    "write_report runs": lambda value: workbench.write_report(value, "page.html"),
    "write_report": lambda value: workbench.write_report([], value),
    "write_report content": lambda value: workbench.write_report([], "page.html", content=value),
    "write_site": lambda value: workbench.write_site(value, "site"),
    "write_site folder": lambda value: workbench.write_site("results", value),
    "write_site content": lambda value: workbench.write_site("results", "site", content=value),
    "matrix progress": lambda value: workbench.matrix(progress=value),
    "compare store": lambda value: workbench.compare("latest", "latest", store=value),
}
LAST = (
    "output",
    "content",
    "results",
    "load",
    "store",
    "compare",
    "copy_content",
    "write_report",
    "write_site",
    "folder",
)
OF_PATHS = [name for name in CALLS if name.split()[-1] in LAST and name != "write_report content"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("call", CALLS)
def test_another_type_is_one_sentence_and_nothing_is_written(nowhere, call, value):
    with pytest.raises(WorkbenchError) as raised:
        CALLS[call](value)
    assert len(str(raised.value).splitlines()) == 1
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize("value", PATHS, ids=lambda value: ascii(value)[:12])
@pytest.mark.parametrize("call", OF_PATHS)
def test_what_no_file_can_be_called_is_one_sentence(nowhere, call, value):
    with pytest.raises(WorkbenchError, match="no file can have such a name") as raised:
        CALLS[call](value)
    str(raised.value).encode()
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize("call", OF_PATHS)
def test_an_empty_path_is_not_the_working_folder(nowhere, call):
    with pytest.raises(WorkbenchError, match="the name is empty"):
        CALLS[call]("")
    assert list(nowhere.iterdir()) == []


def test_a_path_of_two_lines_is_told_in_one():
    with pytest.raises(WorkbenchError) as raised:
        workbench.load("latest", "a\nb")
    assert len(str(raised.value).splitlines()) == 1


def test_who_gives_several_may_give_them_in_any_way():
    ways = (["numpy", "jax"], ("numpy", "jax"), (name for name in ("numpy", "jax")), "numpy,jax")
    shown = {workbench.source("linreg", several)._repr_html_() for several in ways}
    assert len(shown) == 1


def test_every_function_checks_what_it_can(nowhere):
    """An annotation that is written in another way would not be checked."""
    unchecked = {"Progress | None", "object", "Roots", *CHECKS, *(f"{name} | None" for name in CHECKS)}
    for name in ("run", "source", "history", "versions", "regress", "load", "compare", "resume", "rebuild"):
        parameters = inspect.signature(inspect.unwrap(getattr(api, name))).parameters.values()
        own = [entry for entry in parameters if isinstance(entry.annotation, str)]
        assert own
        assert {str(entry.annotation) for entry in own} <= unchecked, name
    assert Path.cwd() == nowhere
