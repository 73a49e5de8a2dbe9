"""Single sign-on by SAML: only what the provider signed, for this browser, now, and once."""

import zlib
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("onelogin", reason="the extra saml is not installed")
pytest.importorskip("saml2", reason="pysaml2 is not installed")

from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from saml2.saml import NAMEID_FORMAT_TRANSIENT

from tests.accounts.saml_provider import (
    NS,
    SamlProvider,
    begin,
    changed,
    encoded,
    folder,
    made_provider,
    parts,
    provider,
)
from tests.helpers import audit_actions, is_signed_in
from webportal import logs
from webportal.accounts import provider_sessions
from webportal.accounts.models import Role, Session, User
from webportal.accounts.saml import views
from webportal.audit.models import Action, AuditEntry
from webportal.minute_counter import MinuteCounter

pytestmark = pytest.mark.django_db
__all__ = ["folder", "made_provider", "provider"]


def test_without_a_provider_its_routes_do_not_exist(client: Client) -> None:
    for address in ("", "/logout", "/metadata"):
        assert client.get(f"/sign-in/saml{address}").status_code == 404
    assert client.post("/sign-in/saml/acs").status_code == 404


def test_a_new_user_gets_an_account_with_the_roles_of_their_groups(
    client: Client, provider: SamlProvider
) -> None:
    page = client.get("/sign-in?next=/worklist").text
    assert "Sign in with Bir Hospital" in page
    assert 'href="/sign-in/saml?next=/worklist"' in page
    answer = provider.sign_in(
        client, "asha", "/worklist", groups=["readers", "staff"], displayName=["Asha Tester"]
    )
    assert (answer.status_code, answer.headers["Location"]) == (302, "/worklist")
    assert client.get("/worklist", secure=True).status_code == 200
    user = User.objects.get()
    assert (user.username, str(user), user.roles) == ("asha", "Asha Tester", ["radiologist"])
    assert not user.has_usable_password()
    assert audit_actions() == [Action.USER_CREATED, Action.IDENTITY_LINKED, Action.SIGNED_IN]
    assert AuditEntry.objects.latest("sequence").detail == {"identity_provider": True}


def test_groups_are_replaced_and_somebody_without_one_is_refused(
    client: Client, provider: SamlProvider
) -> None:
    provider.sign_in(client, "asha", groups=["readers"])
    provider.sign_in(Client(), "asha", groups=["informatics"])
    assert User.objects.get().roles == ["it"]
    refused = provider.sign_in(Client(), "asha", groups=["staff"])
    assert (refused.status_code, "None of your groups" in refused.text) == (422, True)
    assert User.objects.get().roles == []


def test_the_user_name_may_be_an_attribute(
    client: Client, provider: SamlProvider, settings: Settings
) -> None:
    settings.SAML_USERNAME_ATTRIBUTE = "urn:mace:dir:attribute-def:uid"
    refused = provider.sign_in(client, "4711", groups=["readers"])
    assert (refused.status_code, "attribute-def:uid)" in refused.text) == (422, True)
    provider.sign_in(client, "4711", groups=["readers"], uid=["asha"])
    assert User.objects.get().username == "asha"
    # From then on the identifier counts.
    provider.sign_in(Client(), "4711", groups=["readers"], uid=["asha2"])
    assert User.objects.get().username == "asha"


def test_the_request_is_signed_and_says_nothing_of_the_page(
    client: Client, provider: SamlProvider
) -> None:
    start = client.get("/sign-in/saml?next=/studies/1", secure=True)
    address = start.headers["Location"]
    assert "Signature=" in address
    assert "studies" not in address
    cookie = start.cookies[views.COOKIE]
    assert (cookie["samesite"], bool(cookie["secure"]), bool(cookie["httponly"])) == (
        "None",
        True,
        True,
    )


def is_confirmed(client: Client) -> bool:
    """Whether the second factor may be changed."""
    answer = client.get("/account/second-factor/app", secure=True)
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


