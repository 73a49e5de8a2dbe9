"""Notifications over REST: the object each refers to."""

from collections.abc import Callable

import pytest

from tests.api.conftest import Call
from tests.notifications.one_of_each import make_notification
from webportal.accounts.models import Role, User
from webportal.notifications.kinds import KINDS
from webportal.notifications.models import ACCOUNT_KINDS, NotificationKind

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", NotificationKind)
def test_it_names_the_object_it_refers_to(
    kind: NotificationKind, make_user: Callable[..., User], as_user: Call
) -> None:
    person = make_user(*(KINDS[kind].roles or [Role.RADIOLOGIST]))
    told = make_notification(kind, person)
    client = as_user(person)
    (found,) = client.get("/api/v1/notifications").json()["results"]
    named = {
        "batch": told.batch and str(told.batch.pk),
        "study": told.study and str(told.study.pk),
        "correction": told.correction and str(told.correction.pk),
        "emergency": told.emergency and str(told.emergency.pk),
        "alert": told.alert and told.alert.code,
        "role_user": told.role_request and str(told.role_request.user_id),
        "studies": told.studies,
    }
    assert {name: found[name] for name in named} == named
    assert found["kind"] == kind
    assert any(named.values()) or kind in ACCOUNT_KINDS, "a program can tell what it is about"
    read = client.post(f"/api/v1/notifications/{told.pk}/read").json()
    assert {name: read[name] for name in named} == named
    assert read["read_at"] is not None
