"""Issuing tokens for user name and password, audited like any sign-in."""

import pytest
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts.models import ApiToken, User
from webportal.audit.models import Action

pytestmark = pytest.mark.django_db


def test_a_token_works_until_it_is_revoked(radiologist: User) -> None:
    credentials = {"username": radiologist.username, "password": PASSWORD, "name": "a script"}
    response = APIClient().post("/api/v1/tokens", credentials)
    assert response.status_code == 201
    client = APIClient(headers={"Authorization": f"Token {response.json()['token']}"})
    (listed,) = client.get("/api/v1/tokens").json()["results"]
    assert response.json()["token"].startswith(listed["key"])
    assert client.delete(f"/api/v1/tokens/{listed['key']}").status_code == 204
    assert client.get("/api/v1/tokens").status_code == 401
    assert audit_actions() == [Action.SIGNED_IN, Action.TOKEN_CREATED, Action.TOKEN_REVOKED]


def test_a_wrong_password_is_audited(radiologist: User) -> None:
    credentials = {"username": radiologist.username, "password": "wrong", "name": "a script"}
    assert APIClient().post("/api/v1/tokens", credentials).status_code == 401
    assert audit_actions(actor=radiologist.username) == [Action.SIGN_IN_FAILED]
    assert not ApiToken.objects.exists()


def test_a_deactivated_user_can_neither_get_nor_use_a_token(radiologist: User) -> None:
    _, secret = ApiToken.objects.create(radiologist, name="a script")
    User.objects.update(is_active=False)
    credentials = {"username": radiologist.username, "password": PASSWORD, "name": "a script"}
    assert APIClient().post("/api/v1/tokens", credentials).status_code == 401
    client = APIClient(headers={"Authorization": f"Token {secret}"})
    assert client.get("/api/v1/tokens").status_code == 401


def test_users_see_and_revoke_only_their_own_tokens(radiologist: User, uploader: User) -> None:
    theirs, _ = ApiToken.objects.create(uploader, name="a script")
    client = APIClient()
    client.force_authenticate(radiologist)
    assert client.get("/api/v1/tokens").json()["results"] == []
    assert client.delete(f"/api/v1/tokens/{theirs.token_key}").status_code == 404
    assert ApiToken.objects.exists()


def test_a_portal_session_can_call_the_api_with_its_csrf_token(radiologist: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(radiologist)
    assert client.get("/api/v1/studies").status_code == 200
    response = client.delete("/api/v1/tokens/x")
    assert response.status_code == 403
    assert "CSRF" in response.json()["detail"]
