"""Fixtures that tests of every package use."""

import gc
import itertools
import os
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import translation
from pytest_django.fixtures import Settings
from whitenoise.middleware import WhiteNoiseMiddleware

from tests.flushing import cheap_flushes
from webportal.accounts.models import Role, User

PASSWORD = "correct horse battery"
SKIPS_FAIL = "CHESTLINE_SKIPS_FAIL"
# Packages of tests that mostly wait, and of those that mostly compute, the longest first.
WAITING = ("workers", "e2e", "network", "orders", "tracing")
COMPUTING = ("ml", "deploy", "intake")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, mix files that wait with files that compute.

    Otherwise the cores would be idle for as long as all processes wait. Each kind begins with the
    packages whose files take longest, so that no process is idle at the end.
    """
    if not hasattr(config, "workerinput"):
        return
    folder = Path(__file__).parent

    def place(item: pytest.Item, packages: tuple[str, ...]) -> int:
        package = item.path.relative_to(folder).parts[0]
        return packages.index(package) if package in packages else len(packages)

    def waits(item: pytest.Item) -> bool:
        return place(item, WAITING) < len(WAITING)

    waiting = sorted(filter(waits, items), key=lambda item: place(item, WAITING))
    computing = sorted(itertools.filterfalse(waits, items), key=lambda item: place(item, COMPUTING))
    progress = {
        item: number / len(kind)
        for kind in (waiting, computing)
        for number, item in enumerate(kind)
    }
    items.sort(key=progress.__getitem__)


def pytest_collection() -> None:
    """Look for no garbage while the tests are collected: there is hardly any."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Start Playwright before the first test where one of them has imported it.

    And let the garbage collector leave modules and tests alone, which stay to the end.
    """
    if browser := sys.modules.get("tests.e2e.browser"):
        browser.start_playwright()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CHESTLINE_SKIPS_FAIL, as in CI, a test that skips for want of something has failed.

    Modules that need an extra that is not part of `dev` are skipped as they are collected.
    """
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(SKIPS_FAIL):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{SKIPS_FAIL} is set: {reason}"
    return report


@pytest.fixture(autouse=True, scope="session")
def _static_files_found_once() -> Iterator[None]:
    """Every Django test client rebuilds the middleware, which would scan all static files again."""
    find = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def add(middleware: Any) -> None:
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add)
        yield


@pytest.fixture(autouse=True, scope="session")
def _flush_cheaply() -> Iterator[None]:
    with cheap_flushes():
        yield


@pytest.fixture(scope="session")
def _anchor_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("anchors")


@pytest.fixture(autouse=True)
def _own_anchor_file(settings: Settings, _anchor_files: Path) -> None:
    # A folder for each test would take longer the more of them there are.
    settings.AUDIT_ANCHOR_FILE = _anchor_files / uuid.uuid4().hex


@pytest.fixture(autouse=True, scope="session")
def _cheap_passwords() -> Iterator[None]:
    """Hashing a password is slow on purpose, and tests do it hundreds of times."""
    cheap = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=cheap):
        yield


@pytest.fixture(autouse=True)
def _no_language_left_over() -> Iterator[None]:
    """Django's test client leaves the language of its last request active."""
    yield
    translation.deactivate()


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Make a user with the given roles, whose password is PASSWORD."""

    def make(*roles: Role, username: str = "") -> User:
        name = username or "-".join(roles) or "nobody"
        return User.objects.create_user(name, PASSWORD, list(roles))

    return make


@pytest.fixture
def uploader(make_user: Callable[..., User]) -> User:
    return make_user(Role.UPLOADER)


@pytest.fixture
def radiologist(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST)


@pytest.fixture
def it_person(make_user: Callable[..., User]) -> User:
    return make_user(Role.IT)


@pytest.fixture
def auditor(make_user: Callable[..., User]) -> User:
    return make_user(Role.AUDITOR)


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """Return a browser-like client in which the person is signed in."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real radiographs; skips the test where it is missing."""
    folder = Path(os.environ.get("CHESTLINE_DATA", "../shared/data"))
    if not (folder / "fullres").is_dir():
        pytest.skip(f"no real radiographs: {folder} is missing; set CHESTLINE_DATA")
    return folder