def test_a_sign_in_of_before_does_not_confirm_who_it_is(
    client: Client, provider: SamlProvider
) -> None:
    """Else who finds a browser signed in at the provider could add a passkey, and sign with it."""
    long_ago = (timezone.now() - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")
    provider.sign_in(client, "asha", groups=["readers"], authenticated_at=long_ago)
    assert is_signed_in(client)
    assert not is_confirmed(client)
    # The page then sends them to the provider, which is to ask them.
    again = begin(client)
    assert _asks_anew(again)
    old = provider.response(again, "asha", authenticated_at=long_ago, groups=["readers"])
    assert provider.post(client, old).headers["Location"] == "/account/confirm"
    assert not is_confirmed(client)
    assert "did not report" in client.get("/account/confirm", secure=True).text
    again = begin(client)
    assert (
        provider.post(client, provider.response(again, "asha", groups=["readers"])).status_code
        == 302
    )
    assert is_confirmed(client)
    assert not _asks_anew(begin(Client()))


def test_a_time_in_the_future_confirms_nothing_either(
    client: Client, provider: SamlProvider
) -> None:
    provider.sign_in(client, "asha", groups=["readers"], authenticated_at="2099-01-01T00:00:00Z")
    assert is_signed_in(client)
    assert not is_confirmed(client)


def _asks_anew(address: str) -> bool:
    query = parse_qs(urlsplit(address).query)
    return b'ForceAuthn="true"' in zlib.decompress(b64decode(query["SAMLRequest"][0]), -15)


def refused(client: Client, provider: SamlProvider, response: str) -> None:
    answer = provider.post(client, response)
    assert answer.status_code == 422, answer.content
    assert not is_signed_in(client)
    assert not User.objects.filter(username="asha").exists()


@pytest.mark.parametrize(("minutes_ago", "unlocks"), [(0, True), (15, False)])
def test_a_locked_session_is_unlocked_by_authenticating_again(
    minutes_ago: int, unlocks: bool, client: Client, provider: SamlProvider
) -> None:
    provider.sign_in(client, "asha", groups=["readers"])
    client.post("/lock", secure=True)
    page = client.get("/worklist", headers={"Accept": "text/html"}, secure=True)
    assert page.status_code == 423
    assert "Your password" not in page.text
    assert "/sign-in/saml?next=%2Fworklist" in page.text
    asked = begin(client)
    assert _asks_anew(asked)
    at = (timezone.now() - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Browsers send no session cookie with what another site has them post.
    del client.cookies["sessionid"]
    response = provider.response(asked, "asha", authenticated_at=at, groups=["readers"])
    assert provider.post(client, response).status_code == 302
    answer = client.get("/worklist", headers={"Accept": "text/html"}, secure=True)
    assert answer.status_code == (200 if unlocks else 423)


def test_signing_out_and_in_does_not_open_what_was_locked(
    client: Client, provider: SamlProvider
) -> None:
    provider.sign_in(client, "asha", groups=["readers"])
    client.post("/lock", secure=True)
    client.post("/sign-out", secure=True)
    long_ago = (timezone.now() - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for at, status in ((long_ago, 423), ("", 200)):
        asked = begin(client)
        assert _asks_anew(asked)
        response = provider.response(asked, "asha", authenticated_at=at, groups=["readers"])
        assert provider.post(client, response).status_code == 302
        assert client.get("/worklist", secure=True).status_code == status


def test_the_provider_says_when_a_session_ends(client: Client, provider: SamlProvider) -> None:
    end = timezone.now() + timedelta(minutes=20)

    def limit(assertion: Any) -> None:
        for statement in assertion.iter("{*}AuthnStatement"):
            statement.set("SessionNotOnOrAfter", end.strftime("%Y-%m-%dT%H:%M:%SZ"))

    provider.sign_in(client, "asha", groups=["readers"], change=limit)
    for _again in range(2):
        assert client.get("/worklist", secure=True).status_code == 200
        assert end - timedelta(seconds=1) <= Session.objects.get().expire_date <= end
        client.post("/worklist/results", {"open": "on"}, secure=True)


def test_an_unsigned_assertion_signs_nobody_in(client: Client, provider: SamlProvider) -> None:
    response = provider.response(begin(client), "asha", sign=False, groups=["readers"])
    refused(client, provider, response)
    assert audit_actions() == [Action.SIGN_IN_FAILED]


def test_an_assertion_changed_after_signing_signs_nobody_in(
    client: Client, provider: SamlProvider
) -> None:
    response = provider.response(begin(client), "ashb", groups=["staff"])
    refused(client, provider, changed(response, "ashb", "asha"))
    response = provider.response(begin(client), "asha", groups=["staff"])
    refused(client, provider, changed(response, ">staff<", ">readers<"))


def test_an_assertion_that_is_wrapped_signs_nobody_in(
    client: Client, provider: SamlProvider
) -> None:
    """A forged assertion beside the signed one, wherever others have fallen for it."""
    for place in ("before", "after", "within"):
        root = parts(provider.response(begin(client), "ashb", groups=["readers"]))
        signed = root.find("a:Assertion", NS)
        forged = parts(encoded(signed))
        forged.set("ID", "forged")
        forged.remove(forged.find("ds:Signature", NS))
        for name in forged.iter(f"{{{NS['a']}}}NameID"):
            name.text = "asha"
        if place == "before":
            signed.addprevious(forged)
        elif place == "after":
            signed.addnext(forged)
        else:
            root.replace(signed, forged)
            forged.append(signed)
        refused(client, provider, encoded(root))


def test_another_key_signs_nobody_in(client: Client, provider: SamlProvider, folder: Path) -> None:
    other = provider._folder
    key = (other / "idp.key").read_bytes()
    (other / "idp.key").write_bytes((folder / "other.key").read_bytes())
    try:
        response = provider.response(begin(client), "asha", groups=["readers"])
    finally:
        (other / "idp.key").write_bytes(key)
    refused(client, provider, response)


def test_a_response_is_used_once_and_by_the_browser_that_asked(
    client: Client, provider: SamlProvider
) -> None:
    stolen = provider.response(begin(client), "asha", groups=["readers"])
    # Without a request, and with another one.
    refused(Client(), provider, stolen)
    other = Client()
    begin(other)
    refused(other, provider, stolen)
    cookie = client.cookies[views.COOKIE].value
    assert provider.post(client, stolen).status_code == 302
    again = Client()
    again.cookies[views.COOKIE] = cookie
    answer = provider.post(again, stolen)
    assert (answer.status_code, is_signed_in(again)) == (422, False)


def test_a_response_that_nobody_asked_for_signs_nobody_in(
    client: Client, provider: SamlProvider
) -> None:
    root = parts(provider.response(begin(client), "asha", groups=["readers"]))
    del root.attrib["InResponseTo"]
    refused(client, provider, encoded(root))


@pytest.mark.parametrize("minutes", [-30, 30])
def test_an_assertion_counts_for_minutes_only(
    minutes: int, client: Client, provider: SamlProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

    response = provider.response(begin(client), "asha", groups=["readers"])
    then = timezone.now() + timedelta(minutes=minutes)
    monkeypatch.setattr(Utils, "now", staticmethod(lambda: int(then.timestamp())))
    refused(client, provider, response)


@pytest.mark.parametrize("attribute", ["NotOnOrAfter", "InResponseTo", "Recipient"])
def test_an_assertion_without_its_limits_signs_nobody_in(
    attribute: str, client: Client, provider: SamlProvider
) -> None:
    response = provider.response(begin(client), "asha", without=attribute, groups=["readers"])
    refused(client, provider, response)


def test_an_assertion_for_another_service_signs_nobody_in(
    client: Client, provider: SamlProvider, settings: Settings
) -> None:
    response = provider.response(begin(client), "asha", groups=["readers"])
    settings.PORTAL_URL = "https://elsewhere.example"
    refused(client, provider, response)


def test_a_name_for_one_session_identifies_nobody(client: Client, provider: SamlProvider) -> None:
    response = provider.response(
        begin(client), "asha", name_format=NAMEID_FORMAT_TRANSIENT, groups=["readers"]
    )
    refused(client, provider, response)


@pytest.mark.parametrize(
    "response",
    ["", "AAAA", "%%%", "PGEvPg==", "PCFET0NUWVBFIGEgWzwhRU5USVRZIGIgImMiPl0+PGE+JmI7PC9hPg=="],
)
def test_anything_else_signs_nobody_in(
    response: str, client: Client, provider: SamlProvider
) -> None:
    begin(client)
    refused(client, provider, response)


def test_nobody_fills_the_trail_without_a_request(client: Client, provider: SamlProvider) -> None:
    assert provider.post(client, "AAAA").status_code == 422
    client.cookies[views.COOKIE] = "forged"
    assert provider.post(client, "AAAA").status_code == 422
    assert audit_actions() == []


def test_a_flood_of_failures_fills_neither_trail_nor_log(
    client: Client,
    provider: SamlProvider,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One cookie is good for ten minutes, and for any number of responses."""
    monkeypatch.setattr(provider_sessions, "ENTRIES_A_MINUTE", 2)
    monkeypatch.setattr(logs, "_refused", MinuteCounter())
    monkeypatch.setattr(logs, "LINES_A_MINUTE", 2)
    begin(client)
    cookie = client.cookies[views.COOKIE].value
    for _ in range(12):
        client.cookies[views.COOKIE] = cookie
        assert provider.post(client, "AAAA").status_code == 422
    # Two minutes where the clock strikes meanwhile.
    assert 2 <= len(audit_actions()) <= 4
    details = [entry.detail for entry in AuditEntry.objects.order_by("sequence")]
    assert details[0] == {"identity_provider": True}
    assert details[1]["more_this_minute"] == "not recorded"
    assert 2 <= sum("refused" in message for message in caplog.messages) <= 4


def test_it_leads_nowhere_else(client: Client, provider: SamlProvider) -> None:
    answer = provider.sign_in(client, "asha", "https://evil.example/", groups=["readers"])
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SAML_METADATA": "<a/>"}, "not the metadata"),
        ({"SAML_METADATA": "no XML"}, "not the metadata"),
        ({"OIDC_ISSUER": "https://x.example", "OIDC_CLIENT_ID": "a"}, "both set"),
        ({"PORTAL_URL": ""}, "needs PORTAL_URL"),
        ({"PORTAL_URL": "http://portal.example"}, "with https"),
        ({"SAML_KEY": ""}, "belong together"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(
    changes: dict[str, Any], said: str, provider: SamlProvider, settings: Settings
) -> None:
    call_command("check")
    for name, value in changes.items():
        setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=said):
        call_command("check")


def test_a_break_glass_account_is_not_the_providers(
    client: Client, provider: SamlProvider, make_user: Callable[..., User], settings: Settings
) -> None:
    make_user(Role.IT, username="emergency")
    settings.BREAK_GLASS_USERS = ["emergency"]
    answer = provider.sign_in(client, "emergency", groups=["informatics"])
    assert (answer.status_code, is_signed_in(client)) == (422, False)
