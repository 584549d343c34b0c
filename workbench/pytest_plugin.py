"""A pytest plugin: a project's own tests can say that a frontend must not become slower.

def test_speed(workbench):
    workbench.assert_not_slower("linreg", "pytorch_eager", base="main")
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.model.option import keywords
from workbench.model.request import REGRESS, GateRequest

if TYPE_CHECKING:
    from workbench.api import Gate

OPTION = "--workbench-base"


class CouldNotTellWarning(UserWarning):
    """A comparison that the machine's noise left open."""


class Workbench:
    """What the fixture ``workbench`` offers.

    Args:
        store: receives the runs.
        content: the folder that holds tasks/ and frontends/, or None for where one stands.
        base: instead of the base that a test names, or None.
    """

    def __init__(self, store: Path, content: Path | None, base: str | None) -> None:
        self._store, self._content, self._base = store, content, base

    @keywords(GateRequest, REGRESS)
    def compare(
        self, task: str, frontend: str, *, base: str = "main", head: str | None = None, **options: object
    ) -> Gate:
        """Measure one pair at two commits, side by side.

        Args:
            task: its name, such as "linreg".
            frontend: its id, such as "pytorch_eager".
            base: the commit that is measured against: a branch, tag or hash. --workbench-base overrides it.
            head: the commit that is judged; the working tree when None.
            **options: those of :func:`workbench.regress`.
        """
        from workbench.api import gated

        request = GateRequest.of(REGRESS, {"content": self._content, "output": self._store, **options})
        return gated(self._base or base, head, [task], frontend, request)

    @keywords(GateRequest, REGRESS)
    def assert_not_slower(
        self, task: str, frontend: str, *, base: str = "main", head: str | None = None, **options: object
    ) -> None:
        """Fail when head (the working tree) is slower than base in a pair, computes something else or breaks.

        What could not be told is a warning, or fails with ``strict=True``.

        Args:
            task: its name, such as "linreg".
            frontend: its id, such as "pytorch_eager".
            base: the commit that is measured against: a branch, tag or hash. --workbench-base overrides it.
            head: the commit that is judged; the working tree when None.
            **options: those of :func:`workbench.regress`, such as delta=0.05, budget_s=60.

        Raises:
            pytest.fail.Exception: says what is worse.
        """
        __tracebackhide__ = True
        from workbench.show import gate as report

        gate = self.compare(task, frontend, base=base, head=head, **options)
        told = "\n".join(
            [report.sentence(gate), *(f"{row.frontend}: {reason}" for row, reason in report.reasons(gate))]
        )
        if gate.worse or (gate.strict and gate.exit_code):
            pytest.fail(f"{gate.head} against {gate.base}: {told}", pytrace=False)
        if gate.exit_code:
            warnings.warn(told, CouldNotTellWarning, stacklevel=2)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names another base for all tests."""
    group = parser.getgroup("workbench", "framework comparison workbench")
    group.addoption(OPTION, metavar="REF", default=None, help="the commit that assert_not_slower compares with")


@pytest.fixture
def workbench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    """Compare the working tree with a commit: ``workbench.assert_not_slower(task, frontend, base="main")``."""
    root = request.config.rootpath
    own = all((root / part / "__init__.py").is_file() for part in ("tasks", "frontends"))
    return Workbench(tmp_path / "runs", root if own else None, request.config.getoption(OPTION))
