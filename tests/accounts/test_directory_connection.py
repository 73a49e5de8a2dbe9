"""The connection to the hospital's directory: servers, encryption, settings."""

import logging
import socket
import time
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.accounts.directory_sign_in import NEEDS_DIRECTORY, SECRET, make_due, send
from tests.accounts.ldap_server import Directory
from tests.conftest import PASSWORD
from tests.helpers import audit_actions, is_signed_in
from webportal.accounts.directory import channels, connection
from webportal.accounts.models import FederatedIdentity, PasswordAttempt, Role, User
from webportal.audit.models import Action

pytestmark = NEEDS_DIRECTORY


def test_a_silent_directory_keeps_nobody_else_out(
    client: Client, directory: Directory, settings: Settings, make_user: Callable[..., User]
) -> None:
    make_user(Role.RADIOLOGIST, username="local")
    directory.knows("asha", SECRET, ["readers"])
    send(client)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        settings.LDAP_URL = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        response = Client().post("/sign-in", {"username": "asha", "password": SECRET})
        assert time.monotonic() - started < 2 * channels.TIMEOUT_SECONDS
        assert (response.status_code, "does not respond" in response.text) == (503, True)
        assert response.headers["Retry-After"] == "30"
        assert send(Client(), "local", PASSWORD)[0] == 302
        # Sessions go on, and ask again after a minute, not with each request.
        make_due()
        assert is_signed_in(client)
        started = time.monotonic()
        assert is_signed_in(client)
        assert time.monotonic() - started < channels.TIMEOUT_SECONDS
    # What was not checked is not a wrong password.
    assert not PasswordAttempt.objects.exists()
    assert Action.SIGN_IN_FAILED not in audit_actions()


def test_the_next_server_is_asked_where_one_is_down(
    client: Client, directory: Directory, settings: Settings
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    settings.LDAP_URL = f"ldaps://127.0.0.1:9 {directory.tls_url}"
    assert send(client)[0] == 302


@pytest.mark.parametrize("wrong", ["authority", "name", "unencrypted"])
def test_no_password_goes_to_a_server_that_is_not_verified(
    directory: Directory,
    settings: Settings,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    if wrong == "authority":
        settings.LDAP_CA_FILE = ""
    elif wrong == "name":
        settings.LDAP_URL = directory.tls_url.replace("127.0.0.1", "localhost")
    else:
        settings.LDAP_URL = directory.url
        monkeypatch.setattr(channels, "_is_loopback", lambda host: False)
    with caplog.at_level(logging.WARNING):
        assert send(Client())[0] == 503
    assert "not encrypted" in caplog.text or "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_an_openldap_directory_is_described_by_settings(
    client: Client, directory: Directory, settings: Settings
) -> None:
    settings.LDAP_PEOPLE_FILTER = "(objectClass=inetOrgPerson)"
    settings.LDAP_NAME_ATTRIBUTE, settings.LDAP_ID_ATTRIBUTE = "uid", "entryUUID"
    settings.LDAP_FULL_NAME_ATTRIBUTE = "cn"
    directory.knows("asha", SECRET, ["readers"])
    assert send(client)[0] == 302
    make_due()
    assert is_signed_in(client)
    assert FederatedIdentity.objects.filter(refresh_at__gt=timezone.now()).exists()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("LDAP_URL", "ldap://dc1.hospital.example", "must be ldaps"),
        ("LDAP_URL", "ldaps://dc1.hospital.example ldap://dc2.hospital.example", "must be ldaps"),
        ("LDAP_BIND_PASSWORD", "", "needs LDAP_BIND_DN"),
        ("LDAP_PEOPLE_BASE", "", "needs LDAP_BIND_DN"),
        ("LDAP_GROUP_BASE", "", "need LDAP_GROUP_BASE"),
        ("LDAP_GROUP_FILTER", "(member=me)", "has {dn}"),
        ("LDAP_PEOPLE_FILTER", "objectClass=user", "have parentheses"),
    ],
)
def test_inconsistent_settings_prevent_the_start(
    directory: Directory, settings: Settings, name: str, value: str, problem: str
) -> None:
    setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=problem):
        call_command("check")


def test_without_the_extra_the_portal_does_not_start(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ldap", None)
    with pytest.raises(SystemCheckError, match="needs the extra ldap"):
        call_command("check")
