"""Text templates inserted by key, and signing with a PIN after the password."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.reading import identity_field, look_at
from webportal.accounts.models import PasswordAttempt, Role, User
from webportal.accounts.services import AccountError
from webportal.inference.models import Prediction
from webportal.review.models import TextTemplate
from webportal.review.reads.authentication import set_pin
from webportal.review.study.reading_panel import templates_of

pytestmark = pytest.mark.django_db
PIN = "271828"


def save(browser: Client, **values: str) -> Any:
    fields = {"key": "n", "name": "Normal", "text": "Lungs clear.", **values}
    return browser.post(reverse("review:text-templates"), fields)


def test_own_templates_precede_shared_ones(
    browser: Client, radiologist: User, make_user: Callable[..., User]
) -> None:
    other = make_user(Role.RADIOLOGIST, username="other")
    assert save(browser, is_shared="on").status_code == 302
    assert save(browser, text="Own words.").status_code == 302
    assert save(browser, key="e", text="Effusion.").status_code == 302
    assert [each.text for each in templates_of(radiologist)] == ["Effusion.", "Own words."]
    assert [each.text for each in templates_of(other)] == ["Lungs clear."]
    study = make_prediction().radiograph.study
    page = browser.get(reverse("review:study", args=[study.pk])).content.decode()
    assert 'data-template-key="n" data-text="Own words."' in page


def test_a_key_is_a_single_unused_letter_or_digit(browser: Client) -> None:
    save(browser)
    for key in ("n", "N", "é", "nn", ""):
        assert save(browser, key=key, text="Another.").status_code == 422
    assert TextTemplate.objects.count() == 1


def test_nobody_can_change_another_users_template(
    browser: Client, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    save(browser)
    template = TextTemplate.objects.get()
    other = sign_in(make_user(Role.RADIOLOGIST, username="other"))
    for name in ("text-template", "remove-template"):
        address = reverse(f"review:{name}", args=[template.pk])
        assert other.post(address, {}).status_code == 404
    browser.post(reverse("review:remove-template", args=[template.pk]))
    assert not TextTemplate.objects.exists()


def sign(browser: Client, seen: Prediction, secret: str) -> int:
    status: int = sign_page(browser, seen, secret).status_code
    return status


def sign_page(browser: Client, seen: Prediction, secret: str) -> Any:
    values = {"seen": seen.pk, "images": 1, "choice": "confirm:none", "password": secret}
    study = seen.radiograph.study
    look_at(study, User.objects.get(pk=browser.session["_auth_user_id"]))
    address = reverse("review:sign", args=[study.pk])
    return browser.post(address, values | identity_field(study))


def test_the_pin_signs_only_after_the_password_in_the_same_session(
    browser: Client, radiologist: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    settings.SIGNING_PIN_MINUTES = 10
    values = {"pin": PIN, "again": PIN, "password": PASSWORD}
    assert browser.post(reverse("review:signing-pin"), values).status_code == 302
    seen = [make_prediction(category="unlikely") for _ in range(4)]
    assert sign(browser, seen[0], PIN) == 422
    assert sign(browser, seen[0], PASSWORD) == 302
    assert sign(browser, seen[1], PIN) == 302
    assert sign(sign_in(radiologist), seen[2], PIN) == 422
    # A wrong one ends the series.
    refused = "That is neither your password nor your signing PIN."
    assert refused in sign_page(browser, seen[2], "000000").text
    assert "That is not your password." in sign_page(browser, seen[2], PIN).text
    assert sign(browser, seen[2], PASSWORD) == 302
    settings.SIGNING_PIN_MINUTES = 0
    assert sign(browser, seen[3], PIN) == 422


def test_the_menu_links_radiologists_to_the_pin_if_enabled(
    browser: Client, uploader: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    entry = f'<a class="dropdown-item" href="{reverse("review:signing-pin")}">'
    for minutes, is_shown in ((10, True), (0, False)):
        settings.SIGNING_PIN_MINUTES = minutes
        assert (entry in browser.get(reverse("review:worklist")).content.decode()) == is_shown
    settings.SIGNING_PIN_MINUTES = 10
    page = sign_in(uploader).get(reverse("intake:batches")).content.decode()
    assert entry not in page


@pytest.mark.parametrize(
    "values",
    [
        {"pin": "12345", "again": "12345"},
        {"pin": "111111", "again": "111111"},
        {"pin": "27182a", "again": "27182a"},
        {"pin": PIN, "again": "271829"},
        {"pin": PIN, "again": PIN, "password": "guess"},
    ],
    ids=["short", "one digit", "letter", "different", "wrong password"],
)
def test_weak_pins_are_rejected(
    values: dict[str, str], browser: Client, radiologist: User, settings: Settings
) -> None:
    settings.SIGNING_PIN_MINUTES = 10
    given = {"password": PASSWORD} | values
    assert browser.post(reverse("review:signing-pin"), given).status_code == 422
    assert not hasattr(User.objects.get(pk=radiologist.pk), "signing_pin")


def test_a_pin_is_chosen_on_the_study_page_after_the_first_signature(browser: Client) -> None:
    seen = [make_prediction(category="unlikely") for _ in range(3)]
    offer = "Sign the next ones with a PIN"
    pages = [reverse("review:study", args=[each.radiograph.study_id]) for each in seen]
    assert offer not in browser.get(pages[0]).content.decode()
    assert sign(browser, seen[0], PASSWORD) == 302
    assert offer in browser.get(pages[1]).content.decode()

    def choose(**values: str) -> str:
        given = {"pin": PIN, "again": PIN, "password": PASSWORD} | values
        sent = {f"offer-{name}": value for name, value in given.items()}
        headers = {"HX-Request": "true"}
        answer = browser.post(reverse("review:signing-pin"), sent, headers=headers)
        assert answer.status_code == 200  # htmx shows no other
        return answer.content.decode()

    assert "That is not your password." in choose(password="guess")
    assert "The two PINs differ." in choose(again="271829")
    assert "Type the PIN" in choose(pin="", again="")
    assert sign(browser, seen[1], PIN) == 422
    assert sign(browser, seen[1], PASSWORD) == 302
    assert "Your PIN is set." in choose()
    assert sign(browser, seen[2], PIN) == 302
    assert offer not in browser.get(pages[2]).content.decode()


def test_a_wrong_password_for_a_new_pin_counts_as_a_guess(radiologist: User) -> None:
    with pytest.raises(AccountError):
        set_pin(radiologist, "not the password", "481516")
    assert PasswordAttempt.objects.exists()
