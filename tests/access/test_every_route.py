"""Every route declares what it shows, and whoever is shown a patient is in the access log."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from PIL import Image

from tests.conftest import PASSWORD
from tests.factories import drawn, make_prediction, make_radiograph, make_study
from tests.roles import TABLE, filled
from webportal.access.models import AccessEntry
from webportal.access.routes import ROUTES
from webportal.accounts.models import Role, User
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.cases.case_record import FORM_KEY, CaseRecord
from webportal.records.choices import ReadingState
from webportal.records.models import Patient, Study
from webportal.review.models import Decision, Pneumonia, Read, ReadState
from webportal.review.worklist import views as worklist_views

NAME, NUMBER = "Lammergeier", "LAM-4711"
CANARIES = (NAME, NAME.upper(), NUMBER, "LAM-A")
PICTURES = ("image/png", "application/octet-stream", "application/dicom", "application/pdf")


def routes(patterns: list[URLPattern | URLResolver], start: str = "") -> list[str]:
    found = []
    for each in patterns:
        if isinstance(each, URLResolver):
            prefix = f"{start}{each.namespace}:" if each.namespace else start
            found += routes(each.url_patterns, prefix)
        else:
            found.append(f"{start}{each.name}")
    return found


def test_the_declarations_match_the_routes() -> None:
    """A route that fails here needs its line in webportal/access/routes/."""
    assert set(ROUTES) == set(routes(get_resolver().url_patterns))


@pytest.fixture
def somebody(uploader: User, radiologist: User) -> dict[str, Any]:
    """A patient with one object for each id that occurs in a URL, keyed by URL parameter."""
    patient = Patient.objects.create(patient_id=NUMBER, name=f"{NAME}^Anna")
    referrer = User.objects.create_user("referrer", PASSWORD, [Role.REFERRER])
    study = make_study(patient=patient, accession_number="LAM-A", referrer=referrer)
    prediction = make_prediction(make_radiograph(study))
    read = Read.objects.create(
        study=study,
        reader=radiologist,
        state=ReadState.SIGNED,
        decision=Decision.UNAIDED,
        pneumonia=Pneumonia.NONE,
        signed_at=timezone.now() - timedelta(minutes=5),
    )
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.SIGNED)
    records = {FORM_KEY: CaseRecord(NUMBER, name=f"{NAME}^Berta")}
    batch = services.create_batch(uploader, identity_mode="form", records=records)
    item = pipeline.receive_file(batch, f"{NAME}.png", io.BytesIO(_png()), uploader)[0]
    assert item.verdict == "held"
    return {
        "study_id": study.pk,
        "patient_id": patient.pk,
        "radiograph_id": prediction.radiograph_id,
        "prediction_id": prediction.pk,
        "read_id": read.pk,
        "batch_id": batch.pk,
        "item_id": item.pk,
    }


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(drawn(1, (160, 136))).save(buffer, "PNG")
    return buffer.getvalue()


def _shows_somebody(response: Any) -> bool:
    if response.status_code != 200:
        return False
    body = b"".join(response) if response.streaming else response.content
    return response["Content-Type"] in PICTURES or any(text.encode() in body for text in CANARIES)


def _is_of(entry: AccessEntry, somebody: dict[str, Any]) -> bool:
    return (
        somebody["study_id"] in entry.study_ids
        or somebody["patient_id"] in entry.patient_ids
        or somebody["item_id"] in entry.file_ids
    )


def test_everyone_who_is_shown_a_patient_on_a_page_is_in_the_log(
    somebody: dict[str, Any],
    uploader: User,
    radiologist: User,
    it_person: User,
    auditor: User,
    make_user: Callable[..., User],
) -> None:
    people = {Role(each.roles[0]): each for each in (radiologist, uploader, it_person, auditor)}
    people[Role.REFERRER] = User.objects.get(username="referrer")
    for role in set(Role) - set(people):
        people[role] = make_user(role)
    shown, wrong = [], []
    for address, methods in TABLE.items():
        path = filled(address, somebody)
        if path is None or address.startswith("api/") or address == "heatmap-legend.png":
            continue
        # Every role: the same address shows each something different.
        for role in filter(None, methods.get("GET", ())):
            client = Client()
            client.force_login(people[role])
            before = set(AccessEntry.objects.values_list("pk", flat=True))
            response = client.get(path + ("?state=all" if address == "worklist" else ""))
            if _shows_somebody(response):
                entries = AccessEntry.objects.exclude(pk__in=before)
                shown.append(address)
                if [_is_of(entry, somebody) for entry in entries] != [True]:
                    wrong.append(f"{role} /{address}: {[each.kind for each in entries]}")
    assert wrong == []
    # Everything that this test is about was there to be seen.
    assert {
        "worklist",
        "patients",
        "patients/<uuid:patient_id>",
        "studies/<uuid:study_id>",
        "studies/<uuid:study_id>/report.pdf",
        "studies/<uuid:study_id>/report/key-image.png",
        "reports",
        "radiographs/<uuid:radiograph_id>/v2/pixels",
        "predictions/<uuid:prediction_id>/heatmap.png",
        "uploads/<uuid:batch_id>/results.csv",
        "uploads/held/<uuid:item_id>/image.png",
    } <= set(shown)


def test_a_response_about_patients_that_reports_none_is_withheld(
    monkeypatch: pytest.MonkeyPatch, somebody: dict[str, Any], radiologist: User
) -> None:
    monkeypatch.setattr(worklist_views, "show", lambda *_args, **_more: None)
    client = Client(raise_request_exception=False)
    client.force_login(radiologist)
    response = client.get("/worklist?state=all")
    assert response.status_code == 500
    assert NAME.encode() not in response.content


def test_an_undeclared_route_returns_nothing(
    monkeypatch: pytest.MonkeyPatch, radiologist: User
) -> None:
    monkeypatch.delitem(ROUTES, "review:worklist")
    client = Client(raise_request_exception=False)
    client.force_login(radiologist)
    assert client.get("/worklist?state=all").status_code == 500
