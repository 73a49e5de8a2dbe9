"""The images of the study page: their rendering and the audit entries."""

from io import BytesIO

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from ml import images
from tests import dicom_files as files
from tests.factories import make_prediction, make_radiograph, overwrite, replace_file
from tests.helpers import audit_actions
from webportal.review.study import rendering

pytestmark = pytest.mark.django_db


def picture(content: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(Image.open(BytesIO(content)))


def test_the_image_is_the_stored_one_and_each_sending_is_audited(browser: Client) -> None:
    radiograph = make_radiograph(size=(120, 100))
    for _ in range(2):
        answer = browser.get(reverse("review:image", args=[radiograph.pk]))
        assert answer.headers["Content-Type"] == "image/png"
    with default_storage.open(radiograph.dicom_key) as file:
        expected = images.read(file.read()).pixels
    assert np.array_equal(picture(answer.content), expected)
    assert audit_actions(study_id=radiograph.study_id) == ["image.fetched"] * 2


def test_a_large_image_is_scaled_to_screen_size() -> None:
    radiograph = make_radiograph(size=(2600, 1300))
    with default_storage.open(radiograph.dicom_key) as file:
        shown = picture(rendering.radiograph_png(file.read()))
    assert shown.shape == (2048, 1024)


def test_overlay_planes_are_drawn_into_the_image() -> None:
    ds = files.dataset(np.full((200, 100), 255, np.uint8))
    mask = np.zeros((200, 100), np.bool_)
    mask[20:60, 30:40] = True
    files.add_overlay(ds, mask)
    shown = picture(rendering.radiograph_png(files.file_bytes(ds)))
    assert (shown[mask] == 255).all()
    # On white it is seen by its edge.
    assert shown[18, 35] == shown[61, 35] == 0
    assert shown[100, 80] == 255


def test_an_image_whose_file_is_lost_says_so_and_is_not_audited_as_viewed(browser: Client) -> None:
    radiograph = make_radiograph()
    default_storage.delete(radiograph.dicom_key)
    for page in ("review:image", "review:original"):
        answer = browser.get(reverse(page, args=[radiograph.pk]))
        assert answer.status_code == 500
        assert "missing from the storage" in answer.content.decode()
    assert audit_actions(study_id=radiograph.study_id) == ["file.damaged"]


def test_an_image_that_cannot_be_decoded_says_so(browser: Client) -> None:
    radiograph = make_radiograph()
    replace_file(radiograph, b"\0" * 128 + b"DICM")
    answer = browser.get(reverse("review:image", args=[radiograph.pk]))
    assert answer.status_code == 500
    assert audit_actions(study_id=radiograph.study_id) == []


def test_a_replaced_file_is_neither_shown_nor_delivered(browser: Client) -> None:
    radiograph, other = make_radiograph(), make_radiograph()
    with default_storage.open(other.dicom_key) as file:
        overwrite(radiograph.dicom_key, file.read())
    for page in ("review:image", "review:pixels", "review:original"):
        answer = browser.get(reverse(page, args=[radiograph.pk]))
        assert answer.status_code == 500
        assert "its checksum differs" in answer.content.decode()
    assert audit_actions(study_id=radiograph.study_id) == ["file.damaged"]


def test_the_original_is_returned_byte_for_byte(browser: Client) -> None:
    radiograph = make_radiograph()
    answer = browser.get(reverse("review:original", args=[radiograph.pk]))
    with default_storage.open(radiograph.original_key) as file:
        assert answer.getvalue() == file.read()
    disposition = answer.headers["Content-Disposition"]
    assert disposition == f'attachment; filename="{radiograph.pk}.dcm"'
    assert audit_actions(study_id=radiograph.study_id) == ["image.downloaded"]


def test_the_heat_map_covers_the_image_and_is_transparent_without_evidence(
    browser: Client,
) -> None:
    cells = np.zeros((7, 7), np.uint8)
    cells[5, 1] = 255
    radiograph = make_radiograph(size=(200, 100))
    prediction = make_prediction(radiograph, heatmap=cells.tobytes())
    answer = browser.get(reverse("review:heatmap", args=[prediction.pk]))
    shown = picture(answer.content)
    assert shown.shape == (512, 256, 4)
    opacity = shown[:, :, 3]
    row, column = (int(5.5 / 7 * 512), int(1.5 / 7 * 256))
    assert opacity[row, column] == 255
    assert opacity[:256].max() == 0
    assert tuple(shown[row, column, :2] > 200) == (True, True)  # the brightest colour is yellow


def test_more_evidence_is_lighter() -> None:
    legend = picture(rendering.legend_png())[0].astype(float)
    lightness = legend[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) >= -1).all()
    assert legend[0, 3] == 0


def test_a_result_without_a_heat_map_has_none_to_fetch(browser: Client) -> None:
    prediction = make_prediction(heatmap=b"", heatmap_rows=0, heatmap_columns=0)
    assert browser.get(reverse("review:heatmap", args=[prediction.pk])).status_code == 404
