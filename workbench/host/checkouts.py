"""Commits of a git repository, each checked out to its own folder while it is measured."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError, one_line

TIMEOUT_S = 120.0
WORKING_TREE = "the working tree"


@dataclass(frozen=True)
class Checkout:
    """One commit, checked out: the name it was requested by, its hash, and its folder."""

    name: str
    commit: str
    root: Path

    @property
    def title(self) -> str:
        """Name and short hash, as "main (1a2b3c4)"; only the hash where that was the name."""
        short = self.commit[:9]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


def repository(folder: Path) -> Path:
    """The top folder of the repository that contains a folder.

    Raises:
        WorkbenchError: when no repository does, or git is not installed.
    """
    try:
        return Path(_git(folder, "rev-parse", "--show-toplevel"))
    except _OwnerError as error:
        raise WorkbenchError(
            f"git refuses the repository of {folder}, because it belongs to another user; if you trust it: {error}"
        ) from None
    except _GitError as error:
        if "not a git repository" not in str(error):
            raise WorkbenchError(f"git cannot use the repository of {folder}: {error}") from None
        raise WorkbenchError(
            f"{folder} is not inside a git repository: run this in a clone, or give the folder in a clone (content) "
            "that contains tasks/ and frontends/"
        ) from None


def commit_of(top: Path, ref: str) -> str:
    """The hash of the commit that a branch, tag or hash names.

    Raises:
        WorkbenchError: when there is none.
    """
    if not isinstance(ref, str) or ref.startswith("-"):
        raise WorkbenchError(f"{ref!r} is not a commit: give a branch, a tag or a hash")
    try:
        found = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except _GitError:
        found = ""
    if not ref or not re.fullmatch(r"[0-9a-f]+", found):  # ^HEAD is answered by the commit that it leaves out
        raise WorkbenchError(
            f"no commit {ref!r} in this repository: give a branch, a tag or a hash (in CI, fetch the full history)"
        )
    return found


def working_tree(top: Path) -> str:
    """A commit of all files as they are now, except those that git ignores; index and branches stay untouched.

    Returns:
        its hash; that of HEAD where nothing has changed.
    """
    head = commit_of(top, "HEAD")
    with tempfile.TemporaryDirectory(prefix="workbench-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        _required(top, "read-tree", "HEAD", environment=index)
        _required(top, "add", "--all", environment=index)
        tree = _required(top, "write-tree", environment=index)
    if tree == _required(top, "rev-parse", "HEAD^{tree}"):
        return head
    author = {f"GIT_{who}_{what}": "workbench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return _required(top, "commit-tree", tree, "-p", head, "-m", WORKING_TREE, environment=author)


@contextlib.contextmanager
def checked_out(top: Path, commit: str, name: str) -> Iterator[Checkout]:
    """A commit in a temporary worktree, removed on leaving.

    Raises:
        WorkbenchError: when git cannot check it out.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-checkout-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder, "tree")
        _required(top, "worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            yield Checkout(name, commit, tree)
        finally:
            with contextlib.suppress(_GitError):
                _git(top, "worktree", "remove", "--force", str(tree))


class _GitError(Exception):
    """A git command failed."""


class _OwnerError(_GitError):
    """Git trusts no repository of another user; its own remedy is the message."""


def _required(top: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    try:
        return _git(top, *words, environment=environment)
    except _GitError as error:
        raise WorkbenchError(f"git {words[0]} failed: {error}") from None


def _git(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # set in git hooks
    command = ["git", "-C", str(folder), *words]
    try:
        completed = subprocess.run(
            command,
            env={**inherited, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (ValueError, UnicodeError):  # a NUL, or half a character
        raise _GitError("no such name") from None
    except FileNotFoundError:
        raise WorkbenchError("git is not installed, but comparing commits requires it") from None
    except subprocess.TimeoutExpired:
        raise _GitError(f"timed out after {TIMEOUT_S:.0f} s") from None
    if completed.returncode:
        errors = completed.stderr.strip().splitlines()
        if any("dubious ownership" in line for line in errors):
            raise _OwnerError(one_line(errors[-1]))
        told = [line for line in errors if line.startswith(("error: ", "fatal: "))] or errors[-1:]
        raise _GitError(one_line("; ".join(told))[:500] or "no reason given")
    return completed.stdout.strip()
