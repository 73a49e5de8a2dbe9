"""A reader's text is never lost, whatever happens to page, session and portal."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext, Dialog, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, context_of, wait_for_picture
from tests.factories import make_prediction
from tests.helpers import audit_actions
from webportal.accounts.models import Role, Session, User
from webportal.audit.models import Action
from webportal.records.models import Study
from webportal.review.models import Addendum, Read


@pytest.fixture
def study(transactional_db: None) -> Study:
    return make_prediction(category="unlikely").radiograph.study


@pytest.fixture
def browser(
    study: Study,
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> Iterator[BrowserContext]:
    """A browser in which a radiologist is signed in."""
    size = {"width": 1280, "height": 800}
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=size) as context:
        yield context


def open_study(browser: BrowserContext, study: Study) -> Page:
    page = browser.new_page()
    page.goto(f"/studies/{study.pk}")
    page.wait_for_load_state("networkidle")
    return page


def write(page: Page, text: str) -> None:
    page.get_by_label("Impression").press_sequentially(text)


def sign_in_anew(browser: BrowserContext, name: str) -> None:
    page = browser.new_page()
    page.goto("/sign-in")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/worklist*")
    page.close()


def test_text_is_kept_when_the_reader_leaves_immediately(
    browser: BrowserContext, study: Study
) -> None:
    page = open_study(browser, study)
    write(page, "Right base.")
    page.get_by_role("link", name="Worklist", exact=True).last.click()
    page.wait_for_url("**/worklist")
    page.goto(f"/studies/{study.pk}")
    expect(page.get_by_label("Impression")).to_have_value("Right base.")


def test_two_windows_do_not_overwrite_each_others_draft(
    browser: BrowserContext, study: Study
) -> None:
    first, second = open_study(browser, study), open_study(browser, study)
    write(first, "Of the first window.")
    expect(first.locator("#draft-state")).to_contain_text("Draft saved")
    write(second, "Of the second window.")
    expect(second.locator("#draft-state")).to_contain_text("in another window")
    assert Read.objects.get().comment == "Of the first window."
    # Nor is it signed as it is there.
    second.locator("label[for=choice-1]").click()
    second.locator("input[name=password]").fill(PASSWORD)
    second.locator("input[name=password]").press("Enter")
    expect(second.locator("#draft-state")).to_contain_text("in another window")
    assert Read.objects.get().state == "draft"
    second.get_by_role("button", name="Keep what is here").click()
    expect(second.locator("#draft-state")).to_contain_text("Draft saved")
    assert Read.objects.get().comment == "Of the second window."


def test_a_session_that_ends_costs_neither_text_nor_signature(
    browser: BrowserContext, study: Study, radiologist: User
) -> None:
    page = open_study(browser, study)
    Session.objects.all().delete()
    write(page, "Right base.")
    expect(page.locator("#draft-state")).to_contain_text("you are signed out")
    page.locator("label[for=choice-1]").click()
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator("#draft-state")).to_contain_text("you are signed out")
    expect(page.get_by_label("Impression")).to_have_value("Right base.")
    sign_in_anew(browser, radiologist.username)
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("The read is signed.")).to_be_visible()
    assert Read.objects.get(state="signed").comment == "Right base."


def test_text_typed_by_one_reader_never_becomes_anothers(
    browser: BrowserContext, study: Study, make_user: Callable[..., User]
) -> None:
    other = make_user(Role.RADIOLOGIST, username="other")
    page = open_study(browser, study)
    Session.objects.all().delete()
    sign_in_anew(browser, other.username)
    write(page, "Right base.")
    expect(page.locator("#draft-state")).to_contain_text("other has signed in")
    assert not Read.objects.exists()


def test_an_unavailable_portal_is_reported_and_retried(
    browser: BrowserContext, study: Study
) -> None:
    page = open_study(browser, study)

    def fail(route: Route) -> None:
        route.fulfill(status=503)

    page.route("**/draft", fail)
    write(page, "Right base.")
    expect(page.locator("#draft-state")).to_contain_text("is not responding")
    page.unroute("**/draft", fail)
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    assert Read.objects.get().comment == "Right base."


def test_pages_show_that_the_portal_does_not_respond(browser: BrowserContext, study: Study) -> None:
    page = open_study(browser, study)
    expect(page.locator("#away")).to_be_hidden()
    browser.set_offline(True)
    expect(page.locator("#away")).to_be_visible()
    browser.set_offline(False)
    expect(page.locator("#away")).to_be_hidden()


def test_keys_pressed_while_signing_do_nothing(browser: BrowserContext, study: Study) -> None:
    page = open_study(browser, study)
    wait_for_picture(page)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=password]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    for key in ("Enter", "Enter", "2", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/worklist")
    expect(page.get_by_text("nothing left for you to read")).to_be_visible()
    assert Read.objects.get().pneumonia == "none"
    assert Action.SIGNATURE_FAILED not in audit_actions()


def test_an_addendum_survives_the_end_of_the_session(
    browser: BrowserContext, study: Study, radiologist: User
) -> None:
    page = open_study(browser, study)
    page.keyboard.press("1")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_role("heading", name="Add an addendum")).to_be_visible()
    page.get_by_label("Reason").fill("Seen later")
    page.get_by_label("Text", exact=True).fill("A small effusion.")
    page.get_by_label("Your password").fill(PASSWORD)
    Session.objects.all().delete()
    page.get_by_role("button", name="Sign the addendum").click()
    expect(page.get_by_text("Not signed: you are signed out")).to_be_visible()
    sign_in_anew(browser, radiologist.username)
    page.get_by_role("button", name="Sign the addendum").click()
    expect(page.get_by_text("The addendum is signed.")).to_be_visible()
    assert Addendum.objects.get().text == "A small effusion."


def test_a_refused_addendum_is_reported(
    browser: BrowserContext, study: Study, radiologist: User
) -> None:
    make_signed_read(study, radiologist)
    page = open_study(browser, study)
    page.get_by_label("Reason").fill("Seen later")
    page.get_by_label("Text", exact=True).fill("A small effusion.")
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Sign the addendum").click()
    expect(page.get_by_text("Nothing is signed; your text is kept")).to_be_visible()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_role("link", name="Worklist", exact=True).last.click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("A small effusion.")
    assert asked == ["beforeunload"]


def make_signed_read(study: Study, reader: User) -> None:
    Read.objects.create(
        study=study,
        reader=reader,
        state="signed",
        kind="first",
        decision="unaided",
        pneumonia="none",
        signed_at=timezone.now(),
    )
    Study.objects.filter(pk=study.pk).update(reading_state="signed")
