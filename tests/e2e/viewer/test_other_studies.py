"""Priors beside the picture, and the study that comes next."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import (
    LIKE_A_GRAPHICS_CARD,
    SECONDS,
    await_radiograph,
    pane,
    press,
    state,
    zoom,
)
from tests.helpers import audit_actions

pytestmark = pytest.mark.django_db(transaction=True)

# As on a busy machine: a new size of the panes is heard of after the pictures have arrived.
LATE_SIZES = """const Prompt = window.ResizeObserver;
window.ResizeObserver = class extends Prompt {
    constructor(hear) { super((...sizes) => setTimeout(() => hear(...sizes), 1500)); }
};"""


def test_a_prior_is_laid_beside_and_linked_on_demand(page: Page, case: Case) -> None:
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


def test_a_prior_is_fitted_also_when_it_arrives_before_its_pane_has_its_size(
    open_case: Callable[..., Page], browser: Browser, case: Case
) -> None:
    page = open_case(browser, LIKE_A_GRAPHICS_CARD, LATE_SIZES)
    page.wait_for_timeout(2 * SECONDS)
    press(page, "c")
    await_radiograph(page, case.prior, "prior")
    page.wait_for_timeout(2 * SECONDS)
    shown = zoom(page, "prior")
    press(page, "ArrowRight", "=")
    assert zoom(page, "prior") == pytest.approx(shown, abs=1)


def test_the_next_study_is_fetched_ahead_and_counts_as_seen_when_it_is(
    page: Page, case: Case
) -> None:
    following = case.following
    for _ in range(60):
        if audit_actions(study_id=following.study_id):
            break
        page.wait_for_timeout(SECONDS)
    assert audit_actions(study_id=following.study_id) == ["image.fetched"]
    page.wait_for_timeout(SECONDS)
    page.goto(f"/studies/{following.study_id}")
    await_radiograph(page, following)
    for _ in range(60):
        if "image.viewed" in audit_actions(study_id=following.study_id):
            break
        page.wait_for_timeout(SECONDS)
    actions = audit_actions(study_id=following.study_id)
    assert actions.count("image.fetched") == 1
    assert actions.count("image.viewed") == 1
