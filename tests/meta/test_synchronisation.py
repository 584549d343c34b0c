"""A clock that is read before the work is done makes every time too short: planted, and caught.

`tests/cheats` has those that are lazy on purpose.
"""

import shutil

import pytest

from workbench import api
from workbench.catalog.roots import content_root

READY = "    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])\n"
IN_BACKGROUND = """import threading

import numpy as np


def compute():
    while True:
        sum(range(10000))

"""


@pytest.fixture
def row_of(content, tmp_path, monkeypatch):
    """The row of a frontend beside NumPy's, which is timed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def row(name, task, preset):
        finished = api.run(
            task,
            f"{name},numpy_manual",
            preset=preset,
            launches=1,
            rounds=1,
            steps=20,
            content=content.root,
            output=tmp_path / "runs",
        )
        rows = {row.frontend: row for row in finished.rows}
        assert rows["numpy_manual"].outcome == "ok"
        return rows[name]

    return row


def is_refused(row):
    assert row.outcome == "invalid"
    assert "check_synchronised" in row.reason
    assert row.unit_s is None


def test_work_that_goes_on_after_the_wait_is_caught(content, row_of):
    started = f"    threading.Thread(target=compute, daemon=True).start()\n{READY}"
    source = content.changed(("import numpy as np\n", IN_BACKGROUND), (READY, started))
    row = row_of(content.plant("background", source), "linreg", "points")
    is_refused(row)


def test_jax_without_waiting_is_caught_on_the_cpu(content, row_of):
    pytest.importorskip("jax", reason="jax is not installed")
    folder = content.root / "frontends" / "hasty"
    shutil.copytree(content_root() / "frontends" / "jax", folder)
    for file in folder.glob("*.py"):
        file.write_text(file.read_text().replace("frontends.jax", "frontends.hasty"))
    runtime = folder / "runtime.py"
    waiting, hasty = runtime.read_text(), "    jax.block_until_ready(jax.live_arrays())"
    assert waiting.count(hasty) == 1
    runtime.write_text(waiting.replace(hasty, "    pass"))
    toml = folder / "frontend.toml"
    toml.write_text(toml.read_text().replace("jax_jit", "hasty"))
    is_refused(row_of("hasty", "two_layer_net", "wide"))
