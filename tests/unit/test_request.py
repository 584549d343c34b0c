"""What is asked for is declared once: in every command, function and fixture, with its help and its checks."""

from __future__ import annotations

import ast
import inspect
import math
import pydoc
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import workbench
from workbench import api
from workbench import cli as command_line
from workbench.catalog.roots import package_root
from workbench.cli.options import error_text, with_flags
from workbench.errors import OptionError, WorkbenchError
from workbench.model.option import keywords, option
from workbench.model.records import Settings
from workbench.model.request import COMPARE, REGRESS, RUN, VERSIONS, GateRequest, Judging, Request
from workbench.pytest_plugin import Workbench
from workbench.statistics import LADDER

COMMANDS = {RUN: Request, REGRESS: GateRequest, VERSIONS: Request, COMPARE: Judging}
FUNCTIONS = {
    "run": (workbench.run, Request, RUN),
    "regress": (workbench.regress, GateRequest, REGRESS),
    "versions": (workbench.versions, Request, VERSIONS),
    "compare": (workbench.compare, Judging, COMPARE),
    "fixture.compare": (Workbench.compare, GateRequest, REGRESS),
    "fixture.assert_not_slower": (Workbench.assert_not_slower, GateRequest, REGRESS),
}
OPTIONS = [(name, known) for name, asked in COMMANDS.items() for known in asked.options(name).values()]


def flags_of(application: typer.Typer, command: str) -> dict[str, Any]:
    """A command's parameters by their flags."""
    found = typer.main.get_command(application).commands[command]
    return {flag: entry for entry in found.params for flag in entry.opts}


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("command", "known"), OPTIONS, ids=lambda value: getattr(value, "name", value))
def test_every_option_is_a_flag_with_its_help(command, known):
    entry = flags_of(command_line.app, command)[known.flag]
    assert entry.help.startswith(known.help)
    assert entry.hidden == bool(known.refused)
    assert not known.short or known.short in entry.opts


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_option_is_a_documented_keyword_argument_with_its_default(name):
    function, asked, command = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    for known in asked.options(command).values():
        if known.refused:
            assert known.name not in parameters
        else:
            assert parameters[known.name].default == known.default
            assert parameters[known.name].kind is inspect.Parameter.KEYWORD_ONLY
            assert f"{known.name}: {known.help}" in squeezed(function.__doc__)
    assert not any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values())
    assert "**options" not in function.__doc__
    assert "threads: int" in pydoc.plain(pydoc.render_doc(function)) or asked is Judging


def test_the_same_options_are_measured_with_everywhere():
    """What a command refuses it refuses with a reason, and all else it takes."""
    refused = {(command, known.name) for command, known in OPTIONS if known.refused}
    assert refused == {
        *((REGRESS, name) for name in ("precision", "sweep", "evaluate")),
        *((VERSIONS, name) for name in ("build_environments", "evaluate")),
    }


def test_the_functions_take_nothing_else():
    own = {"task", "frameworks", "progress", "base", "head", "tasks", "requirements", "environments", "store"}
    for function, asked, command in FUNCTIONS.values():
        names = set(inspect.signature(function).parameters) - {"self", "frontend"}
        assert names - own == {known.name for known in asked.options(command).values() if not known.refused}


# One declaration more


@dataclass(frozen=True)
class Planted(Request):
    """The real options and one more."""

    flux_s: float | None = option(None, "How much flux there may be.", unset="none", least=1, short="-x")


@pytest.fixture
def planted():
    """A command and a function that take a planted option, too, and what they were asked."""
    application, asked = typer.Typer(rich_markup_mode=None), []

    @application.command()
    @with_flags(Planted, RUN)
    def run(task: Annotated[str, typer.Argument()], *, request: Planted, last: bool = False) -> None:
        asked.append((task, request, last))

    @application.command()
    def other() -> None:
        pass

    @keywords(Planted, RUN)
    def function(task: str, **options: Any) -> None:
        """Run.

        Args:
            task: its name.
            **options: all of them.
        """
        asked.append((task, Planted.of(RUN, options)))

    return application, function, asked


