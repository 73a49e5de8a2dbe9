"""Signing in: audited, throttled, and of no use with a one-time password."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import services, throttle
from webportal.accounts.models import PasswordAttempt, Role, User
from webportal.audit.models import Action, AuditEntry

pytestmark = pytest.mark.django_db


def try_password(client: Client, username: str, password: str) -> str:
    response = client.post("/sign-in", {"username": username, "password": password})
    return "signed in" if response.status_code == 302 else response.text


def test_sign_in_and_out_are_audited(client: Client, radiologist: User) -> None:
    assert try_password(client, radiologist.username, PASSWORD) == "signed in"
    client.post("/sign-out")
    assert audit_actions(actor_id=radiologist.pk) == [Action.SIGNED_IN, Action.SIGNED_OUT]


def test_a_failed_sign_in_names_the_known_user(client: Client, radiologist: User) -> None:
    try_password(client, radiologist.username, "wrong")
    entry = AuditEntry.objects.get(action=Action.SIGN_IN_FAILED)
    assert (entry.actor, entry.object_id) == (radiologist.username, str(radiologist.pk))


def test_an_unknown_name_is_recorded_nowhere(client: Client) -> None:
    try_password(client, "hunter2-typed-into-the-wrong-field", "x")
    entry = AuditEntry.objects.get(action=Action.SIGN_IN_FAILED)
    assert entry.actor == "unknown"
    written = str(AuditEntry.objects.values_list()) + str(PasswordAttempt.objects.values_list())
    assert "hunter2" not in written


def test_a_deactivated_user_cannot_sign_in(client: Client, radiologist: User) -> None:
    User.objects.update(is_active=False)
    assert "Please enter a correct" in try_password(client, radiologist.username, PASSWORD)
    assert audit_actions() == [Action.SIGN_IN_FAILED]


def test_a_new_one_time_password_ends_the_wait(
    client: Client, radiologist: User, it_person: User
) -> None:
    for _ in range(throttle.ONE_PERSON.free + 1):
        try_password(client, radiologist.username, "wrong")
    password = services.reset_password(radiologist, it_person)
    assert try_password(client, radiologist.username, password) == "signed in"


def test_guessing_a_password_while_signed_in_is_slowed_down_too(radiologist: User) -> None:
    for _ in range(throttle.ONE_PERSON.free):
        with pytest.raises(services.AccountError, match="not your password"):
            services.confirm_password(radiologist, "wrong")
    with pytest.raises(services.AccountError, match="Too many"):
        services.confirm_password(radiologist, PASSWORD)


def test_wrong_passwords_at_the_sign_in_page_do_not_block_signing(
    client: Client, radiologist: User
) -> None:
    for _ in range(throttle.ONE_PERSON.free):
        try_password(client, radiologist.username, "wrong")
    assert "Too many" in try_password(client, radiologist.username, PASSWORD)
    services.confirm_password(radiologist, PASSWORD)


def test_wrong_passwords_while_signed_in_do_not_block_signing_in(
    client: Client, radiologist: User
) -> None:
    for _ in range(throttle.ONE_PERSON.free):
        with pytest.raises(services.AccountError):
            services.confirm_password(radiologist, "wrong")
    assert try_password(client, radiologist.username, PASSWORD) == "signed in"
    # Signing in does not end the wait: it is one's own session that was guessed in.
    with pytest.raises(services.AccountError, match="Too many"):
        services.confirm_password(radiologist, PASSWORD)


@pytest.fixture
def newcomer(it_person: User) -> tuple[User, str]:
    return services.create_user("newcomer", "New Comer", [Role.IT, Role.AUDITOR], it_person)


@pytest.mark.parametrize("address", ["/", "/users", "/audit/", "/operations", "/account/tokens"])
def test_a_one_time_password_grants_nothing_until_it_is_changed(
    client: Client, newcomer: tuple[User, str], address: str
) -> None:
    user, password = newcomer
    assert try_password(client, user.username, password) == "signed in"
    assert client.get(address).headers["Location"] == "/account/password"
    assert client.post(address).headers["Location"] == "/account/password"

    page = client.get("/account/password").text
    assert "Choose your own password" in page
    new = "quite another battery"
    response = client.post(
        "/account/password", {"current": password, "new": new, "again": new}, follow=True
    )
    assert response.status_code == 200
    assert client.get(address).status_code in (200, 302)
    assert client.get(address).headers.get("Location") != "/account/password"
    assert try_password(Client(), user.username, password) != "signed in"


@pytest.mark.parametrize(
    ("current", "new", "again", "complaint"),
    [
        ("wrong", "quite another battery", "quite another battery", "not your password"),
        (PASSWORD, "quite another battery", "quite another", "differ"),
        (PASSWORD, "short", "short", "too short"),
        (PASSWORD, "radiologist1", "radiologist1", "too similar"),
    ],
)
def test_weak_new_passwords_are_rejected(
    radiologist: User,
    sign_in: Callable[[User], Client],
    current: str,
    new: str,
    again: str,
    complaint: str,
) -> None:
    response = sign_in(radiologist).post(
        "/account/password", {"current": current, "new": new, "again": again}
    )
    assert complaint in response.text
    radiologist.refresh_from_db()
    assert radiologist.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("sender", "goes_on_to"),
    [
        ("http://testserver/worklist?state=all", "/worklist?state=all"),
        ("http://testserver/text-templates", "/text-templates"),
        ("https://elsewhere.example/worklist", "/"),
        (None, "/"),
    ],
)
def test_after_a_rejected_post_sign_in_returns_to_the_page_of_the_form(
    client: Client, radiologist: User, sender: str | None, goes_on_to: str
) -> None:
    headers = {"Referer": sender} if sender else {}
    asks = client.post("/worklist/next", headers=headers)
    answer = client.post(
        asks.headers["Location"], {"username": radiologist.username, "password": PASSWORD}
    )
    assert answer.headers["Location"] == goes_on_to


def test_a_post_only_url_says_so(client: Client, radiologist: User) -> None:
    client.force_login(radiologist)
    answer = client.get("/worklist/next")
    assert answer.status_code == 405
    assert "There is no page at this address" in answer.text


def test_a_form_from_an_earlier_sign_in_is_refused_with_an_explanation(radiologist: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(radiologist)
    answer = client.post("/worklist/next")
    assert answer.status_code == 403
    assert "Your request was not accepted" in answer.text
