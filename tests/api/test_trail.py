"""Auditors read and verify the trail over REST, and both are recorded in it."""

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.audit.test_verification import behind_its_back
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit import runs
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(auditor: User, as_user: Call) -> APIClient:
    return as_user(auditor)


def test_pagination_has_no_gaps_while_the_trail_grows(client: APIClient) -> None:
    append_all([Event(Action.STUDY_VIEWED, "study", str(n)) for n in range(7)], "ann")
    seen: list[int] = []
    address = "/api/v1/audit-entries?actor=ann&page_size=3"
    while address:
        page = client.get(address).json()
        seen += [entry["sequence"] for entry in page["results"]]
        address = page["next"]
    assert seen == list(range(7, 0, -1))
    viewed = AuditEntry.objects.filter(action=Action.AUDIT_VIEWED)
    assert [entry.detail for entry in viewed] == [{"actor": "ann"}] * 3


def test_an_invalid_filter(client: APIClient) -> None:
    response = client.get("/api/v1/audit-entries?first_day=yesterday&action=x")
    assert response.status_code == 400
    pointers = {error["pointer"] for error in response.json()["errors"]}
    assert pointers == {"#/first_day", "#/action"}
    assert audit_actions() == []


def test_the_outcome_of_a_verification(client: APIClient, settings: Settings) -> None:
    settings.AUDIT_CHECKS = []
    append_all([Event(Action.STUDY_VIEWED)], "ann")
    assert client.get("/api/v1/audit-entries/verification").status_code == 404
    asked = client.post("/api/v1/audit-entries/verify")
    assert asked.status_code == 202
    assert (asked.json()["state"], asked.json()["intact"]) == ("waiting", None)
    runs.run_queued()
    verdict = client.get("/api/v1/audit-entries/verification").json()
    assert (verdict["state"], verdict["intact"], verdict["findings"]) == ("done", True, [])
    behind_its_back("UPDATE audit_auditentry SET actor = 'ben' WHERE sequence = 1")
    client.post("/api/v1/audit-entries/verify")
    runs.run_queued()
    verdict = client.get("/api/v1/audit-entries/verification").json()
    assert verdict["intact"] is False
    assert verdict["findings"] == [
        {
            "code": "altered",
            "sequence": 1,
            "object_type": "",
            "object_id": "",
            "problem": "the entry was altered",
        }
    ]
