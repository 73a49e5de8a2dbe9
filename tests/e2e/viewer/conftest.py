"""A reader in front of the viewer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.test import Client
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import WEBGL, page_of
from tests.e2e.viewer.case import Case, make_case
from tests.e2e.viewer.pane import LIKE_A_GRAPHICS_CARD, await_radiograph
from webportal.accounts.models import Role, User


@pytest.fixture
def case() -> Case:
    return make_case()


@pytest.fixture
def reader(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST)


@pytest.fixture
def open_case(
    case: Case, reader: User, live_server: LiveServer, sign_in: Callable[[User], Client]
) -> Iterator[Callable[..., Page]]:
    """Open the study's page in a browser with these arguments, and run these scripts before it.

    The test fails when a script fails or the policy blocks something.
    """
    size = {"width": 1500, "height": 950}
    with ExitStack() as pages:

        def opened(arguments: tuple[str, ...], *scripts: str) -> Page:
            person = sign_in(reader)
            page = pages.enter_context(
                page_of(person, live_server, *arguments, scripts=scripts, viewport=size)
            )
            page.goto(f"/studies/{case.study.pk}")
            await_radiograph(page, case.plain)
            return page

        yield opened


@pytest.fixture
def page(open_case: Callable[..., Page]) -> Page:
    return open_case(WEBGL, LIKE_A_GRAPHICS_CARD)
