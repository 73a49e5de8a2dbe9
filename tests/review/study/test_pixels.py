"""The viewer's pixels: their format, caching and audit entries."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ml import images
from tests import dicom_files as files
from tests.factories import make_prediction, make_radiograph, make_study, replace_file
from tests.helpers import audit_actions
from webportal.accounts.models import Role, User
from webportal.review.reads.reservation import reserve
from webportal.review.study.pixel_views import ALIGNMENT

pytestmark = pytest.mark.django_db


def unpack(content: bytes) -> tuple[dict[str, Any], "np.ndarray[Any, Any]"]:
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    assert (4 + length) % ALIGNMENT == 0
    dtype = {"Uint8Array": "<u1", "Uint16Array": "<u2", "Int16Array": "<i2"}[header["type"]]
    count = header["rows"] * header["columns"]
    values = np.frombuffer(content, dtype, count, offset=4 + length)
    return header, values.reshape(header["rows"], header["columns"])


def test_the_stored_values_come_with_their_display_attributes(browser: Client) -> None:
    radiograph = make_radiograph(size=(120, 101))
    answer = browser.get(reverse("review:pixels", args=[radiograph.pk]))
    header, pixels = unpack(answer.content)
    with default_storage.open(radiograph.dicom_key) as file:
        stored = images.read_stored(file.read())
    assert np.array_equal(pixels, stored.pixels)
    assert (header["lower"], header["upper"]) == (0, 255)
    assert not header["isInverted"]
    assert header["spacing"] is None
    assert header["overlay"] is None


def test_overlay_planes_follow_the_pixels(browser: Client) -> None:
    greys = files.phantom(size=(50, 33))
    mask = np.zeros(greys.shape, np.bool_)
    mask[2:20, 5] = mask[40, 30:] = True
    ds = files.dataset(greys)
    files.add_overlay(ds, mask)
    radiograph = make_radiograph(rows=50, columns=33)
    replace_file(radiograph, files.file_bytes(ds))
    content = browser.get(reverse("review:pixels", args=[radiograph.pk])).content
    header, pixels = unpack(content)
    assert header["overlay"] == {"planes": 1, "unreadable": 0, "isCut": False}
    assert np.array_equal(pixels, greys)
    bits = np.frombuffer(content[-((50 * 33 + 7) // 8) :], np.uint8)
    assert np.array_equal(np.unpackbits(bits, count=50 * 33, bitorder="little"), mask.ravel())


def test_sending_is_not_viewing(browser: Client) -> None:
    radiograph = make_radiograph()
    browser.get(reverse("review:pixels", args=[radiograph.pk]))
    assert audit_actions(study_id=radiograph.study_id) == ["image.fetched"]
    assert browser.post(reverse("review:viewed", args=[radiograph.pk])).status_code == 204
    assert audit_actions(study_id=radiograph.study_id) == ["image.fetched", "image.viewed"]


def test_a_lost_or_damaged_file_says_so(browser: Client) -> None:
    lost, damaged = make_radiograph(), make_radiograph()
    default_storage.delete(lost.dicom_key)
    replace_file(damaged, b"\0" * 128 + b"DICM")
    for radiograph in (lost, damaged):
        answer = browser.get(reverse("review:pixels", args=[radiograph.pk]))
        assert answer.status_code == 500
        assert answer.json()["detail"]
        assert audit_actions(study_id=radiograph.study_id, action__startswith="image.") == []


def addresses_ahead(browser: Client, study: Any) -> list[str]:
    answer = browser.get(reverse("review:ahead", args=[study.pk]))
    pixels: list[str] = answer.json()["pixels"]
    return pixels


def test_the_next_studies_are_prefetched_without_being_recorded_as_viewed(browser: Client) -> None:
    shown = make_prediction(category="likely").radiograph.study
    make_prediction(category="unlikely")
    following = make_prediction(category="indeterminate").radiograph
    second = make_radiograph(following.study)
    assert addresses_ahead(browser, shown) == [
        reverse("review:pixels", args=[each.pk]) for each in (following, second)
    ]
    assert audit_actions(action__startswith="image.") == []


def test_studies_reserved_by_others_are_not_prefetched(
    browser: Client, make_user: Callable[..., User]
) -> None:
    shown = make_study(created_at=timezone.now() - timedelta(days=1))
    reserve(make_radiograph().study, make_user(Role.RADIOLOGIST, username="other"))
    assert addresses_ahead(browser, shown) == []
