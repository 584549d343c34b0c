"""Mistakes in the mathematics, each a replaced text: caught in float64, however small. What is no mistake passes."""

from __future__ import annotations

import pytest

from workbench.catalog import REFERENCE
from workbench.session.exact import ExactProofs

LOOP = "    for x, labels in batches:\n"
IMPORT = "import numpy as np\n"
OTHER_ROWS = "dataclasses.replace(problem, rows={rows}).batches()"
SORTED = "np.sort(problem.rows.ravel()).reshape(problem.rows.shape)"
HIDDEN, LOGITS = "hidden = x @ w1 + b1\n        act", "logits = activated @ w2 + b2\n\n"
LOSS = "np.mean(np.log(sums[:, 0]) - shifted[np.arange(len(x)), labels])"
BFLOAT16 = "(w1.astype('f4').view('u4') & np.uint32(0xFFFF0000)).view('f4').astype(w1.dtype)"
RELU = "activated = np.maximum(hidden, 0)\n        logits"

# In Adam's formula: what is replaced in optimizers.py.
CORRECTED = 'root = np.sqrt(v / (1 - beta_2**self.t)) + self.numbers["epsilon"]'
STEP = "p -= self.learning_rate * (m / (1 - beta_1**self.t)) / root"
FIRST_LINE = '        m, v = self.carried[f"m/{name}"], self.carried[f"v/{name}"]\n'
BETAS = '(p.dtype.type(self.numbers[beta]) for beta in ("beta_1", "beta_2"))'
ASKED_FOR = '"adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8'  # by tasks/mlp.py
ADAM = {
    "epsilon_in_the_bias_correction": [
        (CORRECTED, 'root = (np.sqrt(v) + self.numbers["epsilon"]) / np.sqrt(1 - beta_2**self.t)')
    ],
    "epsilon_under_the_root": [(CORRECTED, 'root = np.sqrt(v / (1 - beta_2**self.t) + self.numbers["epsilon"])')],
    "epsilon_squared_under_the_root": [
        (CORRECTED, 'root = np.sqrt(v / (1 - beta_2**self.t) + self.numbers["epsilon"] ** 2)')
    ],
    "epsilon_1e_7": [(CORRECTED, CORRECTED.replace('self.numbers["epsilon"]', "1e-7"))],
    "no_epsilon": [(CORRECTED, "root = np.sqrt(v / (1 - beta_2**self.t)) + 1e-300")],
    "learning_rate_1_percent": [(STEP, f"{STEP} * 1.01")],
    "beta_2_99": [(BETAS, "(p.dtype.type(beta) for beta in (0.9, 0.99))")],
    "beta_1_8": [(BETAS, "(p.dtype.type(beta) for beta in (0.8, 0.999))")],
    "betas_rounded_to_float32": [(BETAS, BETAS.replace("p.dtype.type", "np.float64(np.float32").replace("])", "]))"))],
    "no_bias_correction": [
        (CORRECTED, CORRECTED.replace(" / (1 - beta_2**self.t)", "")),
        (STEP, STEP.replace(" / (1 - beta_1**self.t)", "")),
    ],
    "first_moment_not_corrected": [(STEP, STEP.replace(" / (1 - beta_1**self.t)", ""))],
    "second_moment_not_corrected": [(CORRECTED, CORRECTED.replace(" / (1 - beta_2**self.t)", ""))],
    "one_step_too_many_counted": [("problem.start", "problem.start + 1")],
    "weight_decay_coupled": [(FIRST_LINE, f"        g = g + 1e-4 * p\n{FIRST_LINE}")],
    "weight_decay_decoupled": [(STEP, f"p -= self.learning_rate * 1e-2 * p\n        {STEP}")],
    "gradient_clipped": [(FIRST_LINE, f"        g = g * min(1, 0.1 / np.linalg.norm(g))\n{FIRST_LINE}")],
    "largest_second_moment": [
        ("v += (1 - beta_2) * (g * g - v)", "v[:] = np.maximum(v, v + (1 - beta_2) * (g * g - v))")
    ],
    "nesterov": [(STEP, STEP.replace("(m / ", "((beta_1 * m + (1 - beta_1) * g) / "))],
    "learning_rate_decays": [(STEP, f"{STEP} * 0.9999**self.t")],
    "last_bias_never_updated": [(STEP, f'p -= (name != "b2") * {STEP.removeprefix("p -= ")}')],
    "moments_of_sgd": [(STEP, "p -= self.learning_rate * m")],
}
# The same for optimisers that no built-in task uses: what a task asks for, and what is replaced.
DECAYED = 'if name in self.numbers.get("decayed", ()):'
DECAY = 'p -= self.learning_rate * self.numbers["weight_decay"] * p'
COUPLED = 'g = g + self.numbers["weight_decay"] * p'
ADAM_W = {
    "decay_coupled": [
        (f"            {DECAY}\n", "            pass\n"),
        (
            FIRST_LINE,
            f"        {DECAYED}\n            {COUPLED}\n{FIRST_LINE}",
        ),
    ],
    "biases_decayed_too": [(DECAYED, "if name:")],
    "biases_alone_decayed": [(DECAYED, DECAYED.replace(" in ", " not in "))],
    "decay_left_out": [(f"            {DECAY}\n", "            pass\n")],
    "decay_without_the_learning_rate": [(DECAY, DECAY.replace("self.learning_rate * ", "0.01 * "))],
    "decay_after_the_update": [(f"            {DECAY}\n", "            pass\n"), (STEP, f"{STEP}\n        {DECAY}")],
}
ACCUMULATED = "velocity += g\n"
MOMENTUM = {
    "dampening": [(ACCUMULATED, "velocity += (1 - momentum) * g\n")],
    "nesterov_for_momentum": [('== "nesterov"', '!= "nesterov"')],
    "velocity_forgotten": [("velocity *= momentum", "velocity *= 0")],
    "velocity_of_the_step_before": [(" else velocity)", " else velocity - g)")],
}
OTHERS = {
    "adamw": (
        '"adamw", "weight_decay": 1e-2, "decayed": ["w1", "w2"], "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8',
        ADAM_W,
    ),
    "momentum": ('"momentum", "momentum": 0.9', MOMENTUM),
}
# In the net: what is replaced in mlp.py.
MLP = {
    "gradient_of_the_sum_loss_of_the_mean": [("        dloss_dlogits /= len(x)\n", "")],
    "label_off_by_one": [(LOOP, "    for x, right in batches:\n        labels = (right + 1) % 10\n")],
    "loss_of_the_sum": [("loss = np.mean(", "loss = np.sum(")],
    "loss_in_bits": [(LOSS, f"{LOSS} / np.log(2)")],
    "loss_after_the_update": [("        yield loss\n", "        yield np.float64(state().predictions.mean())\n")],
    "relu_leaks": [(RELU, RELU.replace("0)", "1e-4 * hidden)"))],
    "relu_has_no_derivative": [(" * (hidden > 0)", "")],
    "no_gradient_of_the_first_bias": [("dloss_db1 = dloss_dhidden.sum(axis=0)", "dloss_db1 = np.zeros_like(b1)")],
    "gradient_added_to_the_one_before": [
        (LOOP, f"    before = 0\n{LOOP}"),
        ("        dloss_db1 =", "        before = dloss_dw1 = dloss_dw1 + before\n        dloss_db1 ="),
    ],
    "labels_smoothed": [("labels] -= 1\n", "labels] -= 0.999\n        dloss_dlogits -= 1e-4\n")],
    "own_start_weights": [("    w1, b1, w2", "    parameters['w1'] *= 1.001\n    w1, b1, w2")],
    "no_shuffling": [
        ("problem.batches()", OTHER_ROWS.format(rows=SORTED)),
        (IMPORT, f"import dataclasses\n\n{IMPORT}"),
    ],
    "own_batch_order": [
        ("problem.batches()", OTHER_ROWS.format(rows="problem.rows[::-1]")),
        (IMPORT, f"import dataclasses\n\n{IMPORT}"),
    ],
    "a_sample_of_each_batch_left_out": [(LOOP, f"{LOOP}        x, labels = x[:-1], labels[:-1]\n")],
    "data_scaled": [(LOOP, f"{LOOP}        x = x * (16 / 15)\n")],
    "dropout_left_on": [("        logits =", "        activated[:, 0] = 0\n        logits =")],
    "logits_in_float32": [(LOGITS, f"{LOGITS}        logits = logits.astype('float32').astype(w2.dtype)\n")],
    "weights_in_bfloat16": [(HIDDEN, HIDDEN.replace("w1", BFLOAT16))],
    "weights_in_float16": [(HIDDEN, HIDDEN.replace("w1", "w1.astype('float16').astype(w1.dtype)"))],
    "predictions_of_the_start": [("problem.queries @ w1 + b1", "problem.queries @ problem.init['w1'] + b1")],
}

