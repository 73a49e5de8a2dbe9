"""What the page allows to be signed: nothing unseen, and nothing for a different patient."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, await_image, context_of, page_kept
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.intake.claimed_identity import Identity
from webportal.records.models import Study
from webportal.records.services import change_patient
from webportal.review.models import ImageView, Read
from webportal.review.study.case_records import assign_patient

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = {"width": 1280, "height": 800}
NEWS_MS = 15_000


@pytest.fixture
def study(transactional_db: None) -> Study:
    """Two images; the model has a result on the first."""
    study = make_study(patient=make_patient(name="Rai^Anna", sex="F"))
    make_prediction(make_radiograph(study, size=(600, 500)), "unlikely")
    make_radiograph(study, size=(600, 500))
    return study


@pytest.fixture
def context(
    study: Study, live_server: LiveServer, radiologist: User, sign_in: Callable[[User], Client]
) -> Iterator[BrowserContext]:
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=SIZE) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return page_kept(context)


def open_study(page: Page, study: Study) -> None:
    page.goto(f"/studies/{study.pk}")
    await_image(page)


def sign_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Sign", exact=True)


def choice(page: Page, finding: str) -> Locator:
    return page.locator("form[data-read] .choice").filter(has_text=finding)


def is_inert(part: Locator) -> bool:
    return bool(part.evaluate("element => element.closest('[inert]') !== null"))


def expect_nothing_to_sign(page: Page) -> None:
    """Neither by the mouse nor by the keys: no finding is chosen, no signature sent."""
    assert is_inert(choice(page, "No pneumonia"))
    for key in ("1", "2", "3", "5"):
        page.keyboard.press(key)
    expect(page.locator("form[data-read] input:checked")).to_have_count(0)
    page.locator("input[name=password]").fill(PASSWORD)
    expect(page.get_by_text("Nothing is signed yet.")).to_be_hidden()
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_text("Nothing is signed yet.")).to_be_visible()
    expect(sign_button(page)).to_be_disabled()
    expect(page.get_by_role("button", name="Sign, next")).to_be_disabled()
    assert not Read.objects.filter(state="signed").exists()


def sign(page: Page) -> None:
    page.locator("input[name=password]").fill(PASSWORD)
    sign_button(page).click()
    expect(page.get_by_text("The read is signed.")).to_be_visible()


@pytest.mark.parametrize("way", ["blocked", "broken", "loading"])
def test_without_an_image_only_not_interpretable_can_be_signed(
    way: str, page: Page, study: Study
) -> None:
    waiting: list[Route] = []
    ways: dict[str, Callable[[Route], object]] = {
        "blocked": lambda route: route.abort(),
        "broken": lambda route: route.fulfill(status=200, body=b"\x07\x00\x00\x00nothing"),
        "loading": lambda route: waiting.append(route),
    }
    page.route("**/pixels", ways[way])
    page.goto(f"/studies/{study.pk}", wait_until="domcontentloaded")
    words = "Loading the image" if way == "loading" else "The image could not be loaded"
    expect(page.locator("[data-pane=current] .pane-message")).to_contain_text(words)
    expect(page.get_by_text("The image is not on the screen yet.")).to_be_visible()
    expect_nothing_to_sign(page)
    page.keyboard.press("Escape")
    choice(page, "Not interpretable").click()
    # The reason is required: nobody else can tell it from the read.
    expect(sign_button(page)).to_be_disabled()
    page.locator("form[data-read] textarea").fill("The pictures cannot be opened.")
    expect(sign_button(page)).to_be_enabled()
    sign(page)
    read = Read.objects.get(state="signed")
    assert (read.decision, read.comment) == ("not_interpretable", "The pictures cannot be opened.")
    assert not ImageView.objects.exists()
    for route in waiting:
        route.abort()


def test_an_image_that_arrives_late_enables_the_form(page: Page, study: Study) -> None:
    waiting: list[Route] = []
    page.route("**/pixels", lambda route: waiting.append(route))
    page.goto(f"/studies/{study.pk}", wait_until="domcontentloaded")
    expect(page.get_by_text("The image is not on the screen yet.")).to_be_visible()
    expect_nothing_to_sign(page)
    for route in waiting:
        route.continue_()
    page.unroute("**/pixels")
    await_image(page)
    expect(page.get_by_text("The image is not on the screen yet.")).to_be_hidden()
    page.get_by_role("button", name="image 2 of 2").click()
    expect(page.get_by_text("Now it can be signed.")).to_be_visible()
    expect(page.get_by_text("Nothing is signed yet.")).to_be_hidden()
    choice(page, "No pneumonia").click()
    expect(page.locator("form[data-read] input:checked")).to_have_count(1)


@pytest.mark.parametrize("way", ["click", "Enter in the field", "Enter on the page"])
def test_a_signature_before_the_image_is_recorded_says_why_it_is_none(
    way: str, page: Page, study: Study
) -> None:
    study.radiographs.order_by("-created_at")[0].delete()
    waiting: list[Route] = []
    page.route("**/viewed", lambda route: waiting.append(route))
    page.goto(f"/studies/{study.pk}", wait_until="domcontentloaded")
    expect(page.get_by_text("Chestline has not recorded yet")).to_be_visible()
    expect(page.get_by_text("Not on your screen yet")).to_be_hidden()
    page.keyboard.press("1")
    page.locator("input[name=password]").fill(PASSWORD)
    if way == "click":
        sign_button(page).click(force=True)
    elif way == "Enter in the field":
        page.locator("input[name=password]").press("Enter")
    else:
        choice(page, "No pneumonia").locator("input").focus()
        page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is signed yet.")).to_be_visible()
    waiting.pop().continue_()
    page.unroute("**/viewed")
    expect(page.get_by_text("Now it can be signed.")).to_be_visible()
    # What was tried too early is not made up for: the reader signs.
    assert not Read.objects.filter(state="signed").exists()
    sign(page)


PLACE = """button => {
  const row = button.closest(".signing-row");
  const isSticky = getComputedStyle(row).position === "sticky";
  const { x, y, width, height } = button.getBoundingClientRect();
  return [x, y - (isSticky ? 0 : button.form.getBoundingClientRect().y), width, height];
}"""


# In a low or narrow window the row stands in the flow of the page, in others it sticks to its end.
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1280, 650), (1280, 1800), (390, 844)])
def test_no_message_moves_the_buttons(width: int, height: int, page: Page, study: Study) -> None:
    study.radiographs.order_by("-created_at")[0].delete()
    held: list[Route] = []
    page.route("**/viewed", lambda route: held.append(route))
    # Scrolling to the field with the focus is another matter, and takes longer than this then.
    page.emulate_media(reduced_motion="no-preference")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/studies/{study.pk}", wait_until="domcontentloaded")
    button, impression = sign_button(page), page.locator("form[data-read] textarea")

    def place_while(words: str) -> object:
        messages = page.locator(".signing-messages").get_by_text(words)
        expect(messages.filter(visible=True)).to_have_count(1)
        return button.evaluate(PLACE)

    before = place_while("Chestline has not recorded yet")
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    assert place_while("Nothing is signed yet.") == before
    held.pop().continue_()
    assert place_while("Now it can be signed.") == before
    impression.fill("Clear lungs.")
    assert place_while("Draft saved") == before
    page.route("**/draft", lambda route: route.abort())
    impression.fill("Clear lungs, and a normal heart.")
    assert place_while("Chestline is not responding") == before
    page.unroute("**/draft")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    assert place_while("Draft saved") == before
    button.click()
    expect(page.get_by_text("The read is signed.")).to_be_visible()


def test_each_image_has_to_be_displayed_once(page: Page, study: Study) -> None:
    open_study(page, study)
    page.keyboard.press("1")
    expect(page.locator("form[data-read] input:checked")).to_have_count(1)
    missing = page.locator("form[data-read]").get_by_role("button", name="image 2 of 2")
    expect(missing).to_be_visible()
    expect(page.get_by_role("button", name="image 1 of 2")).to_be_hidden()
    expect(sign_button(page)).to_be_disabled()
    missing.click()
    expect(sign_button(page)).to_be_enabled()
    expect(missing).to_be_hidden()
    expect(page.locator(".draft-state")).to_contain_text("Draft saved")
    # Tomorrow it need not be shown again.
    open_study(page, study)
    expect(page.get_by_role("button", name="image 2 of 2")).to_be_hidden()
    expect(sign_button(page)).to_be_enabled()
    sign(page)
    assert Read.objects.get().pneumonia == "none"


def test_a_draft_keeps_its_finding_while_the_image_is_missing(page: Page, study: Study) -> None:
    open_study(page, study)
    page.keyboard.press("3")
    page.keyboard.press("5")
    expect(page.locator(".draft-state")).to_contain_text("Draft saved")
    page.route("**/pixels", lambda route: route.abort())
    page.goto(f"/studies/{study.pk}", wait_until="domcontentloaded")
    page.locator("form[data-read] textarea").fill("More.")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("The draft is saved.")).to_be_visible()
    draft = Read.objects.get()
    assert (draft.pneumonia, draft.other_findings) == ("definite", ["effusion"])
    assert draft.comment == "More."


def test_an_open_page_shows_a_changed_name_within_seconds(
    page: Page, study: Study, radiologist: User
) -> None:
    open_study(page, study)
    page.keyboard.press("1")
    page.get_by_role("button", name="image 2 of 2").click()
    expect(sign_button(page)).to_be_enabled()
    expect(page.locator(".draft-state")).to_contain_text("Draft saved")
    change_patient(study.patient, {"name": "Rai^Annapurna", "sex": "M"}, radiologist)
    notice = page.locator("[data-identity-news]")
    expect(notice).to_contain_text("The patient’s data have been changed.", timeout=NEWS_MS)
    expect(notice).to_contain_text("Rai, Anna → Rai, Annapurna")
    expect(notice).to_contain_text("Female → Male")
    expect(sign_button(page)).to_be_disabled()
    notice.get_by_role("link", name="Show the study as it is now").click()
    await_image(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Rai, Annapurna")
    # What was put down under the old name is not signed before the reader has confirmed.
    expect(page.locator("form[data-read] input[name=choice]:checked")).to_have_count(1)
    expect(sign_button(page)).to_be_disabled()
    page.get_by_label("I have checked: this is the patient I read.").check()
    expect(sign_button(page)).to_be_enabled()
    sign(page)
    assert Read.objects.get().identity["name"] == "Rai^Annapurna"


def test_signing_a_study_that_is_being_moved_is_refused(
    page: Page, study: Study, radiologist: User
) -> None:
    open_study(page, study)
    page.keyboard.press("1")
    page.get_by_role("button", name="image 2 of 2").click()
    expect(sign_button(page)).to_be_enabled()
    expect(page.locator(".draft-state")).to_contain_text("Draft saved")
    # Nobody has told the page yet.
    page.route("**/status?*", lambda route: route.abort())
    assign_patient(study, Identity("OTHER", "TEST", "Thapa^Bina"), radiologist)
    page.locator("input[name=password]").fill(PASSWORD)
    sign_button(page).click()
    expect(page.get_by_text("Not signed: the patient’s data have changed")).to_be_visible()
    expect(page.get_by_text("This study has been moved to another patient.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thapa, Bina")
    assert not Read.objects.filter(state="signed").exists()
    await_image(page)
    expect(sign_button(page)).to_be_disabled()
    page.get_by_label("I have checked: this is the patient I read.").check()
    sign(page)
    assert Read.objects.get().identity["name"] == "Thapa^Bina"


def test_nothing_can_be_signed_without_javascript(
    context: BrowserContext, page: Page, study: Study
) -> None:
    page.route("**/*.js", lambda route: route.abort())
    page.goto(f"/studies/{study.pk}", wait_until="domcontentloaded")
    expect(sign_button(page)).to_be_disabled()
    assert is_inert(choice(page, "No pneumonia"))
