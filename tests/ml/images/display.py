"""How an image is shown, compared with how another is, for the tests of display attributes."""

import json
from typing import Any

import numpy as np

from ml import images
from tests import dicom_files as files
from webportal.review.study.pixel_views import pack

DEEP = files.phantom(12)
WINDOW: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
WINDOW_TEXTS = {"WindowCenter": "2048", "WindowWidth": "4096"}


def with_texts(**elements: str) -> bytes:
    """A file with these texts in elements of the VR DS, which may hold no such texts."""
    data = files.dicom(DEEP, 12)
    for keyword, value in elements.items():
        data = files.with_raw_element(data, keyword, "DS", value.encode())
    return data


def header_of(data: bytes) -> dict[str, Any]:
    """The header that the viewer is given; read strictly, as browsers do."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    packed = pack(images.read_stored(data))
    header = packed[4 : 4 + int.from_bytes(packed[:4], "little")]
    parsed: dict[str, Any] = json.loads(header, parse_constant=refuse)
    return parsed


def assert_shown_like(data: bytes, plain: bytes, *notes: str) -> None:
    """The two are shown alike, in the viewer too, and the first with these notes alone."""
    expected = images.read(plain)
    assert np.array_equal(images.read(data).pixels, expected.pixels)
    stored, like = images.read_stored(data), images.read_stored(plain)
    assert np.array_equal(stored.pixels, like.pixels)
    assert (stored.lower, stored.upper) == (like.lower, like.upper)
    assert stored.notes == notes
    assert header_of(data)["notes"] == list(notes)


PLAIN = files.dicom(DEEP, 12)
WINDOWED = files.dicom(DEEP, 12, **WINDOW)
