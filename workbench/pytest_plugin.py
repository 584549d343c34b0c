"""A pytest plugin, with which a project's own tests can assert that a frontend has not become slower.

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
    """A comparison that was inconclusive or not possible."""


class Workbench:
    """The value of the fixture ``workbench``.

    Args:
        store: the folder that receives the runs.
        content: the folder that holds tasks/ and frontends/; if None, the one that the working folder lies in.
        base: overrides the base that a test names; None if it does not.
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
            base: the baseline commit: a branch, tag or hash. --workbench-base overrides it.
            head: the commit under test; the working tree if None.
            **options: those of :func:`workbench.regress`.
        """
        from workbench.api import regress_request

        request = GateRequest.of(REGRESS, {"content": self._content, "output": self._store, **options})
        return regress_request(self._base or base, head, [task], frontend, request)

    @keywords(GateRequest, REGRESS)
    def assert_not_slower(
        self, task: str, frontend: str, *, base: str = "main", head: str | None = None, **options: object
    ) -> None:
        """Fail if head (the working tree) is slower than base, computes something else, or breaks.

        An undecided comparison is a warning, or fails with ``strict=True``.

        Args:
            task: its name, such as "linreg".
            frontend: its id, such as "pytorch_eager".
            base: the baseline commit: a branch, tag or hash. --workbench-base overrides it.
            head: the commit under test; the working tree if None.
            **options: those of :func:`workbench.regress`, such as delta=0.05, budget_s=60.

        Raises:
            pytest.fail.Exception: with what is worse.
        """
        __tracebackhide__ = True
        from workbench.show import gate as report

        gate = self.compare(task, frontend, base=base, head=head, **options)
        summary = "\n".join(
            [report.sentence(gate), *(f"{row.frontend}: {reason}" for row, reason in report.reasons(gate))]
        )
        if gate.worse or (gate.strict and gate.exit_code):
            pytest.fail(f"{gate.head} against {gate.base}: {summary}", pytrace=False)
        if gate.exit_code:
            warnings.warn(summary, CouldNotTellWarning, stacklevel=2)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that overrides the base in all tests."""
    group = parser.getgroup("workbench", "framework comparison workbench")
    group.addoption(
        OPTION,
        metavar="REF",
        default=None,
        help="the baseline commit of assert_not_slower, instead of the one that a test names",
    )


@pytest.fixture
def workbench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    """Compare the working tree with a commit: ``workbench.assert_not_slower(task, frontend, base="main")``."""
    root = request.config.rootpath
    has_content = all((root / part / "__init__.py").is_file() for part in ("tasks", "frontends"))
    return Workbench(tmp_path / "runs", root if has_content else None, request.config.getoption(OPTION))
