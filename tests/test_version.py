"""The version is written in pyproject.toml, and shown where people and programs look for it."""

import re
from pathlib import Path

import pytest
from django.test import Client

from webportal.version import VERSION

ROOT = Path(__file__).resolve().parents[1]


def test_it_is_a_semantic_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", VERSION)


@pytest.mark.django_db
def test_the_version_is_in_the_footer(client: Client) -> None:
    page = client.get("/sign-in").content.decode()
    footer = page[page.index("<footer") : page.index("</footer>")]
    assert f"Chestline {VERSION}" in footer


def test_citation_changelog_and_api_document_state_it() -> None:
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(
        rf"^## {re.escape(VERSION)} - \d{{4}}", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert f"\n  version: {VERSION}\n" in (ROOT / "docs" / "openapi.yaml").read_text()
