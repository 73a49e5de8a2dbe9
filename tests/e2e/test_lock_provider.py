"""Users without a Chestline password unlock a page at the identity provider, in another tab."""

import time
from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests.accounts.identity_provider import CLIENT_ID, IdentityProvider, running_provider
from tests.e2e.browser import NO_WEBGL, await_image, context_of
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.records.models import Study
from webportal.review.models import Read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def study() -> Study:
    study = make_study(patient=make_patient(name="Doe^Jane"))
    make_prediction(make_radiograph(study), "unlikely")
    return study


def authenticate(page: Page, sub: str) -> None:
    """What somebody does at the provider."""
    page.get_by_placeholder("sub").fill(sub)
    page.get_by_role("button", name="Authorize").click()


def test_unlocking_restores_the_page(
    provider: IdentityProvider, study: Study, live_server: LiveServer, settings: Settings
) -> None:
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = provider.url, CLIENT_ID
    settings.OIDC_CLIENT_SECRET, settings.OIDC_NAME = "secret", "Bir Hospital"
    settings.GROUP_ROLES, settings.CREATE_USERS = {"readers": ("radiologist",)}, True
    settings.SESSION_LOCK_MINUTES = 5 / 60
    provider.knows("asha", groups=["readers"], auth_time=int(time.time()))
    stranger = Client()
    # A session in which nobody is signed in.
    stranger.get("/sign-in/provider")
    with context_of(stranger, live_server, *NO_WEBGL, own=True) as context:
        page = context.new_page()
        page.goto(f"/sign-in?next=/studies/{study.pk}")
        page.get_by_role("link", name="Sign in with Bir Hospital").click()
        authenticate(page, "asha")
        await_image(page)
        page.get_by_label("Impression").press_sequentially("Right base.")
        expect(page.locator("#lock")).to_be_visible()
        expect(page.locator("#lock")).to_contain_text("Nothing that Asha Tester has typed is lost")
        # The provider recognises the browser, but nobody has authenticated again.
        provider.knows("asha", groups=["readers"], auth_time=int(time.time()) - 3600)
        with context.expect_page() as opened:
            page.get_by_role("link", name="Sign in with Bir Hospital").click()
        authenticate(opened.value, "asha")
        expect(opened.value.get_by_role("heading", name="Locked")).to_be_visible()
        assert "typed" not in opened.value.content()
        expect(page.locator("#lock")).to_be_visible()
        provider.knows("asha", groups=["readers"], auth_time=int(time.time()))
        opened.value.get_by_role("link", name="Sign in with Bir Hospital").click()
        authenticate(opened.value, "asha")
        expect(page.locator("#lock")).to_be_hidden()
        page.bring_to_front()
        expect(page.get_by_label("Impression")).to_have_value("Right base.")
        page.get_by_label("Impression").press_sequentially(" And left.")
        expect(page.locator("#draft-state")).to_contain_text("Draft saved")
        assert Read.objects.get().comment == "Right base. And left."
