"""The composite action's script, run with a stand-in for `workbench` that notes its words and ends as it is told."""

from __future__ import annotations

import re
import textwrap

import pytest

VARIABLES = {
    "BASE": "main",
    "HEAD_REF": "",
    "TASKS": "linreg graph_gradients",
    "FRAMEWORKS": "all",
    "DELTA": "3%",
    "BUDGET": "30m",
    "STRICT": "false",
}


@pytest.fixture
def script(root):
    action = (root / ".github" / "actions" / "gate" / "action.yml").read_text()
    found = re.search(r"      run: \|\n((?:        .*\n|\n)+)", action)
    assert found is not None
    assert "${{" not in found[1], "an input that becomes text of the script can run anything"
    return textwrap.dedent(found[1])


@pytest.fixture
def perform(run, script, tmp_path):
    """Run the script; the words `workbench` was given, the outputs, and how it ended."""

    def performed(code, **variables):
        stub = tmp_path / "bin" / "workbench"
        stub.parent.mkdir()
        stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/words"\nexit {code}\n')
        stub.chmod(0o755)
        files = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        path = f"{stub.parent}:/usr/bin:/bin"
        environment = {**VARIABLES, **variables, **files, "PATH": path}
        done = run(
            "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, cwd=tmp_path, check=False, **environment
        )
        return (tmp_path / "words").read_text().splitlines(), (tmp_path / "output").read_text().strip(), done

    return performed


@pytest.mark.parametrize(
    ("code", "ended", "verdict"),
    [(0, 0, "fine"), (1, 1, "worse"), (2, 2, "worse"), (3, 0, "could not tell"), (130, 130, "worse")],
)
def test_the_job_ends_as_the_gate_says(perform, code, ended, verdict):
    _, output, done = perform(code)
    assert (done.returncode, output) == (ended, f"verdict={verdict}")
    assert ("::warning" in done.stdout) == (code == 3)


def test_every_input_reaches_the_command(perform):
    words, _, _ = perform(0, HEAD_REF="topic", STRICT="true")
    assert words[:3] == ["regress", "linreg", "graph_gradients"]
    assert " ".join(words).startswith(
        "regress linreg graph_gradients --base main --frameworks all --delta 3% --budget 30m --output workbench-gate "
        "--head topic --strict --summary "
    )


def test_an_input_is_never_run(perform, tmp_path):
    words, _, _ = perform(0, BASE="$(touch planted)", TASKS="; touch planted")
    assert "$(touch planted)" in words
    assert not (tmp_path / "planted").exists()


def test_its_options_are_the_commands_own(perform, run, root):
    words, _, _ = perform(0, HEAD_REF="topic", STRICT="true")
    from typer.testing import CliRunner

    from workbench.cli import app

    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["regress", "--help"]).output
    assert all(word in shown for word in words if word.startswith("--"))
