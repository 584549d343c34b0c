"""What trainings in float64 computed is kept under a key of all that it depends on, and computed again if in doubt."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys

import numpy as np
import pytest

from workbench.catalog import Catalog
from workbench.catalog.roots import package_root
from workbench.host import machine
from workbench.model.content import Float64
from workbench.model.contestant import Contestant
from workbench.model.device import Device
from workbench.model.proof import Trained
from workbench.model.records import Gpu, MachineFacts, Settings
from workbench.store import proofs
from workbench.store.proofs import Computed


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """A folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "framework-workbench" / "float64"


@dataclasses.dataclass
class Given:
    """All that a key is made of; a test changes some of it."""

    root: object
    contestant: Contestant
    settings: Settings = dataclasses.field(default_factory=lambda: Settings("mlp", "digits"))
    problem: str = "ab" * 32
    threads: int | None = 1

    @property
    def key(self) -> str | None:
        catalog = Catalog((self.root,))
        return proofs.key_of(catalog, self.contestant, self.settings, self.problem, self.threads)

    def contestant_with(self, **changes) -> None:
        self.contestant = dataclasses.replace(self.contestant, **changes)

    def frontend_with(self, **changes) -> None:
        self.contestant_with(frontend=dataclasses.replace(self.contestant.frontend, **changes))

    def settings_with(self, **changes) -> None:
        self.settings = dataclasses.replace(self.settings, **changes)

    def appended(self, *parts: str) -> None:
        file = self.root.joinpath(*parts)
        file.write_text(f"{file.read_text()}\n# changed\n")


@pytest.fixture
def given(content, tmp_path) -> Given:
    package = tmp_path / "workbench"
    for name in ("contract.py", "wire"):
        source = package_root() / name
        target = package / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    frontend = Catalog((content.root,)).frontends["numpy_manual"]
    return Given(content.root, Contestant("numpy_manual", frontend, (content.root,), package))


def edit(file) -> None:
    file.write_text(f"{file.read_text()}\n# changed\n")


def on_gpu(given, monkeypatch, name="GPU A", index=0) -> None:
    monkeypatch.setattr(machine, "gpus", lambda _=None: [Gpu(0, name), Gpu(1, "GPU B")])
    given.settings_with(device=Device("gpu", index))


