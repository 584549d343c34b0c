"""Sessions with planted frontends, run by the command line as a user would run them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench import api
from workbench.show.run import Run


@dataclass(frozen=True)
class Session:
    """What a run of the command line left behind."""

    exit_code: int
    stdout: str
    stderr: str
    store: Path
    temporary: Path

    @property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """Its table as --json printed it, by frontend."""
        return {row["frontend"]: row for row in json.loads(self.stdout)["contestants"]}

    @property
    def run(self) -> Run:
        """The run as it is loaded from disk."""
        return api.load("latest", self.store)

    def log(self, frontend: str) -> bytes:
        """What a contestant's worker printed."""
        return (self.run.path / self.rows[frontend]["log"]).read_bytes()


@pytest.fixture(scope="session")
def session(cli, quick_options, tmp_path_factory) -> Callable[..., Session]:
    """Runs linreg on a content folder and keeps all there is to look at."""

    cache = tmp_path_factory.mktemp("cache")

    def run(content, *options: str) -> Session:
        store, temporary = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("temporary")
        words = ["run", "linreg", "-f", content.frontends, "--json", "--content", content.root, "--output", store]
        done = cli(*words, *quick_options, *options, TMPDIR=str(temporary), XDG_CACHE_HOME=str(cache))
        return Session(done.returncode, done.stdout, done.stderr, store, temporary)

    return run
