"""Taking a signature back and amending a read, in a browser."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, context_of, page_kept
from tests.factories import make_prediction
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.review.models import Read

SLOW_MS = 20_000


@pytest.fixture
def page(
    live_server: LiveServer, radiologist: User, sign_in: Callable[[User], Client]
) -> Iterator[Page]:
    """A page of a radiologist who is signed in."""
    size = {"width": 1280, "height": 800}
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=size) as context:
        yield page_kept(context)


@pytest.fixture
def studies(transactional_db: None) -> list[Prediction]:
    """Two studies that the model calls likely, the first one urgent."""
    predictions = [make_prediction(category="likely") for _ in range(2)]
    first = predictions[0].radiograph.study
    first.priority = 0
    first.save()
    return predictions


def open_study(page: Page, prediction: Prediction) -> None:
    with page.expect_response("**/viewed"):  # only what was on the screen can be signed
        page.goto(f"/studies/{prediction.radiograph.study_id}")
    page.wait_for_load_state("networkidle")


def sign_by_keys(page: Page, *keys: str) -> None:
    for key in (*keys, "Enter"):
        page.keyboard.press(key)
    expect(page.locator("input[name=password]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")


def test_a_signature_is_taken_back_by_key_from_the_next_study(
    page: Page, studies: list[Prediction]
) -> None:
    first, second = studies
    open_study(page, first)
    sign_by_keys(page, "1")
    page.wait_for_url(f"**/studies/{second.radiograph.study_id}")
    button = page.get_by_role("button", name="Take back")
    expect(button).to_be_visible()
    shown = int(page.locator("[data-take-back] [data-seconds]").inner_text())
    assert 20 <= shown <= 30
    expect(page.locator("[data-take-back] [data-seconds]")).not_to_have_text(str(shown))
    # What it says names no patient.
    assert first.radiograph.study.patient.display_name not in page.locator("body").inner_text()
    # In a text the letter is a letter.
    page.locator("textarea").focus()
    page.keyboard.type("u")
    page.keyboard.press("Escape")
    with page.expect_response("**/viewed"):
        page.keyboard.press("u")
    page.wait_for_url(f"**/studies/{first.radiograph.study_id}")
    expect(page.get_by_text("Your signature is taken back.")).to_be_visible()
    expect(page.locator("#choice-1")).to_be_checked()
    expect(page.locator("[data-take-back]")).to_have_count(0)
    assert not Read.objects.filter(state="signed").exists()
    # It can be signed again, with another finding.
    sign_by_keys(page, "3")
    page.wait_for_url(f"**/studies/{second.radiograph.study_id}")
    assert Read.objects.get(state="signed").pneumonia == "definite"


def test_a_read_is_amended(page: Page, studies: list[Prediction]) -> None:
    study = studies[0].radiograph.study
    open_study(page, studies[0])
    page.keyboard.press("1")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator(".panel-person .finding")).to_have_text("No pneumonia", timeout=SLOW_MS)
    page.get_by_role("link", name="Amend your read").click()
    expect(page.locator("#choice-1")).to_be_checked()
    page.wait_for_load_state("networkidle")
    page.get_by_label("Why you amend it").fill("Missed behind the heart")
    page.locator("label[for=choice-3]").click()
    expect(page.locator(".draft-state")).to_contain_text("Draft saved")
    # Nothing of it is lost by leaving.
    page.goto(f"/studies/{study.pk}")
    page.get_by_role("link", name="Resume amending").click()
    expect(page.get_by_label("Why you amend it")).to_have_value("Missed behind the heart")
    expect(page.locator("#choice-3")).to_be_checked()
    page.wait_for_load_state("networkidle")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign the amendment").click()
    amended = page.locator(".panel-person .finding").first
    expect(amended).to_have_text("Definite pneumonia", timeout=SLOW_MS)
    page.get_by_text("What it superseded").click()
    expect(page.locator(".superseded s")).to_have_text("No pneumonia")
    page.goto("/worklist?state=signed")
    expect(page.locator(".worklist-row .finding")).to_have_text("Definite pneumonia")
    expect(page.locator(".worklist-row .beside-finding")).to_contain_text("Model:")
