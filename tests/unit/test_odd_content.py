"""Odd declarations of content are one sentence with their file, before anything is started."""

from __future__ import annotations

import os
import pathlib
import re

import pytest

from workbench.catalog import catalog, figures
from workbench.catalog.checks import check_pair
from workbench.errors import WorkbenchError, one_line
from workbench.session import runner


def raised(content) -> str:
    found = catalog(content.root)
    with pytest.raises(WorkbenchError) as error:
        assert [*found.tasks, *found.frontends]
    return str(error.value)


def said(content) -> str:
    text = raised(content)
    assert len(text.splitlines()) == 1
    return text


SWEEPING = "PRESETS = {{'a': {{'about': 'x', 'n': 1, 'm': 'x'}}}}; SWEEP = {{'preset': 'a', 'key': {!r}, 'values': {}}}"


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
        ("PRESETS = {'a': {'about': 'x'}}\nSWEEP = {'preset': 'a', 'key': [], 'values': [1, 2, 3]}\n", "line 2: SWEEP"),
        ("PRESETS = {'a': {'about': 'x'}}\nSWEEP = {'preset': [], 'key': 'x', 'values': [1, 2, 3]}\n", "line 2: SWEEP"),
        *(
            (
                f"PRESETS = {{'a': {{'about': 'x', 'n': {value}}}}}\n",
                "line 1: 'n' of preset 'a' must be a finite number",
            )
            for value in (
                "b'x'",
                "{1}",
                "1j",
                "1e999",
                "-1e999",
                "[1e999]",
                "{1: 2}",
                "{'b': b''}",
                "...",
                "0x" + "f" * 5000,
            )
        ),
        ("PRESETS = {'a': {'about': 'x', (1, 2): 3}}\n", "line 1: '(1, 2)' of preset 'a' must be"),
        ("PRESETS = {'a': {'about': 'x'}}\nPRESETS = {'b': {'about': 'x'}}\n", "line 2: PRESETS must be assigned once"),
        (
            "PRESETS = {'a': {'about': 'x'}}\nPRESETS |= {'b': {'about': 'x'}}\n",
            "line 2: PRESETS must be assigned once",
        ),
        *(
            (f"PRESETS = {{'a': {{'about': 'x', 'accuracy': {value}}}}}\n", "line 1: 'accuracy' of preset 'a' must be")
            for value in ("'high'", "5", "-1", "0", "[0.9]", "True", "None")
        ),
        *(
            (
                SWEEPING.format(key, values),
                "line 1: SWEEP must be",
            )
            for key, values in (
                ("n", "[-1, 0, 5]"),
                ("n", "[1.5, 2.5, 3.5]"),
                ("n", "'123'"),
                ("n", "[1, 1, 1]"),
                ("n", "[True, 2, 3]"),
                ("n", "[0x" + "f" * 6000 + ", 2, 3]"),
                ("about", "[1, 2, 3]"),
                ("m", "[1, 2, 3]"),
            )
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


@pytest.mark.parametrize("name", ["/abs", "**", "../x", "[", "a b", "x" * 300, "a\\u001bb"])
@pytest.mark.parametrize("table", ["holes", "float64"])
def test_what_no_task_is_called_is_told_with_the_file(content, table, name):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    value = '"x"' if table == "holes" else '{reason = "x"}'
    toml.write_text(f'{toml.read_text()}[{table}]\n"{name}" = {value}\n')
    assert f"frontend.toml: [{table}] " in said(content)


def test_a_hole_in_another_language_is_looked_up_by_its_name_and_not_as_a_pattern(content):
    content.plant("planted", content.changed())
    folder = content.root / "frontends" / "planted"
    toml = (folder / "frontend.toml").read_text()
    (folder / "frontend.toml").write_text(f'command = ["true"]\n{toml}')
    (folder / "linreg.py").rename(folder / "linreg.js")
    (content.root / "tasks" / "l?nreg.py").write_text("PRESETS = {'a': {'about': 'x'}}\n")
    found = catalog(content.root)
    assert found.file("linreg", found.frontends["planted"]) == folder / "linreg.js"
    assert found.hole("l?nreg", found.frontends["planted"]) == "frontends/planted/l?nreg.* does not exist"


@pytest.mark.parametrize("name", [b"\xff.py", b"a\nb.py", b"a\x1b[31m.py"])
def test_a_task_whose_name_cannot_be_printed_is_told(content, name):
    with open(os.fsencode(content.root / "tasks") + b"/" + name, "wb") as file:  # noqa: PTH123 - of a name in bytes
        file.write(b"PRESETS = {'a': {'about': 'x'}}\n")
    assert one_line(raised(content)).endswith("a file's name must be printable UTF-8; rename it")


def test_a_byte_order_mark_is_no_mistake(content):
    """Editors on Windows write it, and Python reads it."""
    content.plant("planted", content.changed())
    for file in (content.root / "tasks" / "linreg.py", *(content.root / "frontends" / "planted").iterdir()):
        file.write_text(file.read_text(), encoding="utf-8-sig")
    found = catalog(content.root)
    assert "planted" in found.frontends
    assert found.tasks["linreg"].title == catalog().tasks["linreg"].title
    check_pair(found, "linreg", found.frontends["planted"])
    assert figures.counts(content.root / "frontends/planted/linreg.py", ["numpy"])[0] > 5


@pytest.mark.parametrize(
    "text", ["x = " + "-" * 100_000 + "1", "x = " + "(" * 100_000, "x = " + "1 + " * 100_000 + "1"]
)
def test_code_without_end_is_told_with_the_file(content, text):
    (content.root / "tasks" / "odd.py").write_text(text)
    assert re.search(r"odd\.py(: nested too deeply|, line 1: not valid Python)", said(content))


def test_a_null_byte_has_no_line(content):
    (content.root / "tasks" / "odd.py").write_text("x = 1\0\n")
    assert re.search(r"odd\.py: not valid Python: .*null byte", said(content))


def test_a_file_that_is_no_file_is_not_called_missing(content):
    content.plant("planted", content.changed())
    file = content.root / "frontends" / "planted" / "linreg.py"
    file.unlink()
    os.mkfifo(file)
    found = catalog(content.root)
    assert found.hole("linreg", found.frontends["planted"]) == "frontends/planted/linreg.py is not a regular file"
    file.unlink()
    found = catalog(content.root)
    assert found.hole("linreg", found.frontends["planted"]) == "frontends/planted/linreg.py does not exist"


def test_what_content_says_cannot_control_a_terminal(content, cli):
    spec = '"""A\\x1b[31mtitle"""\nPRESETS = {"a": {"about": "b\\x1b[31mc"}}\n'
    (content.root / "tasks" / "odd.py").write_text(spec)
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(
        f'{toml.read_text()}[holes]\nodd = "d\\u001b[31me"\n'.replace('title = "', 'title = "\\u001b[31m', 1)
    )
    shown = cli("list", "--content", content.root).stdout
    assert "\x1b" not in shown
    assert "A [31mtitle" in shown


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


@pytest.mark.parametrize("name", ["", "__main__", "a.b", "a b", "-x", "1a", "\\u0000", "x" * 101])
def test_a_package_is_what_can_be_imported(content, name):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(re.sub(r"(?m)^packages = .*$", lambda _: f'packages = ["numpy", "{name}"]', toml.read_text()))
    assert "frontend.toml: " in said(content)
    assert "in 'packages': expected what is imported" in said(content)


def test_the_name_of_a_mode_can_stand_in_that_of_a_folder(content):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(toml.read_text().replace("[modes.planted]", f"[modes.{'a' * 61}]"))
    assert "60 at most" in said(content)


@pytest.mark.parametrize("name", ["._linreg.py", ".#linreg.py", "..py", ".py", "...py"])
def test_hidden_files_are_no_tasks(content, name):
    (content.root / "tasks" / name).write_bytes(b"\0\1")
    assert all(task.isidentifier() for task in catalog(content.root).tasks)
