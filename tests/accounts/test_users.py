"""Hospital IT manages users; deactivation takes effect at once, and nobody locks themselves out."""

import threading
from collections.abc import Callable
from importlib import import_module

import pytest
from django.apps import apps as django_apps
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test import Client

from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import services
from webportal.accounts.models import ApiToken, Role, User
from webportal.audit.models import Action, AuditEntry


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


def test_a_new_user_gets_a_one_time_password_shown_once(client: Client) -> None:
    response = client.post(
        "/users", {"username": "ann", "full_name": "Ann", "roles": ["radiologist", "uploader"]}
    )
    _, password = response.context["created"]
    assert password in response.text
    assert password not in client.get("/users").text
    ann = User.objects.get(username="ann")
    assert ann.check_password(password)
    assert ann.must_change_password
    assert ann.roles == ["radiologist", "uploader"]
    entry = AuditEntry.objects.get(action=Action.USER_CREATED)
    assert entry.object_id == str(ann.pk)
    assert entry.detail == {
        "roles": ann.roles,
        "active": True,
        "departments": [str(each.department_id) for each in ann.memberships.all()],
        "head_of": [],
        "sees_all_departments": False,
    }


@pytest.mark.parametrize("write", [str, str.upper, str.title])
def test_user_names_are_unique(
    write: Callable[[str], str], client: Client, radiologist: User
) -> None:
    response = client.post("/users", {"username": write(radiologist.username), "roles": ["it"]})
    assert response.text.count("There is already a user of that name.") == 1
    assert User.objects.filter(username__iexact=radiologist.username).count() == 1


def test_the_database_rejects_names_that_differ_only_in_case(radiologist: User) -> None:
    with pytest.raises(IntegrityError, match="user_name_whatever_case"), transaction.atomic():
        User.objects.create_user(radiologist.username.upper(), None, [])
    with pytest.raises(services.AccountError, match="already a user of that name"):
        services.create_user(radiologist.username.upper(), "", [], None)


def test_names_that_differ_only_in_case_stop_the_upgrade_with_instructions(
    radiologist: User,
) -> None:
    migration = import_module("webportal.accounts.migrations.0004_user_name_whatever_case")
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX user_name_whatever_case")
    migration.refuse_names_alike(django_apps, None)
    User.objects.create_user(radiologist.username.upper(), None, [])
    with pytest.raises(RuntimeError, match=r"RADIOLOGIST and radiologist\. Rename all but one"):
        migration.refuse_names_alike(django_apps, None)


def test_deactivation_takes_effect_at_once(
    client: Client, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    theirs = sign_in(radiologist)
    token = services.create_token(radiologist, "a script")
    assert theirs.get("/account/tokens").status_code == 200

    client.post(f"/users/{radiologist.pk}", {"roles": ["radiologist"]})

    assert theirs.get("/account/tokens").headers["Location"].startswith("/sign-in")
    assert not ApiToken.objects.exists()
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401
    # Once reactivated, the person has to sign in again; an old token stays revoked.
    client.post(f"/users/{radiologist.pk}", {"roles": ["radiologist"], "is_active": "on"})
    assert Client().get("/api/v1/tokens", headers=header).status_code == 401
    assert (
        audit_actions(object_id=str(radiologist.pk))
        == [Action.SIGNED_IN] + [Action.USER_CHANGED] * 2
    )


def test_removing_a_role_takes_effect_at_once(
    client: Client, auditor: User, sign_in: Callable[[User], Client]
) -> None:
    theirs = sign_in(auditor)
    assert theirs.get("/audit/").status_code == 200
    client.post(f"/users/{auditor.pk}", {"roles": [], "is_active": "on"})
    assert theirs.get("/audit/").status_code == 403


def test_a_new_one_time_password_ends_sessions_and_tokens(
    client: Client, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    theirs = sign_in(radiologist)
    services.create_token(radiologist, "a script")
    response = client.post(f"/users/{radiologist.pk}/reset-password")
    _, password = response.context["created"]
    assert password in response.text
    assert theirs.get("/account/tokens").headers["Location"].startswith("/sign-in")
    assert not ApiToken.objects.exists()
    radiologist.refresh_from_db()
    assert radiologist.check_password(password)
    assert radiologist.must_change_password


@pytest.mark.parametrize(
    "change", [{"roles": ["it"]}, {"roles": ["auditor"], "is_active": "on"}], ids=["stop", "role"]
)
def test_nobody_locks_themselves_out(
    client: Client, it_person: User, change: dict[str, object]
) -> None:
    response = client.post(f"/users/{it_person.pk}", change)
    assert "nobody can lock themselves out" in response.text
    it_person.refresh_from_db()
    assert it_person.is_active
    assert it_person.has_role(Role.IT)


def test_nobody_resets_their_own_password(client: Client, it_person: User) -> None:
    response = client.post(f"/users/{it_person.pk}/reset-password", follow=True)
    assert "Choose a new password in the menu" in response.text
    it_person.refresh_from_db()
    assert it_person.check_password(PASSWORD)


def test_saving_without_a_change_is_not_audited(client: Client, radiologist: User) -> None:
    client.post(f"/users/{radiologist.pk}", {"roles": ["radiologist"], "is_active": "on"})
    assert audit_actions(action=Action.USER_CHANGED) == []


def test_a_page_shown_before_a_colleagues_change_takes_nothing_back(
    client: Client, auditor: User
) -> None:
    shown = client.get(f"/users/{auditor.pk}").context["form"]["as_shown"].value()
    assert f'value="{shown}"' in client.get(f"/users/{auditor.pk}").text
    auditor.roles = ["auditor", "uploader"]
    auditor.save()
    stale = {"roles": ["auditor"], "is_active": "on", "as_shown": shown}
    response = client.post(f"/users/{auditor.pk}", stale, follow=True)
    assert "nothing was saved" in response.text
    auditor.refresh_from_db()
    assert auditor.roles == ["auditor", "uploader"]
    fresh = stale | {"as_shown": response.context["form"]["as_shown"].value()}
    client.post(f"/users/{auditor.pk}", fresh)
    auditor.refresh_from_db()
    assert auditor.roles == ["auditor"]


@pytest.mark.django_db(transaction=True)
def test_two_members_of_it_cannot_deactivate_each_other_concurrently() -> None:
    ann, ben = (User.objects.create_user(name, PASSWORD, ["it"]) for name in ("ann", "ben"))
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def stop(user: User, by: User) -> None:
        together.wait()
        try:
            services.change_user(user, roles=["it"], is_active=False, by=by)
            outcomes.append("stopped")
        except PermissionDenied:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=stop, args=pair) for pair in ((ann, ben), (ben, ann))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "stopped"]
    assert User.objects.filter(is_active=True).count() == 1
