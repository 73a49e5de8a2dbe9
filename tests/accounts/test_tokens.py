"""One's own API tokens: shown once, stored as a digest, worthless when revoked."""

from collections.abc import Callable

import pytest
from django.test import Client
from knox.models import AuthToken

from tests.helpers import audit_actions
from webportal.accounts import services
from webportal.accounts.models import User
from webportal.audit.models import Action


@pytest.fixture
def client(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(radiologist)


def test_a_token_is_shown_once_and_revoked(client: Client) -> None:
    secret = client.post("/account/tokens").context["secret"]
    page = client.get("/account/tokens").text
    assert secret not in page
    assert secret[:8] in page
    token = AuthToken.objects.get()
    assert secret not in (token.digest, token.token_key)
    header = {"Authorization": f"Token {secret}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 200

    client.post(f"/account/tokens/{token.token_key}/revoke")
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401
    assert audit_actions(object_type="token") == [Action.TOKEN_CREATED, Action.TOKEN_REVOKED]


def test_nobody_revokes_the_token_of_another(client: Client, uploader: User) -> None:
    services.create_token(uploader)
    key = AuthToken.objects.get().token_key
    assert client.post(f"/account/tokens/{key}/revoke").status_code == 404
    assert AuthToken.objects.exists()
