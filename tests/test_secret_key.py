"""SECRET_KEY is changed, and what was made with the one before goes on."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from webportal import keys
from webportal.accounts import codes
from webportal.accounts.models import User

pytestmark = pytest.mark.django_db
NEW = "b4f1d2c7be09a8365d41c0b7f9e2a6d58"


@pytest.fixture
def client(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    client = sign_in(radiologist)
    assert client.get("/account/sessions").status_code == 200
    return client


def test_a_session_goes_on_with_the_key_before_and_ends_without_it(
    client: Client, settings: Settings
) -> None:
    before, settings.SECRET_KEY = settings.SECRET_KEY, NEW
    settings.SECRET_KEY_FALLBACKS = [before]
    assert client.get("/account/sessions").status_code == 200
    # It has the new key by now.
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/account/sessions").status_code == 200
    settings.SECRET_KEY = "c4f1d2c7be09a8365d41c0b7f9e2a6d58"
    assert client.get("/account/sessions").status_code == 302


def test_a_recovery_code_outlasts_the_change(radiologist: User, settings: Settings) -> None:
    first, second, *_ = map(codes.as_typed, codes.new_recovery_codes(radiologist))
    before, settings.SECRET_KEY = settings.SECRET_KEY, NEW
    assert not codes.use_recovery_code(radiologist, first)
    settings.SECRET_KEY_FALLBACKS = [before]
    assert codes.use_recovery_code(radiologist, first)
    assert not codes.use_recovery_code(radiologist, first)
    assert codes.use_recovery_code(radiologist, second)


def test_a_weak_key_before_is_refused(settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = ["correct horse"]
    with pytest.raises(keys.RefusedKeyError, match="SECRET_KEY_FALLBACKS is weak"):
        keys.check_secret_key()
