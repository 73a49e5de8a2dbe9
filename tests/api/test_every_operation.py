"""Every operation of the OpenAPI document is called, and responds as documented."""

import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.api.document import documented, validator
from tests.api.world import LISTED, World, phantom_png
from tests.conftest import PASSWORD
from webportal.access.models import AccessEntry
from webportal.accounts.models import Role, User
from webportal.records.models import Patient, Study


@dataclass(frozen=True)
class Operation:
    """A call that must succeed. `path` and `@` in `body` name things of `World`."""

    role: Role | None
    status: int = 200
    path: dict[str, str] = field(default_factory=dict)
    body: Any = None
    form: Any = None


def _of(name: str) -> dict[str, str]:
    """The path's `id` is that of a thing of `World`."""
    return {"id": name}


CREDENTIALS = {"username": "radiologist", "password": PASSWORD, "name": "a script"}
ENTRY = {"prediction": "@prediction", "decision": "confirm", "pneumonia": "definite"}
SIGNATURE = ENTRY | {"password": PASSWORD, "identity": "@identity"}
ADDENDUM = {"reason": "Second look", "text": "A rib is broken.", "password": PASSWORD}
ADDENDUM |= {"identity": "@identity"}
IDENTITY = {"patient_id": "NEW-1", "family_name": "Phantom", "birth_date": "2020-02-29"}
U, R, IT, A = Role.UPLOADER, Role.RADIOLOGIST, Role.IT, Role.AUDITOR
C, S = Role.COORDINATOR, Role.RESEARCHER

