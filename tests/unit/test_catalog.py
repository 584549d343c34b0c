"""The catalog is read from the tree, runs nothing, and says of every malformed file which it is, and where."""

from __future__ import annotations

import os
import re

import pytest

from workbench.catalog import Catalog, catalog
from workbench.errors import WorkbenchError
from workbench.model.content import Float64

TOML = """title = "Planted"
families = ["planted", "fast"]
packages = ["numpy"]
devices = ["cpu"]

[modes.planted_one]
title = "Planted, one"

[modes.planted_two]
title = "Planted, two"

[holes]
graph_gradients = "planted has none"
two_layer_net = "planted has none"
"""

FLOAT64 = r"\[float64\] linreg"
MALFORMED = {
    "not_toml": (('title = "Planted"', "title ="), r"line 1"),
    "unknown_key": (('title = "Planted"', 'title = "Planted"\ncolour = "red"'), r"unknown key 'colour'.* color"),
    "missing_key": (('packages = ["numpy"]\n', ""), r"key 'packages' is missing"),
    "missing_keys": (
        ('packages = ["numpy"]\ndevices = ["cpu"]\n', ""),
        "keys 'packages', 'devices' are missing",
    ),
    "misspelt_key": (('packages = ["numpy"]', 'packges = ["numpy"]'), "unknown key 'packges'"),
    "odd_color": (('title = "Planted"', 'title = "Planted"\ncolor = "blu"'), "color = 'blu': expected hexadecimal"),
    "odd_color_of_a_mode": (
        ('title = "Planted, one"', 'title = "One"\ncolor = "#12"'),
        "color = '#12': expected hexadecimal",
    ),
    "wrong_type": (('devices = ["cpu"]', 'devices = "cpu"'), r"key 'devices' must be a list"),
    "list_of_numbers": (('packages = ["numpy"]', "packages = [1]"), r"packages"),
    "unknown_device": (('devices = ["cpu"]', 'devices = ["cqu"]'), r"devices.*cqu|cqu.*devices"),
    "upper_case_mode": (("[modes.planted_one]", "[modes.Planted-One]"), r"mode name 'Planted-One' must be lower-case"),
    "mode_without_title": (('title = "Planted, one"', ""), r"\[modes.planted_one\] needs a title"),
    "mode_is_no_table": (('[modes.planted_one]\ntitle = "Planted, one"', "[modes]\nplanted_one = 1"), r"planted_one"),
    "unknown_key_in_a_mode": (('title = "Planted, one"', 'title = "One"\ncolour = "red"'), r"colour.*planted_one"),
    "environment_of_numbers": (
        ("[holes]", "[environment]\nOMP = 1\n\n[holes]"),
        r"\[environment\] OMP must be a string",
    ),
    "environment_with_an_odd_name": (
        ("[holes]", '[environment]\n"A=B" = "1"\n\n[holes]'),
        r"\[environment\] 'A=B': a variable needs a name without =, and no NUL",
    ),
    "environment_with_nul": (
        ("[holes]", '[environment]\nA = "\\u0000"\n\n[holes]'),
        r"\[environment\] 'A': a variable needs a name without =, and no NUL",
    ),
    "environment_of_a_mode_is_no_table": (
        ('title = "Planted, one"', 'title = "One"\nenvironment = "a"'),
        "environment",
    ),
    "hole_without_reason": (
        ('graph_gradients = "planted has none"', "graph_gradients = true"),
        "graph_gradients must be",
    ),
    "float64_is_no_table": (('title = "Planted, one"', 'title = "One"\nfloat64 = "no"'), "float64"),
    "float64_of_a_folder_is_no_table": (
        ('title = "Planted"', 'title = "Planted"\nfloat64 = 1'),
        "'float64' must be a table",
    ),
    "float64_of_a_task_is_no_table": (
        ("[holes]", "[float64]\nlinreg = 1\n\n[holes]"),
        FLOAT64 + " must be a table with a",
    ),
    "float64_without_a_reason": (
        ("[holes]", "[float64.linreg]\nlimit = 1e-3\n\n[holes]"),
        FLOAT64 + " must be a table",
    ),
    "float64_with_an_unknown_key": (
        ("[holes]", '[float64.linreg]\nreason = "r"\nlimits = 1e-3\n\n[holes]'),
        FLOAT64 + ": unknown key 'limits'; choose from reason, limit, steps",
    ),
    **{
        f"float64_limit_{value}": (
            ("[holes]", f'[float64.linreg]\nreason = "r"\nlimit = {value}\n\n[holes]'),
            FLOAT64 + ": limit must be a number between 0 and 1",
        )
        for value in ("1", "0.0", "1.0", "-1e-3", "nan", "inf", "true", '"1e-3"')
    },
    **{
        f"float64_steps_{value}": (
            ("[holes]", f'[float64.linreg]\nreason = "r"\nsteps = {value}\n\n[holes]'),
            FLOAT64 + ": steps must be a whole number of at least 1",
        )
        for value in ("0", "-3", "1.5", "true", '"10"')
    },
    "command_that_is_no_list": (
        ('devices = ["cpu"]', 'devices = ["cpu"]\ncommand = "node"'),
        "'command' must be a list",
    ),
    "compiles_what_is_not_there": (
        ('title = "Planted, one"', 'title = "One"\ncompiles = "planted_six"'),
        "planted_six",
    ),
}


