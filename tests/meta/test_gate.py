"""The gate, with commits that plant what it exists for: slower, wrong, broken, another problem; and nothing at all."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from xml.etree import ElementTree

import pytest

from workbench.statistics import LADDER

LOOP = "for x, y in batches:\n"
SLOWER = f"{LOOP}        for _ in range(5000):\n            pass\n"  # many times the step itself
SKIPS = "        if problem.feed.step > problem.steps:\n            yield loss\n            continue\n"
FAULTS = {
    "steady": [],
    "slower": [(LOOP, SLOWER)],
    "wrong": [("(2 / len(x)) * error", "(1 / len(x)) * error")],
    "cheats": [(LOOP, f"{LOOP}{SKIPS}")],
    "broken": [("    yield loss\n", "    yield loss\n        raise RuntimeError('planted')\n")],
}


def git(folder, *words):
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", "-C", str(folder), *author, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture(scope="module")
def repository(new_content):
    """Five frontends alike at the tag base; each with its own fault at the tag head; one new, one removed."""
    content = new_content()
    git(content.root, "init", "--quiet")
    for name in (*FAULTS, "removed"):
        content.plant(name, content.changed())
    commit(content.root, "base")
    git(content.root, "tag", "base")
    for name, replacements in FAULTS.items():
        (content.root / "frontends" / name / "linreg.py").write_text(content.changed(*replacements))
    content.plant("new", content.changed())
    content.plant("new_and_wrong", content.changed(*FAULTS["wrong"]))
    git(content.root, "rm", "-rq", "frontends/removed")
    commit(content.root, "head")
    git(content.root, "tag", "head")
    return content.root


@pytest.fixture(scope="module")
def regress(command, tmp_path_factory):
    """``workbench regress`` in a repository; its process and its JSON."""

    def regressed(repository, *words):
        place = tmp_path_factory.mktemp("gate")
        options = [
            "--rounds=1",
            "--json",
            "--output",
            str(place / "runs"),
            "--summary",
            "gate.md",
            "--junit",
            "gate.xml",
        ]
        call = [*command, "regress", *words, *options, "--content", str(repository)]
        done = subprocess.run(call, cwd=place, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode in (0, 1, 3), done.stderr
        return done, json.loads(done.stdout), place

    return regressed


@pytest.fixture(scope="module")
def gate(repository, regress):
    return regress(repository, "linreg", "--base", "base", "--head", "head", "-f", "planted")


def test_each_fault_is_found_and_named_alone(gate):
    done, found, _ = gate
    findings = {row["frontend"]: row["finding"] for row in found["rows"]}
    steady = findings.pop("steady")
    assert findings == {
        "slower": "slower",
        "wrong": "wrong",
        "cheats": "wrong",
        "broken": "failed",
        "new": "new",
        "new_and_wrong": "wrong",
        "removed": "removed",
    }
    assert steady in ("same", "inconclusive"), "identical code"
    assert done.returncode == 1


def test_what_is_wrong_or_broken_shows_no_speed(gate):
    _, found, _ = gate
    assert all((row["ratio"] is None) == (row["frontend"] not in ("slower", "steady")) for row in found["rows"])


def test_what_is_slower_was_confirmed_in_fresh_launches(gate):
    _, found, _ = gate
    row = next(row for row in found["rows"] if row["frontend"] == "slower")
    fresh = row["launches"] - LADDER[0]
    assert LADDER[0] <= fresh <= LADDER[-1]
    assert row["low"] > 1.03
    assert row["p"] == 2 / 2**fresh


def test_summary_and_junit_are_written(gate):
    _, _, place = gate
    assert "**slower**" in (place / "gate.md").read_text()
    suite = ElementTree.parse(place / "gate.xml").getroot()
    failing = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    assert failing == {"slower", "wrong", "cheats", "broken", "new_and_wrong"}


def test_the_run_is_kept_and_can_be_looked_at(gate, command):
    _, found, place = gate
    words = [*command, "show", found["runs"][0], "--results", str(place / "runs")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "slower@base" in done.stdout


def test_nothing_is_left_in_the_repository(gate, repository):
    assert git(repository, "status", "--porcelain") == ""
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert git(repository, "stash", "list") == ""


def test_another_problem_is_not_compared_but_proven_all_the_same(regress, new_content):
    """The task itself changes: no ratio, exit code 3; a frontend that is wrong on the new problem is said to be."""
    content = new_content()
    content.plant("wrong", content.changed())
    git(content.root, "init", "--quiet")
    commit(content.root, "base")
    task = content.root / "tasks" / "linreg.py"
    source = task.read_text()
    assert '"learning_rate": 0.01' in source
    task.write_text(source.replace('"learning_rate": 0.01', '"learning_rate": 0.02', 1))
    (content.root / "frontends" / "wrong" / "linreg.py").write_text(content.changed(*FAULTS["wrong"]))
    done, found, _ = regress(content.root, "linreg", "--base", "HEAD")
    findings = {row["frontend"]: row["finding"] for row in found["rows"]}
    assert findings == {"numpy_manual": "not comparable", "wrong": "wrong"}
    assert all(row["ratio"] is None for row in found["rows"])
    assert found["head"].startswith("the working tree")
    assert done.returncode == 1


def test_commits_are_measured_with_the_options_of_a_run(regress, new_content):
    content = new_content()
    git(content.root, "init", "--quiet")
    commit(content.root, "base")
    options = ["--dtype=float64", "--profile=stock", "--launches=8", "--steps=5", "--warm-cache", "--max-alive=2"]
    _, found, place = regress(content.root, "linreg", "--base", "HEAD", "--delta=0.5%", *options)
    (row,) = found["rows"]
    assert row["launches"] == LADDER[0] or "fresh launches" in row["reason"]
    settings = json.loads((place / "runs" / found["runs"][0] / "run.json").read_text())["settings"]
    assert (settings["dtype"], settings["profile"], settings["steps"]) == ("float64", "stock", 5)
    assert (settings["warm_cache"], settings["max_alive"]) == (True, 2)


def test_a_head_that_cannot_make_its_problem_has_failed(regress, new_content):
    content = new_content()
    git(content.root, "init", "--quiet")
    commit(content.root, "base")
    task = content.root / "tasks" / "linreg.py"
    task.write_text(task.read_text() + "\n\ndef make(*_, **__):\n    raise OSError('planted')\n")
    done, found, _ = regress(content.root, "linreg", "--base", "HEAD")
    (row,) = found["rows"]
    assert (row["frontend"], row["finding"]) == ("numpy_manual", "failed")
    assert "the problem could not be made: " in row["reason"]
    assert "planted" in row["reason"]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("preset", "finding", "reason", "code"),
    [("dots", "not comparable", "has no preset 'dots'", 3), ("points", "failed", "has no preset 'points'", 1)],
)
def test_a_preset_that_one_side_lacks(regress, new_content, preset, finding, reason, code):
    content = new_content()
    git(content.root, "init", "--quiet")
    commit(content.root, "base")
    task = content.root / "tasks" / "linreg.py"
    task.write_text(task.read_text().replace('"points"', '"dots"'))
    done, found, _ = regress(content.root, "linreg", "--base", "HEAD", "--preset", preset)
    (row,) = found["rows"]
    assert (row["finding"], done.returncode) == (finding, code)
    assert reason in row["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base", "nowhere"], "no commit 'nowhere'"),
        (["--base=--output=x"], "is not a commit"),
        ([], "--base is missing"),
        (["linrge", "--base", "base"], "did you mean linreg?"),
        (["--base", "base", "-f", "numpyy"], "unknown frontend 'numpyy'"),
        (["--base", "base", "-f", "numpy,stedy"], "did you mean steady?"),
        (["--base", "base", "-p", "pints", "linreg"], "did you mean points?"),
        (["--base", "base", "-f", ","], "no frontend selected"),
        (["--base", "base", "--rounds", "0"], "--rounds"),
        (["--base", "base", "--delta", "0"], "--delta"),
        (["--base", "base", "--budget", "0s"], "--budget"),
        (["--base", "base", "--junit", "missing/gate.xml"], "no folder missing"),
    ],
)
def test_what_is_asked_for_wrongly_is_one_line(command, repository, tmp_path, words, said):
    call = [*command, "regress", *words, "--output", str(tmp_path / "runs"), "--content", str(repository)]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_outside_a_repository_it_says_so(command, content, tmp_path):
    call = [*command, "regress", "--base", "main", "--content", str(content.root)]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "is not inside a git repository" in done.stderr


PLUGIN = """
def test_steady(workbench):
    workbench.assert_not_slower("linreg", "steady", base="base", rounds=1)

