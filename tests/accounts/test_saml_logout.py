"""Single logout by SAML: what the provider asks for, signed, now, and once."""

from collections.abc import Callable
from datetime import timedelta

import pytest

pytest.importorskip("onelogin", reason="the extra saml is not installed")
pytest.importorskip("saml2", reason="pysaml2 is not installed")

from django.test import Client
from django.utils import timezone

from tests.accounts.saml_provider import (
    NS,
    SamlProvider,
    begin,
    folder,
    made_provider,
    parts,
    provider,
)
from tests.helpers import audit_actions, is_signed_in
from webportal.accounts import services
from webportal.accounts.models import ApiToken, Session, User
from webportal.audit.models import Action

pytestmark = pytest.mark.django_db
__all__ = ["folder", "made_provider", "provider"]


def test_the_provider_ends_one_session_or_all_of_them(
    client: Client, provider: SamlProvider
) -> None:
    first, second = Client(), Client()
    indexes = []
    for browser in (first, second):
        start = begin(browser)
        response = provider.response(start, "asha", groups=["readers"])
        statement = parts(response).find(".//a:AuthnStatement", NS)
        indexes.append(statement.get("SessionIndex"))
        assert provider.post(browser, response).status_code == 302
    assert indexes[0] != indexes[1]
    user = User.objects.get()
    services.create_token(user, "a script")
    answer = client.get(provider.logout("asha", indexes[0]), secure=True)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://idp.hospital.example/slo?SAMLResponse=")
    assert "Signature=" in answer.headers["Location"]
    assert (is_signed_in(first), is_signed_in(second)) == (False, True)
    assert ApiToken.objects.filter(user=user).exists()
    assert client.get(provider.logout("asha"), secure=True).status_code == 302
    assert not is_signed_in(second)
    assert not Session.objects.filter(user=user).exists()
    assert audit_actions()[-2:] == [Action.SIGNED_OUT, Action.TOKEN_REVOKED]


def test_a_logout_that_is_not_signed_or_was_used_ends_nothing(
    client: Client, provider: SamlProvider
) -> None:
    browser = Client()
    provider.sign_in(browser, "asha", groups=["readers"])
    bad: list[Callable[[str], str]] = [
        lambda address: provider.logout("asha", sign=False),
        lambda address: address.replace("Signature=", "Signature=AAAA"),
        lambda address: f"{address}&SAMLRequest=AAAA",
        lambda address: "/sign-in/saml/logout",
        lambda address: "/sign-in/saml/logout?SAMLRequest=AAAA&Signature=AAAA",
    ]
    for make in bad:
        answer = client.get(make(provider.logout("asha")), secure=True)
        assert (answer.status_code, is_signed_in(browser)) == (400, True)
    used = provider.logout("asha")
    assert client.get(used, secure=True).status_code == 302
    assert not is_signed_in(browser)
    provider.sign_in(browser, "asha", groups=["readers"])
    assert client.get(used, secure=True).status_code == 400
    assert is_signed_in(browser)


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_logout_counts_for_minutes_only(
    minutes: int, client: Client, provider: SamlProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

    browser = Client()
    provider.sign_in(browser, "asha", groups=["readers"])
    address = provider.logout("asha")
    then = timezone.now() + timedelta(minutes=minutes)
    monkeypatch.setattr(Utils, "now", staticmethod(lambda: int(then.timestamp())))
    assert client.get(address, secure=True).status_code == 400
    assert is_signed_in(browser)
