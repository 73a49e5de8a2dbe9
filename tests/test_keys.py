"""Weak keys are refused, with what to do."""

import logging
import os
import secrets
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from deploy.local.system import ROOT
from webportal import keys
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

STRONG = "4f1d2c7be09a8365d41c0b7f9e2a6d58"
PORTAL = ("-m", "webportal.server", "--bind", "127.0.0.1:0")
WEAK = {
    "": "has 0 characters, and needs at least 32",
    "correct horse": "has 13 characters",
    "x" * 64: "different characters",
    "django-insecure-4f1d2c7be09a8365d41c0b7f": "looks like an example",
    "CHANGE-ME-before-you-install-this-portal": "looks like an example",
}


def test_generated_keys_are_accepted(settings: Settings) -> None:
    for _ in range(50):
        settings.SECRET_KEY = secrets.token_urlsafe(48)
        settings.AUDIT_KEY = secrets.token_hex(32)
        keys.check_secret_key()
        keys.check_audit_key(is_in_use=False)


@pytest.mark.parametrize(("key", "words"), list(WEAK.items())[1:])
def test_a_weak_secret_key_is_refused(key: str, words: str, settings: Settings) -> None:
    settings.SECRET_KEY = key
    with pytest.raises(keys.RefusedKeyError, match=words) as refused:
        keys.check_at_start()
    assert "openssl rand -hex 32" in str(refused.value)
    assert "SECOND_FACTOR_KEYS" in str(refused.value)


def test_one_key_for_both_is_refused(settings: Settings) -> None:
    settings.SECRET_KEY = settings.AUDIT_KEY = STRONG
    with pytest.raises(keys.RefusedKeyError, match="are the same"):
        keys.check_at_start()


@pytest.mark.parametrize(("key", "words"), WEAK.items())
def test_a_weak_audit_key_is_refused_before_the_first_entry(
    key: str, words: str, settings: Settings
) -> None:
    settings.AUDIT_KEY = key
    with pytest.raises(keys.RefusedKeyError, match=words):
        keys.check_audit_key(is_in_use=False)


@pytest.mark.django_db
def test_a_weak_audit_key_in_use_is_a_warning(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AUDIT_KEY = "correct horse"
    with caplog.at_level(logging.WARNING):
        keys.check_at_start()
    assert "AUDIT_KEY has 13 characters" in caplog.text
    assert "correct horse" not in caplog.text


@pytest.mark.django_db
def test_prepare_refuses_a_weak_audit_key_only_for_an_empty_trail(settings: Settings) -> None:
    settings.AUDIT_KEY = "correct horse"
    with pytest.raises(CommandError, match="AUDIT_KEY has 13 characters"):
        call_command("prepare", verbosity=0)
    append(Event(Action.SIGNED_OUT, "user", "1"))
    call_command("prepare", verbosity=0)


@pytest.mark.parametrize(
    "arguments", [("manage.py", "prepare"), ("manage.py", "receive_dicom"), PORTAL]
)
def test_no_process_starts_with_a_weak_secret_key(arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "SECRET_KEY": "correct horse", "DATABASE_URL": "postgresql:///none"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "SECRET_KEY has 13 characters, and needs at least 32." in ended.stderr
    assert "Traceback" not in ended.stderr
