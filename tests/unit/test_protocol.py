"""The protocol of harness and worker has a version, whatever changes it needs a new one, and PROTOCOL.md has it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.contract import Phase, Problem, State
from workbench.wire import exchange, worker
from workbench.wire.answers import ANSWERS, Canary, Failure, Ran
from workbench.wire.exchange import Job

PAGE = Path(__file__).resolve().parents[2] / "PROTOCOL.md"

# What each version of the protocol consisted of. A change needs a new VERSION in workbench/wire/exchange.py and a new
# line here: the gate measures a commit with the commit's own workbench, and asks the version whether they understand
# each other. Never change a line that was once released.
FINGERPRINTS = {
    2: "f6db29c108462b70",
    3: "a635966b0e670f57",
    4: "8188d4b40ec2218c",
}


def fingerprint(
    job: type = Job,
    commands: type = worker.Worker,
    answers: Mapping[str, type] = ANSWERS,
    files: tuple[type, ...] = (Problem, Phase, State),
) -> str:
    """SHA-256 over the job's fields, commands with their arguments, what must be in their answers, and the files."""
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
    written = [[(field.name, str(field.type)) for field in dataclasses.fields(kind) if field.init] for kind in files]
    everything = json.dumps([fields, asked, answered, failed, written])
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
    def do_run(self, steps: int, warm: int = 0, keep: tuple[int, ...] = (), cold: int = 0) -> dict[str, Any]:
        return super().do_run(steps, warm + cold, keep)


CHANGES = {
    "a field more": {"job": dataclasses.make_dataclass("Job", [("colour", str, "")], bases=(Job,), frozen=True)},
    "a field of another type": {
        "job": dataclasses.make_dataclass("Job", [("preset", "int", 0)], bases=(Job,), frozen=True, kw_only=True)
    },
    "a command more": {"commands": AnotherCommand},
    "an argument more": {"commands": AnotherArgument},
    "an answer more": {"answers": {**ANSWERS, "serve": Ran}},
    "an answer that holds more": {"answers": {**ANSWERS, "run": Canary}},
    "a file that holds more": {"files": (dataclasses.make_dataclass("Problem", [("x", int)]), Phase, State)},
}


def test_every_command_has_its_answer():
    commands = {name.removeprefix("do_") for name in vars(worker.Worker) if name.startswith("do_")}
    assert commands == set(ANSWERS)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(change):
    assert fingerprint(**CHANGES[change]) != fingerprint()


def cells_of(page: str) -> list[list[str]]:
    """The rows of all tables of a page."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]


def names_in(cell: str) -> dict[str, bool]:
    """Names in a cell, each with whether it may be left out."""
    return {name: bool(mark) for name, mark in re.findall(r"`([a-z_0-9/<>.]+)`(\??)", cell)}


def optional(kind: type) -> dict[str, bool]:
    fields = dataclasses.fields(kind)
    return {field.name: (field.default, field.default_factory) != 2 * (dataclasses.MISSING,) for field in fields}


def arguments(command: str) -> dict[str, bool]:
    taken = list(inspect.signature(getattr(worker.Worker, f"do_{command}")).parameters.values())[1:]
    return {parameter.name: parameter.default is not parameter.empty for parameter in taken}


def section(page: str, heading: str) -> str:
    return page.split(f"\n{heading}", 1)[1].split("\n## ", 1)[0]


def misdescribed(page: str) -> set[str]:
    """What the page says otherwise than the code, or leaves out."""
    described = {next(iter(names_in(row[0]))): row for row in cells_of(section(page, "## Commands"))}
    wrong = set(described) ^ set(ANSWERS)
    for command, row in described.items():
        if command in ANSWERS and [names_in(row[1]), names_in(row[2])] != [
            arguments(command),
            optional(ANSWERS[command]),
        ]:
            wrong.add(command)
    tables = {
        "job": (section(page, "## Start"), set(optional(Job))),
        "failure": (section(page, "## Messages"), set(optional(Failure))),
        "problem": (
            section(page, "**The problem**").split("**The feed**")[0],
            {f"{group}/<name>" for group in exchange._GROUPS} | set(exchange._SINGLE),
        ),
        "state": (
            section(page, "**The state**"),
            {name if name == "predictions" else f"{name}/<name>" for name in optional(State)},
        ),
    }
    for table, (text, expected) in tables.items():
        if set().union(*(names_in(row[0]) for row in cells_of(text))) != expected:
            wrong.add(table)
    said = {int(version) for version in re.findall(r'(?:version |"v": )(\d+)', page)}
    return wrong | (set() if said == {exchange.VERSION} else {"version"})


def test_the_page_describes_what_crosses_the_border():
    assert misdescribed(PAGE.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("| `wait` | |", "| `wait_a_while` | |", {"wait", "wait_a_while"}),
        ("| `run` | `steps`, `warm`?, `keep`?", "| `run` | `steps`, `warm`?", {"run"}),
        ("| `run` | `steps`, `warm`?, `keep`?", "| `run` | `steps`, `warm`, `keep`?", {"run"}),
        ("`setup_s`, `steps_per_call`?", "`setup_s`", {"set_up"}),
        ("| `cpus` | where", "| `processors` | where", {"job"}),
        ("| `kind` |", "| `class` |", {"failure"}),
        ("| `per_step/<name>` |", "| `each_step/<name>` |", {"problem"}),
        ("| `gradients/<name>` |", "| `derivatives/<name>` |", {"state"}),
        ('{"v": 4, "did"', '{"v": 3, "did"', {"version"}),
    ],
)
def test_what_the_page_says_wrongly_is_noticed(old, new, what):
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(old) == 1
    assert misdescribed(page.replace(old, new)) == what
