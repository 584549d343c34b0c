"""Ruff and mypy are part of the one test command. Each is also given something it must refuse."""

from __future__ import annotations

import sys

import pytest

CHECKS = {
    "rules": (["ruff", "check", "--no-cache"], "import os\n"),
    "format": (["ruff", "format", "--check", "--no-cache"], "x = {'a' : 1}\n"),
    "types": (["mypy"], "x: int = ''\n"),
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_tree_is_clean(run, root, check):
    words, _ = CHECKS[check]
    done = run(sys.executable, "-m", *words, cwd=root, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_a_fault_is_noticed(run, root, tmp_path, check):
    words, fault = CHECKS[check]
    planted = tmp_path / "planted.py"
    planted.write_text(fault)
    config = "--config-file" if words == ["mypy"] else "--config"
    done = run(sys.executable, "-m", *words, config, root / "pyproject.toml", planted, cwd=tmp_path, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
