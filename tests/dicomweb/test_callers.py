"""Who may call DICOMweb, from where, and what of the records they see."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests import dicom_files as files
from tests.dicomweb.conftest import STUDIES, Call, stow
from tests.factories import make_radiograph, make_study
from webportal.accounts.models import GENERAL, ApiToken, Department, Role, User
from webportal.records.models import Study

VIEWER = "https://viewer.hospital.example"


def test_tokens_sessions_and_nobody(
    calling: Call, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    for prefix in ("Bearer", "Token", "bearer"):
        assert calling(radiologist, prefix=prefix).get(STUDIES).status_code == 200
    assert sign_in(radiologist).get(STUDIES).status_code == 200
    nobody = APIClient()
    response = nobody.get(STUDIES)
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")
    assert response["WWW-Authenticate"] == "Token"
    for wrong in ("Bearer", "Bearer ", "Bearer of-nobody", "Bearer Ã¿", "Token x y", "Basic eDp5"):
        nobody.credentials(HTTP_AUTHORIZATION=wrong)
        assert nobody.get(STUDIES).status_code == 401, wrong
    assert ApiToken.objects.exclude(used_at=None).count() == 3


def test_a_program_is_told_that_its_user_must_choose_a_password(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)
    User.objects.update(must_change_password=True)
    response = browser.get(STUDIES)
    assert (response.status_code, response.json()["type"]) == (
        403,
        "urn:chestline:problem:password-change-required",
    )


def test_a_session_stores_nothing_for_another_site(
    radiologist: User,
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(radiologist)
    response = browser.post(STUDIES, data=b"", content_type="application/dicom")
    assert (response.status_code, "CSRF" in response.json()["detail"]) == (403, True)


def test_studies_of_other_departments_are_not_there(
    calling: Call, make_user: Callable[..., User]
) -> None:
    person = make_user(Role.RADIOLOGIST)
    elsewhere = Department.objects.create(name="Elsewhere")
    mine, other = make_study(), make_study(department=elsewhere)
    make_radiograph(mine)
    image = make_radiograph(other)
    client = calling(person)
    uids = [each["0020000D"]["Value"][0] for each in client.get(STUDIES).json()]
    assert uids == [mine.study_instance_uid]
    assert len(client.get("/dicom-web/instances").json()) == 1
    assert len(client.get("/dicom-web/series").json()) == 1
    study = f"{STUDIES}/{other.study_instance_uid}"
    instance = f"{study}/series/1.2/instances/{image.sop_instance_uid}"
    for path in ("", "/metadata", "/thumbnail"):
        assert client.get(f"{study}{path}").status_code == 404
    for path in ("", "/metadata", "/frames/1", "/rendered", "/bulkdata/00282000"):
        assert client.get(f"{instance}{path}").status_code == 404
    assert client.get(f"{study}/series").json() == []


def test_the_address_names_the_department_of_new_studies(
    calling: Call, make_user: Callable[..., User]
) -> None:
    person = make_user(Role.UPLOADER)
    surgery = Department.objects.create(name="Surgery")
    Department.objects.create(name="Other")
    person.departments.add(surgery)
    client = calling(person)
    first, second = (files.dicom(files.phantom(seed=seed)) for seed in (1, 2))
    refused = stow(client, first)
    assert (refused.status_code, "Choose the department" in refused.json()["detail"]) == (409, True)
    assert stow(client, first, path=f"{STUDIES}?department=Other").status_code == 409
    assert not Study.objects.exists()
    for data, name in ((first, "Surgery"), (second, surgery.pk)):
        assert stow(client, data, path=f"{STUDIES}?department={name}").status_code == 200
    assert [each.department for each in Study.objects.all()] == [surgery, surgery]


def test_users_who_see_all_departments_store_into_their_own(
    calling: Call, make_user: Callable[..., User]
) -> None:
    person = make_user(Role.UPLOADER)
    Department.objects.create(name="Elsewhere")
    person.sees_all_departments = True
    person.save()
    client = calling(person)
    assert stow(client, files.dicom(files.phantom(seed=1))).status_code == 200
    assert Study.objects.get().department_id == GENERAL
    person.departments.clear()
    assert stow(client, files.dicom(files.phantom(seed=2))).status_code == 409


def preflight(client: Client, path: str, origin: str = VIEWER) -> str | None:
    response = client.options(
        path,
        headers={
            "origin": origin,
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
        },
    )
    allowed: str | None = response.headers.get("Access-Control-Allow-Origin")
    return allowed


@pytest.mark.django_db
def test_other_origins_are_let_in_only_where_they_are_named(settings: Settings) -> None:
    client = Client()
    assert preflight(client, STUDIES) is None
    settings.CORS_ALLOWED_ORIGINS = [VIEWER]
    assert preflight(client, STUDIES) == VIEWER
    assert preflight(client, STUDIES, "https://elsewhere.example") is None
    assert preflight(client, "/api/v1/studies") is None
    asked = client.get(STUDIES, headers={"origin": VIEWER})
    assert asked["Access-Control-Allow-Origin"] == VIEWER
    assert "Access-Control-Allow-Credentials" not in asked
