"""Commits of a git repository as folders of their own, for as long as they are measured."""

from __future__ import annotations

import contextlib
import os
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
    """One commit, checked out: what it was asked for as, its hash, and where it lies."""

    name: str
    commit: str
    root: Path

    @property
    def title(self) -> str:
        """Name and short hash, as "main (1a2b3c4)"; the hash alone where that was the name."""
        short = self.commit[:9]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


def repository(folder: Path) -> Path:
    """The top of the repository that a folder lies in.

    Raises:
        WorkbenchError: when it lies in none, or there is no git.
    """
    try:
        return Path(_git(folder, "rev-parse", "--show-toplevel"))
    except _GitError:
        raise WorkbenchError(
            f"{folder} is in no git repository: run this in a clone, or name a folder of one (content) that "
            "holds tasks/ and frontends/"
        ) from None


def commit_of(top: Path, ref: str) -> str:
    """The hash of the commit that a branch, tag or hash names.

    Raises:
        WorkbenchError: when there is none.
    """
    if ref.startswith("-"):
        raise WorkbenchError(f"{ref!r} is no commit: give a branch, a tag or a hash")
    try:
        return _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except _GitError:
        raise WorkbenchError(
            f"no commit {ref!r} in this repository: give a branch, a tag or a hash (in CI, fetch the whole history)"
        ) from None


def working_tree(top: Path) -> str:
    """A commit of everything as it lies there now, but for what git ignores; the repository's own state stays.

    The hash of HEAD where nothing has changed.
    """
    head = commit_of(top, "HEAD")
    with tempfile.TemporaryDirectory(prefix="workbench-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        _asked(top, "read-tree", "HEAD", environment=index)
        _asked(top, "add", "--all", environment=index)
        tree = _asked(top, "write-tree", environment=index)
    if tree == _asked(top, "rev-parse", "HEAD^{tree}"):
        return head
    author = {f"GIT_{who}_{what}": "workbench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return _asked(top, "commit-tree", tree, "-p", head, "-m", WORKING_TREE, environment=author)


@contextlib.contextmanager
def checked_out(top: Path, commit: str, name: str) -> Iterator[Checkout]:
    """A commit in a temporary worktree, removed on leaving.

    Raises:
        WorkbenchError: when git cannot check it out.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-checkout-", ignore_cleanup_errors=True) as folder:
        place = Path(folder, "tree")
        _asked(top, "worktree", "add", "--detach", "--force", str(place), commit)
        try:
            yield Checkout(name, commit, place)
        finally:
            with contextlib.suppress(_GitError):
                _git(top, "worktree", "remove", "--force", str(place))


class _GitError(Exception):
    """Git said no."""


def _asked(top: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    try:
        return _git(top, *words, environment=environment)
    except _GitError as error:
        raise WorkbenchError(f"git {words[0]} failed: {error}") from None


def _git(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook sets them
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(
            command,
            env={**own, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise WorkbenchError("git is not installed: comparing commits needs it") from None
    except subprocess.TimeoutExpired:
        raise _GitError(f"no answer in {TIMEOUT_S:.0f} s") from None
    if done.returncode:
        raise _GitError(one_line(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"))
    return done.stdout.strip()