SGD_W, SGD_B = "w -= problem.learning_rate * dloss_dw", "b -= problem.learning_rate * dloss_db"
GRADIENT = "dloss_dprediction = (2 / len(x)) * error"
BATCHES = "    for x, y in batches:\n"
IN_FLOAT64 = "        x, y = x.astype('float64'), y.astype('float64')\n"
SUM, HALF = "dloss_dprediction.sum(axis=0)", "dloss_dprediction.astype('float16')"
LINREG = {
    "missing_factor_2": [(GRADIENT, GRADIENT.replace("2", "1"))],
    "learning_rate_a_millionth": [(SGD_W, f"{SGD_W} * (1 + 1e-6)")],
    "bias_never_updated": [(f"        {SGD_B}\n", "")],
    "bias_averaged": [(SUM, SUM.replace("sum", "mean"))],
    "gradient_by_n_minus_1": [(GRADIENT, GRADIENT.replace("len(x)", "(len(x) - 1)"))],
    "variance_by_n_minus_1": [("error, np.mean(error**2)", "error, np.sum(error**2) / (len(x) - 1)")],
    "weight_decay": [(SGD_W, f"{SGD_W} + problem.learning_rate * 1e-6 * w")],
    "targets_broadcast": [("error = x @ w + b - y", "error = (x @ w + b - y.T).mean(axis=1, keepdims=True)")],
    "absolute_error": [(GRADIENT, GRADIENT.replace("error", "np.sign(error)"))],
    "momentum": [
        (BATCHES, f"    velocity = 0\n{BATCHES}"),
        (f"        {SGD_W}", f"        dloss_dw = velocity = 0.1 * velocity + dloss_dw\n        {SGD_W}"),
    ],
    "gradient_of_the_step_before_in_every_second_step": [
        (BATCHES, f"    step = 0\n{BATCHES}        step += 1\n"),
        (
            f"        {SGD_W}",
            f"        dloss_dw, dloss_db = before = (dloss_dw, dloss_db) if step % 2 else before\n        {SGD_W}",
        ),
    ],
    "bias_in_float16": [(SUM, f"{HALF}.sum(axis=0).astype(b.dtype)")],
    "last_step_left_out": [
        (SGD_W, f"last = problem.learning_rate * dloss_dw\n        {SGD_W}"),
        ('{"w": w', '{"w": w + last'),
    ],
    "loss_is_nan": [("yield loss", "yield loss * np.nan")],
}