@pytest.fixture
def planted(content):
    """A content folder with a second frontend of two modes, and a function that changes its TOML."""
    content.plant("planted", content.changed())
    file = content.root / "frontends" / "planted" / "frontend.toml"
    file.write_text(TOML)

    def change(old: str, new: str) -> Catalog:
        assert file.read_text().count(old) == 1
        file.write_text(file.read_text().replace(old, new))
        return Catalog((content.root,))

    return change


@pytest.fixture
def two(planted) -> Catalog:
    return planted("Planted, one", "Planted, 1")


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_frontend_is_refused_with_file_and_key_or_line(planted, fault):
    replacement, said = MALFORMED[fault]
    found = planted(*replacement)
    with pytest.raises(WorkbenchError, match=said) as raised:
        assert found.frontends
    assert re.search(r"frontends/planted/frontend.toml: ", str(raised.value))
    assert len(str(raised.value).splitlines()) == 1


def test_a_frontend_that_is_no_utf8_is_refused_with_its_file(planted, content):
    (content.root / "frontends" / "planted" / "frontend.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(WorkbenchError, match=r"planted/frontend.toml: "):
        assert catalog(content.root).frontends


def test_two_folders_with_the_same_mode_are_refused(planted):
    with pytest.raises(WorkbenchError, match="frontends/numpy also declares mode 'numpy_manual'"):
        assert planted("[modes.planted_one]", "[modes.numpy_manual]").frontends


def test_modes_of_a_folder_are_frontends_of_their_own(two):
    assert list(two.frontends) == ["numpy_manual", "planted_one", "planted_two"]
    one = two.frontends["planted_one"]
    assert (one.title, one.framework, one.folder, one.packages) == ("Planted, 1", "Planted", "planted", ("numpy",))


def test_a_modes_own_environment_and_holes_go_before_the_folders(planted):
    own = 'title = "Planted, one"\nenvironment = {A = "mode"}\nholes = {two_layer_net = "its own reason"}'
    planted("[holes]", '[environment]\nA = "folder"\nB = "folder"\n\n[holes]')
    frontends = planted('title = "Planted, one"', own).frontends
    assert frontends["planted_one"].environment == {"A": "mode", "B": "folder"}
    assert frontends["planted_two"].environment == {"A": "folder", "B": "folder"}
    assert frontends["planted_one"].holes["two_layer_net"] == "its own reason"


def test_a_frontend_says_what_is_special_about_its_proof_in_float64(planted):
    """By task; a mode's own goes before the folder's."""
    folder = '[float64.linreg]\nreason = "slow"\nsteps = 20\n\n[float64.mlp]\nreason = "no float64"\n'
    planted("[holes]", f"{folder}\n[holes]")
    mode = '[modes.planted_two.float64.linreg]\nreason = "reduced sums"\nlimit = 1e-6\n'
    one, two = planted('title = "Planted, two"\n', f'title = "Planted, two"\n{mode}').select(["planted"])
    assert dict(one.float64) == {"linreg": Float64("slow", None, 20), "mlp": Float64("no float64")}
    assert dict(two.float64) == {"linreg": Float64("reduced sums", 1e-6, None), "mlp": Float64("no float64")}
    assert two.holes == {"graph_gradients": "planted has none", "two_layer_net": "planted has none"}


def test_no_built_in_pair_is_exempt_from_its_proof_in_float64():
    assert {frontend.id: dict(frontend.float64) for frontend in catalog().frontends.values() if frontend.float64} == {}


def test_a_pair_exists_or_is_a_hole(two):
    assert two.hole("linreg", two.frontends["planted_one"]) is None
    assert two.hole("two_layer_net", two.frontends["planted_one"]) == "planted has none"


def test_a_hole_that_exists_is_refused(two, content):
    (content.root / "frontends" / "planted" / "two_layer_net.py").touch()
    with pytest.raises(
        WorkbenchError, match=r"planted: frontend.toml lists two_layer_net under .holes., but two_layer_net.py exists"
    ):
        two.hole("two_layer_net", two.frontends["planted_one"])
    with pytest.raises(WorkbenchError, match=r"under \[holes\], but"):
        two.select(["planted_one"], "two_layer_net")


def test_a_pair_that_is_neither_says_which_file_there_is_not(two, content):
    (content.root / "frontends" / "planted" / "linreg.py").unlink()
    assert two.hole("linreg", two.frontends["planted_one"]) == "frontends/planted/linreg.py does not exist"


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["planted_two"], ["planted_two"]),
        (["planted"], ["planted_one", "planted_two"]),
        (["fast"], ["planted_one", "planted_two"]),
        (["*_manual"], ["numpy_manual"]),
        (["planted_?wo"], ["planted_two"]),
        (["all"], ["numpy_manual", "planted_one", "planted_two"]),
        (["planted_two", "all", "numpy"], ["numpy_manual", "planted_one", "planted_two"]),
        ([], []),
    ],
)
def test_frontends_are_chosen_by_id_family_glob_or_all_each_once_in_order(two, patterns, chosen):
    assert [frontend.id for frontend in two.select(patterns)] == chosen


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["all"], ["numpy_manual"]),
        (["*"], ["numpy_manual"]),
        (["numpy", "planted_two"], ["numpy_manual", "planted_two"]),
        (["planted_one"], ["planted_one"]),
    ],
)
def test_without_a_file_for_the_task_only_who_is_named_by_id_is_chosen(two, content, patterns, chosen):
    (content.root / "frontends" / "planted" / "linreg.py").unlink()
    assert [frontend.id for frontend in two.select(patterns, "linreg")] == chosen


