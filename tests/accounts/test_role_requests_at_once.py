"""Administrators who give roles at the same moment do not wait for each other for ever."""

import threading

import pytest
from django.db import connection

from tests.conftest import PASSWORD
from webportal.accounts import role_requests, services
from webportal.accounts.models import RoleRequest, User
from webportal.audit.trail import Event

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_administrators_give_roles_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each notifies the other, whose row the other's change has locked."""
    ann, ben = (User.objects.create_user(name, PASSWORD, ["it"]) for name in ("ann", "ben"))
    people = [User.objects.create_user(name, PASSWORD, ["uploader"]) for name in ("rita", "rosa")]
    together = threading.Barrier(2, timeout=30)
    request = role_requests.request

    def request_together(user: User, roles: list[str], by: User) -> list[Event]:
        events = request(user, roles, by)
        together.wait()
        return events

    monkeypatch.setattr(role_requests, "request", request_together)
    errors: list[Exception] = []

    def give(user: User, by: User) -> None:
        try:
            services.change_user(user, roles=["radiologist"], is_active=True, by=by)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    pairs = zip(people, (ann, ben), strict=True)
    threads = [threading.Thread(target=give, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {asked.requested_by for asked in RoleRequest.objects.filter(outcome="")} == {ann, ben}
