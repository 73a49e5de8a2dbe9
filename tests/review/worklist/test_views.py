"""Columns and saved views: personal, or shared by coordinators, and without patient data."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deploy.local.system import ROOT
from tests.factories import make_patient, make_prediction, make_study
from webportal.accounts.models import Role, User
from webportal.review.models import SavedView
from webportal.review.worklist.columns import COLUMNS

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.COORDINATOR, username="head")


def columns(browser: Client, address: str = "/worklist") -> list[str]:
    names: list[str] = browser.get(address).context["names"]
    return names


def save(browser: Client, name: str, query: str = "", **values: str) -> str:
    answer = browser.post(reverse("review:save-view"), {"name": name, "query": query, **values})
    return str(answer.headers.get("Location", ""))


def test_columns_are_saved_per_user(
    browser: Client, sign_in: Callable[[User], Client], coordinator: User, radiologist: User
) -> None:
    make_study(accession_number="ACC-1", description="Chest AP")
    answer = browser.post(
        reverse("review:columns"),
        {"column": ["received", "description", "bogus"], "query": "state=all&after=x"},
    )
    assert answer.headers["Location"].startswith("/worklist?state=all")
    assert columns(browser) == ["patient", "received", "description"]
    page = browser.get("/worklist").text
    assert "Chest AP" in page
    assert "ACC-1" not in page
    assert columns(sign_in(radiologist)) == ["patient", "received", "description"]
    assert "accession" in columns(sign_in(coordinator))


def test_every_column_has_its_cell(browser: Client) -> None:
    study = make_study()
    browser.post(reverse("review:columns"), {"column": [*COLUMNS]})
    page = browser.get("/worklist").text
    row = page.split(f'id="row-{study.pk}"')[1].split("</tr>")[0]
    assert re.findall(r'<td class="col-(\w+)"', row) == ["select", *COLUMNS]


def test_no_column_needs_a_query_for_each_row(browser: Client) -> None:
    browser.post(reverse("review:columns"), {"column": [*COLUMNS]})
    counts = []
    for _ in range(3):
        for _ in range(3):
            make_prediction()
        with CaptureQueriesContext(connection) as queries:
            page = browser.get("/worklist", {"state": "all"})
        counts.append((page.text.count('id="row-'), len(queries)))
    (few, once), (many, again) = counts[1:]  # the first fills what is remembered
    assert (few, many) == (6, 9)
    assert once == again, "fetch it once per page, in webportal/review/worklist/views.py"


def test_every_column_has_its_width() -> None:
    """In webportal/frontend/src/worklist/table.css; the two texts share what few others leave."""
    styles = (ROOT / "webportal/frontend/src/worklist/table.css").read_text()
    styled = {
        name
        for selectors, rules in re.findall(r"([^{}]+)\{([^{}]*)\}", styles)
        if re.search(r"^\s*width:", rules, re.MULTILINE) and ":has(" not in selectors
        for name in re.findall(r"\.col-(\w+)", selectors)
    }
    assert set(COLUMNS) - styled == {"description", "indication"}


def test_columns_keep_the_chosen_order_until_reset(
    browser: Client,
) -> None:
    make_study()
    usual = columns(browser)
    chosen = ["waiting", "patient", "result", "priority"]
    browser.post(reverse("review:columns"), {"column": [*chosen, "waiting"]})
    page = browser.get("/worklist").text
    assert columns(browser) == chosen
    headings, row = page.index('data-column="waiting"'), page.index('<td class="col-waiting"')
    assert headings < page.index('data-column="patient"') < page.index('data-column="result"')
    assert row < page.index('<td class="col-patient"') < page.index('<td class="col-result"')
    # The menu offers them in that order, and the others after them.
    offered = [name for name, _, _ in browser.get("/worklist").context["all_columns"]]
    assert offered[:4] == chosen
    assert set(usual) < set(offered)
    browser.post(reverse("review:columns"), {"usual": "yes", "column": chosen})
    assert columns(browser) == usual


def test_the_state_column_of_the_all_tab_is_last_and_not_saved(browser: Client) -> None:
    browser.post(reverse("review:columns"), {"column": ["waiting", "patient"]})
    page = browser.get("/worklist?state=all")
    assert page.context["names"] == ["waiting", "patient", "state"]
    assert [name for name, _, shown in page.context["all_columns"] if shown] == [
        "waiting",
        "patient",
    ]


def test_a_view_keeps_the_order_of_its_columns(browser: Client) -> None:
    make_study()
    browser.post(reverse("review:columns"), {"column": ["waiting", "patient", "images"]})
    address = save(browser, "Mine")
    browser.post(reverse("review:columns"), {"usual": "yes"})
    assert columns(browser, address) == ["waiting", "patient", "images"]
    assert columns(browser) != ["waiting", "patient", "images"]


def test_a_view_keeps_filters_order_and_columns_but_no_search(browser: Client) -> None:
    make_study(patient=make_patient(name="Secret^Name"))
    browser.post(reverse("review:columns"), {"column": ["received"]})
    found = browser.post(reverse("review:search"), {"text": "secret"}).headers["Location"]
    key = parse_qs(urlsplit(found).query)["search"][0]
    query = f"category=likely&since=2026-01-02&order=waiting&search={key}&priority=9&x=y"
    address = save(browser, "  My   night ", query)
    view = SavedView.objects.get()
    assert view.name == "My night"
    assert view.filters == {"category": "likely", "since": "2026-01-02", "order": "waiting"}
    assert view.columns == ["patient", "received"]
    assert "secret" not in str(vars(view)).lower()
    browser.post(reverse("review:columns"), {"column": ["state"]})
    page = browser.get(address)
    assert page.context["names"] == ["patient", "received"]
    assert page.context["order"] == "waiting"
    assert '<h1 class="h4 mb-0">My night</h1>' in page.text
    assert columns(browser) == ["patient", "state"]


def test_the_url_of_a_view_contains_every_filter(browser: Client) -> None:
    address = save(browser, "Night", "state=signed&assigned=me&queue=queued&until=2026-03-04")
    values = {name: each[0] for name, each in parse_qs(urlsplit(address).query).items()}
    assert values.pop("view") == str(SavedView.objects.get().pk)
    assert values == {
        "state": "signed",
        "assigned": "me",
        "queue": "queued",
        "until": "2026-03-04",
    }


def test_saving_under_the_same_name_replaces_the_view(browser: Client) -> None:
    save(browser, "Night", "category=likely")
    save(browser, "Night", "category=unlikely")
    assert SavedView.objects.get().filters == {"category": "unlikely"}


def test_a_view_belongs_to_its_owner_until_it_is_shared(
    browser: Client, sign_in: Callable[[User], Client], coordinator: User
) -> None:
    head = sign_in(coordinator)
    address = save(head, "Morning round", "category=likely")
    assert "Morning round" not in browser.get(address).text
    save(head, "Morning round", "category=likely", is_shared="on")
    page = browser.get("/worklist").text
    assert "Morning round" in page
    assert "shared by head" in page
    assert "category=likely" in page


def test_a_radiologist_can_neither_share_views_nor_delete_shared_ones(
    browser: Client, coordinator: User
) -> None:
    save(browser, "Mine", is_shared="on")
    assert not SavedView.objects.exists()
    shared = SavedView.objects.create(owner=coordinator, name="Shared", is_shared=True)
    own = SavedView.objects.create(owner=coordinator, name="Own")
    assert browser.get(reverse("review:delete-view", args=[shared.pk])).status_code == 403
    assert browser.post(reverse("review:delete-view", args=[shared.pk])).status_code == 403
    # What another keeps for herself is not there for him.
    assert browser.post(reverse("review:delete-view", args=[own.pk])).status_code == 302
    assert SavedView.objects.filter(pk=own.pk).exists()
    assert SavedView.objects.count() == 2


def test_an_owner_deletes_a_view_after_confirmation(browser: Client, radiologist: User) -> None:
    view = SavedView.objects.create(owner=radiologist, name="Old")
    address = reverse("review:delete-view", args=[view.pk])
    asked = browser.get(address).text
    assert "Delete the view “Old”?" in asked
    assert "all other radiologists lose it" not in asked
    assert SavedView.objects.exists()
    answer = browser.post(address, follow=True)
    assert "The view “Old” is deleted." in answer.text
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_view_needs_a_name(name: str, browser: Client) -> None:
    save(browser, name)
    assert not SavedView.objects.exists()
    assert "nothing is saved" in browser.get("/worklist").text


def test_the_url_of_a_deleted_view_shows_the_worklist(browser: Client) -> None:
    for key in ("nonsense", "00000000-0000-0000-0000-000000000001"):
        assert browser.get("/worklist", {"view": key}).status_code == 200


def test_saving_a_view_under_an_existing_name_warns_of_replacing_it(browser: Client) -> None:
    save(browser, "Night", "category=likely")
    assert "has replaced" not in browser.get("/worklist").text
    save(browser, "Night", "category=unlikely")
    assert "“Night” has replaced your earlier one of that name." in browser.get("/worklist").text
    assert SavedView.objects.get().filters == {"category": "unlikely"}


def test_a_view_deleted_in_another_window_is_reported_as_gone(browser: Client) -> None:
    save(browser, "Night")
    address = reverse("review:delete-view", args=[SavedView.objects.get().pk])
    browser.post(address)
    answer = browser.post(address, follow=True)
    assert answer.status_code == 200
    assert "no longer exists" in answer.text


def test_characters_the_database_cannot_store_are_removed_from_names(browser: Client) -> None:
    save(browser, "Night\0shift")
    assert SavedView.objects.get().name == "Night shift"


def test_a_view_up_to_the_calendars_last_day_opens(browser: Client) -> None:
    study = make_study()
    address = save(browser, "For ever", "until=9999-12-31")
    assert list(browser.get(address).context["page"].studies) == [study]


def change(browser: Client, view: SavedView, **values: str) -> Any:
    return browser.post(reverse("review:change-view", args=[view.pk]), values)


def opened(browser: Client, address: str = "/worklist") -> SavedView | None:
    """The view that an address opens in the end."""
    view: SavedView | None = browser.get(address, follow=True).context["view"]
    return view


def test_deleting_a_shared_view_warns_that_others_lose_it(
    sign_in: Callable[[User], Client], coordinator: User
) -> None:
    view = SavedView.objects.create(owner=coordinator, name="Shared", is_shared=True)
    asked = sign_in(coordinator).get(reverse("review:delete-view", args=[view.pk])).text
    assert "all other radiologists lose it too" in asked


def test_a_view_can_be_renamed_only_to_an_unused_name(browser: Client, radiologist: User) -> None:
    view = SavedView.objects.create(owner=radiologist, name="Nihgt", filters={"state": "signed"})
    SavedView.objects.create(owner=radiologist, name="Day")
    assert reverse("review:change-view", args=[view.pk]) in browser.get("/worklist").text
    for taken in ("Day", " ", "x" * 61, "a\0b"):
        assert change(browser, view, name=taken).status_code == 422
    assert "Another view has this name" in change(browser, view, name="Day").text
    change(browser, view, name="  Night   shift ")
    view.refresh_from_db()
    assert view.name == "Night shift"
    assert view.filters == {"state": "signed"}


def test_only_a_coordinator_renames_a_shared_view(
    browser: Client, sign_in: Callable[[User], Client], coordinator: User, radiologist: User
) -> None:
    view = SavedView.objects.create(owner=radiologist, name="Shared", is_shared=True)
    change(browser, view, name="Mine")
    assert SavedView.objects.get().name == "Shared"
    change(sign_in(coordinator), view, name="Ours")
    assert SavedView.objects.get().name == "Ours"
    assert SavedView.objects.get().owner == radiologist


def test_the_url_without_parameters_opens_the_default_view(
    browser: Client, sign_in: Callable[[User], Client], coordinator: User, radiologist: User
) -> None:
    likely, unlikely = make_prediction(category="likely").radiograph.study, make_study()
    filters = {"category": "likely"}
    shared = SavedView.objects.create(
        owner=coordinator, name="Round", is_shared=True, filters=filters
    )
    own = SavedView.objects.create(owner=radiologist, name="Own")
    assert opened(browser) is None
    change(browser, shared, is_default="on")
    page = browser.get("/worklist", follow=True)
    assert page.context["view"] == shared
    assert [row["study"] for row in page.context["rows"]] == [likely]
    assert "opens first" in page.text
    assert opened(sign_in(coordinator)) is None
    # Another takes its place; without the tick there is none.
    change(browser, own, name="Own", is_default="on")
    change(browser, shared)
    assert opened(browser) == own
    change(browser, own, name="Own")
    page = browser.get("/worklist")
    assert page.context["view"] is None
    assert {row["study"] for row in page.context["rows"]} == {likely, unlikely}


@pytest.mark.parametrize("query", ["category=likely", "after=x", "search=x", "view=x"])
def test_every_way_out_of_a_default_view_leads_to_the_built_in_list(
    query: str, browser: Client, radiologist: User
) -> None:
    view = SavedView.objects.create(owner=radiologist, name="Own")
    change(browser, view, name="Own", is_default="on")
    page = browser.get("/worklist", follow=True)
    assert "Leave the view" in page.text
    context = browser.get(f"/worklist?{query}").context
    unread = next(tab["address"] for tab in context["tabs"] if tab["name"] == "unread")
    chosen = [address for chip, address in context["chips"] if chip.is_chosen]
    found = browser.post(f"{reverse('review:search')}?search=x", {"text": ""}).headers["Location"]
    columns = browser.post(
        reverse("review:columns"), {"column": "state", "query": f"view={view.pk}"}
    ).headers["Location"]
    for address in (context["built_in"], unread, *chosen, context["first_page"], found, columns):
        assert opened(browser, address) is None, address


def test_a_default_survives_resetting_columns_but_not_deleting_its_view(
    browser: Client, sign_in: Callable[[User], Client], coordinator: User
) -> None:
    view = SavedView.objects.create(owner=coordinator, name="Round", is_shared=True)
    change(browser, view, is_default="on")
    usual = columns(browser, "/worklist?state=unread")
    assert len(usual) > 1
    browser.post(reverse("review:columns"), {"column": ["state"]})
    browser.post(reverse("review:columns"), {"usual": "yes"})
    assert columns(browser, "/worklist?state=unread") == usual
    assert opened(browser) == view
    SavedView.objects.update(is_shared=False)
    assert opened(browser) is None
    SavedView.objects.update(is_shared=True)
    sign_in(coordinator).post(reverse("review:delete-view", args=[view.pk]))
    assert opened(browser) is None
