"""What the identity provider says of people is asked again, and costs nobody their work."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.accounts.identity_provider import IdentityProvider
from tests.accounts.soft_passkey import SoftPasskey
from tests.accounts.test_oidc import make_due, sign_in_by_password
from tests.conftest import PASSWORD
from tests.factories import make_radiograph
from tests.helpers import is_signed_in
from webportal.accounts import services
from webportal.accounts.models import FederatedIdentity, Session, User
from webportal.accounts.oidc import client as oidc_client
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db


@contextmanager
def silent_provider() -> Iterator[tuple[str, socket.socket]]:
    """The address of a provider that accepts connections and never answers, and its socket."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.2)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener


def connections_to(listener: socket.socket) -> int:
    """How many connections there have been since the last call."""
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except TimeoutError:
            return count
        count += 1


def test_a_provider_that_never_answers_holds_up_one_request_in_a_minute(
    provider: IdentityProvider, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = [Client(), Client(), Client()]
    for number, browser in enumerate(browsers):
        provider.knows(f"asha{number}", groups=["readers"])
        provider.sign_in(browser, f"asha{number}")
        make_due(browser)
    monkeypatch.setattr(oidc_client, "TIMEOUT_SECONDS", 0.5)
    with silent_provider() as (address, listener):
        settings.OIDC_ISSUER = address
        assert browsers[0].get("/worklist").status_code == 200
        assert connections_to(listener) == 1
        for browser in browsers[1:]:
            assert browser.get("/worklist").status_code == 200
        assert connections_to(listener) == 0


def test_at_a_refresh_of_zero_minutes_a_removed_group_is_gone_at_the_next_request(
    client: Client, provider: IdentityProvider, settings: Settings
) -> None:
    settings.GROUP_REFRESH_MINUTES = 0
    provider.knows("asha", groups=["readers", "informatics"])
    provider.sign_in(client, "asha")
    assert client.get("/worklist").status_code == 200
    provider.knows("asha", groups=["informatics"])
    assert client.get("/worklist").status_code == 403
    provider.knows("asha", groups=["readers", "informatics"])
    assert client.get("/worklist").status_code == 200


@pytest.mark.parametrize("ended", ["signed out", "in time"])
@pytest.mark.parametrize(("minutes_ago", "opens"), [(0, True), (60, False), (None, True)])
def test_signing_out_and_in_does_not_open_what_was_locked(
    minutes_ago: int | None, opens: bool, ended: str, client: Client, provider: IdentityProvider
) -> None:
    """The provider may still know who has left the browser, and ask nobody anything."""
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    client.post("/lock")
    # The night after a shift is longer than a session lasts.
    assert int(client.cookies["chestline_left_locked"]["max-age"]) > 30 * 24 * 3600
    if ended == "signed out":
        client.post("/sign-out")
    else:
        Session.objects.all().delete()
    assert not is_signed_in(client)
    address = client.get("/sign-in/provider").headers["Location"]
    assert parse_qs(urlsplit(address).query)["prompt"] == ["login"]
    said = None if minutes_ago is None else int(time.time()) - minutes_ago * 60
    provider.knows("asha", groups=["readers"], auth_time=said)
    provider.sign_in(client, "asha")
    assert client.get("/worklist").status_code == (200 if opens else 423)
    # Once somebody has proved who they are, the provider is asked as usual again.
    provider.knows("asha", groups=["readers"], auth_time=int(time.time()))
    provider.sign_in(client, "asha")
    assert client.get("/worklist").status_code == 200
    client.post("/sign-out")
    address = client.get("/sign-in/provider").headers["Location"]
    assert "prompt" not in parse_qs(urlsplit(address).query)


def test_a_new_refresh_token_is_kept_although_the_response_is_an_error(
    client: Client, provider: IdentityProvider, settings: Settings
) -> None:
    """The former one may be single-use: with it, whoever looks at a damaged image is signed out."""
    settings.GROUP_REFRESH_MINUTES = 10
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    image = make_radiograph()
    before = client.session["federated"]["refresh"]
    make_due(client)
    Radiograph.objects.update(dicom_sha256="0" * 64)
    assert client.get(reverse("review:pixels", args=[image.pk])).status_code == 500
    after = client.session["federated"]
    assert after["refresh"] != before
    assert after["due"] > time.time() + 300


def test_a_request_that_ends_later_does_not_bring_a_used_refresh_token_back(
    client: Client, provider: IdentityProvider, settings: Settings
) -> None:
    settings.GROUP_REFRESH_MINUTES = 10
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    make_due(client)
    slow = client.session
    used = slow["federated"]["refresh"]
    assert client.get("/worklist").status_code == 200
    refreshed = client.session["federated"]
    assert refreshed["refresh"] != used
    slow["said"] = "something else"
    slow.save()
    assert client.session["federated"] == refreshed
    assert client.session["said"] == "something else"


def test_a_deactivated_user_cannot_sign_in_by_passkey_or_password(
    provider: IdentityProvider, settings: Settings, it_person: User
) -> None:
    """The provider is asked only in sessions that it has started."""
    browser = Client(headers={"Host": "localhost"})
    provider.knows("asha", groups=["readers"], auth_time=int(time.time()))
    provider.sign_in(browser, "asha")
    passkey, add = SoftPasskey(), "/account/second-factor/passkeys"
    made = passkey.make(browser.post(f"{add}/options").json())
    browser.post(add, {"name": "Laptop", "passkey": made})
    asha = User.objects.get(username="asha")
    asha.set_password(PASSWORD)
    asha.save()
    browser.post("/sign-out")

    def by_passkey() -> bool:
        asked = browser.post("/sign-in/passkey/options").json()
        browser.post("/sign-in/passkey", {"passkey": passkey.answer(asked)})
        return is_signed_in(browser)

    assert not by_passkey()
    refused = sign_in_by_password(browser, "asha")
    assert (refused.status_code, "Sign in with Bir Hospital instead" in refused.text) == (403, True)
    with pytest.raises(services.AccountError, match="signs in with Bir Hospital"):
        services.reset_password(asha, it_person)
    settings.BREAK_GLASS_USERS = ["asha"]
    assert by_passkey()


@pytest.mark.parametrize("address", ["/api/v1/studies", "/dicom-web/studies"])
def test_a_token_ends_with_the_last_word_of_the_provider_about_its_owner(
    address: str, client: Client, provider: IdentityProvider, settings: Settings
) -> None:
    """Nobody asks the provider about somebody who has left and does not sign in any more."""
    provider.knows("asha", groups=["readers"])
    provider.sign_in(client, "asha")
    token = services.create_token(User.objects.get(), "export")
    program = Client(headers={"Authorization": f"Token {token}"})
    long_ago = timezone.now() - timedelta(days=settings.API_TOKEN_CONFIRM_DAYS, minutes=1)
    FederatedIdentity.objects.update(confirmed_at=long_ago + timedelta(minutes=2))
    assert program.get(address).status_code in (200, 204)
    FederatedIdentity.objects.update(confirmed_at=long_ago)
    refused = program.get(address)
    assert refused.status_code == 403
    assert "Sign in to the portal again" in refused.text
    settings.API_TOKEN_CONFIRM_DAYS = 0
    assert program.get(address).status_code in (200, 204)
    settings.API_TOKEN_CONFIRM_DAYS = 30
    make_due(client)
    assert client.get("/worklist").status_code == 200
    assert program.get(address).status_code in (200, 204)
