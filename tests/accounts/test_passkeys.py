"""Passkeys: the browser's signature is valid once, here, and for one purpose."""

import json
import time
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from fido2.webauthn import AuthenticatorData

from tests.accounts.soft_passkey import SoftPasskey
from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import passkeys, throttle
from webportal.accounts.models import Passkey, User
from webportal.accounts.sessions import SessionStore
from webportal.accounts.sign_in_views import SIGN_IN
from webportal.audit.models import Action, AuditEntry
from webportal.notifications.models import Notification, NotificationKind

pytestmark = pytest.mark.django_db
PAGE = "/account/second-factor"


@pytest.fixture
def client() -> Client:
    return Client(headers={"Host": "localhost"})


def add(client: Client, passkey: SoftPasskey, **changes: str) -> Any:
    options = client.post(f"{PAGE}/passkeys/options").json()
    answer = passkey.make(options, **changes)
    return client.post(f"{PAGE}/passkeys", {"name": "Laptop", "passkey": answer})


@pytest.fixture
def passkey(client: Client, radiologist: User) -> SoftPasskey:
    """A passkey of the radiologist's, who is signed out again."""
    client.post("/sign-in", {"username": radiologist.username, "password": PASSWORD})
    made = SoftPasskey(counter=1)
    assert "recovery-codes" in add(client, made).text
    client.post("/sign-out")
    return made


def options_of(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/sign-in/passkey/options").json()
    return found


def sign_in_with(client: Client, answer: str, target: str = "") -> Any:
    return client.post("/sign-in/passkey", {"passkey": answer, "next": target})


def test_a_passkey_signs_in_without_a_password(
    client: Client, passkey: SoftPasskey, radiologist: User
) -> None:
    assert Notification.objects.get().kind == NotificationKind.FACTOR_ADDED
    response = sign_in_with(client, passkey.answer(options_of(client)), "/worklist")
    assert response.headers["Location"] == "/worklist"
    assert client.get("/worklist").status_code == 200
    entry = AuditEntry.objects.filter(action=Action.SIGNED_IN).latest("sequence")
    assert (entry.actor_id, entry.detail) == (radiologist.pk, {"second_factor": "passkey"})


def test_a_passkey_is_a_second_factor(
    client: Client, passkey: SoftPasskey, radiologist: User
) -> None:
    data = {"username": radiologist.username, "password": PASSWORD, "next": "/worklist"}
    page = client.post("/sign-in", data, follow=True).text
    assert "Use a passkey" in page
    assert 'value="/worklist"' in page
    response = sign_in_with(client, passkey.answer(options_of(client)), "/worklist")
    assert response.headers["Location"] == "/worklist"


def test_it_works_while_passwords_and_codes_are_throttled(
    client: Client, passkey: SoftPasskey, radiologist: User
) -> None:
    wrong = {"username": radiologist.username, "password": "wrong"}
    stranger = Client(headers={"Host": "localhost"})
    statuses = [stranger.post("/sign-in", wrong).status_code for _ in range(30)]
    assert statuses[-1] == 429
    for _ in range(throttle.ONE_CODE.free + 1):
        throttle_codes(stranger, radiologist)
    assert sign_in_with(stranger, passkey.answer(options_of(stranger))).status_code == 302


def throttle_codes(client: Client, user: User) -> None:
    try:
        throttle.code_attempt(user.username, "").begin()
    except throttle.TooManyAttemptsError:
        return


def test_a_response_is_valid_once(client: Client, passkey: SoftPasskey) -> None:
    answer = passkey.answer(options_of(client))
    assert sign_in_with(client, answer).status_code == 302
    client.post("/sign-out")
    assert "took too long" in sign_in_with(client, answer).text
    options_of(client)
    assert "not accepted" in sign_in_with(client, answer).text


def test_only_one_of_two_simultaneous_requests_uses_the_challenge(
    client: Client, passkey: SoftPasskey
) -> None:
    options_of(client)
    # Both have loaded the session before either of them takes the challenge out of it.
    requests = [HttpRequest(), HttpRequest()]
    for request in requests:
        request.META["HTTP_HOST"] = "localhost"
        request.session = SessionStore(client.session.session_key)
        assert passkeys.SESSION_KEY in request.session
    said = []
    for request in requests:
        with pytest.raises(passkeys.PasskeyError) as refused:
            passkeys.finish_asking(request, SIGN_IN, None, {})
        said.append(str(refused.value))
    assert "not accepted" in said[0]
    assert "took too long" in said[1]


def test_a_response_must_arrive_in_time(client: Client, passkey: SoftPasskey) -> None:
    options = options_of(client)
    session = client.session
    session["passkey_challenges"]["sign-in"]["until"] = time.time() - 1
    session.save()
    assert "took too long" in sign_in_with(client, passkey.answer(options)).text


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "http://elsewhere.example"},
        {"origin": "https://localhost"},
        {"origin": "http://sub.localhost"},
        {"flags": AuthenticatorData.FLAG.UP},
        {"flags": AuthenticatorData.FLAG.UV},
    ],
)
def test_a_response_for_another_origin_or_without_user_verification_is_refused(
    client: Client, passkey: SoftPasskey, changes: dict[str, Any]
) -> None:
    response = sign_in_with(client, passkey.answer(options_of(client), **changes))
    assert response.status_code == 422
    assert "not accepted" in response.text


