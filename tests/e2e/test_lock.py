"""An unused page locks itself, and continues as it was when its reader returns."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, await_image, context_of
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Session, User
from webportal.records.models import Study
from webportal.review.models import Read
from webportal.review.reads.authentication import set_pin

pytestmark = pytest.mark.django_db(transaction=True)
PIN = "271828"


@pytest.fixture
def study() -> Study:
    study = make_study(patient=make_patient(name="Doe^Jane"))
    make_prediction(make_radiograph(study), "unlikely")
    return study


@pytest.fixture
def page(
    study: Study,
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
    settings: Settings,
) -> Iterator[Page]:
    """An open study that covers itself after five seconds."""
    settings.SESSION_LOCK_MINUTES = 5 / 60
    set_pin(radiologist, PASSWORD, PIN)
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL) as context:
        page = context.new_page()
        page.goto(f"/studies/{study.pk}")
        yield page


def await_lock(page: Page) -> None:
    with page.expect_response("**/lock"):
        expect(page.locator("#lock")).to_be_visible()


def test_an_unused_page_is_locked_and_unlocked_by_keyboard_alone(page: Page, study: Study) -> None:
    await_image(page)
    page.keyboard.press("2")
    page.get_by_label("Impression").press_sequentially("Right base.")
    await_lock(page)
    for hidden in ("h1", ".pane-patient", ".pane-view", "textarea"):
        expect(page.locator(hidden).first).to_be_hidden()
    # Neither Escape nor another address leads past it.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#lock")).to_be_visible()
    other = page.context.new_page()
    other.goto("/worklist")
    expect(other.get_by_role("heading", name="Locked")).to_be_visible()
    assert "Doe" not in other.content()
    expect(page.locator("#lock input[name=secret]")).to_be_focused()
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is neither your password nor your signing PIN")).to_be_visible()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#lock")).to_be_hidden()
    expect(page.get_by_label("Impression")).to_be_focused()
    expect(page.get_by_label("Impression")).to_have_value("Right base.")
    page.keyboard.type(" And left.")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    assert Read.objects.get().comment == "Right base. And left."


def test_one_tab_unlocks_the_others(page: Page, study: Study) -> None:
    await_lock(page)
    other = page.context.new_page()
    other.goto(f"/studies/{study.pk}")
    other.locator("input[name=secret]").fill(PASSWORD)
    other.locator("input[name=secret]").press("Enter")
    expect(other.get_by_role("heading", level=1)).to_contain_text("Doe")
    expect(page.locator("#lock")).to_be_hidden()


def test_a_page_in_use_stays_open(page: Page) -> None:
    page.clock.install()
    page.reload()
    await_image(page)
    for _ in range(8):
        page.clock.run_for(1000)
        page.keyboard.press("Shift")
    expect(page.locator("#lock")).to_be_hidden()
    page.clock.run_for(6000)
    expect(page.locator("#lock")).to_be_visible()


def test_a_page_whose_session_the_portal_has_locked_is_covered_and_can_be_unlocked(
    page: Page, study: Study, radiologist: User, settings: Settings
) -> None:
    settings.SESSION_LOCK_MINUTES = 10
    page.reload()
    await_image(page)
    # As after a loss of the connection for longer than that.
    Session.objects.update(used_at=timezone.now() - timedelta(minutes=12))
    expect(page.locator("#lock")).to_be_visible()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#lock")).to_be_hidden()
    page.keyboard.press("2")
    expect(page.get_by_text("Draft saved")).to_be_visible()
