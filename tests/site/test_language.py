"""English and Nepali: selection, persistence, and completeness of the catalogue."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from django.template.defaultfilters import filesizeformat
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.formats import number_format

from tests.conftest import PASSWORD
from tools import messages
from webportal.accounts.models import Role, User
from webportal.records.choices import Category

SOURCES = sorted(messages.LOCALE.glob("*/LC_MESSAGES/django.po"))
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{\w*\}")
TAG = re.compile(r"</?\w+")
NEPALI_WORKLIST = "कार्यसूची"


@pytest.fixture
def radiologist(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST)


def choose(client: Client, language: str) -> None:
    client.post(reverse("set-language"), {"language": language, "next": "/"})


def test_a_page_uses_the_language_of_the_browser(client: Client, db: None) -> None:
    english = client.get("/sign-in", headers={"Accept-Language": "de, en-US;q=0.7"})
    nepali = client.get("/sign-in", headers={"Accept-Language": "ne-NP, en;q=0.5"})
    assert '<html lang="en-gb"' in english.text
    assert "Every sign-in is recorded." in english.text
    assert '<html lang="ne"' in nepali.text
    assert "छातीको एक्स-रे" in nepali.text
    assert "Every sign-in is recorded." not in nepali.text


def test_the_choice_outlasts_the_session_and_overrides_the_browser(
    client: Client, radiologist: User
) -> None:
    choose(client, "ne")
    client.force_login(radiologist)
    assert NEPALI_WORKLIST in client.get("/worklist").text
    client.post("/sign-out")
    client.force_login(radiologist)
    page = client.get("/worklist", headers={"Accept-Language": "en"})
    assert NEPALI_WORKLIST in page.text
    cookie = client.cookies["django_language"]
    assert int(cookie["max-age"]) > 300 * 86_400
    assert cookie["httponly"]
    choose(client, "en-gb")
    page = client.get("/worklist", headers={"Accept-Language": "ne"})
    assert NEPALI_WORKLIST not in page.text


def test_the_choice_is_stored_with_the_user_whether_signed_in_or_not(
    client: Client, radiologist: User
) -> None:
    client.force_login(radiologist)
    radiologist.refresh_from_db()
    assert radiologist.language == ""
    choose(client, "ne")
    radiologist.refresh_from_db()
    assert radiologist.language == "ne"
    choose(client, "xx")
    client.post("/sign-out")
    choose(client, "en-gb")
    radiologist.refresh_from_db()
    assert radiologist.language == "ne", "nobody was signed in"
    client.post("/sign-in", {"username": radiologist.username, "password": PASSWORD})
    radiologist.refresh_from_db()
    assert radiologist.language == "en-gb"


def test_a_browser_without_a_choice_changes_nothing_at_sign_in(radiologist: User) -> None:
    radiologist.language = "ne"
    radiologist.save()
    for cookie in ("", "xx"):
        browser = Client()
        if cookie:
            browser.cookies["django_language"] = cookie
        browser.post("/sign-in", {"username": radiologist.username, "password": PASSWORD})
        radiologist.refresh_from_db()
        assert radiologist.language == "ne"


def test_the_advice_on_passwords_is_translated_too(client: Client, radiologist: User) -> None:
    client.force_login(radiologist)
    nepali = client.get("/account/password", headers={"Accept-Language": "ne"}).text
    english = client.get("/account/password", headers={"Accept-Language": "en"}).text
    assert "Your password" not in nepali
    assert "entirely numeric" in english


def test_problems_of_a_new_password_are_in_the_language_of_the_page(
    client: Client, radiologist: User
) -> None:
    client.force_login(radiologist)
    passwords = {"current": PASSWORD, "new": "123", "again": "123"}
    nepali = client.post("/account/password", passwords, headers={"Accept-Language": "ne"}).text
    assert "कम्तीमा 12 अक्षर हुनुपर्छ" in nepali
    assert "too short" not in nepali


def test_unknown_languages_and_external_redirects_are_refused(client: Client) -> None:
    answer = client.post(
        reverse("set-language"), {"language": "xx", "next": "https://elsewhere.example/"}
    )
    assert answer.headers["Location"] == "/"
    assert "django_language" not in client.cookies


def test_the_choice_requires_a_csrf_token(db: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(reverse("set-language"), {"language": "ne"}).status_code == 403


def test_a_user_with_a_one_time_password_can_choose(client: Client, radiologist: User) -> None:
    radiologist.must_change_password = True
    radiologist.save()
    client.force_login(radiologist)
    choose(client, "ne")
    assert '<html lang="ne"' in client.get("/account/password").text


def test_the_choice_returns_to_the_same_page(client: Client, radiologist: User) -> None:
    client.force_login(radiologist)
    page = client.get("/worklist?state=all").text
    assert 'name="next" value="/worklist?state=all"' in page


def test_programs_get_english(client: Client, radiologist: User) -> None:
    client.force_login(radiologist)
    choose(client, "ne")
    refused = client.get("/api/v1/studies?nonsense=1", headers={"Accept-Language": "ne"})
    plain = Client()
    plain.force_login(radiologist)
    assert refused.status_code == 400
    assert refused.json() == plain.get("/api/v1/studies?nonsense=1").json()
    assert refused.text.isascii()
    assert "Accept-Language" not in refused.headers.get("Vary", "")


def test_caches_know_what_a_page_depends_on(client: Client, db: None) -> None:
    vary = client.get("/no-such-page").headers["Vary"]
    assert {"Accept-Language", "Cookie"} <= set(vary.split(", "))


def test_lazy_texts_follow_the_language_of_each_request() -> None:
    with translation.override("ne"):
        assert str(Category.LIKELY.label) == "निमोनियाको सम्भावना बढी"
    assert str(Category.LIKELY.label) == "Pneumonia likely"


def test_numbers_are_grouped_as_in_nepal() -> None:
    with translation.override("ne"):
        assert number_format(12_345_678, force_grouping=True) == "1,23,45,678"
    assert number_format(12_345_678, force_grouping=True) == "12,345,678"


def test_sizes_have_the_same_units_as_all_other_texts() -> None:
    with translation.override("ne"):
        assert filesizeformat(566).endswith("बाइट")
        for size in (2_000, 3_000_000, 4_000_000_000):
            assert filesizeformat(size)[-2:] in ("KB", "MB", "GB")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parents[1].name)
def test_the_catalogue_contains_exactly_the_texts_in_use(source: Path) -> None:
    today = {message.id for message in messages.updated(source)}
    assert len(today) > 900
    known = {message.id for message in messages.read_catalog(source)}
    assert today == known, "Texts were changed: run 'make messages', and translate."


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parents[1].name)
def test_every_text_is_translated_with_all_placeholders(source: Path) -> None:
    texts = [message for message in messages.read_catalog(source) if message.id]
    assert not [text.id for text in texts if not messages.is_translated(text) or text.fuzzy]
    assert not [text.id for text in texts if list(text.check()) or not fits(text)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parents[1].name)
def test_the_compiled_catalogue_matches_its_source(source: Path) -> None:
    compiled = source.with_suffix(".mo").read_bytes()
    assert compiled == messages.as_mo(messages.read_catalog(source)), "Run 'make messages'."


def fits(message: Message) -> bool:
    """Whether a translation has the placeholders and tags of its text, singular or plural."""
    texts = forms(message.id)
    wanted = [(set(PLACEHOLDER.findall(text)), TAG.findall(text)) for text in texts]
    return all(
        (set(PLACEHOLDER.findall(text)), TAG.findall(text)) in wanted
        for text in forms(message.string)
    )


def forms(text: object) -> list[str]:
    return [text] if isinstance(text, str) else list(text)  # type: ignore[call-overload]
