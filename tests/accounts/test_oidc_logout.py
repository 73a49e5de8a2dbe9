"""Back-channel logout: the identity provider ends sessions."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.accounts.identity_provider import CLIENT_ID, IdentityProvider, running_provider
from tests.helpers import is_signed_in
from webportal import logs
from webportal.accounts import services
from webportal.accounts.models import User
from webportal.accounts.oidc.logout import EVENT
from webportal.audit.models import Action, AuditEntry
from webportal.minute_counter import MinuteCounter

pytestmark = pytest.mark.django_db


def logout_token(provider: IdentityProvider, sub: str = "asha", **claims: Any) -> str:
    whole = {"events": {EVENT: {}}, "jti": str(uuid4())} | claims
    client_id = whole.pop("client_id", CLIENT_ID)
    return provider.signs(sub, client_id, groups=["readers"], **whole)


def send(token: str) -> tuple[int, str]:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/sign-in/provider/logout", {"logout_token": token})
    assert "no-store" in response.headers["Cache-Control"]
    problem = "" if response.status_code == 200 else response.json()["error_description"]
    return response.status_code, problem


@pytest.fixture
def browsers(provider: IdentityProvider) -> tuple[Client, Client]:
    """Two browsers of the same person, each in a session of its own at the provider."""
    both = Client(), Client()
    for sid, browser in zip(("s1", "s2"), both, strict=True):
        provider.knows("asha", groups=["readers"], sid=sid)
        provider.sign_in(browser, "asha")
    return both


def test_the_provider_ends_one_session(
    provider: IdentityProvider, browsers: tuple[Client, Client]
) -> None:
    token = services.create_token(User.objects.get(), "export")
    told = logout_token(provider, sid="s1")
    assert send(told) == (200, "")
    assert [is_signed_in(browser) for browser in browsers] == [False, True]
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/studies", headers=header).status_code == 200
    assert send(told) == (400, "it was used before")


def test_the_provider_ends_all_sessions_and_tokens_of_a_user(
    provider: IdentityProvider, browsers: tuple[Client, Client]
) -> None:
    token = services.create_token(User.objects.get(), "export")
    provider.signs("asha", CLIENT_ID)
    assert send(logout_token(provider, sid=None))[0] == 200
    assert [is_signed_in(browser) for browser in browsers] == [False, False]
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/studies", headers=header).status_code == 401
    entries = AuditEntry.objects.filter(action=Action.SIGNED_OUT)
    assert entries.get().detail == {"identity_provider": True, "sessions": 2}


def test_a_logout_token_for_an_unknown_user_ends_nothing(
    provider: IdentityProvider, browsers: tuple[Client, Client]
) -> None:
    assert send(logout_token(provider, "stranger", sid="s1"))[0] == 200
    assert [is_signed_in(browser) for browser in browsers] == [True, True]


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"events": {}}, "events does not say"),
        ({"events": "x"}, "events does not say"),
        ({"jti": None}, "not valid"),
        ({"nonce": "x"}, "ID token"),
        ({"client_id": "another"}, "not valid"),
        ({"jti": "a\0b"}, "a character"),
        ({"jti": "x" * 256}, "longer than"),
        ({"sid": "a\0b"}, "a character"),
        ({"exp": 10**13}, "exp is no time"),
        ({"exp": 10**17}, "exp is no time"),
        ({"exp": 10**30}, "exp is no time"),
        ({"exp": "soon"}, "not valid"),
        ({"iat": 1}, "too old"),
        ({"iat": [1]}, "not valid"),
    ],
)
def test_an_invalid_logout_token_ends_nothing(
    provider: IdentityProvider,
    browsers: tuple[Client, Client],
    claims: dict[str, Any],
    problem: str,
) -> None:
    status, told = send(logout_token(provider, **claims))
    assert (status, problem in told) == (400, True), told
    assert [is_signed_in(browser) for browser in browsers] == [True, True]


def test_invalid_logout_tokens_do_not_fill_the_log(
    provider: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logs, "_refused", MinuteCounter())
    monkeypatch.setattr(logs, "LINES_A_MINUTE", 2)
    for _ in range(12):
        assert send("a.b\n.c")[0] == 400
    told = [message for message in caplog.messages if "refused" in message]
    # Two minutes where the clock strikes meanwhile.
    assert 2 <= len(told) <= 4
    assert not any("\n" in message for message in told)


def test_a_logout_token_with_a_foreign_signature_ends_nothing(
    provider: IdentityProvider, browsers: tuple[Client, Client]
) -> None:
    head, body, signature = logout_token(provider).split(".")
    other = logout_token(provider).split(".")[2]
    for forged in (f"{head}.{body}.{other}", f"{head}.{body}.", "x.y.z", ""):
        assert send(forged)[0] == 400
    with running_provider() as another:
        assert send(logout_token(another))[0] == 400
    assert [is_signed_in(browser) for browser in browsers] == [True, True]
    assert signature