CHANGES = {
    "the pair's file": lambda given, _: edit(given.root / "frontends/numpy/mlp.py"),
    "a helper that it imports": lambda given, _: edit(given.root / "frontends/numpy/optimizers.py"),
    "the runtime": lambda given, _: edit(given.root / "frontends/numpy/runtime.py"),
    "the declaration": lambda given, _: edit(given.root / "frontends/numpy/frontend.toml"),
    "the package": lambda given, _: edit(given.root / "frontends/numpy/__init__.py"),
    "the contract": lambda given, _: edit(given.contestant.package / "contract.py"),
    "the worker": lambda given, _: edit(given.contestant.package / "wire/worker.py"),
    "the problem": lambda given, _: setattr(given, "problem", "cd" * 32),
    "the threads": lambda given, _: setattr(given, "threads", 2),
    "the default number of threads": lambda given, _: setattr(given, "threads", None),
    "a variable": lambda given, _: given.contestant_with(environment={"A": "1"}),
    "a variable of the frontend": lambda given, _: given.frontend_with(environment={"A": "1"}),
    "the mode": lambda given, _: given.frontend_with(id="numpy_other"),
    "the profile": lambda given, _: given.settings_with(profile="stock"),
    "the precision": lambda given, _: given.settings_with(matmul_precision="tf32"),
    "the device": on_gpu,
    "the CPU": lambda _, monkeypatch: monkeypatch.setattr(machine, "facts", lambda: MachineFacts(cpu_model="another")),
    "a distribution": lambda _, monkeypatch: monkeypatch.setattr(proofs, "installed", lambda _: ("numpy 9",)),
    "how many steps are trained": lambda given, _: given.frontend_with(float64={"mlp": Float64("slow", steps=20)}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_key_changes_with(change, given, monkeypatch):
    before = given.key
    assert before == given.key
    CHANGES[change](given, monkeypatch)
    assert given.key not in (before, None)


SAME = {
    "another task's file": lambda given, _: edit(given.root / "frontends/numpy/linreg.py"),
    "the task's file, since the problem's bytes count": lambda given, _: edit(given.root / "tasks/mlp.py"),
    "the contestant's name": lambda given, _: given.contestant_with(id="base", group="g", side="base"),
    "the self-test's slowdown": lambda given, _: given.contestant_with(slowdown=1.0),
    "how long is measured": lambda given, _: given.settings_with(launches=9, rounds=3, timeout_s=1.0, cpus=(3,)),
    "the type that is timed": lambda given, _: given.settings_with(dtype="float64"),
    "what is allowed": lambda given, _: given.frontend_with(float64={"mlp": Float64("loose", limit=1e-3)}),
}


@pytest.mark.parametrize("change", SAME)
def test_the_key_stays_the_same_with(change, given, monkeypatch):
    """Or a proof would be computed again for nothing: in every run of a gate, for instance."""
    before = given.key
    SAME[change](given, monkeypatch)
    assert given.key == before


def test_another_gpu_is_another_device(given, monkeypatch):
    keys = []
    for name, index in (("GPU A", 0), ("GPU A2", 0), ("GPU A", 1)):
        on_gpu(given, monkeypatch, name, index)
        keys.append(given.key)
    assert len(set(keys)) == 3


def test_a_gpu_that_the_driver_does_not_list_has_a_key_all_the_same(given, monkeypatch):
    on_gpu(given, monkeypatch, index=7)
    assert given.key is not None


def test_a_contestants_own_device_goes_before_the_sessions(given, monkeypatch):
    on_gpu(given, monkeypatch)
    of_the_session = given.key
    given.contestant_with(device=Device("cpu"))
    assert given.key != of_the_session


def test_the_same_content_elsewhere_has_the_same_key(given, tmp_path):
    """Two checkouts of a gate whose files agree are proven once."""
    before = given.key
    elsewhere = shutil.copytree(given.root, tmp_path / "elsewhere")
    frontend = Catalog((elsewhere,)).frontends["numpy_manual"]
    given.root = elsewhere
    given.contestant_with(frontend=frontend, roots=(elsewhere,))
    assert given.key == before


def test_nothing_is_kept_of_what_nobody_can_know(given):
    given.contestant_with(interpreter="/nowhere/bin/python")
    assert given.key is None
    assert proofs.load(None) is None
    given.contestant_with(interpreter=sys.executable)
    given.frontend_with(command=("node", "worker.js"))
    assert given.key is None


def test_another_interpreters_distributions_are_read_and_not_run(tmp_path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("numpy-2.4.dist-info", "torch-2.13.dist-info"):
        (packages / name).mkdir(parents=True)
    assert proofs.installed(str(tmp_path / "bin" / "python")) == ("numpy-2.4.dist-info", "torch-2.13.dist-info")


def test_this_interpreters_distributions_have_their_versions():
    found = proofs.installed(sys.executable)
    assert f"numpy {np.__version__}" in found
    assert list(found) == sorted(found)


COMPUTED = Computed(
    Trained(np.array([2.0, 1.0]), {"parameters/w": np.ones((2, 1)), "carried/m/w": np.zeros(2)}),
    {"parameters/w": np.full(2, 3.0)},
)


def test_what_was_computed_comes_back_as_it_was(kept):
    assert proofs.load("k") is None
    proofs.save("k", COMPUTED)
    found = proofs.load("k")
    assert found.trained.losses.tolist() == [2, 1]
    for one, other in ((found.trained.result, COMPUTED.trained.result), (found.plain, COMPUTED.plain)):
        assert {name: array.tolist() for name, array in one.items()} == {n: a.tolist() for n, a in other.items()}
    assert [file.name for file in kept.iterdir()] == ["k.npz"], "and no partial file is left"
    assert proofs.load("other") is None


@pytest.mark.parametrize("damage", [b"", b"garbage", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_counts_as_none_and_is_replaced(kept, damage):
    proofs.save("k", COMPUTED)
    (kept / "k.npz").write_bytes(damage)
    assert proofs.load("k") is None
    proofs.save("k", COMPUTED)
    assert proofs.load("k").trained.losses.tolist() == [2, 1]


def test_so_does_one_that_was_cut_short_or_holds_something_else(kept):
    proofs.save("k", COMPUTED)
    content = (kept / "k.npz").read_bytes()
    for length in (len(content) // 3, len(content) - 30):
        (kept / "k.npz").write_bytes(content[:length])
        assert proofs.load("k") is None
    np.savez(kept / "k.npz", other=np.ones(2))
    assert proofs.load("k") is None
    np.savez(kept / "k.npz", losses=np.array([{"planted": 1}]), allow_pickle=True)
    assert proofs.load("k") is None


def test_what_is_too_large_is_not_kept(kept, monkeypatch):
    monkeypatch.setattr(proofs, "LARGEST_BYTES", 50)
    proofs.save("k", COMPUTED)
    assert proofs.load("k") is None
    assert not kept.exists()


def test_the_longest_unused_go_when_there_are_too_many(kept, monkeypatch):
    """Reading counts as using: what every run needs stays, however old."""
    for number, name in enumerate("abcd"):
        proofs.save(name, COMPUTED)
        os.utime(kept / f"{name}.npz", (1000 + number, 1000 + number))
    size = (kept / "a.npz").stat().st_size
    assert proofs.load("a") is not None
    monkeypatch.setattr(proofs, "MOST_BYTES", 3 * size)
    proofs.save("e", COMPUTED)
    assert {file.stem for file in kept.iterdir()} == {"a", "d", "e"}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_costs_no_run(kept):
    kept.mkdir(parents=True)
    kept.chmod(0o500)
    proofs.save("k", COMPUTED)
    kept.chmod(0o700)
    assert proofs.load("k") is None


def test_a_folder_that_is_none_costs_no_run(kept):
    kept.parent.mkdir(parents=True)
    kept.write_text("a file")
    proofs.save("k", COMPUTED)
    assert proofs.load("k") is None


def test_without_a_variable_it_is_the_users_own_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert proofs.folder() == tmp_path / ".cache" / "framework-workbench" / "float64"
