"""Which tests are run: what is unchanged since it last passed is left out, and what failed is not forgotten."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
PLANTED = """
import pytest

@pytest.mark.unless_proven("one", ["one.txt"])
@pytest.mark.parametrize("part", ["first", "second"])
def test_one(part):
    text = open("one.txt").read()
    assert text != "wrong" or part != "second"

@pytest.mark.unless_proven("other", ["other.py"])
def test_other():
    pass

def test_always():
    pass
"""

MODULE = '''"""What it does."""

def double(x):
    """Returns it twice."""
    return 2 * x
'''


@pytest.fixture
def suite(tmp_path):
    """A folder of tests that depend on files; runs pytest there and says which tests passed and failed."""
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_planted.py").write_text(PLANTED)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow:\n  unless_proven:\naddopts = -m 'not slow' -rpf")
    (tmp_path / "one.txt").write_text("right")
    (tmp_path / "other.py").write_text(MODULE)

    def run(*options: str) -> tuple[set[str], set[str]]:
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        found = {
            word: {line[1].partition("::")[2] for line in lines if line[:1] == [word]} for word in ("PASSED", "FAILED")
        }
        return found["PASSED"], found["FAILED"]

    return run


BOTH = {"test_one[first]", "test_one[second]"}


def test_what_has_passed_is_left_out_until_its_file_changes(suite, tmp_path):
    assert suite()[0] == {*BOTH, "test_other", "test_always"}, "nothing is recorded without the option"
    assert suite("--everything")[0] == {*BOTH, "test_other", "test_always"}
    assert set(json.loads((tmp_path / "proven.json").read_text())) == {"one", "other"}
    assert suite()[0] == {"test_always"}
    (tmp_path / "one.txt").write_text("changed")
    assert suite()[0] == {*BOTH, "test_always"}
    (tmp_path / "one.txt").write_text("right")
    assert suite()[0] == {"test_always"}, "as it was when it passed"


def test_what_fails_in_any_part_is_not_taken_for_proven(suite, tmp_path):
    suite("--everything")
    (tmp_path / "one.txt").write_text("wrong")
    assert suite("--everything")[1] == {"test_one[second]"}
    assert set(json.loads((tmp_path / "proven.json").read_text())) == {"other"}
    passed, failed = suite()
    assert (passed, failed) == ({"test_one[first]", "test_always"}, {"test_one[second]"})


def test_what_a_docstring_says_is_no_change(suite, tmp_path):
    suite("--everything")
    (tmp_path / "other.py").write_text(MODULE.replace("twice", "two times,\n\n    and says so").replace("What", "All"))
    assert suite()[0] == {"test_always"}
    (tmp_path / "other.py").write_text(MODULE.replace("2 *", "3 *"))
    assert suite()[0] == {"test_other", "test_always"}
