"""A clock that is read before the work is done makes every time too short: planted, and caught."""

import shutil
from pathlib import Path

import pytest

from workbench import api
from workbench.catalog.roots import content_root
from workbench.model.rows import Row

LAZY = '''
class Lazy:
    """A loss that is computed when it is asked for."""

    shape = ()

    def __init__(self, x, w):
        self.x, self.w = x, w

    def __float__(self):
        for _ in range(3000):
            self.x @ self.w
        return float(VALUE)

'''

IN_BACKGROUND = """
import threading


def compute():
    while True:
        sum(range(10000))


"""


def content_with(tmp_path: Path, folder: str, edit_task, edit_runtime=lambda source: source) -> Path:
    """A content root with the NumPy reference and one planted copy of a frontend, called planted."""
    root = tmp_path / "content"
    shutil.copytree(content_root() / "tasks", root / "tasks")
    (root / "frontends").mkdir()
    shutil.copy(content_root() / "frontends" / "__init__.py", root / "frontends")
    shutil.copytree(content_root() / "frontends" / "numpy", root / "frontends" / "numpy")
    planted = root / "frontends" / "planted"
    shutil.copytree(content_root() / "frontends" / folder, planted)
    toml = (planted / "frontend.toml").read_text()
    (planted / "frontend.toml").write_text(toml.replace("numpy_manual", "planted").replace("jax_jit", "planted"))
    for name, edit in (("linreg.py", edit_task), ("two_layer_net.py", edit_task), ("runtime.py", edit_runtime)):
        source = (planted / name).read_text().replace(f"frontends.{folder}", "frontends.planted")
        (planted / name).write_text(edit(source))
    return root


def row_of_planted(root: Path, tmp_path: Path, task: str, preset: str) -> Row:
    finished = api.run(
        task, "planted,numpy_manual", preset=preset, launches=1, rounds=1, content=root, output=tmp_path / "runs"
    )
    rows = {row.frontend: row for row in finished.rows}
    assert rows["numpy_manual"].outcome == "ok"
    return rows["planted"]


def test_a_loss_that_is_computed_after_the_wait_is_caught(tmp_path):
    def lazily(source: str) -> str:
        edited = source.replace("        yield loss", "        yield Lazy(x, w) if problem.endless else loss")
        assert edited != source or "two_layer" in source
        return edited.replace("\n\ndef train", LAZY.replace("VALUE", "1.0") + "\ndef train", 1)

    row = row_of_planted(content_with(tmp_path, "numpy", lazily), tmp_path, "linreg", "points")
    assert row.outcome == "invalid"
    assert "check_synchronised" in row.reason
    assert row.unit_s is None


def test_work_that_goes_on_after_the_wait_is_caught(tmp_path):
    def in_background(source: str) -> str:
        started = source.replace(
            "    yield\n\n    for", "    threading.Thread(target=compute, daemon=True).start()\n    yield\n\n    for", 1
        )
        assert started != source
        return started.replace("\n\ndef train", IN_BACKGROUND + "def train", 1)

    row = row_of_planted(content_with(tmp_path, "numpy", in_background), tmp_path, "linreg", "points")
    assert row.outcome == "invalid"
    assert "check_synchronised" in row.reason


def test_jax_without_waiting_is_caught_on_the_cpu(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed")

    def no_wait(source: str) -> str:
        edited = source.replace("    jax.block_until_ready(jax.live_arrays())", "    pass")
        assert edited != source
        return edited

    root = content_with(tmp_path, "jax", lambda source: source, no_wait)
    row = row_of_planted(root, tmp_path, "two_layer_net", "wide")
    assert row.outcome == "invalid"
    assert "check_synchronised" in row.reason
