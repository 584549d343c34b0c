"""Where output leads nowhere, or to a poor terminal, or from an odd place: a session is measured all the same."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess

import pytest


def test_a_reader_of_the_progress_that_has_gone_costs_nothing(measure):
    reader, writer = os.pipe()
    os.close(reader)
    session = measure("--json", launches=1, stderr=writer)
    os.close(writer)
    assert session.end() == 0
    assert json.loads(session.printed)["contestants"][0]["outcome"] == "ok"


def test_a_reader_of_the_table_that_has_gone_costs_the_table_alone(measure):
    reader, writer = os.pipe()
    os.close(reader)
    session = measure(launches=1, stdout=writer)
    os.close(writer)
    assert session.end() in (0, -signal.SIGPIPE)
    assert (session.folder / "summary.md").is_file()


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
def test_streams_that_are_closed_from_the_start_cost_nothing(measure, closed):
    def close():
        for descriptor in closed:
            os.close(descriptor)

    session = measure("--json", launches=1, preexec_fn=close)
    assert session.end() == 0
    assert (session.folder / "summary.md").is_file()


def test_a_table_that_cannot_be_printed_is_one_sentence_and_the_run_is_written(measure):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        session = measure(launches=1, stdout=full)
        assert session.end() == 5
    assert session.said.splitlines()[-1] == "workbench: cannot print: No space left on device"
    assert (session.folder / "summary.md").is_file()


@pytest.mark.parametrize(
    "words", [["show", "latest", "--json"], ["list"], ["results"], ["run", "--help"], ["--version"]], ids=" ".join
)
def test_what_cannot_be_printed_is_one_sentence(command, shell_environment, numpy_run, words):
    place = [] if words[0] in ("list", "run", "--version") else ["--results", str(numpy_run.path.parent)]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        line = [*command, *words, *place]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, env=shell_environment)
    assert (done.returncode, done.stderr) == (5, "workbench: cannot print: No space left on device\n")


def test_a_progress_that_cannot_be_printed_costs_nothing(measure):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        assert measure("--json", launches=1, stderr=full).end() == 0


def test_a_terminal_that_hangs_up_leaves_a_run_that_says_so(command, shell_environment, gate, content, tmp_path):
    there = gate("launch", 2)
    ours, theirs = pty.openpty()
    store = tmp_path / "store"
    words = ["run", "linreg", "-fnumpy", "--steps=3", "--launches=2", "--rounds=1", "--content", str(content.root)]
    environment = shell_environment | {"TMPDIR": str(tmp_path), "TERM": "xterm"}
    process = subprocess.Popen(
        [*command, *words, "--output", str(store)],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while not select.select([there._descriptors[0]], [], [], 0)[0]:  # a terminal must be read, or it blocks
        if select.select([ours], [], [], 0.05)[0]:
            shown += os.read(ours, 65536)
    assert b"numpy_manual" in shown
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 5  # there is nobody to show the table to
    (folder,) = store.iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["interrupted"]
    assert summary["contestants"][0]["launches"] == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "40"},
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"LC_ALL": "C", "LANG": "C"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_poor_terminal_is_served(cli, numpy_run, environment):
    done = cli("show", "latest", "--details", "--results", numpy_run.path.parent, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 numpy_manual" in done.stdout
    assert " step" in done.stdout
    assert "\x1b" not in done.stdout


def test_odd_places_are_served(harness, content, tmp_path):
    odd = tmp_path / "a b\tc'\"$(x)[y]*ünï-☃"
    content.root.rename(odd)
    quick = ["--steps=3", "--launches=1", "--rounds=1"]
    session = harness("run", "linreg", "-f", "numpy", *quick, "--content", odd, store=odd / "[bold]store", cwd=odd)
    assert session.end() == 0
    (folder,) = (odd / "[bold]store").iterdir()
    assert folder.name in session.printed.replace("\n", "")
