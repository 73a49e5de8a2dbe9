"""Single sign-on through an identity provider that runs in a separate process."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from pytest_django.fixtures import Settings

from tests.accounts.identity_provider import IdentityProvider
from tests.accounts.soft_passkey import SoftPasskey
from tests.conftest import PASSWORD
from tests.helpers import audit_actions, is_signed_in
from webportal.access.models import AccessEntry
from webportal.accounts import services
from webportal.accounts.models import FederatedIdentity, Passkey, Role, User
from webportal.accounts.oidc import client as oidc_client
from webportal.audit.models import Action, AuditEntry

pytestmark = pytest.mark.django_db


def test_without_a_provider_its_routes_do_not_exist(client: Client) -> None:
    assert "provider" not in client.get("/sign-in").text
    for address in ("", "/callback"):
        assert client.get(f"/sign-in/provider{address}").status_code == 404
    assert client.post("/sign-in/provider/logout").status_code == 404


def test_a_new_user_gets_an_account_with_the_roles_of_their_groups(
    client: Client, provider: IdentityProvider
) -> None:
    assert "Sign in with Bir Hospital" in client.get("/sign-in?next=/worklist").text
    provider.knows("asha", groups=["readers", "staff"])
    assert provider.sign_in(client, "asha", "/worklist").headers["Location"] == "/worklist"
    assert client.get("/worklist").status_code == 200
    user = User.objects.get()
    assert (user.username, str(user), user.roles) == ("asha", "Asha Tester", ["radiologist"])
    assert not user.has_usable_password()
    assert audit_actions() == [Action.USER_CREATED, Action.IDENTITY_LINKED, Action.SIGNED_IN]
    assert AuditEntry.objects.latest("sequence").detail == {"identity_provider": True}


def test_the_request_is_bound_to_the_browser_and_to_its_code(
    client: Client, provider: IdentityProvider
) -> None:
    provider.knows("asha", groups=["readers"])
    address = client.get("/sign-in/provider").headers["Location"]
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    back = urlsplit(provider.leads_back(address, "asha"))
    callback = f"{back.path}?{back.query}"
    # Sent to somebody else's browser, it signs nobody in.
    assert Client().get(callback).status_code == 422
    assert client.get(callback).status_code == 302
    client.post("/sign-out")
    assert client.get(callback).status_code == 422


@pytest.mark.parametrize("query", ["", "?error=access_denied", "?code=x&state=y", "?code=x"])
def test_an_invalid_response_signs_nobody_in(
    client: Client, provider: IdentityProvider, query: str
) -> None:
    response = client.get(f"/sign-in/provider/callback{query}")
    assert (response.status_code, is_signed_in(client)) == (422, False)


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (["none", "HS256", "RS256"], ["RS256"]),
        (["HS256"], oidc_client.ALGORITHMS),
        (None, oidc_client.ALGORITHMS),
    ],
)
def test_an_id_token_is_verified_by_published_keys_whatever_the_provider_names(
    client: Client, provider: IdentityProvider, offered: list[str] | None, used: list[str]
) -> None:
    app = oidc_client.client()
    app.load_server_metadata()
    app.server_metadata["id_token_signing_alg_values_supported"] = offered
    assert app.load_server_metadata()["id_token_signing_alg_values_supported"] == used
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha", "/worklist")
    assert is_signed_in(client)


def test_it_never_redirects_to_another_site(client: Client, provider: IdentityProvider) -> None:
    provider.knows("asha", groups=["readers"])
    response = provider.sign_in(client, "asha", "https://elsewhere.example/")
    assert response.headers["Location"] == "/"


def test_only_existing_users_sign_in_unless_accounts_are_created(
    client: Client, provider: IdentityProvider, settings: Settings, make_user: Callable[..., User]
) -> None:
    settings.CREATE_USERS = False
    provider.knows("asha", groups=["readers"])
    assert "no account asha" in provider.sign_in(client, "asha").text
    known = make_user(Role.UPLOADER, username="Asha")
    assert provider.sign_in(client, "asha").status_code == 302
    known.refresh_from_db()
    assert known.roles == ["radiologist"]


def test_a_reassigned_name_does_not_open_the_former_account(
    client: Client, provider: IdentityProvider
) -> None:
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    provider.knows("other", preferred_username="asha", groups=["readers"])
    assert "is linked to another user" in provider.sign_in(Client(), "other").text
    # Whom the provider renames stays the same person.
    provider.knows("asha", preferred_username="asha.new", groups=["readers"])
    assert provider.sign_in(Client(), "asha").status_code == 302
    assert User.objects.get().username == "asha"


def test_an_invalid_name_opens_no_account(client: Client, provider: IdentityProvider) -> None:
    provider.knows("asha", preferred_username="a<b>", groups=["readers"])
    assert "valid username" in provider.sign_in(client, "asha").text
    provider.knows("asha", name="A" * 151, groups=["readers"])
    assert "at most 150 characters" in provider.sign_in(client, "asha").text
    provider.knows("asha", preferred_username="", groups=["readers"])
    assert "sent no user name" in provider.sign_in(client, "asha").text
    assert not User.objects.exists()


def test_a_user_without_a_role_cannot_sign_in(client: Client, provider: IdentityProvider) -> None:
    provider.knows("asha", groups=["staff"])
    response = provider.sign_in(client, "asha")
    assert (response.status_code, "None of your groups" in response.text) == (422, True)
    assert audit_actions() == [Action.SIGN_IN_FAILED]
    assert [each.outcome for each in AccessEntry.objects.all()] == ["failed"]


def test_groups_with_conflicting_roles_are_refused(
    client: Client, provider: IdentityProvider, settings: Settings
) -> None:
    settings.ROLE_SEPARATION = "always"
    provider.knows("asha", groups=["readers", "informatics"])
    assert "which may not be combined" in provider.sign_in(client, "asha").text
    assert not User.objects.exists()


def test_a_deactivated_account_stays_deactivated(
    client: Client, provider: IdentityProvider
) -> None:
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    User.objects.update(is_active=False)
    assert "account is deactivated" in provider.sign_in(Client(), "asha").text


def make_due(client: Client) -> None:
    session = client.session
    session["federated"] |= {"due": time.time() - 1}
    session.save()


def test_a_removed_group_takes_effect_at_the_next_refresh(
    client: Client, provider: IdentityProvider
) -> None:
    provider.knows("asha", groups=["readers", "informatics"])
    provider.sign_in(client, "asha")
    provider.knows("asha", groups=["informatics"])
    assert client.get("/worklist").status_code == 200
    make_due(client)
    assert client.get("/worklist").status_code == 403
    assert client.get("/users").status_code == 200
    entry = AuditEntry.objects.filter(action=Action.USER_CHANGED).get()
    assert entry.detail == {"roles": {"from": ["it", "radiologist"], "to": ["it"]}}
    # With the last group the session goes, and what tokens may do.
    token = services.create_token(User.objects.get(), "export")
    provider.knows("asha", groups=[])
    make_due(client)
    assert client.get("/users").headers["Location"].startswith("/sign-in")
    assert not is_signed_in(client)
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/users", headers=header).status_code == 403


def test_an_unavailable_provider_ends_no_session(
    client: Client, provider: IdentityProvider, settings: Settings
) -> None:
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    make_due(client)
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    assert client.get("/worklist").status_code == 200
    assert "does not respond" in Client().get("/sign-in/provider").text
    # It is asked again after a minute, not with each request.
    assert client.session["federated"]["due"] > time.time() + 30


def test_the_provider_does_not_control_later_break_glass_accounts(
    provider: IdentityProvider, settings: Settings
) -> None:
    provider.knows("emergency", groups=["informatics"])
    provider.sign_in(Client(), "emergency")
    roles = User.objects.get(username="emergency").roles
    settings.BREAK_GLASS_USERS = ["emergency"]
    provider.knows("emergency", groups=[])
    assert "only sign in with its password" in provider.sign_in(Client(), "emergency").text
    assert User.objects.get(username="emergency").roles == roles != []


def test_anonymous_callbacks_do_not_fill_the_trail(
    client: Client, provider: IdentityProvider
) -> None:
    entries = AuditEntry.objects.count()
    assert client.get("/sign-in/provider/callback", {"error": "x"}).status_code == 422
    assert AuditEntry.objects.count() == entries


def sign_in_by_password(client: Client, name: str) -> Any:
    return client.post("/sign-in", {"username": name, "password": PASSWORD})


def test_a_sign_in_of_before_does_not_confirm_who_it_is(
    client: Client, provider: IdentityProvider
) -> None:
    """Else who finds a browser signed in at the provider could add a passkey, and sign with it."""
    now = int(time.time())
    for said in (None, now - 15 * 60):
        provider.knows("asha", groups=["readers"], auth_time=said)
        provider.sign_in(client, "asha")
        assert is_signed_in(client)
        assert client.get("/account/second-factor/app").status_code == 302
        asked = parse_qs(urlsplit(client.get("/sign-in/provider").headers["Location"]).query)
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        client.post("/sign-out")
    asked = parse_qs(urlsplit(client.get("/sign-in/provider").headers["Location"]).query)
    assert "prompt" not in asked

    provider.knows("asha", groups=["readers"], auth_time=now)
    provider.sign_in(client, "asha")
    assert client.get("/account/second-factor/app").status_code == 200


@pytest.mark.parametrize("minutes_ago", [None, 15])
def test_a_provider_that_does_not_say_that_it_asked_is_named_as_the_reason(
    minutes_ago: int | None, client: Client, provider: IdentityProvider
) -> None:
    said = None if minutes_ago is None else int(time.time()) - minutes_ago * 60
    provider.knows("asha", groups=["readers"], auth_time=said)
    provider.sign_in(client, "asha")
    page = client.get("/account/confirm").text
    # Nothing was asked of the provider yet.
    assert "Sign in once more" in page
    assert "did not report" not in page
    assert 'name="password"' not in page
    answer = provider.sign_in(client, "asha", "/account/second-factor")
    assert answer.headers["Location"] == "/account/confirm"
    page = client.get("/account/confirm").text
    assert "did not report" in page
    assert "Sign in once more" in page
    provider.knows("asha", groups=["readers"], auth_time=int(time.time()))
    answer = provider.sign_in(client, "asha", "/account/second-factor")
    assert answer.headers["Location"] == "/account/second-factor"
    assert "did not report" not in client.get("/account/confirm").text


def test_without_password_and_provider_the_page_says_whom_to_ask(
    client: Client, make_user: Callable[..., User]
) -> None:
    user = make_user(Role.RADIOLOGIST)
    user.set_unusable_password()
    user.save()
    client.force_login(user)
    page = client.get("/account/confirm").text
    assert "Ask hospital IT for one" in page
    assert "/sign-in/" not in page


def test_passwords_can_be_restricted_to_break_glass_users(
    provider: IdentityProvider, settings: Settings, make_user: Callable[..., User]
) -> None:
    settings.LOCAL_SIGN_IN, settings.BREAK_GLASS_USERS = False, ["emergency"]
    reader = make_user(Role.RADIOLOGIST)
    make_user(Role.IT, username="emergency")
    client = Client(headers={"Host": "localhost"})
    refused = sign_in_by_password(client, reader.username)
    assert (refused.status_code, "Sign in with Bir Hospital instead" in refused.text) == (403, True)
    body = {"username": reader.username, "password": PASSWORD, "name": "export"}
    answer = client.post("/api/v1/tokens", body, content_type="application/json")
    assert answer.status_code == 403
    passkey = SoftPasskey()
    client.force_login(reader)
    add = "/account/second-factor/passkeys"
    made = passkey.make(client.post(f"{add}/options").json())
    client.post(add, {"name": "Laptop", "passkey": made})
    assert Passkey.objects.exists()
    client.post("/sign-out")
    asked = client.post("/sign-in/passkey/options").json()
    refused = client.post("/sign-in/passkey", {"passkey": passkey.answer(asked)})
    assert (refused.status_code, is_signed_in(client)) == (422, False)
    entry = AuditEntry.objects.latest("sequence")
    assert (entry.action, entry.actor_id) == (Action.SIGN_IN_FAILED, reader.pk)
    assert entry.detail == {"second_factor": "passkey", "local_sign_in": "off"}

    assert sign_in_by_password(client, "emergency").status_code == 302
    assert AuditEntry.objects.latest("sequence").detail == {"break_glass": True}
    # Who administers the provider does not become the administrator here.
    provider.knows("emergency", groups=["informatics"])
    assert "only sign in with its password" in provider.sign_in(Client(), "emergency").text
    assert not FederatedIdentity.objects.exists()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("GROUP_ROLES", {"readers": ("reader",)}, "reader, which is not a role"),
        ("OIDC_CLIENT_SECRET", "", "needs OIDC_CLIENT_ID"),
        ("OIDC_ISSUER", "http://id.hospital.example", "must begin with https"),
    ],
)
def test_inconsistent_settings_prevent_the_start(
    provider: IdentityProvider, settings: Settings, name: str, value: object, problem: str
) -> None:
    setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=problem):
        call_command("check")


def test_without_a_provider_passwords_cannot_be_switched_off(settings: Settings) -> None:
    settings.LOCAL_SIGN_IN = False
    with pytest.raises(SystemCheckError, match="nobody could sign in"):
        call_command("check")


@pytest.mark.parametrize(("minutes_ago", "unlocks"), [(0, True), (15, False), (None, False)])
def test_a_locked_session_is_unlocked_by_authenticating_again(
    minutes_ago: int | None, unlocks: bool, client: Client, provider: IdentityProvider
) -> None:
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    client.post("/lock")
    page = client.get("/worklist", headers={"Accept": "text/html"})
    assert page.status_code == 423
    assert "Your password" not in page.text
    assert "/sign-in/provider?next=%2Fworklist" in page.text
    assert parse_qs(urlsplit(client.get("/sign-in/provider").headers["Location"]).query)[
        "prompt"
    ] == ["login"]
    said = None if minutes_ago is None else int(time.time()) - minutes_ago * 60
    provider.knows("asha", groups=["readers"], auth_time=said)
    provider.sign_in(client, "asha", "/worklist")
    answer = client.get("/worklist", headers={"Accept": "text/html"})
    assert answer.status_code == (200 if unlocks else 423)
    assert (Action.SESSION_UNLOCKED in audit_actions()) is unlocks
