"""The navigation shows where a page is."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from webportal.accounts.models import Role, User


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("/dicom", "DICOM"),
        ("/dicom/inbox", "DICOM"),
        ("/destinations/new/dicom", "Destinations"),
        ("/orders", "Orders"),
        ("/orders/senders", "HL7"),
        ("/uploads/new", "Uploads"),
        ("/account/password", None),
    ],
)
def test_one_link_is_that_of_the_page(
    address: str,
    label: str | None,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    client = sign_in(make_user(Role.UPLOADER, Role.IT))
    marked = re.findall(r'nav-link[^>]*aria-current="page"[^>]*>([^<]*)<', client.get(address).text)
    assert marked == ([label] if label else [])
