"""Who most tests of the review begin with."""

from collections.abc import Callable

import pytest
from django.test import Client

from webportal.accounts.models import User


@pytest.fixture
def browser(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    """A browser in which a radiologist is signed in."""
    return sign_in(radiologist)
