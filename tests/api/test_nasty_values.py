"""No filter, order or page number in a URL causes an internal error."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import Client

from tests.api.document import documented
from tests.factories import make_job, make_prediction
from webportal.accounts.models import Role, User

pytestmark = pytest.mark.django_db

# What comes near to being of a kind, and nearer to breaking whatever takes it for one.
MOMENTS = [
    "2026-01-01T00:00:00-17:19",
    "2026-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00",
    "9999-12-31",
]
CURSORS = [
    "cD14",
    "bz05OTk5OTk5OTk5OTk5OTk5OTk5OQ==",
    "cD0weDEyMw==",
    "cD05OTk5OTk5OTk5OTk5OTk5OTk5OQ==",
]
NUMBERS = ["99999999999999999999999", "-1", "nan", "٣"]
TEXTS = ["\x00", "{x}%", "🦀" * 999, "00000000-0000-0000-0000-000000000001"]
PAGES = {
    "/worklist": [
        "state",
        "category",
        "priority",
        "queue",
        "assigned",
        "since",
        "until",
        "order",
        "search",
        "view",
        "after",
        "before",
    ],
    "/patients": ["search", "page"],
    "/reports": ["page"],
    "/uploads/": ["page"],
    "/uploads/held": ["page"],
    "/notifications/": ["page"],
    "/agreement": ["since", "until"],
    "/audit/": ["actor", "action", "object_id", "first_day", "last_day", "before"],
    "/audit/export": ["format", "first_day"],
    "/models/compare": ["first", "second"],
}


@pytest.fixture
def browser() -> Client:
    """Of somebody who may open everything that is listed."""
    everybody = User.objects.create_user("everybody", None, [role.value for role in Role])
    browser = Client(raise_request_exception=False)
    browser.force_login(everybody)
    return browser


def questions() -> Iterator[tuple[str, str, str]]:
    """Each address that lists things, each name of what may follow it, and what to send."""
    for method, path, operation in documented().values():
        if method != "get" or "{" in path:
            continue
        for each in operation.get("parameters", []):
            kind, name = each["schema"], each["name"]
            values = CURSORS if name == "cursor" else TEXTS
            if kind.get("format") == "date-time":
                values = MOMENTS
            elif kind.get("type") == "integer":
                values = NUMBERS
            yield from ((path, name, value) for value in values)
    for path, names in PAGES.items():
        for name in names:
            values = NUMBERS if name == "page" else [*TEXTS[:2], *MOMENTS[-2:], NUMBERS[0]]
            yield from ((path, name, value) for value in values)


def ask(browser: Client, path: str, name: str, value: str) -> int:
    """The status of the answer; what it leaves of the test's transaction is undone."""
    with transaction.atomic():
        status = browser.get(path, {name: value}).status_code
        transaction.set_rollback(True)
    return status


def test_no_value_in_a_url_causes_an_internal_error(browser: Client) -> None:
    make_prediction()
    make_job()
    faults = [
        f"{path}?{name}={value[:40]!r}"
        for path, name, value in questions()
        if ask(browser, path, name, value) >= 500
    ]
    assert not faults, "\n".join(faults)
