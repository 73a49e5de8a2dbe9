"""A study that is open, on whose picture something can be drawn."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, await_image, page_of
from tests.e2e.drawing.picture import COLUMNS, ROWS
from tests.factories import make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.records.models import Radiograph


@pytest.fixture
def radiograph(transactional_db: None) -> Radiograph:
    radiograph = make_radiograph(make_study(), size=(ROWS, COLUMNS))
    make_prediction(radiograph, "likely")
    return radiograph


@pytest.fixture
def page(
    radiograph: Radiograph,
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    """The study's page with the image on it."""
    size = {"width": 1400, "height": 900}
    with page_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=size) as page:
        page.goto(f"/studies/{radiograph.study_id}")
        await_image(page)
        yield page
