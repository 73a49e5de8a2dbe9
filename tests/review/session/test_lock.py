"""An idle session shows nothing until its user unlocks it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import audit_actions, let_attempts_pass
from tests.reading import identity_field, look_at
from webportal.accounts.models import Role, Session, User
from webportal.accounts.throttle import ONE_PERSON
from webportal.audit.models import Action
from webportal.inference.models import Prediction
from webportal.intake.batches import services
from webportal.review.reads.authentication import set_pin

pytestmark = pytest.mark.django_db
PIN = "271828"
PAGE = {"Accept": "text/html,*/*"}
PROGRAM = {"Accept": "application/json"}


@pytest.fixture
def person(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.UPLOADER, username="reader")


@pytest.fixture
def browser(person: User, sign_in: Callable[[User], Client]) -> Client:
    """A browser whose session is locked."""
    browser = sign_in(person)
    assert browser.post(reverse("review:lock")).status_code == 204
    return browser


def unlock(browser: Client, secret: str, **values: str) -> int:
    given = {"secret": secret} | values
    return browser.post(reverse("review:unlock"), given, headers=PROGRAM).status_code


def test_a_locked_session_shows_nothing(browser: Client) -> None:
    prediction = make_prediction()
    name = prediction.radiograph.study.patient.display_name
    study = reverse("review:study", args=[prediction.radiograph.study_id])
    pixels = reverse("review:pixels", args=[prediction.radiograph_id])
    for address in (study, reverse("review:worklist")):
        answer = browser.get(address, headers=PAGE)
        assert answer.status_code == 423
        assert "Locked" in answer.content.decode()
        assert name not in answer.content.decode()
    for address in (pixels, study, "/api/v1/studies"):
        assert browser.get(address).status_code == 423
    draft = reverse("review:draft", args=[prediction.radiograph.study_id])
    assert browser.post(draft, {"comment": "Typed by a stranger."}).status_code == 423
    assert browser.get("/health/live").status_code == 200


@pytest.mark.parametrize("secret", [PASSWORD, PIN], ids=["password", "PIN"])
def test_its_user_unlocks_it(browser: Client, person: User, secret: str) -> None:
    set_pin(person, PASSWORD, PIN)
    assert unlock(browser, "000000") == 422
    assert browser.get(reverse("review:worklist"), headers=PAGE).status_code == 423
    assert unlock(browser, secret) == 204
    assert browser.get(reverse("review:worklist"), headers=PAGE).status_code == 200
    told = [each for each in audit_actions() if "lock" in each]
    assert told == [Action.SESSION_LOCKED, Action.UNLOCK_FAILED, Action.SESSION_UNLOCKED]


def test_a_pin_does_not_unlock_if_pins_are_disabled(
    browser: Client, person: User, settings: Settings
) -> None:
    set_pin(person, PASSWORD, PIN)
    settings.SIGNING_PIN_MINUTES = 0
    assert unlock(browser, PIN) == 422
    assert unlock(browser, PASSWORD) == 204


def test_a_pin_cannot_be_guessed_without_limit(browser: Client, person: User) -> None:
    set_pin(person, PASSWORD, PIN)
    for number in range(ONE_PERSON.free):
        assert unlock(browser, f"00000{number}") == 422
    assert unlock(browser, PIN) == 422
    let_attempts_pass(seconds=1)
    assert unlock(browser, PIN) == 204


def test_the_unlock_page_continues_to_the_requested_page(browser: Client) -> None:
    values = {"secret": PASSWORD, "next": "/worklist?state=all"}
    answer = browser.post(reverse("review:unlock"), values, headers=PAGE)
    assert answer.headers["Location"] == values["next"]
    browser.post(reverse("review:lock"))
    values["next"] = "https://elsewhere.example/"
    answer = browser.post(reverse("review:unlock"), values, headers=PAGE)
    assert answer.headers["Location"] == reverse("home")


def test_the_next_signature_requires_the_password(
    person: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(person)
    set_pin(person, PASSWORD, PIN)
    first, second = make_prediction(), make_prediction()

    def sign(secret: str, of: Prediction) -> int:
        study = of.radiograph.study
        look_at(study, person)
        values = {"seen": of.pk, "images": 1, "choice": "confirm:definite", "password": secret}
        values |= identity_field(study)
        address = reverse("review:sign", args=[of.radiograph.study_id])
        return browser.post(address, values).status_code

    assert sign(PASSWORD, first) == 302
    browser.post(reverse("review:lock"))
    assert unlock(browser, PIN) == 204
    assert sign(PIN, second) == 422


def test_a_running_upload_continues(browser: Client, person: User) -> None:
    batch = services.create_batch(person, name="Night")
    address = reverse("intake:batch", args=[batch.pk])
    assert browser.get(address, headers=PAGE).status_code == 423
    assert browser.post(f"{address}/files").status_code != 423


def leave(minutes: float) -> None:
    """Let the last request of every session be that long ago."""
    Session.objects.update(used_at=F("used_at") - timedelta(minutes=minutes))


def test_a_session_whose_pages_were_closed_is_locked_too(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    """No page is open that could see that nobody is there."""
    browser, worklist = sign_in(person), reverse("review:worklist")
    for _ in range(3):
        leave(settings.SESSION_LOCK_MINUTES - 1)
        assert browser.get(worklist, headers=PAGE).status_code == 200
    leave(settings.SESSION_LOCK_MINUTES + 2)
    batch = services.create_batch(person, name="Night")
    assert browser.post(f"{reverse('intake:batch', args=[batch.pk])}/files").status_code != 423
    for _ in range(2):
        assert browser.get(worklist, headers=PAGE).status_code == 423
    assert audit_actions().count(Action.SESSION_LOCKED) == 1
    assert unlock(browser, PASSWORD) == 204
    assert browser.get(worklist, headers=PAGE).status_code == 200
    leave(settings.SESSION_LOCK_MINUTES + 2)
    settings.SESSION_LOCK_MINUTES = 0
    assert browser.get(worklist, headers=PAGE).status_code == 200


def test_hospital_it_can_switch_it_off(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    browser = sign_in(person)
    assert b'id="lock"' in browser.get(reverse("review:worklist")).content
    settings.SESSION_LOCK_MINUTES = 0
    assert b'id="lock"' not in browser.get(reverse("review:worklist")).content
    browser.post(reverse("review:lock"))
    assert browser.get(reverse("review:worklist")).status_code == 200


def test_sessions_of_users_who_do_not_read_are_not_locked(
    uploader: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(uploader)
    leave(600)
    assert b'id="lock"' not in browser.get(reverse("intake:batches")).content
