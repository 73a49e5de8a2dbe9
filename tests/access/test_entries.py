"""The content of access log entries, and responses that cannot be logged."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import make_prediction, make_study
from webportal.access.middleware import ENTRIES_A_MINUTE
from webportal.access.models import AccessEntry, AccessKind, AccessOutcome
from webportal.access.removal import remove_old
from webportal.access.system import record_start
from webportal.accounts.models import Role, User
from webportal.accounts.services import create_token
from webportal.audit.models import AuditEntry
from webportal.database.clock import clock

pytestmark = pytest.mark.django_db


def only_entry() -> AccessEntry:
    return AccessEntry.objects.get()


def test_a_list_names_every_row_and_who_was_shown_it_where(
    sign_in: Callable[[User], Client], radiologist: User
) -> None:
    studies = [make_study() for _ in range(3)]
    client = sign_in(radiologist)
    agent = "Firefox/140 " + "x" * 500
    client.get(
        "/worklist?state=unread&priority=2",
        REMOTE_ADDR="192.0.2.7",
        headers={"User-Agent": agent},
    )
    entry = only_entry()
    assert (entry.kind, entry.outcome, entry.route) == ("list", "done", "review:worklist")
    assert (entry.user, entry.user_id) == ("radiologist", radiologist.pk)
    assert entry.roles == ["radiologist"]
    assert (entry.address, entry.method, entry.status) == ("192.0.2.7", "GET", 200)
    assert entry.device == agent[:200]
    assert len(entry.session) == 16
    assert str(client.session.session_key) not in str(vars(entry))
    assert set(entry.study_ids) <= {study.pk for study in studies}
    assert entry.criteria["priority"] == "2"
    assert abs((clock() - entry.at).total_seconds()) < 60


def test_search_terms_are_kept_in_the_log_and_the_url_has_only_a_key(
    sign_in: Callable[[User], Client], radiologist: User
) -> None:
    client = sign_in(radiologist)
    found = client.post("/worklist/search?state=all", {"text": "Lammergeier"}, follow=True)
    assert "Lammergeier" not in found.request["QUERY_STRING"]
    assert only_entry().criteria["text"] == "Lammergeier"
    assert "search" not in only_entry().criteria


def test_only_the_role_that_grants_access_is_named() -> None:
    both = User.objects.create_user("both", None, [Role.UPLOADER, Role.IT])
    client = Client()
    client.force_login(both)
    client.get("/users")
    client.get("/patients")
    assert [(e.kind, e.roles) for e in AccessEntry.objects.order_by("id")] == [
        (AccessKind.USERS, ["it"]),
        (AccessKind.LIST, ["uploader"]),
    ]


def test_a_refusal_names_the_user_and_the_object(
    sign_in: Callable[[User], Client], uploader: User
) -> None:
    study = make_study()
    assert sign_in(uploader).get(f"/studies/{study.pk}").status_code == 403
    entry = only_entry()
    assert (entry.outcome, entry.kind, entry.target) == (
        AccessOutcome.REFUSED,
        AccessKind.STUDY,
        study.pk,
    )
    assert entry.study_ids == entry.patient_ids == []


@pytest.mark.parametrize(("name", "kept"), [("radiologist", "radiologist"), ("hunter2", "unknown")])
def test_a_failed_sign_in_keeps_a_known_name_and_no_password(
    radiologist: User, name: str, kept: str
) -> None:
    Client().post("/sign-in", {"username": name, "password": "my other password"})
    APIClient().post("/api/v1/tokens", {"username": name, "password": "pw", "name": "a"})
    for entry in AccessEntry.objects.all():
        assert (entry.kind, entry.outcome, entry.user) == (
            AccessKind.SIGN_IN,
            AccessOutcome.FAILED,
            kept,
        )
        assert "my other password" not in str(vars(entry))
    assert AccessEntry.objects.count() == 2


def test_a_token_is_named_by_its_prefix_and_an_invalid_one_not_at_all(radiologist: User) -> None:
    token = create_token(radiologist, "nightly export")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    client.get("/api/v1/patients")
    entry = only_entry()
    assert entry.token == f"{token[:15]} nightly export"
    assert (entry.session, entry.user) == ("", "radiologist")
    client.credentials(HTTP_AUTHORIZATION="Token " + "f" * 64)
    assert client.get("/api/v1/patients").status_code == 401
    wrong = AccessEntry.objects.first()
    assert wrong is not None
    assert (wrong.kind, wrong.outcome, wrong.user) == (
        AccessKind.TOKEN,
        AccessOutcome.FAILED,
        "unknown",
    )
    assert "ffff" not in str(vars(wrong))


def test_anonymous_clients_cannot_fill_the_log() -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Token " + "f" * 64)
    for _ in range(2 * ENTRIES_A_MINUTE + 1):
        client.get("/api/v1/patients", REMOTE_ADDR="198.51.100.1")
    entries = AccessEntry.objects.filter(address="198.51.100.1")
    # A minute may have ended in between.
    assert ENTRIES_A_MINUTE <= entries.count() <= 2 * ENTRIES_A_MINUTE
    assert entries.filter(criteria__has_key="more_this_minute").exists()


def test_a_polling_page_adds_only_new_rows(
    sign_in: Callable[[User], Client], radiologist: User
) -> None:
    first = make_study()
    client = sign_in(radiologist)
    live = {"HX-Request": "true"}
    client.get("/worklist?state=unread")
    client.get("/worklist?state=unread", headers=live)
    assert AccessEntry.objects.count() == 1
    second = make_study()
    client.get("/worklist?state=unread", headers=live)
    newest, oldest = AccessEntry.objects.all()
    assert (oldest.study_ids, newest.study_ids) == ([first.pk], [second.pk])
    # Another session is another story, and so is a page that is opened.
    sign_in(radiologist).get("/worklist?state=unread", headers=live)
    client.get("/worklist?state=unread")
    assert AccessEntry.objects.count() == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/studies/{study}", "/radiographs/{radiograph}/original"])
def test_a_response_that_cannot_be_logged_is_withheld(
    sign_in: Callable[[User], Client], radiologist: User, path: str
) -> None:
    radiograph = make_prediction().radiograph
    client = sign_in(radiologist)
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE access_accessentry ADD CHECK (kind = 'start') NOT VALID")
    try:
        answer = client.get(path.format(study=radiograph.study_id, radiograph=radiograph.pk))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE access_accessentry DROP CONSTRAINT access_accessentry_kind_check"
            )
    assert answer.status_code == 500
    assert radiograph.study.patient.name.split("^")[0].encode() not in answer.content


def test_nobody_changes_an_entry(radiologist: User, sign_in: Callable[[User], Client]) -> None:
    record_start("worker", "gpu-1")
    assert only_entry().criteria == {"program": "worker", "process": "gpu-1"}
    for statement in ("UPDATE {t} SET kind = 'stop'", "DELETE FROM {t}", "TRUNCATE {t}"):
        with pytest.raises(DatabaseError, match="append-only"):
            _execute(statement.format(t="access_accessentry"))


def _execute(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_entries_are_removed_after_the_retention_period() -> None:
    for _ in range(3):
        record_start("portal")
    old, older, _young = AccessEntry.objects.order_by("id")
    _execute("ALTER TABLE access_accessentry DISABLE TRIGGER USER")
    _age(old, 3652)
    _age(older, 3654)
    _execute("ALTER TABLE access_accessentry ENABLE TRIGGER USER")
    assert remove_old() == 1
    assert not AccessEntry.objects.filter(pk=older.pk).exists()
    assert AccessEntry.objects.count() == 2
    assert AuditEntry.objects.get().detail["entries"] == 1
    assert remove_old() == 0


def _age(entry: AccessEntry, days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE access_accessentry SET at = now() - make_interval(days => %s) WHERE id = %s",
            [days, entry.pk],
        )


def test_the_function_removes_nothing_younger_than_a_year() -> None:
    record_start("portal")
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_remove(now() + interval '1 day', 100)")
        assert cursor.fetchone() == (0,)
    assert AccessEntry.objects.count() == 1
