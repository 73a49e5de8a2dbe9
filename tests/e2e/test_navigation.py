"""The menus of the navigation, for people with the pages of many roles."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, context_of
from tests.e2e.test_every_page import AXE, CHECKS
from webportal.accounts.models import Role, User

pytestmark = pytest.mark.django_db(transaction=True)
WIDE, NARROW = (1280, 800), (390, 844)


@pytest.fixture
def client(make_user: Callable[..., User], sign_in: Callable[[User], Client]) -> Client:
    return sign_in(make_user(*Role, username="admin"))


@pytest.fixture
def page(client: Client, live_server: LiveServer) -> Iterator[Page]:
    size = {"width": WIDE[0], "height": WIDE[1]}
    with context_of(client, live_server, *NO_WEBGL, own=True, viewport=size) as context:
        context.add_init_script(path=AXE)
        context.add_init_script(path=CHECKS)
        page = context.new_page()
        page.goto("/worklist")
        yield page


def menu(page: Page, label: str) -> Locator:
    return page.locator(".nav-menu").filter(has=page.locator("summary", has_text=label))


def test_a_menu_is_worked_with_the_keyboard_alone(page: Page) -> None:
    summary = menu(page, "Hospital IT").locator("summary")
    users = page.get_by_role("link", name="Users")
    expect(users).to_be_hidden()
    summary.focus()
    page.keyboard.press("Enter")
    expect(users).to_be_visible()
    assert page.evaluate("checks.violations('.nav-menu[open]')") == []
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Queue")).to_be_focused()
    page.keyboard.press("Escape")
    expect(users).to_be_hidden()
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    users.press("Enter")
    page.wait_for_url("**/users")
    expect(menu(page, "Hospital IT").locator("summary")).to_have_class(
        "nav-link dropdown-toggle active"
    )


def test_a_menu_closes_when_it_is_left(page: Page) -> None:
    menu(page, "Hospital IT").locator("summary").click()
    expect(page.get_by_role("link", name="Users")).to_be_visible()
    menu(page, "Audit").locator("summary").click()
    expect(page.get_by_role("link", name="Users")).to_be_hidden()
    expect(page.get_by_role("link", name="Access log")).to_be_visible()
    page.mouse.click(640, 780)
    expect(page.get_by_role("link", name="Access log")).to_be_hidden()


def test_on_a_phone_a_menu_unfolds_in_the_list(page: Page) -> None:
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    page.get_by_role("button", name="Menu").click()
    menu(page, "Hospital IT").locator("summary").click()
    expect(page.get_by_role("link", name="Retention")).to_be_visible()
    assert page.evaluate("checks.overflow()") <= 0


def test_without_scripts_a_menu_opens(client: Client, live_server: LiveServer) -> None:
    with context_of(client, live_server, *NO_WEBGL, own=True, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/patients")
        menu(page, "Hospital IT").locator("summary").click()
        page.get_by_role("link", name="Users").click()
        page.wait_for_url("**/users")
