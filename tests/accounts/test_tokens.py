"""Users' API tokens: shown once, stored as a digest, invalid once revoked."""

import json
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import services
from webportal.accounts.models import ApiToken, TokenScope, User
from webportal.audit.models import Action, AuditEntry

NEW = {"name": "Night upload", "days": "30", "scope": "all", "password": PASSWORD}


@pytest.fixture
def client(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(radiologist)


def test_a_token_is_shown_once_and_revoked(client: Client) -> None:
    secret = client.post("/account/tokens", NEW).context["secret"]
    page = client.get("/account/tokens").text
    assert secret not in page
    assert secret[:8] in page
    token = ApiToken.objects.get()
    assert secret not in (token.digest, token.token_key)
    header = {"Authorization": f"Token {secret}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 200

    client.post(f"/account/tokens/{token.token_key}/revoke")
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401
    assert audit_actions(object_type="token") == [Action.TOKEN_CREATED, Action.TOKEN_REVOKED]


def test_nobody_revokes_the_token_of_another(client: Client, uploader: User) -> None:
    services.create_token(uploader, "a script")
    key = ApiToken.objects.get().token_key
    assert client.post(f"/account/tokens/{key}/revoke").status_code == 404
    assert ApiToken.objects.exists()


@pytest.mark.parametrize("left_out", ["name", "days", "password"])
def test_creating_a_token_requires_a_name_a_lifetime_and_the_password(
    client: Client, left_out: str
) -> None:
    answer = client.post("/account/tokens", NEW | {left_out: ""})
    assert answer.context["secret"] is None
    assert not ApiToken.objects.exists()


def test_a_wrong_password_creates_no_token(client: Client) -> None:
    answer = client.post("/account/tokens", NEW | {"password": "wrong"})
    assert "not your password" in answer.text
    assert not ApiToken.objects.exists()


def test_a_token_expires(client: Client) -> None:
    secret = client.post("/account/tokens", NEW).context["secret"]
    token = ApiToken.objects.get()
    assert token.expiry is not None
    assert timedelta(days=29) < token.expiry - timezone.now() <= timedelta(days=30)
    header = {"Authorization": f"Token {secret}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 200
    ApiToken.objects.update(expiry=timezone.now())
    assert "expired" in client.get("/account/tokens").text
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401


def test_hospital_it_limits_number_and_lifetime_of_tokens(
    client: Client, settings: Settings
) -> None:
    settings.API_TOKENS_PER_PERSON, settings.API_TOKEN_DAYS = 2, 7
    assert "365 days" not in client.get("/account/tokens").text
    for _ in range(2):
        assert client.post("/account/tokens", NEW | {"days": "7"}).context["secret"]
    assert "Revoke one first" in client.post("/account/tokens", NEW | {"days": "7"}).text
    # One that has expired makes room.
    last = ApiToken.objects.latest("created")
    ApiToken.objects.filter(pk=last.pk).update(expiry=timezone.now())
    assert client.post("/account/tokens", NEW | {"days": "7"}).context["secret"]


def test_a_new_password_revokes_all_tokens(radiologist: User) -> None:
    secret = services.create_token(radiologist, "a script")
    services.change_own_password(radiologist, "quite another battery")
    assert not ApiToken.objects.exists()
    header = {"Authorization": f"Token {secret}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401


def test_the_last_use_of_a_token_is_recorded(radiologist: User) -> None:
    header = {"Authorization": f"Token {services.create_token(radiologist, 'a script')}"}
    assert ApiToken.objects.get().used_at is None
    Client().get("/api/v1/tokens", headers=header)
    assert ApiToken.objects.get().used_at is not None


def test_existing_tokens_stay_valid_for_90_days(radiologist: User) -> None:
    migration = import_module("webportal.accounts.migrations.0008_sessions_and_tokens")
    secret = services.create_token(radiologist, "a script")
    with connection.cursor() as cursor:
        # As an upgraded database has it.
        cursor.execute(
            "CREATE TABLE knox_authtoken AS SELECT digest, token_key, user_id, created,"
            " NULL::timestamptz AS expiry FROM accounts_apitoken"
        )
        ApiToken.objects.all().delete()
        cursor.execute(migration.MOVE_TOKENS)
        cursor.execute("SELECT to_regclass('knox_authtoken')")
        assert cursor.fetchone() == (None,)
    token = ApiToken.objects.get()
    assert token.expiry is not None
    assert token.expiry - timezone.now() > timedelta(days=89)
    header = {"Authorization": f"Token {secret}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 200


def ask(token: str, method: str, address: str, body: object = None) -> tuple[int, str]:
    header = {"Authorization": f"Token {token}"}
    response = APIClient().generic(
        method, f"/api/v1/{address}", json.dumps(body or {}), "application/json", headers=header
    )
    told = response.json().get("type", "") if response.status_code == 403 else ""
    return response.status_code, told.removeprefix("urn:chestline:problem:")


def test_a_read_only_token_changes_nothing(radiologist: User) -> None:
    token = services.create_token(radiologist, "export", scope=TokenScope.READ)
    assert ask(token, "GET", "studies") == (200, "")
    assert ask(token, "POST", "studies/search", {"text": "doe"}) == (200, "")
    assert ask(token, "POST", "patients/search", {"text": "doe"}) == (200, "")
    refused = (403, "token-scope")
    assert ask(token, "POST", "batches") == refused
    assert ask(token, "POST", f"studies/{uuid4()}/sign") == refused
    assert ask(token, "PATCH", f"studies/{uuid4()}") == refused
    assert ask(token, "PUT", f"studies/{uuid4()}/draft") == refused
    assert ask(token, "DELETE", "tokens/x") == refused


def test_an_upload_only_token_shows_no_patient(radiologist: User) -> None:
    token = services.create_token(radiologist, "modality", scope=TokenScope.UPLOAD)
    status, _told = ask(token, "POST", "batches", {"name": "Night"})
    assert status == 201
    assert ask(token, "GET", "batches") == (200, "")
    refused = (403, "token-scope")
    for address in ("studies", "patients", "reads", "held-files", f"batches/{uuid4()}/results"):
        assert ask(token, "GET", address) == refused
    assert ask(token, "POST", "studies/search", {"text": "doe"}) == refused


def test_a_scope_grants_no_role(uploader: User) -> None:
    token = services.create_token(uploader, "export", scope=TokenScope.READ)
    assert ask(token, "GET", "reads") == (403, "permission-denied")


def test_the_scope_is_chosen_on_the_page_and_audited(
    uploader: User, sign_in: Callable[[User], Client]
) -> None:
    values = {"name": "modality", "days": 30, "scope": "upload", "password": PASSWORD}
    page = sign_in(uploader).post("/account/tokens", values).text
    assert "<td>Upload only</td>" in page
    assert ApiToken.objects.get().scope == TokenScope.UPLOAD
    entry = AuditEntry.objects.get(action=Action.TOKEN_CREATED)
    assert entry.detail["scope"] == "upload"
