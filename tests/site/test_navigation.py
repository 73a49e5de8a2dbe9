"""The navigation shows where a page is."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from webportal.accounts.models import Role, User
from webportal.site.navigation import LINKS


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
    marked = re.findall(r'<a[^>]*aria-current="page"[^>]*>([^<]*)<', client.get(address).text)
    assert marked == ([label] if label else [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("roles", "menus"),
    [
        ([Role.IT], []),
        ([Role.AUDITOR], []),
        ([Role.RADIOLOGIST, Role.COORDINATOR], []),
        ([Role.UPLOADER, Role.IT], ["Hospital IT"]),
        (list(Role), ["Hospital IT", "Audit"]),
    ],
)
def test_only_a_long_navigation_has_menus(
    roles: list[Role],
    menus: list[str],
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    page = sign_in(make_user(*roles)).get("/account/password").text
    assert re.findall(r"<summary[^>]*>([^<]*)<", page) == menus
    links = re.findall(r'class="(?:nav-link|dropdown-item)[^>]*>([^<]*)</a>', page)
    for link in LINKS:
        expected = not link.needs_departments and bool(set(link.roles) & set(roles))
        assert (str(link.label) in links) == expected