def test_a_further_declaration_is_a_flag_and_a_keyword_argument_at_once(planted):
    application, function, asked = planted
    shown = CliRunner().invoke(application, ["run", "--help"]).output
    assert re.search(r"-x, --flux\b.* How much flux there may be\.\s+\[default:\s+none\]", squeezed(shown))
    assert "flux_s: float | None = None" in str(inspect.signature(function))
    assert "    flux_s: How much flux there may be. When None: none.\n" in f"{function.__doc__}\n"
    words = ["run", "linreg", "--flux", "2", "--timeout", "5m", "--content", "a", "--content", "b", "--last"]
    assert CliRunner().invoke(application, words).exit_code == 0
    function("linreg", flux_s=2, timeout_s="5m", content=[Path("a"), Path("b")])
    (first, request, last), (second, same) = asked
    assert (first, last, second, request.flux_s, request.timeout_s) == ("linreg", True, "linreg", 2, 300)
    assert request == same


def test_a_further_declaration_is_checked(planted):
    application, function, _ = planted
    with pytest.raises(OptionError, match=r"^flux_s=0: must be at least 1$") as caught:
        function("linreg", flux_s=0)
    assert error_text(caught.value) == "--flux 0: must be at least 1"
    assert CliRunner().invoke(application, ["run", "linreg", "-x", "0"]).exception.option == "flux_s"


def test_one_content_folder_is_itself_and_not_a_list(planted):
    application, _, asked = planted
    CliRunner().invoke(application, ["run", "linreg", "--content", "a"])
    assert asked[0][1].content == Path("a")


# Checks

WRONG = [
    (RUN, "threads", 0, "0", "must be at least 1"),
    (RUN, "seed", 10**20, f"{10**20}", "must be at most 1000000000000000"),
    (RUN, "launches", 10**20, f"{10**20}", "must be at most 10000"),
    (RUN, "rounds", 10_001, "10001", "must be at most 10000"),
    (RUN, "max_alive", 10**20, f"{10**20}", "must be at most 10000"),
    (RUN, "max_alive", -1, "-1", "must be at least 1"),
    (RUN, "steps", "many", "many", "must be a whole number or None"),
    (RUN, "steps", 1.5, "1.5", "must be a whole number or None"),
    (RUN, "warm_cache", "yes", "yes", "must be True or False"),
    (RUN, "output", 3, "3", "must be a string, a path or None"),
    (RUN, "dtype", "float16", "float16", "choose float32 or float64"),
    (RUN, "dtype", None, "None", "must be a string"),
    (RUN, "if_busy", "fight", "fight", "choose wait or refuse"),
    (RUN, "timeout_s", "5 5", "'5 5'", "write a duration in seconds or minutes, such as 60s or 5m"),
    (RUN, "timeout_s", float("nan"), "nan", "must be at least 0.001s"),
    (RUN, "budget_s", 0, "0", "must be at least 0.001s"),
    (RUN, "precision", "0%", "0%", "must be at least 0.01%"),
    (REGRESS, "launches", 9, "9", "choose 8, 12, 16 or 24"),
    (REGRESS, "precision", 0.1, "0.1", "pairs are launched until the smallest change that matters (delta) is decided"),
    (REGRESS, "delta", "100%", "100%", "must lie between 0% and 100%"),
]


@pytest.mark.parametrize(("command", "name", "value", "text", "reason"), WRONG)
def test_a_value_that_is_not_allowed_is_one_line_in_the_words_of_who_asked(command, name, value, text, reason):
    with pytest.raises(OptionError) as caught:
        COMMANDS[command].of(command, {name: value})
    assert str(caught.value) == f"{name}={value!r}: {reason}"
    assert error_text(caught.value) == f"--{name.removesuffix('_s').replace('_', '-')} {text}: {reason}"


def test_numbers_may_be_written_as_texts_and_come_from_numpy():
    request = Request.of(RUN, {"budget_s": "1.5m", "precision": "2%", "threads": np.int64(2), "timeout_s": 7})
    assert (request.budget_s, request.precision, request.threads, request.timeout_s) == (90, 0.02, 2, 7)


def test_true_is_no_number():
    with pytest.raises(OptionError, match="rounds=True: must be a whole number"):
        Request.of(RUN, {"rounds": True})


def test_a_misspelt_option_is_an_error_with_a_suggestion():
    with pytest.raises(TypeError, match=r"run\(\) got an unexpected keyword argument 'thread'; did you mean 'threads'"):
        workbench.run("linreg", thread=2)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_asked_for_is_the_default(command):
    asked = COMMANDS[command]
    assert asked.of(command, {}) == asked()
    for known in asked.options(command).values():
        if known.default is not None and not known.refused:
            known.accept(known.default)


