"""The runtime role owns nothing, and cannot tamper with the trail."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from tests import services
from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph
from tests.reading import add_addendum, read
from webportal.accounts.models import User
from webportal.audit import runs
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database import roles

pytestmark = pytest.mark.django_db(transaction=True)

Runtime = psycopg.Connection[tuple[object, ...]]


def in_test_database(url: str) -> str:
    return urlsplit(url)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


@pytest.fixture
def owner_url() -> str:
    return in_test_database(services.postgres.url)


@pytest.fixture
def runtime_url() -> str:
    return in_test_database(services.postgres.runtime_url)


@pytest.fixture
def runtime(owner_url: str, runtime_url: str) -> Iterator[Runtime]:
    append(Event(Action.SIGNED_IN), "ann")
    roles.ensure_runtime_role(owner_url, runtime_url)
    roles.grant(owner_url, runtime_url)
    with psycopg.connect(runtime_url, autocommit=True) as connected:
        yield connected


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE audit_auditentry DISABLE TRIGGER USER",
        "ALTER TABLE audit_chainhead DISABLE TRIGGER USER",
        "ALTER TABLE review_read DISABLE TRIGGER ALL",
        "ALTER TABLE audit_auditentry OWNER TO chestline_app",
        "DROP TRIGGER audit_no_change ON audit_auditentry",
        "DROP FUNCTION audit_refuse_change() CASCADE",
        "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE chestline",
        "TRUNCATE audit_auditentry",
        "TRUNCATE review_read CASCADE",
        "UPDATE audit_auditentry SET actor = 'ben'",
        "DELETE FROM audit_auditentry",
        "UPDATE access_accessentry SET user_id = NULL",
        "DELETE FROM access_accessentry",
        "TRUNCATE access_accessentry",
        "ALTER TABLE access_accessentry DISABLE TRIGGER USER",
        "DELETE FROM audit_chainhead",
        "DELETE FROM audit_anchorstate",
        "INSERT INTO audit_chainhead VALUES (2, 0, '')",
        "DELETE FROM django_migrations",
        "DROP TABLE audit_auditentry",
        "CREATE TABLE audit_other (id int)",
        "CREATE DATABASE other",
        "CREATE ROLE other",
    ],
)
def test_the_runtime_role_cannot_tamper_with_the_trail(runtime: Runtime, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        runtime.execute(statement)


# A trail that says that all reads and addenda are to be erased.
INVENTED = """
CREATE TEMPORARY TABLE audit_auditentry AS SELECT 1::bigint AS sequence, 'records.erased' AS action,
    jsonb_build_object('removed', jsonb_build_object(
        'read', (SELECT jsonb_agg(id) FROM public.review_read),
        'addendum', (SELECT jsonb_agg(id) FROM public.review_addendum)
    )) AS detail;
SELECT set_config('chestline.erasure', '1', false);
"""


@pytest.mark.parametrize("table", ["review_addendum", "review_read"])
def test_tables_of_its_own_do_not_let_it_delete_what_is_signed(
    runtime: Runtime, radiologist: User, table: str
) -> None:
    signed = read(make_prediction(make_radiograph(), "likely"), radiologist, "definite")
    add_addendum(signed, radiologist, "Late finding", "Small effusion.", PASSWORD)
    runtime.execute(INVENTED)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="never changed"):
        runtime.execute(f"DELETE FROM {table}")


def test_an_invented_erasure_is_found(runtime: Runtime, radiologist: User) -> None:
    """The role that erases has to be able to; what it cannot do is leave no trace."""
    read(make_prediction(make_radiograph(), "likely"), radiologist, "definite")
    runtime.execute(
        "INSERT INTO audit_auditentry (sequence, at, actor, action, object_type, object_id, detail,"
        " previous_mac, mac) SELECT max(sequence) + 1, now(), 'ann', 'records.erased', '', '',"
        " jsonb_build_object('blanked', jsonb_build_array(jsonb_build_array(1)), 'removed',"
        " jsonb_build_object('read', (SELECT jsonb_agg(id) FROM review_read))), '', 'x'"
        " FROM audit_auditentry"
    )
    runtime.execute("UPDATE audit_chainhead SET sequence = sequence + 1")
    runtime.execute(
        "SELECT set_config('chestline.erasure', max(sequence)::text, false), audit_blank("
        "max(sequence)) FROM audit_auditentry"
    )
    runtime.execute("DELETE FROM review_imageview")
    assert runtime.execute("DELETE FROM review_read").rowcount == 1
    verdict = runs.run_now(lambda done, of: None).verdict
    assert verdict is not None
    found = " ".join(map(str, verdict.findings))
    assert "was altered" in found
    assert "details of the entry are gone" in found
    assert "but it is missing" in found


def test_tables_of_its_own_do_not_let_it_take_back_what_others_build_on(
    runtime: Runtime, radiologist: User
) -> None:
    signed = read(make_prediction(make_radiograph(), "likely"), radiologist, "definite")
    add_addendum(signed, radiologist, "Late finding", "Small effusion.", PASSWORD)
    runtime.execute("CREATE TEMPORARY TABLE review_addendum (read_id uuid)")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="never changed"):
        runtime.execute("UPDATE review_read SET state = 'taken_back'")


def test_the_runtime_role_appends_and_changes_records(runtime: Runtime) -> None:
    runtime.execute("SELECT * FROM audit_chainhead FOR UPDATE")
    runtime.execute(
        "INSERT INTO audit_auditentry (sequence, at, actor, action, object_type, object_id, detail,"
        " previous_mac, mac) VALUES (2, now(), 'ann', 'user.signed_out', '', '', '{}', '', 'x')"
    )
    runtime.execute("UPDATE audit_chainhead SET sequence = 2")
    runtime.execute("UPDATE audit_anchorstate SET number = 1")
    runtime.execute("DELETE FROM review_reservation")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        runtime.execute("UPDATE audit_chainhead SET sequence = 1")


def test_a_missing_role_is_created_or_requested(owner_url: str, runtime_url: str) -> None:
    missing = runtime_url.replace("chestline_app", "chestline_other")
    with pytest.raises(roles.RoleError, match="CREATE ROLE chestline_other LOGIN"):
        roles.ensure_runtime_role(owner_url, missing)


def test_a_role_with_the_owners_privileges_is_refused(owner_url: str) -> None:
    with pytest.raises(roles.RoleError, match="name the same role"):
        roles.ensure_runtime_role(owner_url, owner_url)


def test_a_member_of_the_owner_is_refused(
    owner_url: str, runtime_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped = roles.role_of(owner_url)
    # Every role is a member of itself, the owner too.
    monkeypatch.setattr(roles, "role_of", lambda url: swapped if url == owner_url else "postgres")
    with pytest.raises(roles.RoleError, match="superuser or a member"):
        roles.ensure_runtime_role(owner_url, runtime_url)
