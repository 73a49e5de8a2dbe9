"""Two images side by side change brightness together, even if one is MONOCHROME1."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL, page_of
from tests.factories import make_patient, make_radiograph, make_study, replace_file
from webportal.accounts.models import User
from webportal.records.models import Patient, Study

WHITE = 4095
WINDOW = re.compile(r"W (\d+) · L (\d+)")


def study_of(patient: Patient, photometric: str, days_ago: int) -> Study:
    """A picture of which a quarter is lighter; both kinds look the same on the screen."""
    greys = np.full((300, 280), 800, np.uint16)
    greys[:, 210:] = 2600
    if photometric == "MONOCHROME1":
        greys = WHITE - greys
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    data = files.dicom(greys, 12, PhotometricInterpretation=photometric, **window)
    study = make_study(patient=patient, performed_at=timezone.now() - timedelta(days=days_ago))
    radiograph = make_radiograph(study, size=(300, 280))
    replace_file(radiograph, data)
    return study


@pytest.fixture
def page(
    transactional_db: None,
    radiologist: User,
    live_server: LiveServer,
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    """A study of MONOCHROME2 with an earlier one of MONOCHROME1 beside it."""
    patient = make_patient()
    study_of(patient, "MONOCHROME1", days_ago=200)
    study = study_of(patient, "MONOCHROME2", days_ago=0)
    size = {"width": 1500, "height": 950}
    with page_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=size) as page:
        page.goto(f"/studies/{study.pk}")
        shown(page, "current")
        page.keyboard.press("c")
        shown(page, "prior")
        yield page
        connections.close_all()


def shown(page: Page, name: str) -> None:
    pane = f'[data-pane="{name}"][data-shown][data-drawn]'
    expect(page.locator(pane)).to_be_visible(timeout=90_000)


def window(page: Page, name: str) -> tuple[int, int]:
    """Width and centre as they are written beside the picture."""
    shown(page, name)
    found = WINDOW.match(page.locator(f'[data-pane="{name}"] .pane-window').inner_text())
    assert found is not None
    return int(found[1]), int(found[2])


def test_dragging_makes_both_brighter(page: Page) -> None:
    box = page.locator('[data-pane="current"] .pane-view').bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y - 60, steps=4)
    page.mouse.up()
    width, centre = window(page, "current")
    assert abs(centre - 2048) > 50
    # What lies at a grey in the one lies at its complement in the other.
    assert window(page, "prior") == pytest.approx((width, WHITE + 1 - centre), abs=2)
