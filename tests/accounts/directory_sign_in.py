"""Signing in by the hospital's directory, for its tests."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.accounts.ldap_server import find_slapd
from webportal.accounts.directory import connection
from webportal.accounts.models import FederatedIdentity

#: The marks of tests that need a directory.
NEEDS_DIRECTORY = [
    pytest.mark.django_db,
    pytest.mark.skipif(not connection.is_installed(), reason="the extra ldap is not installed"),
    pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed"),
]
#: A password of the directory, and no local one.
SECRET = "swordfish of asha"


def send(client: Client, name: str = "asha", password: str = SECRET) -> tuple[int, str]:
    """Post the sign-in form; the response's status and text."""
    response = client.post("/sign-in", {"username": name, "password": password})
    return response.status_code, response.text


def make_due() -> None:
    """Let the next request ask the directory again."""
    FederatedIdentity.objects.update(refresh_at=timezone.now() - timedelta(seconds=1))
