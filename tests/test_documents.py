"""What the documents name exists."""

import ast
import re
from functools import cache

import pytest

from deploy.local.system import ROOT

_PATH = re.compile(
    r"`((?:webportal|workers|scheduler|ml|deploy|tests|tools|bench|requirements)[\w./-]*)`"
)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize("name", ["threat-model.md", "promises.md"])
def test_every_file_that_a_document_names_exists(name: str) -> None:
    named = _PATH.findall((ROOT / "docs" / name).read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_test_that_proves_a_promise_exists() -> None:
    named = _TEST.findall((ROOT / "docs" / "promises.md").read_text())
    assert len(named) > 80
    gone = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).exists() or name not in _tests_in(file)
    ]
    assert gone == []


def test_every_promise_names_a_proof_or_says_that_there_is_none() -> None:
    lines = (ROOT / "docs" / "promises.md").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    promises = [row for row in rows if not row[0].startswith(("| promise", "| ---"))]
    unproved = [
        row[0]
        for row in promises
        if not (_TEST.search(row[1]) or re.search(r"\*[a-z]|make bench|mutants\.md", row[1]))
    ]
    assert unproved == []
    assert len(promises) > 40
