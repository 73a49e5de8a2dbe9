"""Passkeys in Chromium, with its virtual authenticator."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, await_image, note_complaints, shared_chromium
from tests.e2e.test_every_page import AXE, CHECKS
from tests.factories import make_prediction, make_radiograph, make_study
from webportal.accounts import codes
from webportal.accounts.models import Passkey, User
from webportal.review.models import Read, ReadState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(live_server: LiveServer) -> Iterator[Page]:
    """A page whose browser has a security key in it that knows its owner."""
    problems: list[str] = []
    context = shared_chromium(*NO_WEBGL).new_context(base_url=live_server.url)
    context.set_default_timeout(30_000)
    context.add_init_script(path=AXE)
    context.add_init_script(path=CHECKS)
    page = context.new_page()
    note_complaints(page, problems)
    protocol = context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield page
    context.close()
    # The answer to a session that is locked is an error to the browser.
    assert [problem for problem in problems if "423 (Locked)" not in problem] == []


def sign_in_by_password(page: Page, user: User) -> None:
    page.goto("/sign-in")
    page.locator("input[name=username]").fill(user.username)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page, user: User) -> None:
    page.get_by_role("button", name=str(user)).click()
    page.get_by_role("button", name="Sign out").click()


def test_a_passkey_is_created_and_signs_in(page: Page, radiologist: User) -> None:
    sign_in_by_password(page, radiologist)
    page.goto("/account/second-factor")
    page.get_by_label("Name").fill("Reading room")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#recovery-codes li")).to_have_count(codes.RECOVERY_CODES)
    assert Passkey.objects.get().name == "Reading room"
    page.get_by_role("link", name="I have saved them").click()
    sign_out(page, radiologist)

    # With the password it is the second step, without one the first.
    sign_in_by_password(page, radiologist)
    expect(page.get_by_role("heading", level=1, name="Second factor")).to_be_visible()
    assert page.evaluate("checks.violations()") == []
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/worklist")
    sign_out(page, radiologist)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/worklist")


def test_the_page_says_if_there_is_none(page: Page, radiologist: User) -> None:
    page.goto("/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The browser returned no passkey")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_be_enabled()


def test_a_passkey_unlocks_and_signs(page: Page, radiologist: User) -> None:
    prediction = make_prediction(make_radiograph(make_study()), "unlikely")
    sign_in_by_password(page, radiologist)
    page.wait_for_url("**/worklist")
    page.goto("/account/second-factor")
    page.get_by_label("Name").fill("Reading room")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("link", name="I have saved them").click()
    page.goto(f"/studies/{prediction.radiograph.study_id}")
    await_image(page)
    token = page.evaluate("document.cookie.match(/csrftoken=([^;]+)/)[1]")
    page.request.post("/lock", headers={"X-CSRFToken": token})
    page.goto(f"/studies/{prediction.radiograph.study_id}", wait_until="commit")
    page.get_by_role("button", name="Use a passkey").click()
    await_image(page)
    page.keyboard.press("1")
    page.get_by_role("button", name="Sign with a passkey").click()
    expect(page.get_by_text("The read is signed")).to_be_visible()
    assert Read.objects.get().state == ReadState.SIGNED