OPERATIONS: dict[str, Operation] = {
    "agreement_list": Operation(R),
    "access_entries_list": Operation(A),
    "access_entries_patients_create": Operation(A, body={"text": "phantom"}),
    "audit_entries_list": Operation(A),
    "audit_entries_verification_retrieve": Operation(A, path={"last": "verification"}),
    "audit_entries_verify_create": Operation(A, 202),
    "batches_list": Operation(U),
    "batches_create": Operation(U, 201, body={"name": "CT 5", "priority": "urgent"}),
    "batches_retrieve": Operation(U, path=_of("batch")),
    "batches_files_list": Operation(U, path={"batch_id": "batch"}),
    "batches_files_create": Operation(U, path={"batch_id": "batch"}, form={"path": "a/b.png"}),
    "batches_results_list": Operation(R, path=_of("batch")),
    "batches_results_csv_retrieve": Operation(R, path=_of("batch")),
    "batches_check_sheet_create": Operation(U, body={"sheet": "file,patient_id\na.png,P-1\n"}),
    "notifications_list": Operation(U),
    "notifications_read_create": Operation(U, path=_of("notification")),
    "held_files_list": Operation(U),
    "held_files_retrieve": Operation(U, path=_of("held")),
    "held_files_resolve_create": Operation(U, path=_of("held"), body={"decision": "discard"}),
    "held_files_bulk_resolve_create": Operation(
        U, body={"decisions": [{"files": ["@held"], "decision": "discard"}]}
    ),
    "departments_list": Operation(IT),
    "departments_create": Operation(IT, 201, body={"name": "Surgery"}),
    "departments_partial_update": Operation(IT, path=_of("department"), body={"name": "Trauma"}),
    "studies_department_create": Operation(
        C, 204, path=_of("study"), body={"department": "@department"}
    ),
    "jobs_list": Operation(IT),
    "jobs_retrieve": Operation(IT, path=_of("queued")),
    "jobs_cancel_create": Operation(IT, path=_of("queued")),
    "jobs_release_create": Operation(IT, 201, path=_of("quarantined")),
    "model_versions_list": Operation(R),
    "model_versions_retrieve": Operation(R, path=_of("model")),
    "model_versions_activate_create": Operation(IT, path=_of("shipped")),
    "patients_list": Operation(U),
    "patients_erasure_create": Operation(
        U, 201, path={"id": "erasable"}, body={"reason": "Request of 3 May"}
    ),
    "erasures_list": Operation(IT),
    "erasures_retrieve": Operation(IT, path=_of("erasure")),
    "erasures_confirm_create": Operation(
        IT, path=_of("erasure"), body={"digest": "@erasure_digest", "password": PASSWORD}
    ),
    "erasures_decline_create": Operation(IT, path=_of("erasure")),
    "erasures_certificate_retrieve": Operation(IT, path=_of("erased")),
    "research_exports_list": Operation(S),
    "research_exports_create": Operation(
        S, 201, body={"purpose": "@purpose", "signed_only": False}
    ),
    "research_exports_retrieve": Operation(S, path=_of("export")),
    "research_exports_destroy": Operation(S, 204, path=_of("export")),
    "research_exports_file_retrieve": Operation(S, path=_of("made_export")),
    "patients_retrieve": Operation(U, path=_of("patient")),
    "patients_search_create": Operation(U, body={"text": "phantom"}),
    "patients_partial_update": Operation(U, path=_of("patient"), body={"sex": "F"}),
    "patients_correct_create": Operation(
        R, path=_of("patient"), body={"sex": "F", "reason": "Mixed up."}
    ),
    "predictions_list": Operation(R),
    "predictions_retrieve": Operation(R, path=_of("prediction")),
    "predictions_heatmap_retrieve": Operation(R, path=_of("prediction")),
    "radiographs_list": Operation(R),
    "radiographs_retrieve": Operation(R, path=_of("radiograph")),
    "radiographs_original_retrieve": Operation(R, path=_of("radiograph")),
    "radiographs_dicom_retrieve": Operation(R, path=_of("radiograph")),
    "radiographs_image_retrieve": Operation(R, path=_of("radiograph")),
    "radiographs_viewed_create": Operation(R, 204, path=_of("radiograph")),
    "radiographs_rerun_create": Operation(R, 201, path=_of("radiograph")),
    "reads_list": Operation(R),
    "reads_retrieve": Operation(R, path=_of("read")),
    "reads_corrections_seen_create": Operation(R, path=_of("read")),
    "reads_addenda_create": Operation(R, 201, path=_of("read"), body=ADDENDUM),
    "studies_list": Operation(R),
    "studies_worklist": Operation(R),
    "studies_second_reads": Operation(R),
    "studies_retrieve": Operation(R, path=_of("study")),
    "studies_search_create": Operation(R, body={"text": "phantom"}),
    "studies_partial_update": Operation(
        R, path=_of("study"), body={"symptoms": ["cough"], "priority": "stat"}
    ),
    "reads_take_back_create": Operation(R, path=_of("read")),
    "studies_bulk_assign_create": Operation(R, body={"studies": ["@study"], "reader": None}),
    "studies_bulk_priority_create": Operation(C, body={"studies": ["@study"], "priority": "stat"}),
    "studies_bulk_rerun_create": Operation(R, body={"studies": ["@study"]}),
    "studies_patient_update": Operation(R, path=_of("study"), body=IDENTITY),
    "studies_correct_patient_create": Operation(
        R, path=_of("study"), body=IDENTITY | {"reason": "Mixed up."}
    ),
    "studies_draft_retrieve": Operation(R, path=_of("drafted")),
    "studies_draft_update": Operation(R, path=_of("study"), body=ENTRY),
    "studies_draft_destroy": Operation(R, 204, path=_of("drafted")),
    "studies_next": Operation(R, body={"after": "@left"}),
    "studies_reservation_update": Operation(R, path=_of("study")),
    "studies_reservation_destroy": Operation(R, 204, path=_of("reserved")),
    "studies_rerun_create": Operation(R, 201, path=_of("outdated")),
    "studies_sign_create": Operation(R, path=_of("looked_at"), body=SIGNATURE),
    "text_templates_list": Operation(R),
    "tokens_list": Operation(R),
    "tokens_create": Operation(None, 201, body=CREDENTIALS),
    "tokens_destroy": Operation(R, 204, path={"key": "token"}),
    "dicom_nodes_list": Operation(IT),
    "dicom_nodes_create": Operation(
        IT, 201, body={"ae_title": "CR9", "addresses": ["10.0.0.9"], "port": 104}
    ),
    "dicom_nodes_retrieve": Operation(IT, path=_of("node")),
    "dicom_nodes_partial_update": Operation(IT, path=_of("node"), body={"is_active": False}),
    "dicom_nodes_echo_create": Operation(IT, path=_of("node")),
    "received_instances_list": Operation(IT),
    "received_instances_retrieve": Operation(IT, path=_of("received")),
    "received_instances_adopt_create": Operation(IT, path=_of("found"), body={"node": "@node"}),
    "received_instances_retry_create": Operation(IT, path=_of("received")),
    "received_instances_discard_create": Operation(IT, path=_of("received")),
    "users_list": Operation(IT),
    "users_create": Operation(IT, 201, body={"username": "ann", "roles": ["radiologist"]}),
    "users_retrieve": Operation(IT, path=_of("person")),
    "users_partial_update": Operation(IT, path=_of("person"), body={"is_active": False}),
    "users_reset_password_create": Operation(IT, path=_of("person")),
    "jobs_bulk_create": Operation(IT, body={"change": "release", "reason_code": "worker_lost"}),
    "queue_list": Operation(IT),
    "queue_pause_create": Operation(IT, body={"priority": "routine"}),
    "queue_resume_create": Operation(IT, body={"priority": "routine"}),
    "workers_list": Operation(IT),
    "workers_retrieve": Operation(IT, path={"name": "worker"}),
    "workers_drain_create": Operation(IT, path={"name": "worker"}),
    "workers_stop_create": Operation(IT, path={"name": "worker"}),
    "workers_resume_create": Operation(IT, path={"name": "worker"}),
}


