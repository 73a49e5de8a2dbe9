"""Every kind of notification has a text, opens a page, and is offered to somebody."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.notifications.one_of_each import make_notification
from webportal.accounts.models import Role, User
from webportal.notifications.kinds import KINDS, subject_and_text
from webportal.notifications.models import Kind

pytestmark = pytest.mark.django_db

SENTENCES = {
    Kind.BATCH_DONE: "The upload “Batch ",
    Kind.STUDIES_SIGNED: "2 studies that you uploaded have been signed",
    Kind.STAT_UNREAD: "2 stat studies have waited unread for longer than 30 minutes",
    Kind.STUDIES_ASSIGNED: "2 studies were assigned to you",
    Kind.READ_OVERRULED: "An arbitration overruled your read of a study",
    Kind.IDENTITY_CORRECTED: "The identity under which you signed a read was corrected",
    Kind.REPORTS_READY: "2 reports on patients whom you referred are ready",
    Kind.PASSWORD_RESET: "Hospital IT gave you a one-time password",
    Kind.FACTOR_ADDED: "A second factor was added to your account",
    Kind.FACTOR_REMOVED: "A second factor of yours was removed",
    Kind.FACTOR_RESET: "Hospital IT reset your second factor",
    Kind.EMERGENCY: "has opened a patient of another department by emergency access",
    Kind.EMERGENCY_OVERDUE: "The review of an emergency access by ",
    Kind.SYSTEM_ALERT: "An image is in quarantine",
}
SUBJECTS = SENTENCES | {
    Kind.BATCH_DONE: "an upload of yours is done",
    Kind.STAT_UNREAD: "2 stat studies wait unread",
}


def test_every_kind_is_known() -> None:
    assert set(KINDS) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_sentence_and_opens_a_page_of_its_recipient(
    kind: Kind, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    for role in KINDS[kind].roles or list(Role):
        person = make_user(role)
        told = make_notification(kind, person)
        client = sign_in(person)
        assert SENTENCES[kind] in client.get("/notifications/").text
        page = client.get(f"/notifications/{told.pk}", follow=True)
        assert page.status_code == 200
        assert page.redirect_chain[0][0] != "/notifications/", "it leads to the thing itself"


@pytest.mark.parametrize("kind", Kind)
def test_its_e_mail_has_a_subject_and_a_text(kind: Kind, make_user: Callable[..., User]) -> None:
    subject, text = subject_and_text(make_notification(kind, make_user(*KINDS[kind].roles)))
    assert subject.startswith("Chestline: ")
    assert SUBJECTS[kind] in subject
    assert text.endswith(".")


@pytest.mark.parametrize("kind", [kind for kind, details in KINDS.items() if details.roles])
def test_its_e_mail_is_offered_to_those_concerned(
    kind: Kind, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person = make_user(*KINDS[kind].roles)
    assert str(kind.label) in sign_in(person).get("/notifications/preferences").text
