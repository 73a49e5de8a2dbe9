"""Separation of duties: administering users gives nobody further access."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import services
from webportal.accounts.models import Role, User
from webportal.accounts.separation import APART_FROM_IT
from webportal.accounts.services import AccountError
from webportal.audit.models import Action
from webportal.notifications.mail import deliver
from webportal.notifications.models import MailState, Notification, NotificationKind
from webportal.notifications.services import mark_read

pytestmark = pytest.mark.django_db

APART = [
    ["it", "radiologist"],
    ["it", "coordinator"],
    ["it", "referrer"],
    ["it", "researcher"],
    ["auditor", "it"],
    ["auditor", "radiologist"],
    ["auditor", "uploader"],
]
TOGETHER = [["it", "uploader"], ["coordinator", "radiologist"], ["radiologist", "uploader"]]


@pytest.fixture
def colleague(it_person: User, make_user: Callable[..., User]) -> User:
    """A second administrator."""
    return make_user(Role.IT, username="colleague")


def change(user: User, roles: list[str], by: User) -> None:
    services.change_user(user, roles=roles, is_active=True, by=by)


def test_nobody_assigns_roles_to_themselves(
    it_person: User, colleague: User, sign_in: Callable[[User], Client]
) -> None:
    answer = sign_in(it_person).post(
        f"/users/{it_person.pk}", {"roles": ["it", "uploader"], "is_active": "on"}
    )
    assert "nobody can assign roles to themselves" in answer.text
    it_person.refresh_from_db()
    assert it_person.roles == ["it"]
    change(it_person, ["it", "uploader"], colleague)
    # Giving one away is open to everybody.
    change(it_person, ["it"], it_person)


@pytest.mark.parametrize("roles", APART)
def test_conflicting_roles_cannot_be_combined(
    it_person: User, colleague: User, uploader: User, roles: list[str]
) -> None:
    with pytest.raises(AccountError, match="may not be combined"):
        change(uploader, roles, it_person)
    with pytest.raises(AccountError, match="second account"):
        services.create_user("newcomer", "", roles, it_person)
    uploader.refresh_from_db()
    assert uploader.roles == ["uploader"]
    assert not User.objects.filter(username="newcomer").exists()


@pytest.mark.parametrize("roles", TOGETHER)
def test_other_roles_can_be_combined(
    it_person: User, colleague: User, uploader: User, roles: list[str]
) -> None:
    change(uploader, roles, it_person)
    services.create_user("newcomer", "", roles, it_person)


def test_api_clients_are_refused_too(
    it_person: User, colleague: User, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    client = APIClient()
    client.force_authenticate(it_person)
    body: dict[str, object] = {"roles": ["it", "auditor"]}
    assert client.patch(f"/api/v1/users/{uploader.pk}", body, format="json").status_code == 409
    body |= {"username": "newcomer"}
    assert client.post("/api/v1/users", body, format="json").status_code == 409


def test_a_single_administrator_may_combine_roles(it_person: User, settings: Settings) -> None:
    change(it_person, ["it", "radiologist"], it_person)
    settings.ROLE_SEPARATION = "always"
    with pytest.raises(AccountError, match="assign roles to themselves"):
        change(it_person, ["auditor", "it", "radiologist"], it_person)


@pytest.mark.parametrize("how", ["deactivated", "removed"])
def test_nobody_ends_it_by_deactivating_the_others(it_person: User, how: str) -> None:
    change(it_person, ["it", "uploader"], it_person)
    second, _ = services.create_user("second", "", ["it"], it_person)
    is_removed = how == "removed"
    roles = ["uploader"] if is_removed else ["it"]
    services.change_user(second, roles=roles, is_active=is_removed, by=it_person)
    with pytest.raises(AccountError, match="assign roles to themselves"):
        change(it_person, ["it", "radiologist"], it_person)
    with pytest.raises(AccountError, match="may not be combined"):
        change(second, ["auditor", "uploader"], it_person)


def test_hospital_it_can_switch_it_off(
    it_person: User, colleague: User, settings: Settings
) -> None:
    settings.ROLE_SEPARATION = "never"
    change(it_person, ["auditor", "it"], it_person)


def test_existing_conflicts_are_shown_and_can_be_resolved(
    it_person: User, colleague: User, sign_in: Callable[[User], Client]
) -> None:
    colleague.roles = ["auditor", "it", "radiologist"]
    colleague.save()
    assert "conflicting roles" in sign_in(it_person).get("/users").text
    change(colleague, ["auditor", "it"], it_person)
    change(colleague, ["it"], it_person)
    assert "conflicting roles" not in sign_in(it_person).get("/users").text


def test_the_only_administrator_is_not_told_to_separate_their_roles(
    it_person: User, sign_in: Callable[[User], Client], make_user: Callable[..., User]
) -> None:
    it_person.roles = ["it", "radiologist"]
    it_person.save()
    assert "conflicting roles" not in sign_in(it_person).get("/users").text
    make_user(Role.IT, username="second")
    assert "conflicting roles" in sign_in(it_person).get("/users").text


def test_a_one_time_password_expires(
    client: Client, radiologist: User, it_person: User, settings: Settings
) -> None:
    settings.ONE_TIME_PASSWORD_HOURS = 2
    password = services.reset_password(radiologist, it_person)
    values = {"username": radiologist.username, "password": password}
    assert client.post("/sign-in", values).status_code == 302
    client.post("/sign-out")
    User.objects.filter(pk=radiologist.pk).update(
        one_time_password_until=timezone.now() - timedelta(seconds=1)
    )
    answer = client.post("/sign-in", values)
    assert answer.status_code == 403
    assert "Ask hospital IT for a new one" in answer.text
    told = APIClient().post("/api/v1/tokens", values | {"name": "a script"}, format="json").json()
    assert told["type"] == "urn:chestline:problem:one-time-password-expired"
    assert audit_actions(actor_id=radiologist.pk)[-2:] == [Action.SIGN_IN_FAILED] * 2
    # A wrong password learns nothing of it.
    answer = client.post("/sign-in", values | {"password": "wrong"})
    assert "expired" not in answer.text


def test_a_chosen_password_does_not_expire(
    client: Client, radiologist: User, it_person: User
) -> None:
    services.reset_password(radiologist, it_person)
    services.change_own_password(radiologist, PASSWORD)
    radiologist.refresh_from_db()
    assert radiologist.one_time_password_until is None


def test_the_first_administrators_password_does_not_expire() -> None:
    first, _ = services.create_user("admin", "", list(Role.values), by=None)
    assert first.must_change_password
    assert first.one_time_password_until is None


def test_a_reset_notifies_its_owner_whatever_their_preferences(
    radiologist: User, it_person: User, settings: Settings, sign_in: Callable[[User], Client]
) -> None:
    settings.MAIL_ENABLED, settings.PORTAL_URL = True, "https://chestline.hospital.example"
    User.objects.filter(pk=radiologist.pk).update(email="reader@hospital.example")
    radiologist.refresh_from_db()
    services.reset_password(radiologist, it_person)
    told = Notification.objects.get(recipient=radiologist)
    assert (told.kind, told.mail_state) == (NotificationKind.PASSWORD_RESET, MailState.DUE)
    # Somebody with the one-time password cannot suppress the e-mail by reading it on the page.
    mark_read(radiologist)
    assert deliver() == 1
    (message,) = mail.outbox
    assert message.to == ["reader@hospital.example"]
    assert "if you did not ask for it" in str(message.body)

    services.change_own_password(radiologist, "lamp otter gravel")
    browser = sign_in(radiologist)
    assert "Hospital IT gave you a one-time password" in browser.get("/notifications/").text
    address = f"/notifications/{told.pk}"
    assert browser.get(address).headers["Location"] == "/account/sessions"


def test_every_role_is_classified_by_whether_it_may_be_held_beside_it() -> None:
    assert {*APART_FROM_IT, Role.IT, Role.UPLOADER} == set(Role)
