"""What a frontend lacks here (a compiler, a folder that may execute, a build for this Python) is known beforehand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from workbench import api
from workbench.catalog import Catalog, catalog
from workbench.errors import WorkbenchError
from workbench.host import files
from workbench.host.environment import worker_environment
from workbench.host.processes import missing_program
from workbench.model.device import Device
from workbench.session.workers import missing_to_compile
from workbench.show import listing

COMPILER = {"${CXX:-g++}": "install it"}


@pytest.fixture
def path(tmp_path) -> str:
    """A search path on which only "present" is found."""
    program = tmp_path / "bin" / "present"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program.parent)


@pytest.mark.parametrize(
    ("programs", "variables", "missing"),
    [
        ({}, {}, None),
        ({"present": "?"}, {}, None),
        ({"absent": "install it"}, {}, "cannot find absent: install it"),
        ({"present": "?", "absent": "install it"}, {}, "cannot find absent: install it"),
        (COMPILER, {}, "cannot find g++: install it"),
        (COMPILER, {"CXX": "present"}, None),
        (COMPILER, {"CXX": "clang++"}, "cannot find clang++: install it"),
        (COMPILER, {"CXX": ""}, "cannot find g++: install it"),
        ({"${CC:-present}": "?"}, {}, None),
    ],
)
def test_a_program_that_cannot_be_found_is_told_with_what_to_do(path, programs, variables, missing):
    assert missing_program(programs, {"PATH": path, **variables}) == missing


@pytest.fixture
def without_execution(monkeypatch):
    """File systems mounted with noexec, as hardened machines mount /tmp."""

    class Status:
        f_flag = os.ST_NOEXEC

    def statvfs(folder):
        Path(folder).stat()  # raises, as the real one does, where there is nothing
        return Status

    monkeypatch.setattr(os, "statvfs", statvfs)


def test_a_folder_that_may_not_execute_is_told_with_what_to_do(without_execution):
    said = missing_to_compile({"sh": "?"}, {}, Path("/tmp"))
    assert said == (
        "/tmp is mounted without permission to execute (noexec), and what is compiled is put there: "
        "set TMPDIR to another folder"
    )


def test_who_compiles_nothing_needs_neither(without_execution):
    assert missing_to_compile({}, {"PATH": ""}, Path("/tmp")) is None


def test_where_the_system_does_not_tell_a_folder_may_execute(monkeypatch, tmp_path):
    assert files.executable(tmp_path)
    assert files.executable(tmp_path / "nowhere")
    monkeypatch.delattr(os, "statvfs")
    assert files.executable(tmp_path)


def test_torch_compile_declares_its_compiler_and_eager_needs_none():
    frontends = catalog().frontends
    assert "apt install g++" in frontends["pytorch_compiled"].programs["${CXX:-g++}"]
    assert [name for name, frontend in frontends.items() if frontend.programs] == ["pytorch_compiled"]


def test_a_contestant_without_its_compiler_is_a_row_and_no_worker_is_started(content, tmp_path):
    content.plant("compiles", content.changed(("import numpy as np\n", "import numpy as np\nraise SystemExit(1)\n")))
    toml = content.root / "frontends" / "compiles" / "frontend.toml"
    toml.write_text(f'{toml.read_text()}[modes.compiles.programs]\n"no-such-compiler" = "install it"\n')
    finished = api.run(
        "linreg", "numpy_manual,compiles", content=content.root, steps=3, launches=1, rounds=1, output=tmp_path
    )
    rows = {row.id: (row.outcome, row.reason) for row in finished.rows}
    assert rows["compiles"] == ("unavailable", "cannot find no-such-compiler: install it")
    assert rows["numpy_manual"] == ("ok", "")


def test_doctor_knows_of_a_folder_that_may_not_execute(without_execution):
    told = {entry.frontend: entry.lacking for entry in listing.diagnosis(catalog()).frontends}
    assert "(noexec)" in told.pop("pytorch")["pytorch_compiled"]
    assert not any(told.values())


def test_doctor_knows_it_before(monkeypatch, content):
    monkeypatch.setattr(
        "workbench.session.workers.missing_to_compile", lambda programs, *_: "cannot compile" if programs else None
    )
    told = {entry.frontend: entry.lacking for entry in listing.diagnosis(catalog()).frontends}
    assert told.pop("pytorch") == {"pytorch_compiled": "cannot compile"}
    assert not any(told.values())


def test_doctor_names_distributions_that_overwrite_each_other(monkeypatch):
    """As tensorflow-cpu, installed over a build for GPUs."""
    from importlib import metadata

    real = metadata.packages_distributions()
    monkeypatch.setattr(
        metadata, "packages_distributions", lambda: {**real, "tensorflow": ["tensorflow", "tensorflow-cpu"]}
    )
    told = {entry.frontend: entry.doubtful for entry in listing.diagnosis(catalog()).frontends}
    assert told["tf1"] == (
        "tensorflow and tensorflow-cpu both provide tensorflow, so its files are a mixture: "
        "pip uninstall tensorflow tensorflow-cpu, then install one of them"
    )
    assert told["numpy"] == ""


def shown(diagnosis: listing.Diagnosis) -> str:
    return "\n".join(str(part) for part in listing.diagnosis_terminal(diagnosis))


def test_what_is_lacking_stands_below_the_table(monkeypatch):
    monkeypatch.setattr(
        "workbench.session.workers.missing_to_compile", lambda programs, *_: "cannot compile" if programs else None
    )
    monkeypatch.setattr(listing, "_overlaid", lambda frontend: "a mixture" if frontend.folder == "numpy" else "")
    text = shown(listing.diagnosis(catalog()))
    assert "pytorch_compiled: cannot compile" in text
    assert "numpy: a mixture" in text


# Versions of Python


def frontend_for(content, versions: str):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(f'python = "{versions}"\n{toml.read_text()}')
    return Catalog((content.root,)).frontends["planted"]


@pytest.mark.parametrize(("here", "built"), [("3.13.9", True), ("3.14.0", False), ("3.15.0", False)])
def test_where_there_is_no_build_no_command_is_said_to_install_one(monkeypatch, content, here, built):
    monkeypatch.setattr(sys, "version_info", (*map(int, here.split(".")), "alpha", 2))
    said = frontend_for(content, "<3.14").install
    assert said == (
        "pip install 'framework-workbench[planted]'"
        if built
        else f"there is no build for Python {here}, only for <3.14"
    )


def test_versions_that_are_none_are_refused_with_the_file(content):
    with pytest.raises(WorkbenchError, match=r"frontend.toml: python = '3.x': expected versions such as '<3.14'"):
        frontend_for(content, "3.x")


# What an empty compiler cache is on a GPU


def test_the_driver_s_own_cache_is_as_cold_as_the_others(tmp_path):
    variables = worker_environment(Device("gpu"), 1, tmp_path, {})
    assert variables["CUDA_CACHE_PATH"] == str(tmp_path / "cuda")
    assert "CUDA_CACHE_PATH" not in worker_environment(Device("cpu"), 1, tmp_path, {})
