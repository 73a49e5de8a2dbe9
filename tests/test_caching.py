"""No response that may contain patient data is cached by browsers."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.test_roles import ADDRESSES, filled
from webportal.accounts.models import Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(radiologist: User) -> Client:
    browser = Client()
    browser.force_login(radiologist)
    return browser


def keeps(response: object) -> bool:
    return "no-store" not in getattr(response, "headers", {}).get("Cache-Control", "")


def test_no_response_may_be_cached_by_browsers(browser: Client) -> None:
    User.objects.update(roles=[Role.IT, Role.RADIOLOGIST, Role.UPLOADER, Role.AUDITOR])
    kept = [address for address in ADDRESSES if keeps(browser.get(filled(address)))]
    # The colours of all heat maps tell nothing of anybody.
    assert kept == ["heatmap-legend.png"]


def test_images_and_results_of_a_patient_are_not_cached(browser: Client) -> None:
    prediction = make_prediction()
    radiograph = prediction.radiograph
    for page, of in [
        ("review:study", radiograph.study_id),
        ("review:pixels", radiograph.pk),
        ("review:image", radiograph.pk),
        ("review:original", radiograph.pk),
        ("review:heatmap", prediction.pk),
    ]:
        answer = browser.get(reverse(page, args=[of]))
        assert answer.status_code == 200, page
        assert not keeps(answer), page
        assert "max-age" not in answer.headers["Cache-Control"]


def test_browser_data_of_earlier_releases_is_cleared_at_the_first_sign_in(
    radiologist: User,
) -> None:
    browser, values = Client(), {"username": radiologist.username, "password": PASSWORD}
    assert browser.post("/sign-in", values).headers["Clear-Site-Data"] == '"cache"'
    browser.post("/sign-out")
    assert "Clear-Site-Data" not in browser.post("/sign-in", values).headers
