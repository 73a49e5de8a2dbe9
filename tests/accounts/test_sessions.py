"""Sessions end with the browser, are listed for their owner, and end everywhere at once."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from webportal.accounts import services
from webportal.accounts.models import KnownDevice, Session, User
from webportal.audit.models import Action

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"


def signed_in(user: User, agent: str = FIREFOX, address: str = "192.0.2.1") -> Client:
    browser = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    values = {"username": user.username, "password": PASSWORD}
    assert browser.post("/sign-in", values).status_code == 302
    return browser


def is_signed_in(browser: Client) -> bool:
    return browser.get("/account/tokens").status_code == 200


def test_the_cookie_ends_with_the_browser(radiologist: User) -> None:
    cookie = signed_in(radiologist).cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")
    assert cookie["httponly"]


def test_a_session_without_a_user_is_stored_for_minutes(radiologist: User) -> None:
    """Every started sign-in has one, and anybody can start any number."""
    client = Client()
    begun = client.session
    soon = timezone.now() + timedelta(minutes=31)
    assert Session.objects.get(pk=begun.session_key).expire_date < soon
    client.cookies[settings.SESSION_COOKIE_NAME] = str(begun.session_key)
    client.force_login(radiologist)
    assert Session.objects.get(user=radiologist).expire_date > soon


def test_a_session_ends_in_time_however_often_it_is_saved(radiologist: User) -> None:
    """A copied cookie could otherwise keep it open for ever."""
    browser = signed_in(radiologist)
    began = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE - 60)
    session = browser.session
    session["signed_in"] |= {"at": began.isoformat()}
    session.save()
    browser.post("/worklist/results", {"open": "on"})
    assert is_signed_in(browser)
    assert Session.objects.get().expire_date < timezone.now() + timedelta(seconds=61)
    session["signed_in"] |= {"at": (began - timedelta(seconds=61)).isoformat()}
    session.save()
    assert not is_signed_in(browser)


def test_users_see_only_their_own_sessions(radiologist: User, uploader: User) -> None:
    here = signed_in(radiologist)
    signed_in(radiologist, EDGE, "192.0.2.2")
    signed_in(uploader, EDGE, "192.0.2.3")
    page = here.get("/account/sessions").text
    for words in ("Firefox, Linux", "192.0.2.1", "Edge, Windows", "192.0.2.2"):
        assert words in page
    assert page.count("this one</span>") == 1
    assert "192.0.2.3" not in page
    key = here.cookies[settings.SESSION_COOKIE_NAME].value
    assert key not in page


def test_a_single_session_can_be_ended(radiologist: User, uploader: User) -> None:
    here, there = signed_in(radiologist), signed_in(radiologist, EDGE)
    theirs = signed_in(uploader)
    shown = {each.browser: each.id for each in here.get("/account/sessions").context["sessions"]}
    # Nobody ends the session of another person.
    theirs.post(f"/account/sessions/{shown['Edge, Windows']}/end")
    assert is_signed_in(there)
    here.post(f"/account/sessions/{shown['Edge, Windows']}/end")
    assert not is_signed_in(there)
    assert is_signed_in(here)
    assert audit_actions(actor_id=radiologist.pk)[-1] == Action.SIGNED_OUT


def test_signing_out_everywhere_ends_all(radiologist: User, uploader: User) -> None:
    here, there, theirs = signed_in(radiologist), signed_in(radiologist), signed_in(uploader)
    assert here.post("/account/sign-out-everywhere").headers["Location"] == "/sign-in"
    assert [is_signed_in(browser) for browser in (here, there, theirs)] == [False, False, True]
    assert not KnownDevice.objects.filter(user=radiologist).exists()
    assert audit_actions(actor_id=radiologist.pk)[-1] == Action.SIGNED_OUT


def test_a_new_password_ends_the_other_sessions(radiologist: User) -> None:
    here, there = signed_in(radiologist), signed_in(radiologist)
    new = "quite another battery"
    here.post("/account/password", {"current": PASSWORD, "new": new, "again": new})
    assert is_signed_in(here)
    assert not is_signed_in(there)
    assert len(here.get("/account/sessions").context["sessions"]) == 1


def test_a_deactivated_user_has_no_session(radiologist: User, it_person: User) -> None:
    signed_in(radiologist)
    services.change_user(radiologist, roles=["radiologist"], is_active=False, by=it_person)
    assert not Session.objects.filter(user=radiologist).exists()


@pytest.mark.parametrize(
    "password",
    ["radiology2026", "Passw0rd!2026", "qwertyuiop12", "aaaaaaaaaaaa1", "Hospital2026!", "short7x"],
)
def test_passwords_of_common_patterns_are_refused(radiologist: User, password: str) -> None:
    browser = signed_in(radiologist)
    values = {"current": PASSWORD, "new": password, "again": password}
    assert browser.post("/account/password", values).status_code == 200
    radiologist.refresh_from_db()
    assert radiologist.check_password(PASSWORD)


def test_three_words_or_twelve_random_letters_are_accepted(radiologist: User) -> None:
    for password in (
        "lamp otter gravel",
        "x7#kQ2m!vPz9",
        "w" + "correct horse battery staple " * 9,
    ):
        services.change_own_password(radiologist, password)
