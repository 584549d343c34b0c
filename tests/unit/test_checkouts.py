"""Commits as folders: what is checked out, what the working tree counts as, and that nothing is left behind."""

import subprocess

import pytest

from workbench.errors import WorkbenchError
from workbench.host import checkouts


def git(folder, *words):
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", "-C", str(folder), *author, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def top(tmp_path):
    """A repository with one commit, in a folder whose name needs care."""
    home = tmp_path / "a répo sitory"
    home.mkdir()
    git(home, "init", "--quiet", "--initial-branch=main")
    (home / "kept.txt").write_text("as committed\n")
    (home / ".gitignore").write_text("ignored.txt\n")
    git(home, "add", "--all")
    git(home, "commit", "--quiet", "--message", "one")
    return home


def state(top):
    return (
        git(top, "status", "--porcelain"),
        git(top, "worktree", "list"),
        git(top, "stash", "list"),
        git(top, "branch"),
    )


def test_a_commit_is_checked_out_and_taken_away(top):
    before = state(top)
    with checkouts.checked_out(top, checkouts.commit_of(top, "main"), "main") as found:
        assert (found.root / "kept.txt").read_text() == "as committed\n"
        assert found.title == f"main ({found.commit[:9]})"
        place = found.root
    assert not place.exists()
    assert state(top) == before


def test_it_is_taken_away_after_an_error_too(top):
    before = state(top)
    with pytest.raises(ZeroDivisionError), checkouts.checked_out(top, checkouts.commit_of(top, "main"), "main"):
        raise ZeroDivisionError
    assert state(top) == before


def test_a_clean_working_tree_is_its_head(top):
    assert checkouts.working_tree(top) == git(top, "rev-parse", "HEAD")


def test_the_working_tree_is_what_lies_there(top):
    """Changed, new, staged and deleted files count, ignored ones do not; index and files stay as they are."""
    (top / "kept.txt").write_text("changed\n")
    (top / "new.txt").write_text("new\n")
    (top / "staged.txt").write_text("staged\n")
    (top / "ignored.txt").write_text("ignored\n")
    git(top, "add", "staged.txt")
    before = state(top)
    with checkouts.checked_out(top, checkouts.working_tree(top), checkouts.WORKING_TREE) as found:
        texts = {file.name: file.read_text() for file in found.root.glob("*.txt")}
    assert texts == {"kept.txt": "changed\n", "new.txt": "new\n", "staged.txt": "staged\n"}
    assert state(top) == before


@pytest.mark.parametrize("ref", ["nowhere", "--output=planted", "", "main:kept.txt", "^HEAD", "a\0b", "\ud800"])
def test_what_is_no_commit_is_refused(top, ref):
    with pytest.raises(WorkbenchError, match=r"(no|not a) commit"):
        checkouts.commit_of(top, ref)


def test_git_s_own_reason_is_told(top, tmp_path):
    git(top, "init", "-q", "nested")
    with pytest.raises(
        WorkbenchError, match=r"nested/.* does not have a commit checked out; fatal: adding files failed"
    ):
        checkouts.working_tree(top)
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(WorkbenchError, match=r"git cannot use the repository of .*bare: fatal: .*work tree"):
        checkouts.repository(tmp_path / "bare")


def test_what_is_no_repository_is_refused(tmp_path):
    with pytest.raises(WorkbenchError, match="is not inside a git repository"):
        checkouts.repository(tmp_path)


def test_without_git_one_line_says_so(top, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WorkbenchError, match="git is not installed"):
        checkouts.commit_of(top, "main")


def test_a_hook_of_another_repository_does_not_lead_astray(top, tmp_path, monkeypatch):
    """Inside a git hook GIT_DIR names the hook's own repository."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert checkouts.repository(top).samefile(top)


def test_a_repository_of_another_user_is_told_with_git_s_own_remedy(tmp_path, monkeypatch):
    """As a volume that a container mounts; git's answer, from version 2.39."""
    git = tmp_path / "git"
    remedy = "git config --global --add safe.directory /data"
    git.write_text(
        "#!/bin/sh\n"
        "echo \"fatal: detected dubious ownership in repository at '/data'\" >&2\n"
        f"printf 'To add an exception for this directory, call:\\n\\n\\t{remedy}\\n' >&2\n"
        "exit 128\n"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkbenchError) as refused:
        checkouts.repository(tmp_path)
    assert str(refused.value).endswith(f"because it belongs to another user; if you trust it: {remedy}")
