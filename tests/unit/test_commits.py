"""Which commits can be compared at all: those whose workbenches agree on the contract and on the worker protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.catalog.roots import package_root
from workbench.comparison import commits
from workbench.contract import CONTRACT
from workbench.errors import WorkbenchError
from workbench.host import checkouts
from workbench.host.checkouts import Checkout
from workbench.model.request import GateRequest
from workbench.wire import exchange

HERE = Path()


@pytest.fixture
def side(content):
    """The side of a commit whose workbench has such sources; the contract's and the protocol's."""

    def of(contract: str | None, protocol: str | None, *, own: bool = True):
        package = content.root / "workbench"
        if own:
            (package / "wire").mkdir(parents=True)
            if contract is not None:
                (package / "contract.py").write_text(contract)
            if protocol is not None:
                (package / "wire" / "exchange.py").write_text(protocol)
        return commits._side(Checkout("v1", "abc123", content.root), HERE)

    return of


RIGHT = f"import x\n\nCONTRACT = {CONTRACT}  # the version\n"
SPEAKS = f"VERSION = {exchange.VERSION}\n"


def test_a_commit_of_the_same_contract_and_protocol_is_measured_with_its_own_workbench(side, content):
    found = side(RIGHT, SPEAKS)
    assert (found.unmeasurable, found.package) == ("", content.root / "workbench")


def test_a_repository_of_content_alone_is_measured_with_this_workbench(side):
    found = side(None, None, own=False)
    assert (found.unmeasurable, found.package) == ("", package_root())


@pytest.mark.parametrize(
    ("contract", "number"),
    [
        ("from typing import Any\n", 1),  # the first one did not say
        (None, 1),
        (f"CONTRACT = {CONTRACT + 1}\n", CONTRACT + 1),
        (f"#CONTRACT = {CONTRACT}\n    CONTRACT = {CONTRACT}\n", 1),
    ],
)
def test_a_commit_of_another_contract_is_not_comparable_and_says_which(side, contract, number):
    """Its times would be of other steps, however alike its files look."""
    said = side(contract, SPEAKS).unmeasurable
    assert said.startswith(f"not comparable: contract {number}: v1 (abc123) proves and times by another contract than")
    assert f"({CONTRACT})" in said


@pytest.mark.parametrize(
    ("protocol", "named"),
    [("VERSION = 2\n", "speaks worker protocol 2"), ("", "an unknown worker protocol"), (None, "an unknown worker")],
)
def test_so_is_one_of_another_protocol(side, protocol, named):
    said = side(RIGHT, protocol).unmeasurable
    assert named in said
    assert f"this one speaks {exchange.VERSION}" in said


def test_this_very_workbench_declares_both():
    assert commits.contract_of(package_root()) == CONTRACT
    assert commits.protocol_of(package_root()) == exchange.VERSION


def test_outside_a_folder_with_content_nothing_is_compared(tmp_path, monkeypatch):
    """Not the installed workbench's own clone, which nobody asked for."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkbenchError, match=r"lies in no folder with tasks/ and frontends/: run this in a clone, or"):
        commits.compare_commits("HEAD", None, [], "all", GateRequest())


@pytest.mark.parametrize("ref", [None, 5, "-x", ""])
def test_what_is_no_commit_is_refused(tmp_path, ref):
    with pytest.raises(WorkbenchError, match="commit"):
        checkouts.commit_of(tmp_path, ref)


def test_a_folder_inside_a_clone_means_the_clone_s_content(content, monkeypatch):
    inside = content.root / "notebooks"
    inside.mkdir()
    for name in ("tasks", "frontends"):
        (content.root / name / "__init__.py").unlink(missing_ok=True)  # which --content does not need either
    monkeypatch.chdir(inside)
    assert commits._current_content() == content.root
