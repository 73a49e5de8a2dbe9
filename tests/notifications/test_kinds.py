"""Every kind of notification has a text, opens a page, and is offered to somebody."""

import ast
import inspect
import pkgutil
import re
from collections.abc import Callable
from importlib import import_module

import pytest
from django.test import Client

from deploy.local.system import ROOT
from tests.notifications.one_of_each import make_notification
from webportal import notifications
from webportal.accounts.models import Role, User
from webportal.api.notifications import NotificationSerializer
from webportal.notifications import listing, run
from webportal.notifications.kinds import KINDS, subject_and_text
from webportal.notifications.models import Notification, NotificationKind

pytestmark = pytest.mark.django_db

SENTENCES = {
    NotificationKind.BATCH_DONE: "The upload “Batch ",
    NotificationKind.STUDIES_SIGNED: "2 studies that you uploaded have been signed",
    NotificationKind.STAT_UNREAD: "2 stat studies have waited unread for longer than 30 minutes",
    NotificationKind.STUDIES_ASSIGNED: "2 studies were assigned to you",
    NotificationKind.READ_OVERRULED: "An arbitration overruled your read of a study",
    NotificationKind.IDENTITY_CORRECTED: "The identity under which you signed a read was corrected",
    NotificationKind.REPORTS_READY: "2 reports on patients whom you referred are new",
    NotificationKind.PASSWORD_RESET: "Hospital IT gave you a one-time password",
    NotificationKind.FACTOR_ADDED: "A second factor was added to your account",
    NotificationKind.FACTOR_REMOVED: "One of your second factors was removed",
    NotificationKind.FACTOR_RESET: "Hospital IT reset your second factor",
    NotificationKind.EMERGENCY: "has opened a patient of another department by emergency access",
    NotificationKind.EMERGENCY_OVERDUE: "The review of an emergency access by ",
    NotificationKind.ROLES_REQUESTED: "wait for your approval",
    NotificationKind.ROLES_DECIDED: "The roles that you gave factory were rejected",
    NotificationKind.SYSTEM_ALERT: "An image is in quarantine",
}
SUBJECTS = SENTENCES | {
    NotificationKind.BATCH_DONE: "your upload has finished",
    NotificationKind.STAT_UNREAD: "2 stat studies wait unread",
}


#: What only describes the kinds.
TABLES = ("models.py", "kinds.py", "messages.py")


def test_every_kind_is_known() -> None:
    assert set(KINDS) == set(NotificationKind)


def test_every_kind_is_created_by_something() -> None:
    """A kind that nothing creates has its sentence, its page and its e-mail, and nobody gets it."""
    folder = ROOT / "webportal" / "notifications"
    makers = [file for file in folder.glob("*.py") if file.name not in TABLES]
    named = {
        node.attr
        for file in makers
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "NotificationKind"
    }
    assert {kind.name for kind in NotificationKind} - named == set(), f"name it in one of {folder}"


def test_the_scheduler_runs_everything_that_creates_notifications() -> None:
    names = [each.name for each in pkgutil.iter_modules(notifications.__path__)]
    modules = [import_module(f"{notifications.__name__}.{name}") for name in names]
    creators = {
        value
        for module in modules
        for name, value in vars(module).items()
        if re.fullmatch("create_(due|overdue)", name) and module is not run
    }
    assert creators == set(run._CREATORS), "list it in webportal/notifications/run.py"


def test_the_api_says_what_every_kind_is_about() -> None:
    """In the description of `NotificationSerializer`, which the OpenAPI document repeats."""
    said = set(re.findall(r"`(\w+)`", NotificationSerializer.__doc__ or ""))
    assert set(NotificationKind.values) - said == set()


def test_every_kind_is_described() -> None:
    pages = (ROOT / "docs" / "pages.md").read_text()
    assert [str(kind.label) for kind in NotificationKind if str(kind.label) not in pages] == []


def test_what_belongs_to_a_department_is_shown_only_to_those_who_see_it() -> None:
    relations = {each.name for each in Notification._meta.fields if each.is_relation}
    limited = set(re.findall(r"Q\((\w+)=None\)", inspect.getsource(listing._is_visible)))
    # An emergency access is told to people outside its department on purpose.
    open_to_all = {"recipient", "alert", "emergency", "role_request"}
    assert relations - limited == open_to_all, "_is_visible in webportal/notifications/listing.py"


@pytest.mark.parametrize("kind", NotificationKind)
def test_every_kind_has_a_sentence_and_opens_a_page_of_its_recipient(
    kind: NotificationKind, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    for role in KINDS[kind].roles or list(Role):
        person = make_user(role)
        told = make_notification(kind, person)
        client = sign_in(person)
        assert SENTENCES[kind] in client.get("/notifications/").text
        page = client.get(f"/notifications/{told.pk}", follow=True)
        assert page.status_code == 200
        assert page.redirect_chain[0][0] != "/notifications/", "it leads to the thing itself"


def test_the_empty_page_says_what_will_be_there(
    make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    page = sign_in(make_user(Role.REFERRER)).get("/notifications/").text
    named = {kind for kind in NotificationKind if str(kind.label) in page}
    assert named == {kind for kind, of in KINDS.items() if Role.REFERRER in (of.roles or Role)}


@pytest.mark.parametrize("kind", NotificationKind)
def test_its_e_mail_has_a_subject_and_a_text(
    kind: NotificationKind, make_user: Callable[..., User]
) -> None:
    subject, text = subject_and_text(make_notification(kind, make_user(*KINDS[kind].roles)))
    assert subject.startswith("Chestline: ")
    assert SUBJECTS[kind] in subject
    assert text.endswith(".")


@pytest.mark.parametrize("kind", [kind for kind, details in KINDS.items() if details.roles])
def test_its_e_mail_is_offered_to_those_concerned(
    kind: NotificationKind, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person = make_user(*KINDS[kind].roles)
    assert str(kind.label) in sign_in(person).get("/notifications/preferences").text


@pytest.mark.parametrize("kind", [kind for kind, details in KINDS.items() if details.roles])
def test_those_of_a_role_that_was_taken_away_are_no_longer_shown(
    kind: NotificationKind, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person = make_user(*KINDS[kind].roles)
    make_notification(kind, person)
    assert listing.unread_count(person) == 1
    person.roles = [next(role for role in Role if role not in KINDS[kind].roles)]
    person.save()
    assert listing.unread_count(person) == 0
    assert SENTENCES[kind] not in sign_in(person).get("/notifications/").text
