"""The committed OpenAPI document matches the code."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.yaml"


def test_the_committed_document_is_current(tmp_path: Path) -> None:
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    assert COMMITTED.read_text() == made.read_text(), (
        "docs/openapi.yaml is out of date: python manage.py spectacular --file docs/openapi.yaml"
    )


@pytest.mark.django_db
def test_the_portal_serves_the_same_document(client: Client) -> None:
    response = client.get("/api/v1/openapi.yaml")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/vnd.oai.openapi"
    assert response.text == COMMITTED.read_text()