@pytest.fixture
def world(uploader: User, radiologist: User, settings: Settings) -> World:
    settings.SECOND_READING_BLIND_TO_AI = True
    return World(uploader, radiologist)


def test_the_table_names_exactly_the_documented_operations() -> None:
    assert set(OPERATIONS) == set(documented())


@pytest.mark.parametrize("name", sorted(documented()))
def test_an_operation_responds_as_documented(
    name: str, world: World, make_user: Callable[..., User]
) -> None:
    method, path, description = documented()[name]
    operation = OPERATIONS[name]
    world.fill(name)
    client = APIClient()
    if operation.role is not None:
        client.force_authenticate(
            User.objects.filter(roles=[operation.role]).first() or make_user(operation.role)
        )
    address = path.format(**{key: world[thing] for key, thing in operation.path.items()})
    if operation.form is not None:
        file = io.BytesIO(phantom_png(2))
        file.name = "b.png"
        response = client.post(address, operation.form | {"file": file}, format="multipart")
    else:
        response = client.generic(method, address, *_json(operation.body, world))

    assert response.status_code == operation.status, getattr(response, "data", response)
    assert_recorded(response)
    answer = description["responses"][str(operation.status)]
    if "content" not in answer:
        assert not response.content
        return
    media_type = response["Content-Type"].split(";")[0]
    schema = answer["content"][media_type]["schema"]
    if schema.get("format") == "binary":
        assert b"".join(response)
        return
    if media_type == "text/csv":
        assert response.content.startswith(b"\xef\xbb\xbf")
        assert b"held.png" in response.content
        return
    if name in LISTED:
        rows = response.json() if schema.get("type") == "array" else response.json()["results"]
        assert len(rows) >= 1
    complaints = [
        f"{error.json_path}: {error.message}"
        for error in validator(schema).iter_errors(response.json())
    ]
    assert complaints == []


def assert_recorded(response: Any) -> None:
    """Every patient in the response is in the access log."""
    body = response.content if not response.streaming else b""
    entry = AccessEntry.objects.first()
    for patient in Patient.objects.all():
        if f'"{patient.patient_id}"'.encode() in body:
            assert entry is not None
            assert patient.pk in entry.patient_ids
    for study in Study.objects.all():
        if study.study_instance_uid.encode() in body:
            assert entry is not None
            assert study.pk in entry.study_ids
    if response.streaming or response.get("Content-Type") == "image/png":
        assert entry is not None
        assert entry.study_ids


def _json(body: Any, world: World) -> tuple[str, str]:
    return json.dumps(_filled(body or {}, world)), "application/json"


def _filled(value: Any, world: World) -> Any:
    """The value with the things of `World` in the places of their names."""
    if isinstance(value, dict):
        return {key: _filled(part, world) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, world) for part in value]
    return str(world[value[1:]]) if isinstance(value, str) and value.startswith("@") else value


@pytest.mark.parametrize("name", sorted(set(documented()) - {"tokens_create"}))
def test_an_operation_without_a_token_is_a_documented_problem(name: str, db: None) -> None:
    method, path, description = documented()[name]
    somewhere = dict.fromkeys(("id", "batch_id", "key", "name"), uuid.uuid4())
    response = APIClient().generic(method, path.format(**somewhere))
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    schema = description["responses"]["401"]["content"]["application/problem+json"]["schema"]
    assert list(validator(schema).iter_errors(response.json())) == []
