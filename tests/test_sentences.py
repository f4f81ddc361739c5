"""No message ends in two full stops: texts of other errors lose theirs amid a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from anisoalign_core.errors import FormatError
from tests.sentences import DOUBLE, doubled

ROOT = Path(__file__).resolve().parent.parent
TRIMMED = {"first_line", "type"}
"""Calls that give the text of an error without its full stop, or no text of it."""


def sources() -> list[Path]:
    return sorted(
        path for room in ("anisoalign_core", "app", "pages") for path in (ROOT / room).rglob("*.py")
    )


def with_stops(tree: ast.AST) -> Iterator[ast.FormattedValue]:
    """Values that an f-string follows by a full stop."""
    for text in ast.walk(tree):
        if isinstance(text, ast.JoinedStr):
            for value, after in zip(text.values, text.values[1:], strict=False):
                stops = isinstance(after, ast.Constant) and re.match(r"\.( |$|\n)", after.value)
                if isinstance(value, ast.FormattedValue) and stops:
                    yield value


def raw(node: ast.AST, caught: set[str]) -> bool:
    """Whether an expression holds the text of a caught error as it is."""
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name) and called.id in TRIMMED:
            return False
        if isinstance(called, ast.Attribute) and called.attr == "rstrip":
            return False
    if isinstance(node, ast.Attribute) and node.attr == "strerror":
        return False
    if isinstance(node, ast.Name):
        return node.id in caught
    return any(raw(child, caught) for child in ast.iter_child_nodes(node))


def test_no_error_is_written_out_before_a_full_stop():
    wrong = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        caught = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ExceptHandler) and node.name
        }
        lines = [value.lineno for value in with_stops(tree) if raw(value.value, caught)]
        lines += [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and " " in node.value
            and DOUBLE.search(node.value)
        ]
        wrong += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    assert not wrong


def test_refusals_that_tests_provoke_are_looked_at():
    """tests/conftest.py fails a test amid which a message with two full stops was made."""
    for words in ("It is broken..", "It is broken. . Mend it.", "It is broken.. Mend it."):
        assert DOUBLE.search(words)
    FormatError("It is broken..")
    assert doubled == ["It is broken.."]
    doubled.clear()
    for words in ("It goes on ... Wait.", "Not ../a.npy. Give .npz.", "1. .5 is half."):
        assert not DOUBLE.search(words)
