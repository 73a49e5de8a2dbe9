"""What a person does first, in a browser."""

from playwright.sync_api import Page, expect

from tests.e2e.system import System

PASSWORD = "a-password-of-my-own-7"


def sign_in(page: Page, system: System) -> None:
    """Sign in as the first administrator with the one-time password."""
    page.goto("/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(system.one_time_password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Choose your own password")).to_be_visible()


def choose_own_password(page: Page, system: System) -> None:
    """Replace the one-time password by PASSWORD; ends on the worklist."""
    page.get_by_label("Current password").fill(system.one_time_password)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password, again").fill(PASSWORD)
    page.get_by_role("button", name="Save the new password").click()
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()
