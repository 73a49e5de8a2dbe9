"""Password guessing is throttled; nobody is locked out by other people's guesses."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.helpers import audit_actions, let_attempts_pass
from webportal.accounts import throttle
from webportal.accounts.devices import COOKIE
from webportal.accounts.models import KnownDevice, PasswordAttempt, User
from webportal.accounts.services import reset_password
from webportal.audit.models import Action

pytestmark = pytest.mark.django_db
FREE = throttle.ONE_PERSON.free
HERE, ELSEWHERE = "10.1.1.1", "192.0.2.7"


def sign_in(
    username: str, password: str, address: str = HERE, browser: Client | None = None
) -> int:
    """302 when it went well, 200 when the password was wrong, 429 when it was not looked at."""
    response = (browser or Client()).post(
        "/sign-in", {"username": username, "password": password}, REMOTE_ADDR=address
    )
    if response.status_code == 429:
        assert f"Wait {response['Retry-After']} second" in response.text
    return response.status_code


def fail(username: str, times: int, address: str = HERE) -> None:
    assert [sign_in(username, "wrong", address) for _ in range(times)] == [200] * times


@pytest.mark.parametrize("known", [True, False], ids=["known name", "unknown name"])
def test_each_wrong_password_makes_the_next_wait_longer(radiologist: User, known: bool) -> None:
    name = radiologist.username if known else "nobody-here"
    fail(name, FREE)
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
        # Even the right password waits, and what came too early does not prolong it.
        assert [sign_in(name, PASSWORD) for _ in range(3)] == [429] * 3
        let_attempts_pass(seconds)
        fail(name, 1)
    let_attempts_pass(60)
    assert sign_in(name, PASSWORD) == (302 if known else 200)


def test_an_attempt_during_the_delay_is_neither_hashed_nor_audited(
    radiologist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(radiologist.username, FREE)
    hashed: list[str] = []
    monkeypatch.setattr(User, "check_password", lambda _, password: hashed.append(password))
    assert [sign_in(radiologist.username, "wrong") for _ in range(5)] == [429] * 5
    assert hashed == []
    assert audit_actions() == [Action.SIGN_IN_FAILED] * FREE


def test_guesses_from_one_address_do_not_slow_down_others(radiologist: User) -> None:
    fail(radiologist.username, FREE, ELSEWHERE)
    assert sign_in(radiologist.username, PASSWORD, ELSEWHERE) == 429
    assert sign_in(radiologist.username, PASSWORD, HERE) == 302


def test_password_spraying_is_slowed_down(radiologist: User) -> None:
    for number in range(throttle.ONE_ADDRESS.free):
        fail(f"name-{number}", 1, ELSEWHERE)
    assert sign_in("yet-another", "wrong", ELSEWHERE) == 429
    assert sign_in(radiologist.username, PASSWORD, HERE) == 302


def test_signing_in_to_an_own_account_does_not_reset_the_address(radiologist: User) -> None:
    for number in range(throttle.ONE_ADDRESS.free - 1):
        fail(f"name-{number}", 1, ELSEWHERE)
    assert sign_in(radiologist.username, PASSWORD, ELSEWHERE) == 302
    fail("name", 1, ELSEWHERE)
    assert sign_in("name", "wrong", ELSEWHERE) == 429


def test_distributed_attempts_on_one_name_are_slowed_down_but_not_its_owner(
    radiologist: User, uploader: User
) -> None:
    own = Client()
    assert sign_in(radiologist.username, PASSWORD, browser=own) == 302
    for number in range(throttle.ONE_NAME.free):
        fail(radiologist.username, 1, f"192.0.2.{number}")
    assert sign_in(radiologist.username, "wrong", "192.0.2.99") == 429
    assert sign_in(radiologist.username, PASSWORD) == 429
    own.post("/sign-out")
    assert sign_in(radiologist.username, PASSWORD, browser=own) == 302
    # The browser of somebody else is none of this person's.
    theirs = Client()
    assert sign_in(uploader.username, PASSWORD, browser=theirs) == 302
    theirs.post("/sign-out")
    assert sign_in(radiologist.username, "wrong", browser=theirs) == 429


def test_a_known_browser_cannot_guess_faster_than_others(radiologist: User) -> None:
    own = Client()
    sign_in(radiologist.username, PASSWORD, browser=own)
    own.post("/sign-out")
    for _ in range(FREE):
        assert sign_in(radiologist.username, "wrong", browser=own) == 200
    assert sign_in(radiologist.username, PASSWORD, browser=own) == 429


def test_the_browser_cookie_reveals_nothing_and_ends_with_the_password(
    radiologist: User, it_person: User
) -> None:
    own = Client()
    sign_in(radiologist.username, PASSWORD, browser=own)
    cookie = own.cookies[COOKIE]
    assert cookie["httponly"]
    assert radiologist.username not in cookie.value
    assert cookie.value not in str(KnownDevice.objects.values_list())
    reset_password(radiologist, it_person)
    assert not KnownDevice.objects.exists()


def test_the_client_address_comes_from_a_trusted_proxy(
    radiologist: User, settings: Settings
) -> None:
    settings.PROXY_COUNT = 1
    values = {"username": radiologist.username, "password": "wrong"}
    # What the client itself writes there is passed on by the proxy, further to the left.
    for number in range(FREE):
        header = {"X-Forwarded-For": f"198.51.100.{number}, {ELSEWHERE}"}
        assert Client().post("/sign-in", values, headers=header).status_code == 200
    header = {"X-Forwarded-For": f"198.51.100.99, {ELSEWHERE}"}
    assert Client().post("/sign-in", values, headers=header).status_code == 429
    header = {"X-Forwarded-For": f"{ELSEWHERE}, {HERE}"}
    assert Client().post("/sign-in", values, headers=header).status_code == 200


def test_names_and_addresses_are_stored_only_as_digests(radiologist: User) -> None:
    fail(radiologist.username, 1)
    written = str(PasswordAttempt.objects.values_list())
    assert radiologist.username not in written
    assert HERE not in written