def test_the_launches_that_a_gate_may_be_told_are_those_of_its_ladder():
    assert GateRequest.options(REGRESS)["launches"].choices == LADDER


def test_a_session_has_every_setting_that_is_asked_for(content):
    """A setting of the same name as an option has its value, but for those that the machine or the task resolves."""
    values = {"steps": 3, "seed": 4, "launches": 5, "budget_s": 6.0, "precision": 0.07, "rounds": 8, "timeout_s": 9.0}
    values |= {"max_alive": 10, "warm_cache": True, "sweep": "size", "dtype": "float64", "matmul_precision": "tf32"}
    from workbench.catalog import catalog

    settings = api.settings_of(catalog(content.root), "linreg", Request.of(RUN, values))
    assert {name: getattr(settings, name) for name in values} == values
    assert (settings.preset, settings.threads, str(settings.device)) == ("points", 1, "cpu")
    stock = api.settings_of(catalog(content.root), "linreg", Request(profile="stock"))
    assert (stock.threads, stock.matmul_precision) == (None, None)
    equal = api.settings_of(catalog(content.root), "linreg", Request())
    assert equal.matmul_precision == "float32"
    with pytest.raises(OptionError, match="applies to profile equal only"):
        api.settings_of(catalog(content.root), "linreg", Request(profile="stock", matmul_precision="tf32"))
    assert isinstance(stock, Settings)


# No message outside the command line names a flag

TERMINAL_ONLY = {"show/listing.py"}  # what `list`, `results` and `doctor` print
ALL_FLAGS = {
    flag
    for command in typer.main.get_command(command_line.app).commands.values()
    for entry in command.params
    for flag in entry.opts
    if flag.startswith("--")
}


