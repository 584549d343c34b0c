"""FAULTS.md cannot rot: every test it names exists, and every test of this folder is named or is a detail of one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "FAULTS.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+/test_\w+\.py::test_\w+)`", PAGE)))


def missing(named: str) -> bool:
    file, _, test = named.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return test not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_the_page_names_exists(named):
    assert not missing(named)


def test_one_that_does_not_exist_would_be_noticed():
    assert missing("faults/test_disk.py::test_nothing_of_the_kind")


def test_every_row_has_a_test_and_nothing_else_looks_like_one():
    table = PAGE.partition("## Faults\n")[2].partition("## Side by side")[0]
    rows = [line for line in table.splitlines() if "|" in line]
    assert len(rows) > 40
    for row in rows[2:]:
        assert re.search(r"\.py::test_\w+` \|$", row), row
    assert len(re.findall(r"::test_\w+", PAGE)) == len(re.findall(r"`\w+/test_\w+\.py::test_\w+`", PAGE))


def test_every_file_of_this_folder_is_on_the_page():
    files = {f"faults/{file.name}" for file in Path(__file__).parent.glob("test_*.py")} - {"faults/test_faults_page.py"}
    assert files <= {named.partition("::")[0] for named in NAMED}
