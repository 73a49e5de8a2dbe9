"""Priors beside the image, and prefetching the next study."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import (
    LIKE_A_GRAPHICS_CARD,
    await_drawing,
    await_radiograph,
    pane,
    press,
    state,
    zoom,
)
from tests.helpers import audit_actions, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# As on a busy machine: a new size of the panes is heard of after the pictures have arrived.
LATE_SIZES = """const Prompt = window.ResizeObserver;
window.sizes_on_their_way = 0;
window.ResizeObserver = class extends Prompt {
    constructor(hear) {
        super((...sizes) => {
            window.sizes_on_their_way += 1;
            setTimeout(() => { hear(...sizes); window.sizes_on_their_way -= 1; }, 1500);
        });
    }
};"""


def await_sizes(page: Page) -> None:
    """Wait until the page has heard of every size that its panes have."""
    page.wait_for_function("() => window.sizes_on_their_way === 0")
    await_drawing(page)


def test_a_prior_is_shown_side_by_side_and_linked_on_demand(page: Page, case: Case) -> None:
    expect(pane(page, "prior")).to_be_hidden()
    press(page, "+")
    page.get_by_role("button", name="Compare").click()
    await_radiograph(page, case.prior, "prior")
    expect(pane(page, "prior").locator("option:checked")).to_contain_text("7 months earlier")
    press(page, "Shift+Digit4")
    before = zoom(page, "prior")
    press(page, "+")
    assert zoom(page, "prior") == pytest.approx(before * 1.2, abs=2)
    windows = [state(page, name).split(" · ")[0] for name in ("current", "prior")]
    assert windows[0] == windows[1]
    press(page, "k")
    alone = state(page, "prior")
    press(page, "i", "+")
    assert state(page, "prior") == alone
    press(page, "ArrowRight", "r")
    expect(pane(page, "prior").locator(".pane-side-top")).to_have_text("R")
    expect(pane(page).locator(".pane-side-top")).to_have_text("H")
    press(page, "c")
    expect(pane(page, "prior")).to_be_hidden()
    viewed = audit_actions(study_id=case.prior.study_id)
    assert viewed == ["image.fetched", "image.viewed"]


def test_a_prior_is_fitted_even_if_it_arrives_before_its_pane_has_its_size(
    open_case: Callable[..., Page], case: Case
) -> None:
    page = open_case(WEBGL, LIKE_A_GRAPHICS_CARD, LATE_SIZES)
    await_sizes(page)
    press(page, "c")
    await_radiograph(page, case.prior, "prior")
    await_sizes(page)
    shown = zoom(page, "prior")
    press(page, "ArrowRight", "=")
    assert zoom(page, "prior") == pytest.approx(shown, abs=1)


def test_the_next_study_is_prefetched_and_counts_as_viewed_only_when_displayed(
    page: Page, case: Case
) -> None:
    following = case.following
    # The browser lists what has arrived to the last byte.
    page.wait_for_function(
        "id => performance.getEntriesByType('resource').some(each => each.name.includes(id))",
        arg=str(following.pk),
    )
    assert audit_actions(study_id=following.study_id) == ["image.fetched"]
    page.keyboard.press("n")
    await_radiograph(page, following)
    wait_until(
        lambda: "image.viewed" in audit_actions(study_id=following.study_id),
        "the picture counted as viewed",
    )
    actions = audit_actions(study_id=following.study_id)
    assert actions.count("image.fetched") == 1
    assert actions.count("image.viewed") == 1