def test_a_signature_by_another_key_is_refused(client: Client, passkey: SoftPasskey) -> None:
    other = SoftPasskey(counter=9)
    other.credential_id = passkey.credential_id
    assert "not accepted" in sign_in_with(client, other.answer(options_of(client))).text
    assert "does not know" in sign_in_with(client, SoftPasskey().answer(options_of(client))).text


@pytest.mark.parametrize("answer", ["", "{", "[]", "{}", '{"id": 1}', '"x"'])
def test_a_malformed_response_is_refused(client: Client, passkey: SoftPasskey, answer: str) -> None:
    options_of(client)
    assert sign_in_with(client, answer).status_code == 422


def test_a_cloned_passkey_is_detected(client: Client, passkey: SoftPasskey) -> None:
    copy = SoftPasskey(counter=passkey.counter)
    copy.key, copy.credential_id = passkey.key, passkey.credential_id
    assert sign_in_with(client, passkey.answer(options_of(client))).status_code == 302
    client.post("/sign-out")
    assert "copied" in sign_in_with(client, copy.answer(options_of(client))).text


def test_a_deactivated_user_cannot_sign_in_by_passkey(client: Client, passkey: SoftPasskey) -> None:
    User.objects.update(is_active=False)
    assert "account is deactivated" in sign_in_with(client, passkey.answer(options_of(client))).text
    assert audit_actions()[-1] == Action.SIGN_IN_FAILED


def test_passkeys_are_unavailable_at_an_ip_address_and_the_page_says_so(
    radiologist: User, passkey: SoftPasskey
) -> None:
    client = Client(headers={"Host": "127.0.0.1:8000"})
    assert "opened by the IP address 127.0.0.1" in client.get("/sign-in").text
    response = client.post("/sign-in/passkey/options")
    assert (response.status_code, "as localhost" in response.json()["detail"]) == (422, True)
    client.force_login(radiologist)
    assert "opened by the IP address 127.0.0.1" in client.get(PAGE).text


def test_passkeys_are_unavailable_without_https(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["chestline.hospital.example"]
    client = Client(headers={"Host": "chestline.hospital.example"})
    assert "need HTTPS" in client.get("/sign-in").text
    assert "need HTTPS" not in client.get("/sign-in", secure=True).text


def test_the_same_passkey_is_not_added_twice(client: Client, passkey: SoftPasskey) -> None:
    sign_in_with(client, passkey.answer(options_of(client)))
    page = add(client, passkey)
    assert (page.status_code, Passkey.objects.count()) == (422, 1)
    assert "already in use" in page.text


def test_a_passkey_made_for_another_address_is_not_added(client: Client, radiologist: User) -> None:
    client.force_login(radiologist)
    session = client.session
    session["confirmed_at"] = time.time()
    session.save()
    page = add(client, SoftPasskey(), origin="https://elsewhere.example")
    assert (page.status_code, Passkey.objects.count()) == (422, 0)


def test_removing_one_is_notified_and_audited(client: Client, passkey: SoftPasskey) -> None:
    sign_in_with(client, passkey.answer(options_of(client)))
    found = Passkey.objects.get()
    client.post(f"{PAGE}/passkeys/{found.pk}/remove")
    assert not Passkey.objects.exists()
    assert Notification.objects.filter(kind=NotificationKind.FACTOR_REMOVED).count() == 1
    entry = AuditEntry.objects.latest("sequence")
    assert (entry.action, entry.detail["name"]) == (Action.FACTOR_REMOVED, "Laptop")
    assert json.dumps(entry.detail)
    assert "does not know" in sign_in_with(client, passkey.answer(options_of(client))).text


def test_nobody_removes_another_users_passkey(
    client: Client, passkey: SoftPasskey, it_person: User
) -> None:
    found = Passkey.objects.get()
    client.force_login(it_person)
    session = client.session
    session["confirmed_at"] = time.time()
    session.save()
    assert client.post(f"{PAGE}/passkeys/{found.pk}/remove").status_code == 404
