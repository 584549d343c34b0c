"""The command line as a user meets it: exit codes, one line for what was asked wrongly, JSON alone on stdout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from workbench import __version__
from workbench import cli as command_line
from workbench.catalog import catalog
from workbench.catalog.roots import content_root
from workbench.show import folder as run_folder

COMMANDS = ("run", "list", "results", "show", "doctor")


@pytest.fixture(scope="module")
def store(numpy_run):
    """A folder of runs that holds one."""
    return numpy_run.path.parent


def refused(done, *said: str) -> None:
    """Exit code 2, nothing on stdout, exactly one line on stderr that says this."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("workbench: ")
    for words in said:
        assert words in lines[0]


def parsed(done) -> dict:
    """What --json printed, and nothing else."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_names_every_command(cli):
    done = cli("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert all(f"  {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(cli, name):
    done = cli(name, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout


def test_version(cli):
    assert cli("--version").stdout == f"workbench {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_answers_without_the_heavy_packages(words, shell_environment):
    code = (
        "import sys; from workbench.cli import main; sys.argv[1:] = sys.argv[1:]\n"
        "try: main()\n"
        "finally: print('IMPORTED', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=shell_environment | {"PYTHONPATH": str(content_root())},
        capture_output=True,
        text=True,
        timeout=60,
    )
    imported = done.stdout.splitlines()[-1].split()
    assert imported[0] == "IMPORTED"
    assert not {"numpy", "pandas", "matplotlib", "scipy", "sklearn", "psutil"} & set(imported)


# What is asked for wrongly, and what the one line must say.
WRONG = {
    "task": (["linreq"], ["unknown task 'linreq'", "did you mean linreg?"]),
    "preset": (["linreg", "-p", "point"], ["unknown preset 'point' of linreg", "did you mean points?"]),
    "frontend": (["linreg", "-f", "nunpy"], ["unknown frontend 'nunpy'", "did you mean numpy?"]),
    "frontend_among_others": (["linreg", "-f", "numpy,jaxx"], ["unknown frontend 'jaxx'", "did you mean jax?"]),
    "no_frontend": (["linreg", "-f", ","], ["no frontend selected"]),
    "device": (["linreg", "--device", "tpu"], ["unknown device 'tpu'", "cpu, gpu, auto"]),
    "device_digits": (["linreg", "--device", "gpu:" + "9" * 5000], ["unknown device"]),
    "device_index": (["linreg", "--device", "gpu:99"], ["no GPU 99"]),
    "steps": (["linreg", "--steps", "0"], ["--steps 0", "at least 1"]),
    "steps_text": (["linreg", "--steps", "many"], ["--steps"]),
    "rounds": (["linreg", "--rounds", "0"], ["--rounds 0"]),
    "launches": (["linreg", "--launches", "-1"], ["--launches -1"]),
    "seed": (["linreg", "--seed", "-1"], ["--seed -1"]),
    "timeout": (["linreg", "--timeout", "0"], ["--timeout 0"]),
    "timeout_nan": (["linreg", "--timeout", "nan"], ["--timeout nan"]),
    "budget": (["linreg", "--budget", "-5s"], ["-5s"]),
    "threads": (["linreg", "--threads", "0"], ["--threads 0"]),
    "too_many_threads": (["linreg", "--threads", "100000"], ["--threads 100000"]),
    "dtype": (["linreg", "--dtype", "float16"], ["--dtype float16", "float32 or float64"]),
    "matmul_precision": (["linreg", "--matmul-precision", "bf16"], ["--matmul-precision bf16"]),
    "content": (["linreg", "--content", "nowhere"], ["--content nowhere: no such folder"]),
    "option": (["linreg", "--frob"], ["--frob"]),
    "missing_task": ([], ["task"]),
    "two_tasks": (["linreg", "two_layer_net"], ["two_layer_net"]),
    "escapes": (["lin\x1b[31mreg"], ["unknown task"]),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_asked_for_wrongly_is_one_line_and_nothing_is_written(cli, tmp_path, fault):
    words, said = WRONG[fault]
    done = cli("run", *words, "--output", tmp_path / "out", cwd=tmp_path)
    refused(done, *said)
    assert "\x1b" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["a file", "a file/below"])
def test_a_store_that_cannot_be_written_is_one_line(cli, tmp_path, place):
    (tmp_path / "a file").write_text("kept")
    refused(
        cli("run", "linreg", "-f", "numpy", "--output", place, cwd=tmp_path),
        "cannot write results to",
        "choose another folder",
    )
    assert (tmp_path / "a file").read_text() == "kept"


def test_an_unknown_command_is_one_line(cli):
    refused(cli("ruin"), "ruin")


LONG = 300 * "x"


@pytest.mark.parametrize(
    "words",
    [
        ["show", LONG],
        ["compare", LONG, "latest"],
        ["rebuild", LONG],
        ["run", "--resume", LONG],
        ["results", "-r", LONG],
        ["list", "--content", LONG],
        ["run", "linreg", "--content", LONG],
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_is_too_long_is_one_line(cli, words):
    refused(cli(*words))


def test_without_a_folder_for_temporary_files_there_is_one_line(monkeypatch, capsys):
    """As where no file may be written at all."""
    monkeypatch.setattr(command_line, "app", lambda **_: open("/nowhere/at/all"))  # noqa: PTH123, SIM115
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert (ended.value.code, capsys.readouterr().err) == (2, "workbench: No such file or directory: /nowhere/at/all\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory"),
        (ImportError("x.so: failed to map segment"), "a package cannot be loaded: x.so: failed to map segment"),
    ],
)
def test_without_memory_there_is_one_line(monkeypatch, capsys, error, said):
    """A library that cannot be mapped is an ImportError."""

    def fails(**_):
        raise error

    monkeypatch.setattr(command_line, "app", fails)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert (ended.value.code, capsys.readouterr().err) == (2, f"workbench: {said}\n")


def test_what_matplotlib_minds_is_not_said_nor_is_a_backend_needed(cli, numpy_run, tmp_path):
    shutil.copytree(numpy_run.path, tmp_path / numpy_run.id)
    (tmp_path / "file").touch()
    done = cli("rebuild", numpy_run.id, "-r", tmp_path, MPLBACKEND="nope", MPLCONFIGDIR=str(tmp_path / "file"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_of_runs_that_is_not_there_is_one_line(cli):
    refused(cli("results", "-r", "nowhere"), "there is no folder nowhere")


@pytest.mark.parametrize("words", [["--summary", "-"], ["--junit", "-"], ["--summary", "nowhere/x.md"]])
def test_a_file_that_cannot_be_is_one_line(cli, tmp_path, words):
    refused(cli("regress", "--base", "HEAD", *words, cwd=tmp_path), words[1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["show", "nothing"], ["show", "latest"], ["show", "/nowhere"]])
def test_a_run_that_is_not_there_is_one_line(cli, words):
    refused(cli(*words), "no run", "`workbench results`")


def test_a_title_is_no_markup(cli, content):
    file = content.numpy / "frontend.toml"
    file.write_text(file.read_text().replace('title = "NumPy, gradients by hand"', 'title = "[/x]"'))
    assert "[/x]" in cli("list", "--content", content.root).stdout


def test_a_folder_that_is_a_link_to_itself_is_one_line(cli, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(cli("list", "--content", tmp_path / "loop"), "no such folder")


@pytest.mark.parametrize("width", ["²", "9" * 5000, "-1", "abc", "", "٣", "0"])
def test_a_width_that_is_no_number_is_none(cli, width):
    done = cli("list", COLUMNS=width, LINES=width)
    assert (done.returncode, done.stderr) == (0, "")
    assert "linreg" in done.stdout


def test_a_malformed_frontend_is_one_line(cli, content):
    (content.numpy / "frontend.toml").write_text("title = \n")
    for words in (["run", "linreg"], ["list"]):
        refused(cli(*words, "--content", content.root), "frontends/numpy/frontend.toml", "line 1")


def test_a_good_run_prints_its_table_and_says_where_it_is(cli, tmp_path, quick_options):
    done = cli("run", "linreg", "-f", "numpy", "--steps=5", *quick_options, "-o", "ünï cödé", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = next((tmp_path / "ünï cödé").iterdir())
    assert done.stdout.splitlines()[-1] == f"ünï cödé/{folder.name}"
    assert "numpy_manual" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "numpy_manual: ok" in done.stderr


def test_json_stands_alone_on_stdout(cli, tmp_path, quick_options):
    found = parsed(cli("run", "linreg", "-f", "numpy", "--steps=5", "--json", *quick_options, cwd=tmp_path))
    assert [row["outcome"] for row in found["contestants"]] == ["ok"]
    assert (tmp_path / "results" / found["run"] / "run.json").is_file()
    assert json.loads((tmp_path / "results" / found["run"] / "summary.json").read_text()) == found


def test_a_frontend_that_is_not_installed_has_its_own_exit_code(cli, content, quick_options):
    missing = content.changed(("import numpy as np\n", "import no_such_package_xyz\nimport numpy as np\n"))
    content.plant("missing", missing, packages=("no_such_package_xyz",))
    done = cli("run", "linreg", "-f", content.frontends, "--steps=5", *quick_options, "--content", content.root)
    assert done.returncode == 3
    assert "no_such_package_xyz is not installed: pip install" in done.stdout


def test_a_contestant_that_fails_has_its_own_exit_code(cli, content, quick_options):
    content.plant("wrong", content.changed(("yield loss", "yield 2 * loss")))
    words = ["run", "linreg", "-f", content.frontends, "--steps=5", *quick_options, "--content", content.root]
    assert cli(*words).returncode == 1


def test_a_plot_that_fails_has_its_own_exit_code_and_the_tables_are_kept(monkeypatch, capsys, tmp_path, quick_options):
    monkeypatch.setattr(run_folder, "draw", lambda _: 1 / 0)
    words = ["workbench", "run", "linreg", "-f", "numpy", "--steps=5", *quick_options, "-o", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 4
    shown = capsys.readouterr()
    assert "numpy_manual" in shown.out
    assert "a plot failed: ZeroDivisionError" in shown.err
    assert [(folder / "summary.md").is_file() for folder in tmp_path.iterdir()] == [True]


def test_list_shows_every_task_preset_frontend_and_hole(cli):
    shown = cli("list").stdout
    found = catalog()
    words = shown.split()
    assert {*found.tasks, *found.frontends} <= set(words)
    assert all(preset in words for task in found.tasks.values() for preset in task.presets)
    assert "keras" in shown.lower()
    assert "\x1b" not in shown


def test_list_as_json_is_the_catalog(cli):
    listed, found = parsed(cli("list", "--json")), catalog()
    assert [task["task"] for task in listed["tasks"]] == list(found.tasks)
    assert [mode["id"] for folder in listed["frontends"] for mode in folder["modes"]] == list(found.frontends)
    assert len(listed["pairs"]) == len(found.tasks) * len(found.frontends)
    holes = {(pair["task"], pair["frontend"]) for pair in listed["pairs"] if pair["hole"]}
    assert holes == {(hole, mode.id) for mode in found.frontends.values() for hole in mode.holes}


def test_results_lists_runs(cli, store, numpy_run):
    assert numpy_run.id in cli("results", "--results", store).stdout.replace("\n", "")
    listed = parsed(cli("results", "--results", store, "--json"))["runs"]
    assert [(run["run"], run["task"], run["outcomes"]) for run in listed] == [
        (numpy_run.id, "linreg", {"numpy_manual": "ok"})
    ]


def test_no_results_are_no_error(cli):
    done = cli("results")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no runs in results" in done.stderr
    assert parsed(cli("results", "--json")) == {"runs": [], "unfinished": []}


@pytest.mark.parametrize("by", ["latest", "id", "folder"])
def test_show_prints_a_run_again(cli, store, numpy_run, by):
    name = {"latest": "latest", "id": numpy_run.id[:15], "folder": numpy_run.path}[by]
    done = cli("show", name, "--results", store)
    assert done.returncode == 0
    assert "numpy_manual" in done.stdout
    assert parsed(cli("show", name, "--results", store, "--json"))["run"] == numpy_run.id


def test_doctor_says_what_is_installed_and_what_to_install(cli):
    found = parsed(cli("doctor", "--json"))
    states = {entry["frontend"]: entry for entry in found["frontends"]}
    assert set(states) == {frontend.folder for frontend in catalog().frontends.values()}
    assert states["numpy"]["installed"]
    assert states["numpy"]["versions"]["numpy"]
    assert all((entry["install"] is None) == entry["installed"] for entry in found["frontends"])
    shown = cli("doctor")
    assert shown.returncode == 0
    assert "numpy_manual" in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["list"],
        ["list", "--json"],
        ["results"],
        ["results", "--json"],
        ["show", "latest"],
        ["doctor", "--json"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_error(command, shell_environment, store, words):
    """`workbench list | head -1`: here the reader has gone before the first line."""
    reader, writer = os.pipe()
    os.close(reader)
    place = ["--results", str(store)] if words[0] in ("results", "show") else []
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [*command, *words, *place], stdout=pipe, stderr=subprocess.PIPE, env=shell_environment, timeout=60
        )
    assert done.stderr == b""
    assert done.returncode in (0, -signal.SIGPIPE)


@pytest.mark.parametrize("words", [["list"], ["show", "latest"], ["doctor"]], ids=" ".join)
def test_a_narrow_terminal_without_colour_is_served(cli, store, words):
    place = ["--results", store] if words[0] == "show" else []
    done = cli(*words, *place, COLUMNS="60", NO_COLOR="1", TERM="dumb")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
