"""What the documents name exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from deploy.local.system import ROOT
from tools.lengths import FOLDERS

_PATH = re.compile(
    r"`((?:webportal|workers|scheduler|ml|deploy|tests|tools|bench|requirements)[\w./-]*)`"
)
# Names of what is in the code, and of modules without their folder.
_NAME = re.compile(r"`(_?[A-Za-z](?:\w*[^\W_])?)`")
_SCRIPT = re.compile(r"`([\w./-]+\.(?:py|ts|css|sql))`")
_MODULE = re.compile(r"`(\w+\.py)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef))


@cache
def _sources() -> dict[str, str]:
    folders = ("webportal", "ml", "workers", "scheduler", "deploy", "bench", "tests", "tools")
    files = [each for folder in folders for each in (ROOT / folder).rglob("*.py")]
    return {each.relative_to(ROOT).as_posix(): each.read_text() for each in files}


DOCUMENTS = sorted(
    each.relative_to(ROOT).as_posix() for each in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
)


@cache
def _anchors(file: Path) -> frozenset[str]:
    """The anchors that GitHub gives the headings of a file."""
    text = _FENCED.sub("", file.read_text())
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text)]
    return frozenset(each.replace(" ", "-") for each in plain)


@cache
def _files() -> frozenset[str]:
    folders = [*FOLDERS, "docs/examples"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    files += ROOT.glob("*.py")
    return frozenset(str(path) for path in files if "node_modules" not in path.parts)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    file = ROOT / name
    broken = []
    for link in _LINK.findall(_FENCED.sub("", file.read_text())):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if ":" in link.partition("/")[0]:
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", [each for each in DOCUMENTS if each != "CHANGELOG.md"])
def test_every_file_that_a_document_names_exists(name: str) -> None:
    named = [path for path in _PATH.findall((ROOT / name).read_text()) if "/" in path]
    named = [path for path in named if not path.endswith(".env")]  # written by whoever installs
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", [each for each in DOCUMENTS if each != "CHANGELOG.md"])
def test_every_module_that_a_document_names_exists(name: str) -> None:
    """Also those named without their folder, or by their path below one."""
    named = _SCRIPT.findall((ROOT / name).read_text())
    assert [path for path in named if not any(each.endswith(f"/{path}") for each in _files())] == []


def test_every_name_in_the_recipes_is_in_the_code() -> None:
    recipes = [*(ROOT / "docs" / "recipes").glob("*.md")]
    recipes += [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "migrations.md"]
    text = "\n".join(each.read_text() for each in recipes)
    words = set(
        re.findall(r"\w+", "\n".join([*_sources().values(), (ROOT / "Makefile").read_text()]))
    )
    modules = {path.rpartition("/")[2] for path in _sources()}
    assert len(_NAME.findall(text)) > 80
    gone = {name for name in _NAME.findall(text) if name not in words}
    gone |= {name for name in _MODULE.findall(text) if name not in modules}
    assert gone == set()


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
