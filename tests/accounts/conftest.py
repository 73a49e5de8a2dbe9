"""Fixtures of the tests of accounts."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.accounts.ldap_server import (
    GROUPS,
    PEOPLE,
    SERVICE_DN,
    SERVICE_PASSWORD,
    Directory,
    running_directory,
)
from webportal.accounts.directory import people


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
