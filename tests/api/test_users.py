"""Hospital IT manages users over REST too; no password can be read."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.helpers import audit_actions
from webportal.accounts import services
from webportal.accounts.models import Role, User
from webportal.accounts.services import create_token

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/users"


@pytest.fixture
def client(it_person: User, as_user: Call) -> APIClient:
    return as_user(it_person)


def test_a_new_user_gets_a_one_time_password_returned_once(client: APIClient) -> None:
    answer = client.post(ADDRESS, {"username": "ann", "roles": ["radiologist", "radiologist"]})
    assert answer.status_code == 201
    password = answer.json()["one_time_password"]
    ann = User.objects.get(username="ann")
    assert ann.check_password(password)
    assert (ann.roles, ann.must_change_password) == ([Role.RADIOLOGIST], True)
    seen = client.get(ADDRESS).text + client.get(f"{ADDRESS}/{ann.pk}").text
    assert "ann" in seen
    assert password not in seen
    assert ann.password not in seen
    assert audit_actions(object_id=str(ann.pk)) == ["user.created"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "RadioLogist", "roles": ["it"]}, 409),
        ({"username": "radiologist", "roles": ["it"]}, 400),
        ({"username": "ann", "roles": ["surgeon"]}, 400),
        ({"username": "ann", "roles": "it"}, 400),
        ({"username": "ann"}, 400),
        ({"username": "", "roles": []}, 400),
        ({"username": "a b", "roles": []}, 400),
    ],
)
def test_an_invalid_user_is_refused(
    client: APIClient, radiologist: User, body: dict[str, object], status: int
) -> None:
    assert client.post(ADDRESS, body).status_code == status
    assert User.objects.count() == 2


def test_roles_change_and_omitted_fields_stay(client: APIClient, radiologist: User) -> None:
    address = f"{ADDRESS}/{radiologist.pk}"
    answer = client.patch(address, {"roles": ["uploader", "radiologist"]})
    assert answer.json()["roles"] == ["radiologist", "uploader"]
    assert answer.json()["is_active"] is True
    assert audit_actions(object_id=str(radiologist.pk)) == ["user.changed"]


@pytest.mark.parametrize(
    "body", [{"departments": []}, {"roles": ["radiologist"]}, {"is_active": True}]
)
def test_omitted_fields_stay_as_a_colleague_leaves_them_meanwhile(
    client: APIClient,
    it_person: User,
    radiologist: User,
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, object],
) -> None:
    """They were read before a colleague changed them, and are written after that."""
    stay = {"roles": [Role.UPLOADER], "is_active": False}
    change = services.change_user

    def change_after_a_colleague(user: User, **values: Any) -> None:
        User.objects.filter(pk=user.pk).update(**stay)
        change(user, **values)

    monkeypatch.setattr(services, "change_user", change_after_a_colleague)
    client.patch(f"{ADDRESS}/{radiologist.pk}", body)
    radiologist.refresh_from_db()
    for name in stay.keys() - body.keys():
        assert getattr(radiologist, name) == stay[name]


def test_deactivation_revokes_tokens(client: APIClient, radiologist: User) -> None:
    token = create_token(radiologist, "a script")
    client.patch(f"{ADDRESS}/{radiologist.pk}", {"is_active": False})
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401


def test_nobody_locks_themselves_out(client: APIClient, it_person: User) -> None:
    address = f"{ADDRESS}/{it_person.pk}"
    assert client.patch(address, {"roles": []}).status_code == 409
    assert client.post(f"{address}/reset-password").status_code == 409


def test_a_reset_replaces_the_former_password(client: APIClient, radiologist: User) -> None:
    answer = client.post(f"{ADDRESS}/{radiologist.pk}/reset-password").json()
    radiologist.refresh_from_db()
    assert radiologist.check_password(answer["one_time_password"])
    assert answer["user"]["must_change_password"] is True
