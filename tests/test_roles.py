"""Every address is open to exactly those whom the table of tests/roles.py names.

Each address is asked for with every method that somebody may use, by people of each role and by
nobody, and with every other method by somebody who has all roles: roles are additive. "May" means
that the answer is neither 401, 403 nor the way to the sign-in page; what it is beyond that is
tested elsewhere.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from pytest_django.fixtures import Settings

from deploy.local.system import ROOT
from tests.roles import IT, METHODS, PUBLIC, SIGNED_IN, TABLE, A, C, U
from webportal.access.routes import ROUTES
from webportal.accounts import locking
from webportal.accounts.models import Role, User
from webportal.accounts.roles import ROLES_OF_ALL_DEPARTMENTS
from webportal.site.navigation import LINKS
from webportal.site.views import START_PAGES


def addresses(patterns: list[URLPattern | URLResolver], start: str = "") -> Iterator[str]:
    """The addresses of all URL patterns, as the patterns write them."""
    for pattern in patterns:
        address = start + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, address)
        else:
            yield address


# To be signed in again after.
ENDS_THE_SESSION = ("sign-out", "account/sign-out-everywhere", "lock")
ADDRESSES = sorted(set(addresses(get_resolver().url_patterns)))


def filled(address: str) -> str:
    """The address with the id of nothing where it wants an id."""
    parts = [part.split(">", 1) for part in address.split("<")]
    return "/" + "".join(
        f"{uuid.UUID(int=1)}{part[1]}" if len(part) > 1 else part[0] for part in parts
    )


def is_refused(response: Any) -> bool:
    if response.status_code == 302:
        return str(response["Location"]).startswith("/sign-in?next=")
    return response.status_code in (401, 403)


def _client_of(person: User | None) -> Client:
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def _is_open(client: Client, address: str, response: Any) -> bool:
    if address not in ENDS_THE_SESSION and settings.SESSION_COOKIE_NAME not in response.cookies:
        return True  # the session is as before
    session = client.session
    return "_auth_user_id" in session and not locking.is_locked(session)


def test_the_table_matches_the_urls() -> None:
    assert sorted(TABLE) == ADDRESSES


@pytest.fixture
def _empty_error_pages(settings: Settings, tmp_path: Path) -> None:
    """Of thousands of refusals only the status counts here, and a page takes long to render."""
    for status in (403, 404, 405):
        (tmp_path / f"{status}.html").touch()
    (templates,) = settings.TEMPLATES
    settings.TEMPLATES = [templates | {"DIRS": [tmp_path, *templates["DIRS"]]}]


@pytest.fixture
def person(request: pytest.FixtureRequest, make_user: Callable[..., User]) -> User | None:
    return None if request.param is None else make_user(request.param)


@pytest.mark.parametrize("person", PUBLIC, indirect=True, ids=lambda role: str(role or "nobody"))
@pytest.mark.django_db
@pytest.mark.usefixtures("_empty_error_pages")
def test_every_url_is_open_to_exactly_the_roles_in_the_table(person: User | None) -> None:
    role = Role(person.roles[0]) if person else None
    client = _client_of(person)
    wrong = []
    for address, allowed in TABLE.items():
        for method, roles in allowed.items():
            response = client.generic(method, filled(address))
            if person is not None and not _is_open(client, address, response):
                assert method == "POST"
                assert address in ENDS_THE_SESSION
                client = _client_of(person)
            if role in roles:
                is_right = not is_refused(response) and response.status_code != 405
            else:
                is_right = is_refused(response)
            if not is_right:
                wrong.append(f"{method} /{address}: {response.status_code}")
    assert wrong == []


@pytest.mark.parametrize("roles", [None, list(Role)], ids=["nobody", "all roles"])
@pytest.mark.django_db
@pytest.mark.usefixtures("_empty_error_pages")
def test_every_other_method_is_refused_to_everybody(roles: list[Role] | None) -> None:
    client = _client_of(None if roles is None else User.objects.create_user("all", None, roles))
    wrong = [
        f"{method} /{address}: {response.status_code}"
        for address, allowed in TABLE.items()
        for method in METHODS
        if method not in allowed
        for response in [client.generic(method, filled(address))]
        if not is_refused(response) and response.status_code != 405
    ]
    assert wrong == []


@pytest.mark.django_db
@pytest.mark.usefixtures("_empty_error_pages")
def test_users_without_a_role_can_open_only_their_account() -> None:
    nobody = User.objects.create_user("newcomer", None, [])
    client = Client()
    client.force_login(nobody)
    for address, methods in TABLE.items():
        if methods.get("GET") not in (None, PUBLIC, SIGNED_IN):
            assert is_refused(client.get(filled(address))), address


@pytest.mark.django_db
def test_several_roles_are_additive() -> None:
    both = User.objects.create_user("both", None, [U, IT])
    client = Client()
    client.force_login(both)
    assert not is_refused(client.get("/uploads/"))
    assert not is_refused(client.get("/operations"))
    assert is_refused(client.get("/worklist"))


def test_every_role_is_in_the_table_and_has_a_start_page() -> None:
    assert set(SIGNED_IN) == set(Role)
    # Coordinators are radiologists too.
    assert {role for role, _ in START_PAGES} | {C} == set(Role)


#: Decided for each role: whether it looks after all departments, or sees only those of the person.
LOOKS_AFTER_ALL = {
    Role.UPLOADER: False,
    Role.RADIOLOGIST: False,
    Role.IT: True,
    Role.AUDITOR: True,
    Role.COORDINATOR: False,
    Role.REFERRER: False,
    Role.RESEARCHER: False,
}


def test_every_role_is_classified_by_whether_it_belongs_to_departments() -> None:
    looks_after_all = {role: role in ROLES_OF_ALL_DEPARTMENTS for role in Role}
    assert looks_after_all == LOOKS_AFTER_ALL, (
        "ROLES_OF_ALL_DEPARTMENTS in webportal/accounts/roles.py"
    )


#: Pages of hospital IT or auditors that another page of theirs leads to, or a program reads.
#: Each with its heading in docs/pages.md, where it is a page.
NOT_IN_THE_NAVIGATION = {
    "departments": "**Departments**",
    "erasures": "**Erasures**",
    "destinations/outbox": "*Outbox*",
    "dicom/inbox": "inbox",
    "dicom/commitments": "storage commitment",
    "dicom/priors": "prior studies",
    "operations/jobs": "**Queue",
    "operations/capacity": "**Capacity**",
    "models/shadow": "**Shadow trials**",
    "audit/export": "export",
    "audit/verification": "verification",
    "metrics": "",
}


def test_every_link_of_the_navigation_is_open_to_those_who_are_shown_it() -> None:
    for link in LINKS:
        assert set(link.roles) <= set(TABLE[reverse(link.view_name)[1:]]["GET"]), link.label


def test_every_page_of_hospital_it_and_auditors_is_in_the_navigation() -> None:
    linked = {reverse(link.view_name)[1:] for link in LINKS}
    pages = {
        address
        for address, methods in TABLE.items()
        if "<" not in address
        and not address.startswith("api/")
        and set(methods.get("GET", PUBLIC)) <= {IT, A}
    }
    assert pages - linked == set(NOT_IN_THE_NAVIGATION), (
        "link it in webportal/site/navigation.py, or list it in NOT_IN_THE_NAVIGATION"
    )


#: Figures for a monitoring system, every few seconds.
NOT_IN_THE_ACCESS_LOG = {"operations:metrics"}


def test_what_only_hospital_it_and_auditors_open_is_in_the_access_log() -> None:
    undeclared = {
        route
        for address, methods in TABLE.items()
        if set(methods.get("GET", PUBLIC)) <= {IT, A}
        and ROUTES[route := resolve(filled(address)).view_name] is None
    }
    assert undeclared == NOT_IN_THE_ACCESS_LOG, "give it an AccessKind in webportal/access/routes/"


#: The routes of elements that ask for their own page.
OWN_PAGE = {"worklist.html": "review:worklist", "queue.html": "operations:queue"}
#: Asked for again and again, but in the log only when the answer shows a patient.
LOGGED_IF_NEWS = {"review:status"}


def test_polled_pages_are_logged_once() -> None:
    """Otherwise an open page writes an access entry every few seconds."""
    asked = {
        found[1] if (found := re.search(r"""hx-(?:get|post)="{% url '([\w:-]+)'""", line)) else own
        for file in (ROOT / "webportal" / "templates").rglob("*.html")
        for line in file.read_text().splitlines()
        if re.search(r'data-live-seconds=|hx-trigger="every ', line)
        for own in [OWN_PAGE.get(file.name, f"{file.name} is not in OWN_PAGE")]
    }
    assert {"review:worklist", "audit:verification", "notifications:badge"} <= asked
    logged = {name for name in asked if (declared := ROUTES[name]) and not declared.polled}
    assert logged == LOGGED_IF_NEWS, "polled=True in webportal/access/routes/"