# What is as right as the file that it is made of, though it is not the same.
RIGHT = {
    "loss_as_a_python_float": [("yield loss", "yield float(loss)")],
    "samples_of_a_batch_in_another_order": [(BATCHES, f"{BATCHES}        x, y = x[::-1], y[::-1]\n")],
    "gradient_multiplied_out": [
        ("x.T @ dloss_dprediction", "(2 / len(x)) * (x.T @ (x @ w + b) - x.T @ y)"),
    ],
    "learning_rate_inside": [
        (GRADIENT, "dloss_dprediction = problem.learning_rate * (2 / len(x)) * error"),
        (SGD_W, "w -= dloss_dw"),
        (SGD_B, "b -= dloss_db"),
    ],
    "float64_inside": [
        (BATCHES, f"    w, b = w.astype('float64'), b.astype('float64')\n{BATCHES}{IN_FLOAT64}"),
        ('"w": w, "b": b', '"w": w.astype(problem.dtype), "b": b.astype(problem.dtype)'),
        ("problem.queries @ w + b", "(problem.queries @ w + b).astype(problem.dtype)"),
    ],
    "its_own_arrays_changed": [(BATCHES, f"{BATCHES}        problem.init['w'][:] = 7\n")],
    "its_own_queries_changed": [
        (BATCHES, f"    problem.queries[:] = 3\n{BATCHES}"),
        ("    batches =", "    queries = problem.queries.copy()\n    batches ="),
        ("problem.queries @", "queries @"),
    ],
}


