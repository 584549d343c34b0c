"""A right frontend stays right when there is nothing left to learn: a proof must not mistake rounding for a fault."""

from __future__ import annotations

import pytest

from workbench import api


@pytest.mark.parametrize("steps", [5000, 20000])
def test_the_reference_in_float32_passes_its_own_proof_after_convergence(tmp_path, quick, steps):
    """On an exact line the loss goes to 0 in float64, and in float32 to what rounding leaves."""
    run = api.run("linreg", "numpy", preset="line", steps=steps, output=tmp_path, **quick)
    row = run.summary()["contestants"][0]
    assert (row["outcome"], row["reason"]) == ("ok", "")