def test_who_declares_why_it_lacks_a_task_is_chosen_all_the_same(two):
    assert [frontend.id for frontend in two.select(["all"], "two_layer_net")] == [
        "numpy_manual",
        "planted_one",
        "planted_two",
    ]


@pytest.mark.parametrize("pattern", ["planted", "fast", "planted_*"])
def test_a_family_that_does_not_have_the_task_costs_its_own_rows_alone(two, content, pattern):
    (content.root / "frontends" / "planted" / "linreg.py").unlink()
    chosen = two.select(["numpy", pattern], "linreg")
    assert {frontend.id for frontend in chosen} > {"numpy_manual"}
    missing = {two.hole("linreg", frontend) for frontend in chosen if frontend.id != "numpy_manual"}
    assert missing == {"frontends/planted/linreg.py does not exist"}


@pytest.mark.parametrize(("word", "suggested"), [("plantd_one", "planted_one"), ("nunpy", "numpy"), ("al", "all")])
def test_an_unknown_frontend_is_refused_with_the_nearest(two, word, suggested):
    with pytest.raises(WorkbenchError, match=f"unknown frontend '{word}': did you mean {suggested}"):
        two.select([word])


def test_a_word_that_is_near_to_nothing_is_answered_with_all_there_is(two):
    with pytest.raises(WorkbenchError, match=r"choose from .*numpy_manual"):
        two.select(["zzzzzzzz"])


def test_an_unknown_task_or_preset_is_refused_with_the_nearest(two):
    with pytest.raises(WorkbenchError, match="unknown task 'linreq': did you mean linreg"):
        two.task("linreq")
    with pytest.raises(WorkbenchError, match="unknown preset 'point' of linreg: did you mean points"):
        two.preset(two.task("linreg"), "point")


