"""Odd declarations of content are one sentence with their file, before anything is started."""

from __future__ import annotations

import os
import pathlib

import pytest

from workbench.catalog import catalog
from workbench.errors import WorkbenchError
from workbench.session import runner


def said(content) -> str:
    found = catalog(content.root)
    with pytest.raises(WorkbenchError) as raised:
        assert [*found.tasks, *found.frontends]
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


@pytest.mark.parametrize("name", ["a/b", "../../x", "a\0b", "\ud800", "x" * 61, "", " a", "-a", 1, None, (1, 2)])
def test_the_name_of_a_preset_can_stand_in_that_of_a_folder(content, name):
    source = f"PRESETS = {{{name!r}: {{'about': 'x', 'steps': 3}}}}\n"
    (content.root / "tasks" / "odd.py").write_text(source, errors="surrogateescape")
    assert "odd.py, line 1: preset " in said(content)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("PRESETS = {'a': {'about': 5}}\n", "the 'about' of a preset must be a text"),
        (
            "PRESETS = {'a': {'about': 'x', 'n': 1}}\nSWEEP = {'preset': 'a', 'key': 'n', 'values': [1e999, 2, 3]}\n",
            "SWEEP",
        ),
    ],
)
def test_odd_values_of_a_task_are_told_with_the_line(content, source, says):
    (content.root / "tasks" / "odd.py").write_text(source)
    assert says in said(content)


@pytest.mark.parametrize(
    "line", ["color = 5", "color = ['a']", "compiles = ['a']", "compiles = {a = 1}", "compiles = 5", "color = true"]
)
def test_odd_keys_of_a_mode_are_told_with_the_file(content, line):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(f"{toml.read_text()}{line}\n")
    assert f"frontend.toml: key {line.split()[0]!r} of [modes.planted] must be a string" in said(content)


def test_no_mode_has_the_name_of_the_reference_s_process(content):
    content.plant("reference", content.changed())
    assert "mode 'reference' has the name of the reference's process" in said(content)


def test_a_frontend_that_is_no_regular_file_is_not_read(content):
    """A FIFO would never end."""
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.unlink()
    os.mkfifo(toml)
    assert said(content).endswith("frontend.toml: not a regular file")
    toml.unlink()
    toml.mkdir()
    assert said(content).endswith("frontend.toml: not a regular file")


@pytest.mark.parametrize("text", ["x = " + "[" * 3000, "x = " + "9" * 5000])
def test_toml_that_python_refuses_is_told_with_the_file(content, text):
    content.plant("planted", content.changed())
    (content.root / "frontends" / "planted" / "frontend.toml").write_text(text)
    assert "planted/frontend.toml: " in said(content)


@pytest.mark.parametrize("name", ["", "$SHELL", "${A:-${B:-sh}}", "${CXX}", "a b"])
def test_what_is_no_name_of_a_program_is_told_with_the_file(content, name):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(f'{toml.read_text()}[modes.planted.programs]\n"{name}" = "x"\n')
    assert f"frontend.toml: [programs] {name!r}: expected a program's name" in said(content)


def test_a_name_that_is_not_utf8_is_a_name(content):
    odd = os.fsencode(content.root / "tasks") + b"/\xff.txt"
    with open(odd, "wb"):  # noqa: PTH123 - of a name in bytes
        pass
    assert len(runner.content_hash([content.root])) == 64


def test_a_file_of_content_that_cannot_be_read_is_named(content, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "read_bytes", refuse)
    with pytest.raises(WorkbenchError, match=r"/tasks/.*: Permission denied"):
        runner.content_hash([content.root])
