"""Roles that an administrator gives take effect once a second one has approved them."""

import threading
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.accounts.soft_passkey import SoftPasskey
from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import approval, services
from webportal.accounts.models import RequestOutcome, Role, RoleRequest, User
from webportal.accounts.reconciliation import CHECKS
from webportal.audit.models import Action, AuditEntry
from webportal.notifications.models import Notification

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]
NEW_PASSWORD = "lamp otter gravel"


@pytest.fixture
def colleague(it_person: User, make_user: Callable[..., User]) -> User:
    """A second administrator."""
    return make_user(Role.IT, username="colleague")


@pytest.fixture
def ours(it_person: User, colleague: User, sign_in: SignIn) -> Client:
    """The first administrator's browser."""
    return sign_in(it_person)


@pytest.fixture
def theirs(colleague: User, sign_in: SignIn) -> Client:
    """The second administrator's browser."""
    return sign_in(colleague)


def create(client: Client, name: str, *roles: str) -> User:
    client.post("/users", {"username": name, "roles": roles})
    return User.objects.get(username=name)


def waiting(user: User) -> RoleRequest:
    return RoleRequest.objects.get(user=user, outcome="")


def approve(client: Client, asked: RoleRequest, password: str = PASSWORD) -> str:
    address = f"/users/requests/{asked.pk}/approve"
    return client.post(address, {"password": password}, follow=True).text


def turn_down(client: Client, asked: RoleRequest) -> str:
    return client.post(f"/users/requests/{asked.pk}/turn-down", follow=True).text


def roles_of(user: User) -> list[str]:
    user.refresh_from_db()
    return user.roles


