"""Every cheat is caught by a check that it names, shows no speed, and would rank first without that check.

A cheat is a file of this folder's folders. Its docstring says what it does, which checks catch it (several, if it would
not pass without one of them alone), and whether it gains speed by it.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.catalog import REFERENCE, catalog
from workbench.catalog.roots import content_root

# What the cheats of a folder are planted in: so few steps that they are soon past the task's. A ReLU that flips in
# NumPy widens the limit of a block, so several are needed where lower precision is to be seen in every run.
PROBLEMS = {
    "diabetes": ("linreg", {"preset": "diabetes", "steps": 100}),
    "points": ("linreg", {"preset": "points", "steps": 100}),
    "wide": ("linreg", {"preset": "wide", "steps": 12}),
    "wide_float64": ("linreg", {"preset": "wide", "steps": 12, "dtype": "float64"}),
    "classic": ("two_layer_net", {"preset": "classic", "steps": 20}),
    "digits": ("mlp", {"preset": "digits", "steps": 60, "rounds": 5}),
    "small": ("graph_gradients", {"preset": "small"}),
}
TIMES = ("import_s", "setup_s", "first_s", "unit_s", "unit_s_low", "unit_s_high", "relative", "rank")
ATTEMPTS = 3  # to see a difference that a busy machine may hide
SPARE_CPU = 1.25  # CPUs that somebody must have used to gain from a second one


@dataclass(frozen=True)
class Cheat:
    """A file with a cheat."""

    file: Path

    @property
    def name(self) -> str:
        """The id of its frontend."""
        return self.file.stem

    @property
    def folder(self) -> str:
        """What it is planted in."""
        return self.file.parent.name

    @functools.cached_property
    def says(self) -> str:
        """Its docstring, as one line."""
        return " ".join(str(ast.get_docstring(ast.parse(self.file.read_text(encoding="utf-8")))).split())

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that catch it."""
        return tuple(re.findall(r"check_\w+", self.says.partition(" Caught by ")[2]))

    @property
    def gains(self) -> bool:
        """Whether it is faster than the honest frontend."""
        return self.says.endswith(" Gains speed.")


CHEATS = [Cheat(file) for folder in PROBLEMS for file in sorted((Path(__file__).parent / folder).glob("*.py"))]
CAUGHT = [cheat for cheat in CHEATS if cheat.checks]
BEYOND = [cheat for cheat in CHEATS if not cheat.checks]


def each(cheats):
    return pytest.mark.parametrize("cheat", cheats, ids=[f"{cheat.folder}-{cheat.name}" for cheat in cheats])


def each_timed(cheats):
    """The same, left out while neither a cheat nor what times and checks it has changed since it was seen to gain."""
    package = content_root() / "workbench"
    harness = [*sorted((package / "session").glob("*.py")), package / "wire" / "worker.py", package / "contract.py"]
    reference = [catalog().file(task, catalog().frontends[REFERENCE]) for task, _ in PROBLEMS.values()]
    own = [Path(__file__), Path(__file__).with_name("conftest.py"), content_root() / "constraints.txt"]
    marks = [
        pytest.mark.unless_proven(f"gains {cheat.folder} {cheat.name}", [cheat.file, *harness, *reference, *own])
        for cheat in cheats
    ]
    params = [
        pytest.param(cheat, marks=mark, id=f"{cheat.folder}-{cheat.name}")
        for cheat, mark in zip(cheats, marks, strict=True)
    ]
    return pytest.mark.parametrize("cheat", params)


@pytest.fixture(scope="module")
def session(new_content, measured):
    """A session of some cheats of one folder beside the honest frontend, with some checks switched off; made once."""

    @functools.cache
    def of(folder, names, off=(), attempt=0):
        task, options = PROBLEMS[folder]
        content = new_content()
        for cheat in CHEATS:
            if cheat.folder == folder and cheat.name in names:
                content.plant(cheat.name, content.changed())
                target = content.root / "frontends" / cheat.name / f"{task}.py"
                target.write_text(cheat.file.read_text(encoding="utf-8"), encoding="utf-8")
        if off:
            options = {"rounds": 3, **options}  # to be ranked
        return measured(content, task, off, **options)

    return of


def ranked_first(cheat, sessions):
    """The row of a cheat beside the honest frontend's, in the first session in which it ranks first, or in the last."""
    for found in sessions:
        row = found.beside_the_honest_one(cheat.name)
        assert (row.outcome, row.reason) == ("ok", "")
        if (row.rank, row.relative) == (1, 1):
            break
    return row


def alike(cheat, cheats):
    """The names of those in the same folder that are caught by the same checks."""
    return tuple(other.name for other in cheats if (other.folder, other.checks) == (cheat.folder, cheat.checks))


@pytest.fixture
def as_it_is(session):
    """The session in which the cheats of a folder meet all checks."""
    return lambda folder: session(folder, tuple(cheat.name for cheat in CAUGHT if cheat.folder == folder))


@each(CHEATS)
def test_a_cheat_says_what_it_does_and_what_catches_it(cheat):
    assert re.fullmatch(r".+?[.?] (Caught by (\w|[ ,;])*check_\w+|Not caught: .+)\.( Gains speed\.)?", cheat.says)


@each(CAUGHT)
def test_a_cheat_is_caught_by_a_check_that_it_names_and_shows_no_speed(as_it_is, cheat):
    row = as_it_is(cheat.folder).rows[cheat.name]
    if row.outcome == "ok" and "check_threads" in cheat.checks:
        pytest.skip("no CPU was free to be used in secret")
    assert row.outcome == ("implausible" if "check_plausible" in cheat.checks else "invalid")
    assert row.reason.removeprefix("in float64, ").partition(":")[0] in cheat.checks
    assert [getattr(row, time) for time in TIMES] == [None] * len(TIMES)


@pytest.mark.parametrize("folder", sorted({cheat.folder for cheat in CAUGHT}))
def test_the_honest_one_beside_them_is_timed(as_it_is, folder):
    row = as_it_is(folder).rows[REFERENCE]
    assert (row.outcome, row.reason, row.verdict) == ("ok", "", "agrees")


@each_timed([cheat for cheat in CAUGHT if cheat.gains])
def test_a_cheat_would_rank_first_without_that_check(session, cheat):
    names = alike(cheat, [other for other in CAUGHT if other.gains])
    row = ranked_first(cheat, (session(cheat.folder, names, cheat.checks, attempt) for attempt in range(ATTEMPTS)))
    if "check_threads" in cheat.checks and row.cpu_per_wall < SPARE_CPU:
        pytest.skip("no CPU was free to be used in secret")
    assert (row.rank, row.relative) == (1, 1)


@each_timed(BEYOND)
def test_what_cannot_be_caught_is_known(session, cheat):
    """If this fails because a cheat is caught after all, its docstring has to say by which check."""
    names = alike(cheat, BEYOND)
    row = ranked_first(cheat, (session(cheat.folder, names, (), attempt) for attempt in range(ATTEMPTS)))
    assert (row.rank, row.relative) == (1, 1)
