"""What several unit tests pretend about the host."""

import os

import pytest


@pytest.fixture
def usable(monkeypatch):
    """Call it with the CPUs that this process may run on."""

    def allow(*cpus):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(cpus), raising=False)

    return allow
