"""Fixtures of the tests of accounts."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.accounts.identity_provider import CLIENT_ID, IdentityProvider, running_provider
from tests.accounts.ldap_server import (
    GROUPS,
    PEOPLE,
    SERVICE_DN,
    SERVICE_PASSWORD,
    Directory,
    running_directory,
)
from webportal.accounts import provider_sessions
from webportal.accounts.directory import people
from webportal.accounts.oidc import sessions as oidc_sessions
from webportal.minute_counter import MinuteCounter


@pytest.fixture(autouse=True)
def _no_failures_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_sessions, "_failures", MinuteCounter())


@pytest.fixture(scope="module")
def slapd() -> Iterator[Directory]:
    """A real slapd in a process of its own."""
    with running_directory() as directory:
        yield directory


@pytest.fixture
def directory(
    slapd: Directory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Directory]:
    """The hospital's directory, empty, and the portal set to it."""
    settings.LDAP_URL, settings.LDAP_CA_FILE = slapd.tls_url, str(slapd.ca_file)
    settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD = SERVICE_DN, SERVICE_PASSWORD
    settings.LDAP_PEOPLE_BASE, settings.LDAP_GROUP_BASE = PEOPLE, GROUPS
    settings.GROUP_ROLES = {"readers": ("radiologist",), "informatics": ("it",)}
    settings.CREATE_USERS = True
    monkeypatch.setattr(people, "_silent_until", 0.0)
    yield slapd
    slapd.empties()


@pytest.fixture(scope="session")
def provider_process() -> Iterator[IdentityProvider]:
    """An identity provider in a process of its own."""
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(
    provider_process: IdentityProvider, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> IdentityProvider:
    """The hospital's identity provider, and the portal set to it."""
    monkeypatch.setattr(oidc_sessions, "_silent_until", 0.0)
    settings.OIDC_ISSUER = provider_process.url
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, "secret"
    settings.OIDC_NAME = "Bir Hospital"
    settings.GROUP_ROLES = {"readers": ("radiologist",), "informatics": ("it",)}
    settings.CREATE_USERS = True
    return provider_process
