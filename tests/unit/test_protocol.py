"""The protocol between harness and worker has a version, and whatever changes it needs a new one."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.wire import exchange, worker
from workbench.wire.answers import ANSWERS, Block, Canary
from workbench.wire.exchange import Job

# What each version of the protocol consisted of. A change needs a new VERSION in workbench/wire/exchange.py and a new
# line here: the gate measures a commit with the commit's own workbench, and asks the version whether they understand
# each other. Never change a line that was once released.
FINGERPRINTS = {
    2: "f6db29c108462b70",
}


def fingerprint(job: type = Job, commands: type = worker.Worker, answers: Mapping[str, type] = ANSWERS) -> str:
    """SHA-256 over the job's fields, the commands with their arguments, and what must be in their answers."""
    fields = [
        (field.name, str(field.type), field.default is field.default_factory is dataclasses.MISSING)
        for field in dataclasses.fields(job)
    ]
    asked = {
        name: [(parameter.name, str(parameter.annotation), parameter.default is parameter.empty) for parameter in taken]
        for name, method in sorted(inspect.getmembers(commands, inspect.isfunction))
        if name.startswith("do_") and (taken := list(inspect.signature(method).parameters.values()))
    }
    answered = {
        did: [
            (field.name, str(field.type), field.default is field.default_factory is dataclasses.MISSING)
            for field in dataclasses.fields(kind)
        ]
        for did, kind in sorted(answers.items())
    }
    failed = sorted(
        worker.failure(ValueError("planted"), "make", SimpleNamespace(job=SimpleNamespace(mode="a", content={})))
    )
    everything = json.dumps([fields, asked, answered, failed])
    return hashlib.sha256(everything.encode()).hexdigest()[:16]


def test_what_crosses_the_border_is_that_of_its_version():
    assert fingerprint() == FINGERPRINTS.get(exchange.VERSION), (
        "the job's fields, the commands or their answers have changed: raise VERSION in workbench/wire/exchange.py and "
        f"record {exchange.VERSION + 1}: {fingerprint()!r} here"
    )


class AnotherCommand(worker.Worker):
    def do_serve(self) -> dict[str, Any]:
        return {}


class AnotherArgument(worker.Worker):
    def do_block(self, steps: int, warm: int, cold: int = 0) -> dict[str, Any]:
        return super().do_block(steps, warm + cold)


CHANGES = {
    "a field more": {"job": dataclasses.make_dataclass("Job", [("colour", str, "")], bases=(Job,), frozen=True)},
    "a field of another type": {
        "job": dataclasses.make_dataclass("Job", [("preset", "int", 0)], bases=(Job,), frozen=True, kw_only=True)
    },
    "a command more": {"commands": AnotherCommand},
    "an argument more": {"commands": AnotherArgument},
    "an answer more": {"answers": {**ANSWERS, "serve": Block}},
    "an answer that holds more": {"answers": {**ANSWERS, "block": Canary}},
}


def test_every_command_has_its_answer():
    commands = {name.removeprefix("do_") for name in vars(worker.Worker) if name.startswith("do_")}
    assert commands == set(ANSWERS)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(change):
    assert fingerprint(**CHANGES[change]) != fingerprint()
