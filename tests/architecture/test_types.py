"""What is recorded is typed from the worker's answer to the last table: no ``Any``, and no value taken out by a text.

A dict exists only while it is JSON, and JSON only where it is decoded. What a framework yields is of any type, so the
worker and the contract are left out.
"""

from __future__ import annotations

import ast

import pytest

from workbench.catalog.roots import package_root

MODULES = {
    ".".join(path.relative_to(package_root()).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(package_root().rglob("*.py"))
    if "_content" not in path.parts
}
DECODERS = {
    "store.codec": "makes typed values of JSON",
    "store.upgrade": "makes today's JSON of yesterday's",
    "wire.exchange": "the messages themselves, on the standard library alone",
    "catalog.frontends": "makes typed values of frontend.toml",
    "catalog.tasks": "makes typed values of a task's literals",
}
ANY_DECLARED_TYPE = {
    "model.option": "an option's value is of whatever type its declaration says, and is checked against it",
    "cli.options": "hands such values from typer on",
}
FRAMEWORKS_VALUES = {
    "contract": "what content yields is its framework's",
    "wire.worker": "runs content",
    "wire._boot": "starts before anything is imported",
    "selftest.child": "a worker",
    "selftest.bare": "a worker's loop",
    "selftest._boot": "a worker's start",
}
LEFT_OUT = DECODERS | FRAMEWORKS_VALUES | ANY_DECLARED_TYPE


def anys(source: str) -> list[int]:
    """Lines that name Any."""
    tree = ast.parse(source)
    names = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "Any"]
    attributes = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "Any"]
    texts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.alias) and node.name == "Any"]
    return sorted({*names, *attributes, *texts})


def text_subscripts(source: str) -> list[int]:
    """Lines that take a value out by a literal text, as in ``row["step_s"]``; types such as Literal["a"] are none."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
        and not (isinstance(node.value, ast.Name) and node.value.id[0].isupper())
    ]


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(LEFT_OUT)))
def test_a_module_names_no_any(name):
    assert anys(MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(LEFT_OUT)))
def test_a_module_takes_nothing_out_by_a_text(name):
    assert text_subscripts(MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ["def f(x: Any) -> None: ...", "from typing import Any", "x: dict[str, Any]", "import typing\nx: typing.Any"],
)
def test_a_planted_any_is_noticed(source):
    assert anys(source)


@pytest.mark.parametrize("source", ['row["step_s"]', 'row["a"] = 1', 'f()["x"]["y"]', 'del row["a"]'])
def test_a_planted_subscript_is_noticed(source):
    assert text_subscripts(source)


def test_types_and_numbers_are_no_text_subscripts():
    assert text_subscripts('x: "list[int]" = y[0]\nz: Argument["a"]') == []


def test_every_module_that_is_left_out_exists():
    assert set(LEFT_OUT) <= set(MODULES)
