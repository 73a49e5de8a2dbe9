"""A reader in front of the viewer."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, WEBGL, note_complaints, shared_chromium
from tests.e2e.viewer.case import Case, make_case
from tests.e2e.viewer.pane import LIKE_A_GRAPHICS_CARD, PATIENCE, await_radiograph
from webportal.accounts.models import Role, User


@pytest.fixture
def browser() -> Browser:
    return shared_chromium(*WEBGL)


@pytest.fixture
def browser_without_webgl() -> Browser:
    return shared_chromium(*NO_WEBGL)


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
    """Open the study's page; the test fails when a script fails or the policy blocks something."""
    problems: list[str] = []
    pages: list[Page] = []

    def opened(browser: Browser, *scripts: str) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1500, "height": 950}
        )
        session = sign_in(reader).cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        for script in scripts:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.set_default_navigation_timeout(PATIENCE)
        note_complaints(page, problems)
        pages.append(page)
        page.goto(f"/studies/{case.study.pk}")
        await_radiograph(page, case.plain)
        return page

    yield opened
    for page in pages:
        page.context.close()
    connections.close_all()
    assert problems == []


@pytest.fixture
def page(open_case: Callable[..., Page], browser: Browser) -> Page:
    return open_case(browser, LIKE_A_GRAPHICS_CARD)