def flags_named(source: str) -> set[str]:
    """Our flags that stand in sentences of a source; docstrings and arguments of other programs are none."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) if ast.get_docstring(node)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    return {flag for text in texts if " " in text for flag in re.findall(r"--[a-z][a-z-]*", text) if flag in ALL_FLAGS}


SOURCES = [
    path.relative_to(package_root()).as_posix()
    for path in sorted(package_root().rglob("*.py"))
    if not {"cli", "_content"} & {*path.relative_to(package_root()).parts}
]


@pytest.mark.parametrize("file", SOURCES)
def test_no_message_that_a_notebook_may_show_names_a_flag(file):
    named = flags_named((package_root() / file).read_text(encoding="utf-8"))
    assert not named or file in TERMINAL_ONLY


def test_it_would_be_noticed():
    assert flags_named('def f():\n    "About --threads 2."\n    raise E(f"{x}: ask for less with --threads")') == {
        "--threads"
    }
    assert flags_named('run(["--output", path])') == set()


NOTEBOOK = {
    "threads": lambda _: workbench.run("linreg", threads=100_000),
    "stock": lambda _: workbench.run("linreg", profile="stock", threads=1),
    "device": lambda _: workbench.run("linreg", device="gpu:99"),
    "frameworks": lambda _: workbench.run("linreg", ","),
    "task": lambda _: workbench.run("linreq"),
    "content": lambda folder: workbench.run("linreg", content=folder / "nowhere"),
    "sources": lambda folder: workbench.source("linreg", content=folder / "nowhere"),
    "output": lambda folder: workbench.run("linreg", "numpy", output=folder / "file"),
    "delta": lambda _: workbench.compare("a", "b", delta=0),
    "repository": lambda folder: workbench.regress("main", content=folder),
    "package": lambda _: workbench.versions("nothing==1,nothing==2", "linreg"),
    "results": lambda folder: workbench.load("latest", folder),
    "history": lambda folder: workbench.history("linreg", "numpy_manual", results=folder),
    "site": lambda folder: workbench.write_site(folder, folder / "file"),
}


@pytest.mark.parametrize("fault", NOTEBOOK)
def test_what_a_notebook_shows_of_an_error_names_no_flag(tmp_path, fault):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError) as caught:
        NOTEBOOK[fault](tmp_path)
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


# Where things are written, and where they are read


@pytest.mark.parametrize("name", ["show", "results", "rebuild", "compare", "report", "export", "history"])
def test_the_folder_of_runs_that_is_read_has_one_name(name):
    assert {"--results", "-r"} <= set(flags_of(command_line.app, name))


@pytest.mark.parametrize("name", ["run", "regress", "versions", "report", "site", "export", "history"])
def test_what_is_written_has_one_name(name):
    assert {"--output", "-o"} <= set(flags_of(command_line.app, name))


@pytest.mark.parametrize("words", [["show", "latest"], ["results"], ["rebuild", "latest"], ["compare", "a", "b"]])
@pytest.mark.parametrize("flag", ["-o", "--output"])
def test_asking_a_reader_to_write_is_one_line_that_says_what_was_meant(cli, words, flag):
    done = cli(*words, flag, "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == f"workbench: No such option: {flag} (the folder of runs to read is given with --results or -r)\n"
    )


@pytest.mark.parametrize("kind", ["latex", "markdown", "pyperf"])
def test_an_export_of_one_file_goes_to_standard_output(cli, numpy_run, tmp_path, kind):
    done = cli("export", numpy_run.path, "-t", kind, "-o", "-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "file"
    assert cli("export", numpy_run.path, "-t", kind, "-o", file, cwd=tmp_path).returncode == 0
    assert done.stdout == file.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["tensorboard", "csv", "parquet"])
def test_an_export_of_several_files_does_not(cli, numpy_run, tmp_path, kind):
    done = cli("export", numpy_run.path, "-t", kind, "-o", "-", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"workbench: --output -: {kind} is a folder of files and cannot go to standard output: name a folder\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_report_goes_to_standard_output(cli, numpy_run, tmp_path):
    done = cli("report", numpy_run.path, "-o", "-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == []


def test_a_plot_of_the_history_goes_to_standard_output_alone(cli, numpy_run, tmp_path):
    words = ["history", "linreg", "numpy_manual", "-r", numpy_run.path.parent, "-o", "-"]
    done = cli(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("<?xml")
    assert done.stdout.rstrip().endswith("</svg>")
    both = cli(*words, "--json", cwd=tmp_path)
    assert (both.returncode, both.stdout) == (2, "")
    assert "both write to standard output" in both.stderr


@pytest.mark.parametrize("words", [["run", "linreg"], ["site", "."], ["versions", "numpy==1,numpy==2", "linreg"]])
def test_a_folder_is_not_written_to_standard_output(cli, tmp_path, words):
    done = cli(*words, "-o", "-", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("workbench: --output -: ")
    assert list(tmp_path.iterdir()) == []


def test_what_is_only_switched_on_is_named_without_a_value():
    with pytest.raises(OptionError) as caught:
        Request.of(VERSIONS, {"build_environments": True})
    assert error_text(caught.value).startswith("--build-environments: every version")


def test_a_refused_option_says_why(cli, tmp_path):
    done = cli("regress", "--base", "main", "--precision", "2%", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "workbench: --precision 2%: pairs are launched until the smallest change that matters (delta) is decided\n"
    )


def test_completion_in_a_notebook_offers_the_options():
    IPython = pytest.importorskip("IPython")  # noqa: N806
    shell = IPython.core.interactiveshell.InteractiveShell()
    shell.user_ns["workbench"] = workbench
    typed = "workbench.run('linreg', max_a"
    for jedi in (True, False):
        shell.Completer.use_jedi = jedi
        with IPython.core.completer.provisionalcompleter():
            assert "max_alive=" in {offer.text for offer in shell.Completer.completions(typed, len(typed))}


@pytest.mark.parametrize(
    ("name", "value"),
    [("budget_s", math.inf), ("timeout_s", 1e308), ("timeout_s", 10**400), ("steps", 10**23), ("budget_s", math.nan)],
)
def test_a_number_that_no_session_could_keep_to_is_refused(name, value):
    with pytest.raises(OptionError, match=r"at (most|least)"):
        Request.of(RUN, {name: value})


def test_numbers_of_other_libraries_become_pythons_own():
    request = Request.of(RUN, {"launches": np.int64(2), "precision": np.float32(0.5), "budget_s": Fraction(1, 2)})
    assert [type(value) for value in (request.launches, request.precision, request.budget_s)] == [int, float, float]


def test_a_resumed_run_takes_no_other_options(cli):
    done = cli("run", "--resume", "x", "--launches", "3", "-f", "jax")
    assert (done.returncode, done.stdout) == (2, "")
    assert "leave out --launches, --frameworks" in done.stderr
    assert cli("run", "linreg", "-r", "x").returncode == 2