def signed_in_as(name: str, password: str) -> Client:
    """The browser of somebody who has replaced their one-time password."""
    client = Client()
    client.post("/sign-in", {"username": name, "password": password})
    new = {"current": password, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert client.post("/account/password", new).status_code == 302
    return client


def findings() -> list[tuple[str, str]]:
    found = [each for check in CHECKS for _rows, some in check.run() for each in some]
    return [(each.object_type, each.code) for each in found]


def move_trail_back(days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_auditentry SET at = at - make_interval(days => %s)", [days])
        cursor.execute("ALTER TABLE audit_auditentry ENABLE TRIGGER USER")


def test_a_new_account_reads_nothing_until_a_second_administrator_approves(
    ours: Client, theirs: Client, it_person: User, colleague: User
) -> None:
    response = ours.post("/users", {"username": "rita", "roles": ["radiologist", "uploader"]})
    rita, password = response.context["created"]
    assert "Waiting until another member of hospital IT approves: Radiologist" in response.text
    reader = signed_in_as("rita", password)
    assert roles_of(rita) == ["uploader"]
    assert reader.get("/worklist").status_code == 403
    assert "approves: Radiologist" in reader.get("/", follow=True).text
    assert "Decide" in theirs.get("/users").text

    assert "Approved." in approve(theirs, waiting(rita))
    assert roles_of(rita) == ["radiologist", "uploader"]
    assert reader.get("/worklist").status_code == 200
    assert "approves: Radiologist" not in reader.get("/", follow=True).text
    entries = AuditEntry.objects.order_by("sequence")
    changed = entries.get(action=Action.USER_CHANGED)
    assert changed.actor == "colleague"
    assert changed.detail == {
        "roles": {"from": ["uploader"], "to": ["radiologist", "uploader"]},
        "requested_by": str(it_person.pk),
    }
    about = entries.filter(object_type="role_request").values_list("action", "actor")
    assert list(about) == [("roles.requested", "it"), ("roles.approved", "colleague")]


#: Roles that a single administrator may give.
GIVEN_BY_ONE = {Role.UPLOADER}


@pytest.mark.parametrize("role", [role for role in Role if role not in GIVEN_BY_ONE])
def test_every_role_with_access_waits(ours: Client, role: Role) -> None:
    someone = create(ours, "someone", role)
    assert roles_of(someone) == []
    assert waiting(someone).roles == [role]


def test_roles_given_later_wait_and_those_taken_are_gone_at_once(
    ours: Client, theirs: Client, radiologist: User, uploader: User
) -> None:
    ours.post(f"/users/{uploader.pk}", {"roles": ["referrer"], "is_active": "on"})
    assert roles_of(uploader) == []
    asked = waiting(uploader)
    page = theirs.get(f"/users/{uploader.pk}").text
    assert "Given by it" in page
    ours.post(f"/users/{uploader.pk}", {"roles": ["uploader"], "is_active": "on"})
    assert "Approved." in approve(theirs, asked)
    assert roles_of(uploader) == ["referrer", "uploader"]


def test_nobody_approves_what_they_have_asked_for(ours: Client, it_person: User) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    page = ours.get(f"/users/{asked.user_id}").text
    assert "Approve these roles" not in page
    assert "Another member of hospital IT has to approve" in approve(ours, asked)
    assert roles_of(asked.user) == []


@pytest.mark.parametrize(("days", "is_approved"), [(0, False), (4, True)])
@pytest.mark.parametrize("how", ["created", "reset"])
def test_nobody_approves_by_an_account_that_they_have_just_given_out(
    ours: Client,
    theirs: Client,
    it_person: User,
    colleague: User,
    how: str,
    days: int,
    is_approved: bool,
) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    if how == "created":
        puppet = create(ours, "puppet", "it")
        assert "Approved." in approve(theirs, waiting(puppet))
        password = services.reset_password(puppet, it_person)
    else:
        puppet = colleague
        password = services.reset_password(colleague, it_person)
    browser = signed_in_as(puppet.username, password)
    move_trail_back(days)
    text = approve(browser, asked, NEW_PASSWORD)
    assert ("Approved." in text) is is_approved
    assert ("ask another member of hospital IT" in text) is not is_approved
    assert (roles_of(asked.user) == ["radiologist"]) is is_approved


def test_the_password_is_asked_for(ours: Client, theirs: Client) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    assert "That is not your password" in approve(theirs, asked, "wrong")
    assert roles_of(asked.user) == []


def test_a_passkey_approves_and_another_persons_does_not(ours: Client, colleague: User) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    browser, passkey = Client(headers={"Host": "localhost"}), SoftPasskey()
    browser.force_login(colleague)
    account = "/account/second-factor/passkeys"
    made = passkey.make(browser.post(f"{account}/options").json())
    browser.post(account, {"name": "Laptop", "passkey": made})
    assert "Approve with a passkey" in browser.get(f"/users/{asked.user_id}").text

    def answer_with(given: SoftPasskey) -> str:
        answer = given.answer(browser.post("/users/requests/passkey").json())
        address = f"/users/requests/{asked.pk}/approve"
        return browser.post(address, {"passkey": answer}, follow=True).text

    assert "does not know" in answer_with(SoftPasskey())
    assert roles_of(asked.user) == []
    assert "Approved." in answer_with(passkey)
    assert roles_of(asked.user) == ["radiologist"]


def test_a_request_of_a_requester_who_left_is_not_approved(
    ours: Client, theirs: Client, it_person: User, settings: Settings
) -> None:
    settings.ROLE_SEPARATION = "always"
    asked = waiting(create(ours, "rita", "radiologist"))
    theirs.post(f"/users/{it_person.pk}", {"roles": [], "is_active": "on"})
    assert "is no longer in hospital IT" in approve(theirs, asked)
    assert roles_of(asked.user) == []
    assert "Rejected" in turn_down(theirs, asked)


def test_roles_are_not_combined_by_way_of_an_approval(ours: Client, theirs: Client) -> None:
    someone = create(ours, "someone", "auditor")
    ours.post(f"/users/{someone.pk}", {"roles": ["uploader"], "is_active": "on"})
    assert "may not be combined" in approve(theirs, waiting(someone))
    assert roles_of(someone) == ["uploader"]


def test_a_request_can_be_withdrawn_or_rejected(
    ours: Client, theirs: Client, it_person: User, colleague: User
) -> None:
    first, second = (waiting(create(ours, name, "radiologist")) for name in ("rita", "rosa"))
    assert "Withdrawn" in turn_down(ours, first)
    assert "Rejected" in turn_down(theirs, second)
    for asked, outcome in ((first, "withdrawn"), (second, "rejected")):
        asked.refresh_from_db()
        assert asked.outcome == outcome
        assert "Somebody else has decided" in approve(theirs, asked)
        assert roles_of(asked.user) == []
    told = Notification.objects.get(kind="roles_decided")
    assert (told.recipient, told.role_request) == (it_person, second)
    assert "rejected" in ours.get("/notifications/").text
    asked_for = Notification.objects.filter(kind="roles_requested")
    assert {each.recipient for each in asked_for} == {colleague}
    assert not asked_for.filter(read_at=None).exists()


def test_a_new_request_replaces_the_one_that_is_open(ours: Client, theirs: Client) -> None:
    first = waiting(create(ours, "someone", "radiologist"))
    ours.post(f"/users/{first.user_id}", {"roles": ["researcher"], "is_active": "on"})
    assert "Somebody else has decided" in approve(theirs, first)
    entry = AuditEntry.objects.get(action=Action.ROLES_WITHDRAWN)
    assert (entry.object_id, entry.detail["replaced"]) == (str(first.pk), True)
    approve(theirs, waiting(first.user))
    assert roles_of(first.user) == ["researcher"]


def test_nothing_is_approved_for_a_deactivated_user(ours: Client, theirs: Client) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    ours.post(f"/users/{asked.user_id}", {"roles": ["uploader"]})
    asked.refresh_from_db()
    assert asked.outcome == RequestOutcome.WITHDRAWN
    RoleRequest.objects.update(outcome="", decided_at=None, decided_by=None)
    assert "may not sign in" in approve(theirs, asked)
    assert roles_of(asked.user) == ["uploader"]


def test_an_account_that_comes_back_waits_for_its_roles(
    ours: Client, theirs: Client, radiologist: User
) -> None:
    ours.post(f"/users/{radiologist.pk}", {"roles": ["radiologist"]})
    ours.post(f"/users/{radiologist.pk}", {"roles": ["radiologist"], "is_active": "on"})
    assert roles_of(radiologist) == []
    approve(theirs, waiting(radiologist))
    assert roles_of(radiologist) == ["radiologist"]


def test_roles_given_by_rest_wait_too(ours: Client, it_person: User, uploader: User) -> None:
    client = APIClient()
    client.force_authenticate(it_person)
    body: dict[str, object] = {"roles": ["radiologist", "uploader"]}
    answer = client.patch(f"/api/v1/users/{uploader.pk}", body, format="json").json()
    assert (answer["roles"], answer["waiting_roles"]) == (["uploader"], ["radiologist"])
    body |= {"username": "newcomer"}
    user = client.post("/api/v1/users", body, format="json").json()["user"]
    assert (user["roles"], user["waiting_roles"]) == (["uploader"], ["radiologist"])


def test_a_single_administrator_gives_roles_at_once(it_person: User, sign_in: SignIn) -> None:
    browser = sign_in(it_person)
    rita = create(browser, "rita", "radiologist")
    second = create(browser, "second", "it")
    assert (roles_of(rita), roles_of(second)) == (["radiologist"], ["it"])
    assert not RoleRequest.objects.exists()


def test_the_page_says_when_only_the_command_line_can_approve(
    it_person: User, sign_in: SignIn
) -> None:
    browser = sign_in(it_person)
    second = create(browser, "second", "it")
    rita = create(browser, "rita", "radiologist")
    asked = waiting(rita)
    # The first two count as one: one of them has created the other's account.
    assert approval.why_not(asked, second)
    assert "approve_roles" in browser.get(f"/users/{rita.pk}").text
    move_trail_back(days=4)
    assert not approval.needs_command(asked)
    assert "approve_roles" not in browser.get(f"/users/{rita.pk}").text


def test_once_switched_off_any_administrator_decides(ours: Client, settings: Settings) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    settings.ROLE_SEPARATION = "never"
    assert "Approved." in approve(ours, asked)
    assert roles_of(asked.user) == ["radiologist"]


def test_the_command_line_approves_where_nobody_else_can(ours: Client) -> None:
    rita = create(ours, "rita", "radiologist")
    listed = StringIO()
    call_command("approve_roles", stdout=listed)
    assert "rita: radiologist (given by it)" in listed.getvalue()
    call_command("approve_roles", "rita", stdout=StringIO())
    assert roles_of(rita) == ["radiologist"]
    assert AuditEntry.objects.get(action=Action.ROLES_APPROVED).actor == "system"
    assert findings_about_requests() == []
    with pytest.raises(CommandError, match="No roles"):
        call_command("approve_roles", "rita")


def findings_about_requests() -> list[tuple[str, str]]:
    return [each for each in findings() if each[0] == "role_request"]


def test_the_trail_tells_of_forged_requests_and_roles(
    ours: Client, theirs: Client, it_person: User, colleague: User
) -> None:
    asked = waiting(create(ours, "rita", "radiologist"))
    other = waiting(create(ours, "rosa", "radiologist"))
    approve(theirs, other)
    assert findings_about_requests() == []
    RoleRequest.objects.filter(pk=asked.pk).update(
        outcome="approved", decided_at=asked.requested_at, decided_by=colleague
    )
    assert findings_about_requests() == [("role_request", "row_differs")]
    RoleRequest.objects.create(
        user=it_person, roles=["auditor"], requested_by=colleague, requested_at=asked.requested_at
    )
    assert ("role_request", "row_without_entry") in findings()
    before = findings()
    User.objects.filter(pk=asked.user_id).update(roles=["radiologist"])
    assert set(findings()) - set(before) == {("user", "row_differs")}


@pytest.mark.django_db(transaction=True)
def test_only_one_of_two_simultaneous_decisions_counts() -> None:
    ann, ben, cem = (User.objects.create_user(name, PASSWORD, ["it"]) for name in "abc")
    rita, _ = services.create_user("rita", "", ["radiologist"], ann)
    asked = RoleRequest.objects.get()
    together = threading.Barrier(3)
    outcomes: list[str] = []

    def attempt(act: Callable[[], object]) -> None:
        together.wait()
        try:
            act()
            outcomes.append("decided")
        except services.AccountError:
            outcomes.append("refused")
        finally:
            connection.close()

    acts = [
        lambda: approval.approve(asked, PASSWORD, ben),
        lambda: approval.approve(asked, PASSWORD, cem),
        lambda: approval.turn_down(asked, ann),
    ]
    threads = [threading.Thread(target=attempt, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["decided", "refused", "refused"]
    decided = [each for each in audit_actions() if each in ("roles.approved", "roles.withdrawn")]
    assert len(decided) == 1
    assert (roles_of(rita) == ["radiologist"]) is (decided == ["roles.approved"])
