"""Mistakes in content are found by reading, each as one line with its file, before anything is started."""

from __future__ import annotations

import re

import pytest

import workbench
from workbench.catalog import catalog
from workbench.catalog.checks import check_pair, check_task
from workbench.errors import WorkbenchError

TRAIN = "def train(problem: Problem) -> Training:\n"
READY = "    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])\n"
YIELDS = (("        yield loss\n", ""), (READY, ""))
TRAININGS = {
    "no Python": (((TRAIN, "def train(problem:\n"),), r"linreg.py, line \d+: "),
    "no train": (((TRAIN, "def training(problem):\n"),), r"linreg.py: does not define train\(problem\)"),
    "too few parameters": (((TRAIN, "def train():\n"),), r"linreg.py, line \d+: train must be defined as train\(prob"),
    "too many parameters": (((TRAIN, "def train(problem, device):\n"),), r"linreg.py, line \d+: train must be defined"),
    "a keyword is needed": (((TRAIN, "def train(problem, *, device):\n"),), r"linreg.py, line \d+: train must be"),
    "no generator": (YIELDS, r"linreg.py, line \d+: train never yields"),
    "no loss": (YIELDS[:1], r"linreg.py, line \d+: no loop of train yields"),
    "no loss but after the loop": (
        (("        yield loss\n", "        pass\n    else:\n        yield loss\n"),),
        r"linreg.py, line \d+: no loop of train yields",
    ),
    "no loss but in a lambda": (
        (("        yield loss\n", "        later = lambda: (yield loss)\n"),),
        r"linreg.py, line \d+: no loop of train yields",
    ),
    "yields within another": (
        (*YIELDS, (TRAIN, f"{TRAIN}    def inner():\n        yield\n")),
        r"linreg.py, line \d+: train never yields",
    ),
    "contract 1": (
        (("import Problem, State, Steps, Training\n", "import Problem, Result, Training\n"),),
        r"linreg.py, line \d+: Result belongs to contract 1",
    ),
}
# What reading cannot tell is left to the worker.
NO_MISTAKES = {
    "imported": ((TRAIN, "from frontends.numpy.two_layer_net import train\n\n\ndef other(problem):\n"),),
    "bound": ((TRAIN, "train = make_train()\n\n\ndef other(problem):\n"),),
    "decorated": ((TRAIN, f"@decorated\n{TRAIN}"), *YIELDS),
    "with a default": ((TRAIN, "def train(problem, device=None):\n"),),
    "yields in the condition of its loop": (("        yield loss\n", "    while (yield loss):\n        pass\n"),),
    "from another": (("        yield loss\n", ""), (READY, "    yield from other(problem)\n")),
}


@pytest.mark.parametrize("fault", TRAININGS)
def test_a_training_that_cannot_work_is_refused(content, fault):
    replacements, said = TRAININGS[fault]
    content.plant("planted", content.changed(*replacements))
    found = catalog(content.root)
    with pytest.raises(WorkbenchError, match=rf"frontends/planted/{said}") as raised:
        check_pair(found, "linreg", found.frontends["planted"])
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("case", NO_MISTAKES)
def test_what_reading_cannot_tell_passes(content, case):
    content.plant("planted", content.changed(*NO_MISTAKES[case]))
    found = catalog(content.root)
    check_pair(found, "linreg", found.frontends["planted"])


def test_all_of_the_built_in_content_passes():
    found = catalog()
    for task in found.tasks:
        check_task(found, task)
        for frontend in found.frontends.values():
            check_pair(found, task, frontend)


@pytest.mark.parametrize("name", ["configure", "wait", "versions", "observe", "peak_device_bytes"])
def test_a_runtime_that_lacks_a_function_is_refused(content, name):
    changed = content.changed((f"def {name}(", f"def other_{name}("), file="runtime.py")
    content.plant("planted", content.changed(), runtime=changed)
    found = catalog(content.root)
    with pytest.raises(WorkbenchError, match=rf"planted/runtime.py: does not define {name}; it must define configure"):
        check_pair(found, "linreg", found.frontends["planted"])


@pytest.mark.parametrize(
    ("name", "other"), [("configure", "def configure(unused, "), ("versions", "def versions(unused")]
)
def test_a_runtime_whose_function_cannot_be_called_is_refused(content, name, other):
    runtime = content.changed((f"def {name}(", other), file="runtime.py")
    content.plant("planted", content.changed(), runtime=runtime)
    found = catalog(content.root)
    with pytest.raises(WorkbenchError, match=rf"runtime.py, line \d+: {name} must be defined as {name}\("):
        check_pair(found, "linreg", found.frontends["planted"])


def test_a_frontend_without_a_runtime_is_refused(content):
    content.plant("planted", content.changed())
    (content.root / "frontends" / "planted" / "runtime.py").unlink()
    found = catalog(content.root)
    with pytest.raises(WorkbenchError, match=r"frontends/planted: runtime.py is missing"):
        check_pair(found, "linreg", found.frontends["planted"])


@pytest.fixture
def refused(content, tmp_path, quick, monkeypatch):
    """Runs linreg with the content, which must be refused before any process is started; the sentence."""
    monkeypatch.setattr("workbench.session.session.WorkerProcess", lambda *_: pytest.fail("a worker was started"))

    def sentence(task: str = "linreg", frameworks: str = "numpy") -> str:
        with pytest.raises(WorkbenchError) as raised:
            workbench.run(task, frameworks, content=content.root, output=tmp_path / "store", **quick)
        assert not (tmp_path / "store").exists()
        assert len(str(raised.value).splitlines()) == 1
        return str(raised.value)

    return sentence


@pytest.mark.parametrize("frameworks", ["numpy", "all", "planted"])
def test_a_task_without_its_reference_is_told_which_file_it_needs(content, refused, frameworks):
    content.plant("planted", content.changed())
    (content.root / "frontends" / "planted" / "iris.py").write_text(content.changed())
    (content.root / "tasks" / "linreg.py").rename(content.root / "tasks" / "iris.py")
    sentence = refused("iris", frameworks)
    assert f"task iris has no reference, {content.numpy / 'iris.py'}: every task needs this NumPy file" in sentence
    assert "planted" in sentence
    assert "pip" not in sentence


def test_a_broken_reference_stops_the_run_whoever_is_asked_for(content, refused):
    content.plant("planted", content.changed())
    (content.numpy / "linreg.py").write_text(content.changed((TRAIN, "def train(problem)\n")))
    assert "frontends/numpy/linreg.py, line " in refused(frameworks="planted")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def make(", "def made(", r"does not define make\(preset, seed, \*\*changes\)"),
        ("def make(preset: str, seed: int, **changes: int)", "def make(preset)", r"line \d+: make must be defined as"),
        ("def make(", "def make(:", r"line \d+: "),
    ],
)
def test_a_task_that_cannot_make_its_problem_is_refused(content, refused, old, new, said):
    file = content.root / "tasks" / "linreg.py"
    source = file.read_text()
    assert source.count(old) == 1, source
    file.write_text(source.replace(old, new))
    assert re.search(said, refused())


def test_a_broken_contestant_costs_its_own_row_alone(content, tmp_path, quick):
    content.plant("planted", content.changed((TRAIN, "def train(problem)\n")))
    run = workbench.run("linreg", "planted,numpy", steps=3, content=content.root, output=tmp_path, **quick)
    rows = {row.id: row for row in run.rows}
    assert (rows["numpy_manual"].outcome, rows["planted"].outcome) == ("ok", "error")
    assert f"{content.root}/frontends/planted/linreg.py, line " in rows["planted"].reason