def test_the_first_preset_is_the_default(two):
    assert two.preset(two.task("linreg"), None) == "points"
    assert two.preset(two.task("linreg"), "wide") == "wide"


BAD_TASKS = {
    "syntax": (b'"""Planted."""\nPRESETS = {\n', r"planted.py, line \d"),
    "computed": (b"SIZE = 3\nPRESETS = {'a': {'about': 'a', 'steps': SIZE}}\n", r"planted.py, line 2: PRESETS must be"),
    "called": (b"PRESETS = dict(a=1)\n", r"planted.py, line 1: PRESETS must be a literal"),
    "no_about": (b"PRESETS = {'a': {'steps': 3}}\n", r"line 1: PRESETS .* 'about'"),
    "no_dict": (b"PRESETS = {'a': 3}\n", r"line 1: PRESETS"),
    "list": (b"PRESETS = ['a']\n", r"line 1: PRESETS"),
    "missing": (b'"""Planted."""\n', r"planted.py: PRESETS .* is missing"),
    "empty": (b"PRESETS = {}\n", r"line 1: PRESETS is empty"),
    "not_utf8": (b"# \xff\nPRESETS = {'a': {'about': 'a'}}\n", r"planted.py"),
    "null_bytes": (b"PRESETS = {'a': {'about': 'a'}}\n\0", r"planted.py"),
}


@pytest.mark.parametrize("fault", BAD_TASKS)
def test_a_malformed_task_is_refused_with_its_file_and_line(content, fault):
    source, said = BAD_TASKS[fault]
    (content.root / "tasks" / "planted.py").write_bytes(source)
    with pytest.raises(WorkbenchError, match=said) as raised:
        assert catalog(content.root).tasks
    assert len(str(raised.value).splitlines()) == 1


def test_a_task_is_read_and_never_run(content, tmp_path):
    marker = tmp_path / "executed"
    presets = 'PRESETS = {"a": {"about": "an a", "steps": 3}}'
    source = f'"""Planted task.\n\nMore."""\nopen({str(marker)!r}, "w")\n{presets}\n'
    (content.root / "tasks" / "planted.py").write_text(source)
    task = catalog(content.root).tasks["planted"]
    assert (task.title, task.default_preset) == ("Planted task", "a")
    assert task.presets["a"].about == "an a"
    assert task.presets["a"].values["steps"] == 3
    assert not marker.exists()


def test_a_folder_without_content_is_refused(tmp_path):
    with pytest.raises(WorkbenchError, match=r"content=.*: contains neither tasks/ nor frontends/"):
        catalog(tmp_path)
    with pytest.raises(WorkbenchError, match=r"content=.*/nowhere': no such folder"):
        catalog([tmp_path / "nowhere"])


def test_a_task_without_a_docstring_is_called_by_its_name(content):
    (content.root / "tasks" / "planted.py").write_text('PRESETS: dict = {"a": {"about": "an a"}}\n')
    assert catalog(content.root).tasks["planted"].title == "planted"


def test_the_line_that_installs_a_frontend():
    frontends = catalog().frontends
    assert frontends["numpy_manual"].install == "pip install framework-workbench"
    assert frontends["jax_jit"].install == "pip install 'framework-workbench[jax]'"


@pytest.mark.parametrize("module", ["tasks/linreg", "frontends/numpy/linreg"])
def test_a_package_in_place_of_a_file_is_refused(content, module):
    """Python would import the package, and all that is read and shown would be the file."""
    package = content.root / module
    package.mkdir()
    (package / "__init__.py").write_text("")
    catalog = Catalog((content.root,))
    with pytest.raises(WorkbenchError, match="is a package, expected one file"):
        [catalog.hole(task, frontend) for task in catalog.tasks for frontend in catalog.frontends.values()]


def test_what_is_no_file_is_no_task(content):
    (content.root / "tasks" / "gone.py").symlink_to("nowhere")
    (content.root / "tasks" / "folder.py").mkdir()
    os.mkfifo(content.root / "tasks" / "pipe.py")
    assert {"gone", "folder", "pipe"}.isdisjoint(Catalog((content.root,)).tasks)
