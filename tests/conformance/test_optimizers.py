"""Every optimiser that a problem may ask for, in every framework: the same formula in float64, to the last digits.

Also those that no built-in task uses: PyTorch's, TensorFlow 1's and some of Keras's are their own, which nobody wrote
down here, so that the formulas are not merely compared with themselves.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from collections.abc import Callable, Iterator

import pytest

from workbench.catalog import REFERENCE, catalog
from workbench.catalog.roots import package_root
from workbench.model.contestant import Contestant
from workbench.model.proof import Trained
from workbench.model.records import Settings
from workbench.session.training import Training
from workbench.session.verify import verify_exact
from workbench.session.workers import Workers
from workbench.wire import exchange
from workbench.wire.answers import Imported

FOUND = catalog()
FRONTENDS = [name for name, frontend in FOUND.frontends.items() if frontend.compiles is None]
STEPS, TIMEOUT_S, LIMIT = 12, 120.0, 1e-11
ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6}
OPTIMIZERS = {
    "sgd": {"name": "sgd"},
    "momentum": {"name": "momentum", "momentum": 0.8},
    "nesterov": {"name": "nesterov", "momentum": 0.8},
    "adam": {"name": "adam", **ADAM},
    "adamw": {"name": "adamw", **ADAM, "weight_decay": 0.5, "decayed": ["w1", "w2"]},
}
CARRIED = {"momentum": {"velocity"}, "nesterov": {"velocity"}, "adam": {"m", "v"}, "adamw": {"m", "v"}}


@pytest.fixture(scope="module")
def trained(content_module, tmp_path_factory) -> Iterator[Callable[[str], dict[str, Trained]]]:
    """Trains a frontend's net with every optimiser, all in one process, when it is first asked for."""
    folder = tmp_path_factory.mktemp("optimizers")
    made = content_module("tasks.mlp").make("digits", 0, hidden=24).astype("float64")
    for name, optimizer in OPTIMIZERS.items():
        problem = dataclasses.replace(made, optimizer=optimizer, learning_rate=0.01)
        exchange.save_problem(folder / f"{name}.npz", problem)
    workers = Workers(FOUND, Settings("mlp", "digits"), folder)
    done: dict[str, dict[str, Trained]] = {}

    def train(name: str) -> dict[str, Trained]:
        if name not in done:
            frontend = FOUND.frontends[name]
            worker = workers.start_exact(Contestant(name, frontend, FOUND.roots, package_root()), ())
            try:
                worker.ask("import", Imported, TIMEOUT_S)
                training, results = Training(worker, TIMEOUT_S, workers.scratch_of(name)), {}
                for optimizer in OPTIMIZERS:
                    training.set_up(folder / f"{optimizer}.npz")
                    results[optimizer] = Trained(training.curve(STEPS), training.state())
            finally:
                worker.close()
            done[name] = results
        return done[name]

    yield train
    workers.close()
    shutil.rmtree(folder)


def differences(found: Trained, expected: Trained) -> dict[str, float]:
    return {check.name: check.difference for check in verify_exact(found, expected, LIMIT, None) if check.difference}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("frontend", FRONTENDS)
def test_it_is_the_same_formula_everywhere(trained, frontend, optimizer):
    if missing := [name for name in FOUND.frontends[frontend].packages if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    found, expected = trained(frontend)[optimizer], trained(REFERENCE)[optimizer]
    checks = verify_exact(found, expected, LIMIT, None)
    assert [check.detail for check in checks if not check.passed] == []
    names = {name.split("/")[1] for name in found.result if name.startswith("carried/")}
    assert names == CARRIED.get(optimizer, set())


@pytest.mark.parametrize("other", OPTIMIZERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_taken_for_another_would_be_noticed(trained, optimizer, other):
    results = trained(REFERENCE)
    off = differences(results[optimizer], results[other])
    assert (off == {}) if optimizer == other else (off["check_every_loss"] > 1e6 * LIMIT)


def test_only_what_is_listed_is_decayed(content_module):
    """After one step, whose gradients are the same, the biases are equal and the weights differ by their decay."""
    made = content_module("tasks.mlp").make("digits", 0, hidden=24).astype("float64")
    after = {}
    for name in ("adam", "adamw"):
        problem = dataclasses.replace(made, optimizer=OPTIMIZERS[name], learning_rate=0.01)
        training = content_module("frontends.numpy.mlp").train(problem)
        state = next(training).state
        next(training)
        after[name] = state().parameters
    for name, start in made.init.items():
        decay = 0.01 * 0.5 * start if name in OPTIMIZERS["adamw"]["decayed"] else 0
        assert after["adamw"][name] == pytest.approx(after["adam"][name] - decay, rel=1e-12, abs=1e-15)
