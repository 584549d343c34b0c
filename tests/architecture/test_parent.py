"""The parent process imports no framework and no content: a whole run in a fresh interpreter; and it would show."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from workbench.catalog.roots import content_root

FOREIGN = ("torch", "tensorflow", "jax", "jaxlib", "keras", "tasks", "frontends")

# A whole session as a notebook has it; PLANTED is executed in the middle of it, by the progress hook.
HARNESS = """
import json, sys
import workbench
from workbench.model.progress import Silence

planted, store, quick = json.loads(sys.stdin.read())

class Hook(Silence):
    def phase(self, contestant, phase):
        exec(planted)

run = workbench.run("linreg", "numpy", steps=5, output=store, progress=Hook(), **quick)
again = workbench.load("latest", store)
assert list(again.table["outcome"]) == ["ok"], again.table["reason"]
assert len(again.losses) == 5
again._repr_html_(), again.result("numpy_manual"), workbench.results_of(store)
print("FOUND", json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture
def imported_by_a_run(tmp_path, shell_environment, quick):
    """The foreign packages that a whole run has imported into the parent."""

    def run(planted: str) -> set[str]:
        (tmp_path / "fakes").mkdir()
        (tmp_path / "fakes" / "torch.py").write_text("")
        path = f"{content_root()}:{tmp_path / 'fakes'}"  # so that a forbidden import would succeed
        done = subprocess.run(
            [sys.executable, "-c", HARNESS],
            input=json.dumps([planted, str(tmp_path / "store"), dict(quick)]),
            env=shell_environment | {"PYTHONPATH": path},
            cwd=content_root(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        last = done.stdout.splitlines()[-1]
        return set(json.loads(last.removeprefix("FOUND "))) & set(FOREIGN)

    return run


def test_a_whole_run_imports_no_framework_and_no_content(imported_by_a_run):
    assert imported_by_a_run("") == set()


@pytest.mark.parametrize(("planted", "seen"), [("import tasks.linreg", "tasks"), ("import torch", "torch")])
def test_it_would_be_noticed(imported_by_a_run, planted, seen):
    assert imported_by_a_run(planted) == {seen}


LIGHT = {
    "workbench": ("numpy", "pandas", "matplotlib", "rich", "typer"),
    "workbench.wire.worker": ("numpy", "pandas", "matplotlib", "rich", "typer"),
    "workbench.contract": ("pandas", "matplotlib", "rich", "typer", "subprocess"),
    "workbench.cli": ("numpy", "pandas", "matplotlib", "scipy", "sklearn"),
}


@pytest.mark.parametrize("module", LIGHT)
def test_a_module_that_must_start_fast_leaves_the_heavy_ones_alone(module, shell_environment):
    code = f"import sys, {module}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    environment = shell_environment | {"PYTHONPATH": str(content_root())}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert not set(LIGHT[module]) & set(done.stdout.split())