def plant_net(content, name, in_optimizers, in_net=()):
    net = content.changed(*in_net, file="mlp.py").replace("frontends.numpy.optimizers", f"frontends.{name}.optimizers")
    folder = content.root / "frontends" / content.plant(name, content.changed())
    folder.joinpath("mlp.py").write_text(net)
    folder.joinpath("optimizers.py").write_text(content.changed(*in_optimizers, file="optimizers.py"))


@pytest.fixture(scope="module")
def mlp(new_content, measured):
    content = new_content()
    for name, replacements in ADAM.items():
        plant_net(content, name, replacements)
    for name, replacements in MLP.items():
        plant_net(content, name, (), replacements)
    return measured(content, "mlp", rounds=1, steps=30)


@pytest.fixture(scope="module", params=OTHERS)
def other(request, new_content, measured):
    """A session of a task that asks for another optimiser, and what is planted in it."""
    numbers, planted = OTHERS[request.param]
    content = new_content()
    task = content.root / "tasks" / "mlp.py"
    source = task.read_text(encoding="utf-8")
    assert source.count(ASKED_FOR) == 1
    task.write_text(source.replace(ASKED_FOR, numbers), encoding="utf-8")
    for name, replacements in planted.items():
        plant_net(content, name, replacements)
    return planted, measured(content, "mlp", rounds=1, steps=30)


@pytest.fixture(scope="module")
def linreg(new_content, measured):
    content = new_content()
    for name, replacements in {**LINREG, **RIGHT}.items():
        content.plant(name, content.changed(*replacements))
    return measured(content, "linreg", rounds=1, preset="diabetes", steps=30)


def is_refused_in_float64(row):
    assert (row.outcome, row.verdict, row.unit_s) == ("invalid", "differs", None)
    assert row.reason.startswith("in float64, check_")


@pytest.mark.parametrize("name", [*ADAM, *MLP])
def test_a_mistake_in_the_net_or_its_optimiser_is_caught_in_float64(mlp, name):
    is_refused_in_float64(mlp.rows[name])


def test_a_mistake_in_another_optimiser_is_caught_in_float64(other):
    planted, found = other
    for name in planted:
        is_refused_in_float64(found.rows[name])
    honest = found.rows[REFERENCE]
    assert (honest.outcome, honest.reason, honest.verdict) == ("ok", "", "agrees")


@pytest.mark.parametrize("name", LINREG)
def test_a_mistake_in_the_regression_is_caught_in_float64(linreg, name):
    is_refused_in_float64(linreg.rows[name])


def test_a_plain_step_shows_the_factor_of_a_gradient_that_adam_hides(mlp):
    assert "check_plain_step" in mlp.failed_checks("gradient_of_the_sum_loss_of_the_mean")
    assert "check_plain_step" not in mlp.failed_checks("epsilon_1e_7")


@pytest.mark.parametrize("name", [REFERENCE, *RIGHT])
def test_what_is_right_in_another_way_is_timed(linreg, name):
    row = linreg.rows[name]
    assert (row.outcome, row.reason, row.verdict) == ("ok", "", "agrees")
    assert row.unit_s > 0


def test_float32_alone_would_not_see_the_smallest_of_them(new_content, measured, monkeypatch):
    """What float64 is for: without it, an Adam whose betas went through float32 is timed and ranked."""
    monkeypatch.setattr(ExactProofs, "prove", lambda *_: None)
    name, content = "betas_rounded_to_float32", new_content()
    plant_net(content, name, ADAM[name])
    row = measured(content, "mlp", rounds=1, steps=30).rows[name]
    assert (row.outcome, row.reason, row.verdict) == ("ok", "", "agrees")


def test_the_honest_net_beside_the_mistakes_is_timed(mlp):
    assert (mlp.rows[REFERENCE].outcome, mlp.rows[REFERENCE].reason) == ("ok", "")
