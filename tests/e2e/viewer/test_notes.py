"""Unusable display attributes of a file are reported above its image."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import pane, press
from tests.factories import replace_file

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = (600, 500)


def test_the_page_says_that_the_window_of_a_file_cannot_be_used(
    case: Case, open_case: Callable[..., Page]
) -> None:
    data = files.dicom(files.phantom(12, SIZE), 12)
    for keyword in ("WindowCenter", "WindowWidth"):
        data = files.with_raw_element(data, keyword, "DS", b"NaN ")
    case.plain.rows, case.plain.columns = SIZE
    case.plain.save()
    replace_file(case.plain, data)

    page = open_case(NO_WEBGL)
    badges = pane(page).locator(".pane-badges")
    said = "The file's window cannot be used. The whole range of greys is shown."
    expect(badges).to_have_text(said)
    press(page, "PageDown")
    expect(badges).to_have_text("")
