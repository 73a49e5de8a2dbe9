"""An idle session shows nothing until its user unlocks it, whatever their role."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.acts import Act
from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import audit_actions, let_attempts_pass
from tests.reading import identity_field, look_at
from webportal.accounts import locking
from webportal.accounts.models import Role, Session, User
from webportal.accounts.sessions import SessionStore
from webportal.accounts.throttle import ONE_PERSON
from webportal.audit.models import Action
from webportal.inference.models import Prediction
from webportal.intake.batches import services
from webportal.review.reads import authentication
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
    assert browser.post(reverse("lock")).status_code == 204
    return browser


def unlock(browser: Client, secret: str, **values: str) -> int:
    given = {"secret": secret} | values
    return browser.post(reverse("unlock"), given, headers=PROGRAM).status_code


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
    answer = browser.post(reverse("unlock"), values, headers=PAGE)
    assert answer.headers["Location"] == values["next"]
    browser.post(reverse("lock"))
    values["next"] = "https://elsewhere.example/"
    answer = browser.post(reverse("unlock"), values, headers=PAGE)
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
    browser.post(reverse("lock"))
    assert unlock(browser, PIN) == 204
    assert sign(PIN, second) == 422


def test_a_running_upload_continues_and_nothing_else(browser: Client, person: User) -> None:
    batch = services.create_batch(person, name="Night")
    address = reverse("intake:batch", args=[batch.pk])
    assert browser.get(address, headers=PAGE).status_code == 423
    assert browser.get(f"{address}/received").status_code == 423
    assert browser.post(f"{address}/files").status_code != 423
    for other in ("new", "sheet/check", f"{batch.pk}/identify", f"held/{batch.pk}"):
        assert browser.post(f"/uploads/{other}").status_code == 423


@pytest.mark.parametrize("role", Role)
def test_a_session_of_every_role_is_locked_and_unlocked(
    role: Role, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person = make_user(role)
    browser = sign_in(person)
    shown = browser.get("/account/sessions", headers=PAGE)
    assert f'data-person="{person.pk}"' in shown.text
    leave(16.1)
    for address in ("/", "/account/sessions", "/notifications/"):
        refused = browser.get(address, headers=PAGE)
        assert (refused.status_code, "Your password" in refused.text) == (423, True)
        assert browser.get(address).json() == {"detail": "This session is locked."}
    assert unlock(browser, "swordfish") == 422
    assert browser.get("/account/sessions", headers=PAGE).status_code == 423
    assert unlock(browser, PASSWORD) == 204
    assert browser.get("/account/sessions", headers=PAGE).status_code == 200
    assert browser.post(reverse("lock")).status_code == 204
    assert browser.get("/account/sessions", headers=PAGE).status_code == 423


def leave(minutes: float) -> None:
    """Let the last use of every session be that long ago."""
    Session.objects.update(used_at=F("used_at") - timedelta(minutes=minutes))


def test_polling_does_not_keep_a_session_open(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    browser = sign_in(person)
    batch = services.create_batch(person, name="Night")
    status = reverse("intake:batch-status", args=[batch.pk])
    leave(settings.SESSION_LOCK_MINUTES / 2)
    polls = [("notifications:badge", {"HX-Request": "true", **PAGE}), ("home", PROGRAM)]
    for name, headers in polls:
        assert browser.get(reverse(name), headers=headers).status_code in (200, 302)
    assert browser.get(status, headers={"HX-Request": "true"}).status_code == 200
    assert browser.post(reverse("intake:upload", args=[batch.pk])).status_code == 200
    leave(settings.SESSION_LOCK_MINUTES / 2 + 2)
    assert browser.get(status, headers={"HX-Request": "true"}).status_code == 423


@pytest.mark.parametrize("how", ["a page is opened", "a form is sent", "the browser says so"])
def test_a_session_that_somebody_uses_stays_open(
    how: str, person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    browser = sign_in(person)
    for _ in range(3):
        leave(settings.SESSION_LOCK_MINUTES - 1)
        if how == "a page is opened":
            assert browser.get("/account/sessions", headers=PAGE).status_code == 200
        elif how == "a form is sent":
            assert browser.post("/language", {"language": "en"}, headers=PAGE).status_code == 302
        else:
            assert browser.post(reverse("in-use"), {"person": person.pk}).status_code == 204
    assert Session.objects.filter(locked_at=None).exists()


def test_a_session_whose_pages_were_closed_is_locked_too(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    """No page is open that could see that nobody is there."""
    browser, worklist = sign_in(person), reverse("review:worklist")
    leave(settings.SESSION_LOCK_MINUTES + 2)
    batch = services.create_batch(person, name="Night")
    assert browser.post(f"{reverse('intake:batch', args=[batch.pk])}/files").status_code != 423
    for _ in range(2):
        assert browser.get(worklist, headers=PAGE).status_code == 423
    assert browser.post(reverse("in-use")).status_code == 423
    assert audit_actions().count(Action.SESSION_LOCKED) == 1
    assert unlock(browser, PASSWORD) == 204
    assert browser.get(worklist, headers=PAGE).status_code == 200
    leave(settings.SESSION_LOCK_MINUTES + 2)
    settings.SESSION_LOCK_MINUTES = 0
    assert browser.get(worklist, headers=PAGE).status_code == 200


def test_a_form_that_comes_too_late_is_refused_in_words(browser: Client) -> None:
    refused = browser.post("/account/password", {"current": PASSWORD}, headers=PAGE)
    assert refused.status_code == 423
    assert "nothing was saved" in refused.text


def test_hospital_it_can_switch_it_off(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    browser = sign_in(person)
    assert b'id="lock"' in browser.get(reverse("review:worklist")).content
    settings.SESSION_LOCK_MINUTES = 0
    assert b'id="lock"' not in browser.get(reverse("review:worklist")).content
    browser.post(reverse("lock"))
    assert browser.get(reverse("review:worklist")).status_code == 200


def test_a_session_that_awaits_a_new_password_is_locked_and_unlocked_too(
    person: User, sign_in: Callable[[User], Client]
) -> None:
    User.objects.update(must_change_password=True)
    browser = sign_in(person)
    page = browser.get("/account/password", headers=PAGE)
    assert (page.status_code, b'id="lock"' in page.content) == (200, True)
    leave(60)
    assert browser.get("/worklist", headers=PAGE).status_code == 423
    assert unlock(browser, PASSWORD) == 204
    assert browser.get("/account/password", headers=PAGE).status_code == 200


def test_a_session_that_awaits_a_second_factor_is_locked_and_unlocked_too(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["radiologist"]
    browser = sign_in(person)
    page = browser.get("/account/second-factor", headers=PAGE)
    assert (page.status_code, b'id="lock"' in page.content) == (200, True)
    leave(60)
    assert browser.get("/account/second-factor", headers=PAGE).status_code == 423
    assert unlock(browser, PASSWORD) == 204
    assert browser.get("/account/second-factor", headers=PAGE).status_code == 200


def test_a_page_of_somebody_else_neither_unlocks_nor_locks_this_session(
    browser: Client, it_person: User
) -> None:
    """As when a colleague has signed in in another tab."""
    of_other = {"person": str(it_person.pk)}
    assert unlock(browser, PASSWORD, **of_other) == 409
    assert Session.objects.exclude(locked_at=None).exists()
    assert unlock(browser, PASSWORD) == 204
    assert browser.post(reverse("lock"), of_other).status_code == 204
    leave(10)
    assert browser.post(reverse("in-use"), of_other).status_code == 409
    leave(7)
    assert browser.get("/account/sessions", headers=PAGE).status_code == 423


def test_another_key_leaves_a_session_locked(browser: Client) -> None:
    """As signing in again does, which also somebody else may begin."""
    session = browser.session
    session.cycle_key()
    session.save()
    browser.cookies["sessionid"] = str(session.session_key)
    assert browser.get("/account/sessions", headers=PAGE).status_code == 423


@pytest.mark.django_db(transaction=True)
def test_a_request_under_way_cannot_undo_the_lock(
    person: User, sign_in: Callable[[User], Client]
) -> None:
    """It began before the session was locked, and saves what it read then."""
    browser = sign_in(person)
    # The first request of the process takes longer than the others.
    assert browser.get("/worklist", headers=PAGE).status_code == 200
    row = Session.objects.get()
    with transaction.atomic():
        Session.objects.select_for_update().get()
        searching = Act(lambda: browser.post("/worklist/results", {"open": "on"}))
        assert searching.waits()
        assert locking.lock(browser.session, person)
    assert searching.end() is None
    after = Session.objects.get()
    assert after.session_data != row.session_data
    assert after.locked_at is not None
    assert browser.get("/worklist", headers=PAGE).status_code == 423


@pytest.mark.django_db(transaction=True)
def test_another_key_given_meanwhile_leaves_the_session_locked(
    person: User, sign_in: Callable[[User], Client]
) -> None:
    session = sign_in(person).session
    with transaction.atomic():
        Session.objects.select_for_update().get()
        changing = Act(session.cycle_key)
        assert changing.waits()
        assert locking.lock(SessionStore(session.session_key), person)
    assert changing.end() is None
    assert Session.objects.get().locked_at is not None


def test_a_signature_under_way_continues_no_series_past_the_lock(
    person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    browser = sign_in(person)
    session = browser.session
    authentication.continue_series(session)
    session.save()
    assert authentication.pin_is_open(session)
    browser.post(reverse("lock"))
    assert unlock(browser, PASSWORD) == 204
    assert not authentication.pin_is_open(browser.session)


def test_a_session_that_the_previous_release_locked_stays_locked(
    person: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(person)
    session = browser.session
    session["is_locked"] = True
    session.save()
    for _ in range(2):
        assert browser.get("/account/sessions", headers=PAGE).status_code == 423
    assert unlock(browser, PASSWORD) == 204
    assert browser.get("/account/sessions", headers=PAGE).status_code == 200