def test_slower(workbench):
    workbench.assert_not_slower("linreg", "slower", base="base", rounds=1)
"""


def test_the_pytest_fixture_fails_for_what_is_slower_alone(repository, tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    (clone / "test_speed.py").write_text(textwrap.dedent(PLUGIN))
    installed = any(point.name == "workbench" for point in entry_points(group="pytest11"))
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_speed.py"]
    words += [] if installed else ["-p", "workbench.pytest_plugin"]
    done = subprocess.run([sys.executable, *words], cwd=clone, capture_output=True, text=True, timeout=300, check=False)
    assert "1 failed, 1 passed" in done.stdout
    assert "linreg slower slower" in done.stdout


PROTOCOL_99 = {"wire/exchange.py": "VERSION = 99\n", "contract.py": "CONTRACT = 2\n"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (PROTOCOL_99, "speaks worker protocol 99"),
        ({"wire/exchange.py": "VERSION = 2\n", "contract.py": "import math\n"}, "contract 1: "),  # as it was before
        ({"exchange.py": "VERSION = 2\n"}, "contract 1: "),  # where the first versions declared it
        ({**PROTOCOL_99, "contract.py": "CONTRACT = 99\n"}, "contract 99: "),
    ],
)
def test_a_commit_whose_workbench_measures_in_another_way_is_not_measured(new_content, regress, files, said):
    content = new_content()
    for name, text in files.items():
        file = content.root / "workbench" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(content.root, "init", "--quiet")
    commit(content.root, "base")
    done, found, _ = regress(content.root, "linreg", "--base", "HEAD", "-f", "numpy_manual")
    [row] = found["rows"]
    assert (done.returncode, row["finding"]) == (3, "not comparable")
    assert said in row["reason"]
    assert found["runs"] == []
