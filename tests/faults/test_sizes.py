"""A size of a sweep that a task cannot make costs that size alone."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def sweeping(content):
    task = content.root / "tasks" / "linreg.py"
    text = task.read_text()
    task.write_text(
        text.replace('"values": [16, 128, 1024, 4096, 16384]', '"values": [16, 20, 24, 28]')
        + "\n\nbefore = make\n\n\ndef make(preset, seed, **changes):\n"
        + '    if changes.get("samples") == 20:\n        raise ValueError("no such size")\n'
        + "    return before(preset, seed, **changes)\n"
    )
    return content


def test_all_others_are_measured_and_it_is_named(cli, sweeping, quick_options, tmp_path):
    done = cli(
        "run", "linreg", "-f", "numpy", "--sweep", "size", "--content", sweeping.root, "-o", tmp_path / "out",
        "--json", *quick_options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sweep: samples = 20 is left out: " in done.stderr
    assert "no such size" in done.stderr
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    (found,) = (json.loads(file.read_text()) for file in folder.glob("contestants/*/samples.json"))
    assert [point["value"] for point in found["sweep"]] == [16, 24, 28]
