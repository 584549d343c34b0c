"""What a file does to its framework: configured before the import, observed afterwards, its compilations counted."""

from __future__ import annotations

import shutil

import pytest

from workbench import api
from workbench.catalog.roots import content_root

FIRST_IMPORT = "from workbench.contract import "
# A mean that starts as a Python number and goes on as an array of JAX: the second step is compiled again.
CARRY = [
    ("def step(parameters, x, y):", "def step(parameters, mean, x, y):"),
    ("return parameters, loss\n", "return parameters, loss, 0.9 * mean + 0.1 * loss\n"),
    ("    for x, y in batches:\n", "    mean = 0.0\n    for x, y in batches:\n"),
    ("parameters, loss = step(parameters, x, y)", "parameters, loss, mean = step(parameters, mean, x, y)"),
]


@pytest.fixture
def rows_of(content, tmp_path, monkeypatch):
    """Plants a changed copy of a built-in frontend and measures both; the rows of the copy and of the original."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def rows(folder, mode, replacements):
        copied = content.root / "frontends" / f"changed_{folder}"
        shutil.copytree(content_root() / "frontends" / folder, copied)
        for file in copied.glob("*.py"):
            source = file.read_text(encoding="utf-8")
            file.write_text(source.replace(f"frontends.{folder}", f"frontends.changed_{folder}"), encoding="utf-8")
        toml = copied / "frontend.toml"
        toml.write_text(toml.read_text(encoding="utf-8").replace(f"{folder}_", "changed_"), encoding="utf-8")
        source = (copied / "linreg.py").read_text(encoding="utf-8").replace(f'"{folder}_', '"changed_')
        for old, new in replacements:
            assert source.count(old) == 1
            source = source.replace(old, new)
        (copied / "linreg.py").write_text(source, encoding="utf-8")
        changed = mode.replace(f"{folder}_", "changed_")
        settings = {"preset": "diabetes", "steps": 20, "launches": 1, "rounds": 1, "content": content.root}
        run = api.run("linreg", f"{mode},{changed}", output=tmp_path / "runs", **settings)
        found = {row.frontend: row for row in run.rows}
        return found[changed], found[mode]

    return rows


def test_a_second_compilation_by_a_carry_that_changes_its_type_is_counted(rows_of):
    pytest.importorskip("jax", reason="jax is not installed")
    changed, original = rows_of("jax", "jax_jit", CARRY)
    assert (changed.outcome, changed.reason) == ("ok", "")
    assert changed.compilations > original.compilations
    assert changed.compilations_while_timed == 0


def test_a_constant_at_the_top_of_a_file_is_made_once_tensorflow_is_configured(rows_of):
    pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    constant = (FIRST_IMPORT, f"TWO = tf.constant(2.0)\n\n{FIRST_IMPORT}")
    changed, original = rows_of("tf2", "tf2_eager", [constant])
    assert (changed.outcome, changed.reason) == ("ok", "")
    assert (changed.threads, changed.matmul_precision) == (original.threads, original.matmul_precision)


def test_a_precision_that_a_file_asks_for_itself_is_seen(rows_of):
    """On a CPU with products in bfloat16 by their losses, on any other by what PyTorch says of itself."""
    pytest.importorskip("torch", reason="torch is not installed")
    linear = "    net = nn.Linear("
    asked = (linear, f'    torch.backends.mkldnn.matmul.fp32_precision = "bf16"\n{linear}')
    changed, original = rows_of("pytorch", "pytorch_eager", [asked])
    assert original.warnings == ()
    if changed.outcome == "ok":
        assert changed.warnings == ("asked for float32 matrix products, observed bf16",)
    else:
        assert changed.reason.startswith("check_first_losses: ")
