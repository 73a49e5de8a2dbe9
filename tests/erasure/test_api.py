"""Erasures over REST follow the rules of the pages: two people, a password, the same list."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.helpers import audit_actions
from webportal.accounts.models import Department, Role, User
from webportal.accounts.services import create_token
from webportal.erasure import execution
from webportal.erasure.models import Erasure, ErasureState
from webportal.records.choices import ReadingState
from webportal.records.models import Patient, Study
from webportal.retention import holds

pytestmark = pytest.mark.django_db
WHY = {"reason": "Request of 3 May", "reference": "DP-17"}
Call = Callable[..., APIClient]


@pytest.fixture
def token_client() -> Callable[..., APIClient]:
    """A client with a token of the person, as a program has it."""

    def client(person: User, scope: str = "all") -> APIClient:
        token = create_token(person, f"a script {scope}", scope=scope)
        return APIClient(headers={"Authorization": f"Token {token}"})

    return client


@pytest.fixture
def study() -> Study:
    made = make_study(
        patient=make_patient(name="Quux^Zoe", patient_id="ZZ-9"), reading_state=ReadingState.SIGNED
    )
    make_radiograph(made)
    return made


def ask(client: APIClient, study: Study, **more: str) -> Any:
    return client.post(f"/api/v1/patients/{study.patient_id}/erasure", WHY | more, format="json")


def confirm(client: APIClient, **more: str) -> Any:
    erasure = Erasure.objects.get()
    shown = client.get(f"/api/v1/erasures/{erasure.pk}").json()
    given = {"digest": (shown.get("plan") or {}).get("digest", "-"), "password": PASSWORD}
    return client.post(f"/api/v1/erasures/{erasure.pk}/confirm", given | more, format="json")


def test_one_asks_another_confirms_and_there_is_a_certificate(
    study: Study, uploader: User, it_person: User, token_client: Call
) -> None:
    asked = ask(token_client(uploader), study)
    assert asked.status_code == 201
    assert (asked.json()["state"], asked.json()["reference"]) == ("requested", "DP-17")
    office = token_client(it_person)
    address = f"/api/v1/erasures/{asked.json()['id']}"
    shown = office.get(address)
    plan = shown.json()["plan"]
    assert plan["studies"] == [str(study.pk)]
    assert (plan["obstacles"], plan["counts"]["records.radiograph"]) == ([], 1)
    for name in ("Quux", "Zoe", "ZZ-9"):
        assert name not in shown.text + asked.text
    assert Study.objects.exists()
    assert office.get(f"{address}/certificate").status_code == 409
    confirmed = confirm(office)
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")
    assert Study.objects.exists()
    execution.carry_out_confirmed(60)
    assert not Patient.objects.exists()
    done = office.get(address).json()
    assert (done["state"], done["plan"]) == ("done", None)
    assert done["hashes"]
    pdf = office.get(f"{address}/certificate")
    text = "".join(each.extract_text() for each in PdfReader(BytesIO(pdf.content)).pages)
    assert all(said in text for said in ("DP-17", *done["hashes"]))
    assert audit_actions(object_type="erasure") == [
        "erasure.requested",
        "erasure.confirmed",
        "records.erased",
        "files.erased",
        "erasure.certificate",
    ]


def test_a_token_alone_confirms_nothing(
    study: Study, uploader: User, it_person: User, token_client: Call
) -> None:
    ask(token_client(uploader), study)
    office = token_client(it_person)
    assert confirm(office, password="").status_code == 400
    wrong = confirm(office, password="a wrong password")
    assert wrong.status_code == 403
    assert wrong.json()["type"].endswith(":wrong-password")
    assert confirm(office, password=f"{PASSWORD} ").status_code == 403
    assert Erasure.objects.get().state == ErasureState.REQUESTED
    assert confirm(office).status_code == 200


def test_the_requester_cannot_confirm(
    study: Study, make_user: Callable[..., User], token_client: Call
) -> None:
    both = token_client(make_user(Role.UPLOADER, Role.IT))
    ask(both, study)
    refused = confirm(both)
    assert refused.status_code == 409
    assert "ask somebody else" in refused.json()["detail"]
    assert Erasure.objects.get().state == ErasureState.REQUESTED


def test_what_was_not_on_the_list_is_not_erased(
    study: Study, uploader: User, it_person: User, token_client: Call
) -> None:
    ask(token_client(uploader), study)
    office, erasure = token_client(it_person), Erasure.objects.get()
    digest = office.get(f"/api/v1/erasures/{erasure.pk}").json()["plan"]["digest"]
    make_radiograph(study)
    refused = confirm(office, digest=digest)
    assert (refused.status_code, "has changed" in refused.json()["detail"]) == (409, True)
    holds.place(study.patient, "court", it_person)
    assert "hold" in office.get(f"/api/v1/erasures/{erasure.pk}").json()["plan"]["obstacles"]
    refused = confirm(office)
    assert (refused.status_code, "legal hold" in refused.json()["detail"]) == (409, True)
    assert Erasure.objects.get().state == ErasureState.REQUESTED


def test_a_declined_erasure_erases_nothing_and_can_be_asked_for_again(
    study: Study, uploader: User, it_person: User, token_client: Call
) -> None:
    client, office = token_client(uploader), token_client(it_person)
    assert ask(client, study, reason=" ").status_code == 400
    assert ask(client, study).status_code == 201
    assert ask(client, study).status_code == 409
    address = f"/api/v1/erasures/{Erasure.objects.get().pk}"
    assert office.post(f"{address}/decline").json()["state"] == "declined"
    assert office.post(f"{address}/decline").status_code == 409
    assert confirm(office).status_code == 409
    execution.carry_out_confirmed(60)
    assert Study.objects.exists()
    assert ask(client, study).status_code == 201
    listed = office.get("/api/v1/erasures?state=requested").json()
    assert [each["state"] for each in listed["results"]] == ["requested"]


def test_a_patient_of_another_department_cannot_be_asked_for(
    study: Study, uploader: User, token_client: Call
) -> None:
    elsewhere = Department.objects.create(name="Elsewhere")
    Study.objects.update(department=elsewhere)
    assert ask(token_client(uploader), study).status_code == 404
    assert not Erasure.objects.exists()


def test_a_token_that_only_reads_asks_for_nothing_and_confirms_nothing(
    study: Study, uploader: User, it_person: User, token_client: Call
) -> None:
    assert ask(token_client(uploader, scope="read"), study).status_code == 403
    ask(token_client(uploader), study)
    assert confirm(token_client(it_person, scope="read")).status_code == 403
    assert Erasure.objects.get().state == ErasureState.REQUESTED