def test_every_page_of_the_navigation_is_described() -> None:
    described = set(re.findall(r"\*\*([^*]+)\*\*", (ROOT / "docs" / "pages.md").read_text()))
    undescribed = [
        str(link.label)
        for link in LINKS
        if not any(name.startswith(str(link.label)) for name in described)
    ]
    assert undescribed == [], "describe it in docs/pages.md"
    pages = (ROOT / "docs" / "pages.md").read_text()
    assert [name for name in NOT_IN_THE_NAVIGATION.values() if name not in pages] == []


def test_no_template_compares_roles_itself() -> None:
    """Otherwise a renamed role would silently hide things: templates ask the user's properties."""
    templates = (ROOT / "webportal" / "templates").rglob("*.*")
    assert [file for file in templates if "user.roles" in file.read_text()] == []


@pytest.mark.parametrize("document", ["README.md", "docs/pages.md", "docs/threat-model.md"])
def test_every_role_is_described(document: str) -> None:
    """In the guide, among the pages, and in what a curious colleague can see."""
    text = " ".join((ROOT / document).read_text().lower().split())
    assert [str(role.label) for role in Role if str(role.label).lower() not in text] == []


def test_the_guide_to_the_api_names_every_role() -> None:
    guide = (ROOT / "docs" / "api.md").read_text()
    table = guide.partition("| role | gives access to |")[2].partition("\n\n")[0]
    named = [row.split("|")[1].strip() for row in table.splitlines()[2:]]
    assert named == [str(role.label) for role in Role]
