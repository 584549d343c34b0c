"""A launch goes on with rounds where its blocks scatter, and only then."""

import itertools

import pytest

from workbench.catalog import catalog
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.selftest import pool
from workbench.session.context import Context
from workbench.session.rounds import MOST_ROUNDS
from workbench.session.timed import Block, Timed

PLANNED = 5
CALM, SCATTERING = (1.0, 1.0, 1.001), (1.0, 1.5, 0.7)


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch):
    """No shuffling and no flags: what is planted happens to whom it is meant for, and repeats nothing."""
    monkeypatch.setattr(Context, "shuffled", lambda _, group: [one for one in group if one.running])
    monkeypatch.setattr("workbench.session.rounds.flagged", lambda rounds: rounds)


@pytest.mark.parametrize("wanted", [None, 0.01])
@pytest.mark.parametrize("factors", [CALM, SCATTERING])
def test_rounds_go_on_where_blocks_scatter_and_ratios_decide(factors, wanted, monkeypatch):
    """Planted: what the machine does to each block. Twice as slow a contestant is no reason to go on."""
    speeds = itertools.cycle([factor for pair in zip(factors, (2.0, 2.0, 2.0), strict=True) for factor in pair])
    monkeypatch.setattr(pool, "RATIO_ERROR", wanted)
    monkeypatch.setattr(Timed, "block", lambda *_: Block(next(speeds), 1.0))
    made = pool.record(catalog(), pool.QUIET, (0.0, 0.0), launches=1, rounds=PLANNED)
    scattering = wanted is not None and factors is SCATTERING
    assert [len(blocks) for blocks in made.blocks[0]] == [MOST_ROUNDS * PLANNED if scattering else PLANNED] * 2


def test_rounds_stop_as_soon_as_the_ratio_is_known(monkeypatch):
    """Blocks that scatter by some percent: more rounds than planned, and fewer than the most."""
    speeds = itertools.cycle([1.0, 1.0, 1.02, 1.0, 0.98, 1.0])
    monkeypatch.setattr(Timed, "block", lambda *_: Block(next(speeds), 1.0))
    made = pool.record(catalog(), pool.QUIET, (0.0, 0.0), launches=1, rounds=PLANNED)
    assert PLANNED < len(made.blocks[0][0]) < MOST_ROUNDS * PLANNED


@pytest.mark.parametrize("left", [0, 1])
def test_contestants_that_fail_in_a_round_ask_for_no_more(left, monkeypatch):
    """With none or one left there is no ratio whose error could be too large."""
    good = Block(1.0, 1.0)
    answers = itertools.chain([good, None], itertools.repeat(good)) if left else itertools.repeat(None)

    def block(*_):
        if (answer := next(answers)) is None:
            raise WorkerFailedError(Outcome.ERROR, "planted")
        return answer

    monkeypatch.setattr(Timed, "block", block)
    made = pool.record(catalog(), pool.QUIET, (0.0, 0.0), launches=1, rounds=PLANNED)
    assert len(made.failures) == 2 - left
