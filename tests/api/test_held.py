"""Many held files are decided on at once over REST, each with an answer of its own."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.api.test_uploads import make_batch, png, send
from tests.factories import make_patient
from webportal.access.models import AccessEntry
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.intake.models import UploadItem, Verdict
from webportal.records.models import Study

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/held-files/bulk/resolve"


@pytest.fixture
def client(uploader: User, as_user: Call) -> APIClient:
    return as_user(uploader)


@pytest.fixture
def held(client: APIClient) -> list[str]:
    """Three held files that name the same person."""
    make_patient(patient_id="P-1", issuer="", name="Phantom^Berta")
    record = {"patient_id": "P-1", "family_name": "Phantom", "given_name": "Anna"}
    batch = make_batch(client, identity_mode="form", case_record=record)
    items = [send(client, batch, f"{n}.png", png(n)).json()["items"][0] for n in range(3)]
    assert {item["verdict"] for item in items} == {"held"}
    return [item["id"] for item in items]


def resolve(client: APIClient, *decisions: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(ADDRESS, {"decisions": list(decisions)})
    assert answer.status_code == 200, answer.json()
    files: list[dict[str, Any]] = answer.json()["files"]
    return files


def test_one_correction_is_for_all_files_that_it_names(client: APIClient, held: list[str]) -> None:
    values = {"patient_id": "P-2", "family_name": "Phantom", "given_name": "Anna"}
    answers = resolve(client, {"files": held, "decision": "corrected", "correction": values})
    assert [each["file"] for each in answers] == held
    assert {each["item"]["verdict"] for each in answers} == {"accepted"}
    assert {each["problem"] for each in answers} == {None}
    assert {study.patient.patient_id for study in Study.objects.all()} == {"P-2"}
    entries = AuditEntry.objects.filter(action=Action.FILE_RESOLVED)
    assert {entry.detail["decision"] for entry in entries} == {"corrected"}
    assert sorted(entry.object_id for entry in entries) == sorted(held)
    shown = AccessEntry.objects.get(route="api:held-file-resolve-many")
    assert set(shown.study_ids) == set(Study.objects.values_list("pk", flat=True))


def test_each_file_has_a_decision_of_its_own(client: APIClient, held: list[str]) -> None:
    answers = resolve(
        client,
        {"files": held[:1], "decision": "same"},
        {"files": held[1:2], "decision": "discard"},
        {"files": held[2:], "decision": "corrected", "correction": {"patient_id": "P-3"}},
    )
    verdicts = [each["item"]["verdict"] for each in answers]
    assert verdicts == ["accepted", "discarded", "accepted"]
    patients = {study.patient.patient_id for study in Study.objects.all()}
    assert patients == {"P-1", "P-3"}


def test_one_unresolvable_file_does_not_block_the_others(
    client: APIClient, held: list[str]
) -> None:
    nobody = str(uuid4())
    answers = resolve(
        client,
        {"files": held[:1], "decision": "bikram_sambat"},
        {"files": held[1:2], "decision": "corrected", "correction": {"birth_date": "2099-01-02"}},
        {"files": [nobody, held[2]], "decision": "same"},
    )
    problems = [each["problem"] and each["problem"]["type"].split(":")[-1] for each in answers]
    assert problems == ["not-bikram-sambat", "invalid", "not-found", None]
    assert [error["pointer"] for error in answers[1]["problem"]["errors"]] == ["#/birth_date"]
    assert answers[0]["item"] is None
    verdicts = {str(item.pk): item.verdict for item in UploadItem.objects.all()}
    assert [verdicts[file] for file in held] == [Verdict.HELD, Verdict.HELD, Verdict.ACCEPTED]
    # Nobody decides twice.
    [again] = resolve(client, {"files": held[2:], "decision": "discard"})
    assert again["problem"]["status"] == 404


@pytest.mark.parametrize(
    "decisions",
    [
        [],
        [{"files": [], "decision": "same"}],
        [{"files": ["x"], "decision": "same"}],
        [{"files": [str(uuid4())], "decision": "whatever"}],
        [{"files": [str(uuid4()) for _ in range(60)], "decision": "same"} for _ in range(2)],
    ],
)
def test_a_malformed_request_is_refused_as_a_whole(
    client: APIClient, decisions: list[dict[str, Any]]
) -> None:
    assert client.post(ADDRESS, {"decisions": decisions}).status_code == 400


def test_two_decisions_on_a_file_are_refused(client: APIClient, held: list[str]) -> None:
    both = [{"files": held, "decision": "same"}, {"files": held[:1], "decision": "discard"}]
    assert client.post(ADDRESS, {"decisions": both}).status_code == 400
    assert UploadItem.objects.filter(verdict=Verdict.HELD).count() == 3


def test_files_of_other_departments_are_not_found(held: list[str], as_user: Call) -> None:
    stranger = User.objects.create_user("stranger", None, [Role.UPLOADER])
    stranger.departments.set([Department.objects.create(name="Elsewhere")])
    answers = resolve(as_user(stranger), {"files": held, "decision": "discard"})
    assert {each["problem"]["status"] for each in answers} == {404}
    assert UploadItem.objects.filter(verdict=Verdict.HELD).count() == 3
