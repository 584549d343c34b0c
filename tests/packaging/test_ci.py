"""`.ci/run` runs README's command, word for word, on what is committed and nowhere but in its own folder."""

from __future__ import annotations

import re
import shutil

import pytest

README = """# A project

```
echo the wrong block; exit 3
```

<!-- command: test -->
```console
touch made-by-the-command && ls -A &&
  cat committed.txt
```

```
echo the wrong block, too; exit 4
```
"""


@pytest.fixture
def repository(run, root, tmp_path):
    """A project with a .ci/run of its own, one commit, and a change that is not committed."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    home = tmp_path / "a project"
    (home / ".ci").mkdir(parents=True)
    shutil.copy(root / ".ci" / "run", home / ".ci" / "run")
    (home / "README.md").write_text(README)
    (home / "committed.txt").write_text("as committed\n")
    commit(run, home, "init", "--quiet")
    (home / "committed.txt").write_text("changed since\n")
    return home


def commit(run, home, *before):
    if before:
        run("git", *before, cwd=home)
    run("git", "add", ".", cwd=home)
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    run("git", *author, "commit", "--quiet", "--no-verify", "--message", "A commit", cwd=home)


def test_the_command_runs_in_a_fresh_clone_and_has_the_last_word(run, repository, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = sorted(repository.rglob("*"))
    done = run(repository / ".ci" / "run", cwd=tmp_path, TMPDIR=str(temporary))
    assert done.stdout.splitlines() == [
        ".ci", ".git", "README.md", "committed.txt", "made-by-the-command", "as committed",
    ]  # fmt: skip
    assert "not committed" in done.stderr
    assert sorted(repository.rglob("*")) == before
    assert list(temporary.iterdir()) == []


def test_a_command_that_fails_is_a_ci_that_fails(run, repository, tmp_path):
    (repository / "README.md").write_text("<!-- command: test -->\n\n```\nfalse\necho went on\n```\n")
    commit(run, repository)
    done = run(repository / ".ci" / "run", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_readme_without_the_command_is_refused(run, repository, tmp_path):
    (repository / "README.md").write_text(README.replace("command: test", "command: other"))
    commit(run, repository)
    done = run(repository / ".ci" / "run", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "<!-- command: test -->" in done.stderr


def test_this_readme_has_the_command(root):
    readme = (root / "README.md").read_text()
    assert re.search(r"^<!-- command: test -->\n+```\w*\n[^`]*pytest[^`]*\n```$", readme, re.MULTILINE)


def test_no_workflow_names_a_host(root):
    for file in (root / ".github" / "workflows").glob("*.yml"):
        assert "://" not in file.read_text(), file
