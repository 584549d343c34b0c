"""Mistakes that people make when they port a convolutional net, an LSTM or a transformer: each is caught in float64."""

from __future__ import annotations

import re

import pytest

from workbench.catalog import REFERENCE

GATES = "i, f, g, o = np.split(a @ wx + h @ wh + b, 4, axis=1)"
SQUARES = "(centred**2).mean(axis=-1, keepdims=True)"
# By task: what is replaced in which file of the NumPy frontend.
PLANTED = {
    "cnn": {
        "gradient_of_the_sum": [("layers", "dlogits / len(logits)", "dlogits")],
        "padded_on_one_side": [("layers", "(1, 1), (1, 1)", "(0, 2), (0, 2)")],
        "kernel_flipped": [("layers", "patches(x) @ kernel.reshape", "patches(x) @ kernel[::-1].reshape")],
        "kernel_not_turned_on_the_way_back": [("layers", "kernel[::-1, ::-1].transpose", "kernel.transpose")],
        "bias_never_updated": [("cnn", "d.sum(axis=(0, 1, 2))", "0 * d.sum(axis=(0, 1, 2))")],
        "flattened_by_channels": [("cnn", "passed[-1][2].reshape", "passed[-1][2].transpose(0, 3, 1, 2).reshape")],
        "learning_rate_1_percent": [
            ("optimizers", "p -= self.learning_rate * (g + m", "p -= 1.01 * self.learning_rate * (g + m")
        ],
        "weight_decay": [("optimizers", "velocity += g\n", "velocity += g + 1e-4 * p\n")],
        "nesterov": [("optimizers", '== "nesterov"', '!= "nesterov"')],
        "dampening": [("optimizers", "velocity += g\n", "velocity += (1 - momentum) * g\n")],
    },
    "lstm": {
        "gates_in_another_order": [("lstm", GATES, GATES.replace("f, g", "g, f"))],
        "forget_bias_added_again": [("lstm", "sigmoid(f)", "sigmoid(f + 1)")],
        "two_biases_trained": [("lstm", "dgates.sum(axis=0)", "2 * dgates.sum(axis=0)")],
        "state_not_carried": [("lstm", "read(x, h, c)\n        loss", "read(x, 0 * h, 0 * c)\n        loss")],
        "cell_not_carried": [("lstm", "read(x, h, c)\n        loss", "read(x, h, 0 * c)\n        loss")],
        "read_column_by_column": [("lstm", "x.swapaxes(0, 1)", "x.transpose(2, 0, 1)")],
        "truncated_after_a_row": [("lstm", "dh, dc = dgates @ wh.T, dc * f", "dh, dc = 0 * (dgates @ wh.T), dc * f")],
        "epsilon_under_the_root": [
            (
                "optimizers",
                'np.sqrt(v / (1 - beta_2**self.t)) + self.numbers["epsilon"]',
                'np.sqrt(v / (1 - beta_2**self.t) + self.numbers["epsilon"])',
            )
        ],
    },
    "transformer": {
        "epsilon_of_flax": [("attention", "1e-5", "1e-6")],
        "epsilon_of_keras": [("attention", "1e-5", "1e-3")],
        "epsilon_outside_the_root": [("attention", f"np.sqrt({SQUARES} + 1e-5)", f"np.sqrt({SQUARES}) + 1e-5")],
        "variance_unbiased": [("attention", SQUARES, "(centred**2).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1)")],
        "exact_gelu": [("attention", "np.tanh(ROOT * (x + CUBE * x**3))", "np.vectorize(math.erf)(x / math.sqrt(2))")],
        "one_position_too_many_seen": [
            ("attention", "np.tri(q.shape[-2], dtype=bool)", "np.tri(q.shape[-2], k=1, dtype=bool)")
        ],
        "scores_not_scaled": [("attention", "root = math.sqrt(q.shape[-1])", "root = 1.0")],
        "scores_scaled_by_the_width": [
            ("attention", "root = math.sqrt(q.shape[-1])", "root = math.sqrt(q.shape[1] * q.shape[-1])")
        ],
        "dropout_not_scaled": [("transformer", "keep.astype(problem.dtype) / 0.9", "keep.astype(problem.dtype)")],
        "dropout_left_out": [("transformer", "keep.astype(problem.dtype) / 0.9", "np.ones(keep.shape, problem.dtype)")],
        "positions_forgotten": [("transformer", 'p["token"][x] + p["position"]', 'p["token"][x] + 0 * p["position"]')],
        "residual_forgotten": [("blocks", "return a + down * keep, back", "return down * keep, back")],
        "gradient_of_a_token_once_a_batch": [("transformer", 'np.add.at(g["token"], x, d)', 'g["token"][x] += d')],
        "biases_decayed_too": [("optimizers", 'if name in self.numbers.get("decayed", ()):', "if name:")],
        "epsilon_1e_7": [("optimizers", ')) + self.numbers["epsilon"]', ")) + 1e-7")],
    },
}
ALL = [(task, name) for task, mistakes in PLANTED.items() for name in mistakes]


@pytest.fixture(scope="module")
def sessions(new_content, measured):
    """One session of each task, with the honest frontend and all that is planted in copies of it."""
    found = {}
    for task, mistakes in PLANTED.items():
        content = new_content()
        for name, replacements in mistakes.items():
            folder = content.root / "frontends" / content.plant(name, content.changed())
            for file in content.numpy.glob("*.py"):
                if file.stem not in ("__init__", "runtime", "linreg"):
                    changes = [(old, new) for module, old, new in replacements if module == file.stem]
                    text = content.changed(*changes, file=file.name)
                    (folder / file.name).write_text(re.sub(r"frontends\.numpy\b", f"frontends.{name}", text))
        found[task] = measured(content, task, rounds=1, steps=12)
    return found


@pytest.mark.parametrize(("task", "name"), ALL, ids="-".join)
def test_a_mistake_in_a_model_is_caught_in_float64(sessions, task, name):
    row = sessions[task].rows[name]
    assert (row.outcome, row.verdict, row.unit_s) == ("invalid", "differs", None)
    assert row.reason.startswith("in float64, check_")


@pytest.mark.parametrize("task", PLANTED)
def test_the_honest_one_beside_them_is_timed(sessions, task):
    row = sessions[task].rows[REFERENCE]
    assert (row.outcome, row.reason, row.verdict) == ("ok", "", "agrees")
