"""Measurements kept with a read: computed by the portal from the stored file, and signed."""

import json
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pydicom
import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from ml.images import PixelShape
from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph, make_study, replace_file
from tests.helpers import let_time_pass
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.inference.models import Prediction
from webportal.records.files import read_dicom
from webportal.records.models import Radiograph
from webportal.review.models import Read
from webportal.review.reads.measurements import MOST_MEASUREMENTS, Measurement, value_of
from webportal.review.reads.services import Entry, ReadingError, save_draft
from webportal.review.reads.taking_back import take_back

pytestmark = pytest.mark.django_db
ROWS, COLUMNS = 96, 80
AT_DETECTOR = PixelShape((0.2, 0.1), is_calibrated=False, aspect=2.0)
IN_PATIENT = PixelShape((0.2, 0.1), is_calibrated=True, aspect=2.0)
UNKNOWN = PixelShape(None, is_calibrated=False, aspect=1.0)
UNKNOWN_OBLONG = PixelShape(None, is_calibrated=False, aspect=2.0)
SLOPE = ((10.0, 10.0), (40.0, 30.0))  # 30 columns across and 20 rows down
CORNER = ((10.0, 10.0), (10.0, 30.0), (30.0, 30.0))


@pytest.fixture
def radiograph() -> Radiograph:
    radiograph = make_radiograph(make_study(), (ROWS, COLUMNS))
    set_spacing(radiograph, ImagerPixelSpacing=[0.2, 0.1])
    return radiograph


@pytest.fixture
def seen(radiograph: Radiograph) -> Prediction:
    return make_prediction(radiograph, "likely")


def set_spacing(radiograph: Radiograph, **elements: Any) -> None:
    dataset = pydicom.dcmread(BytesIO(read_dicom(radiograph)))
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in dataset:
            del dataset[keyword]
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    data = BytesIO()
    pydicom.dcmwrite(data, dataset)
    replace_file(radiograph, data.getvalue())


def entry(seen: Prediction, *measurements: Measurement, **more: Any) -> Entry:
    defaults = {"decision": "confirm", "pneumonia": "definite", "measurements": measurements}
    return Entry(seen.pk, **(defaults | more))


def length(radiograph: Radiograph) -> Measurement:
    return Measurement(radiograph.pk, "length", SLOPE)


def stored(values: list[dict[str, Any]]) -> list[tuple[float, str, bool]]:
    return [(each["value"], each["unit"], each["at_detector"]) for each in values]


@pytest.mark.parametrize(
    ("kind", "points", "shape", "expected"),
    [
        # 3 mm across, 4 mm down.
        ("length", SLOPE, AT_DETECTOR, (5.0, "mm", True)),
        ("length", SLOPE, IN_PATIENT, (5.0, "mm", False)),
        ("length", SLOPE, UNKNOWN, (36.06, "px", False)),
        ("length", SLOPE, UNKNOWN_OBLONG, (50.0, "px", False)),
        ("length", SLOPE[::-1], IN_PATIENT, (5.0, "mm", False)),
        ("rectangle", SLOPE, AT_DETECTOR, (12.0, "mm2", True)),
        ("rectangle", SLOPE[::-1], UNKNOWN, (600.0, "px2", False)),
        ("ellipse", SLOPE, IN_PATIENT, (9.42, "mm2", False)),
        ("angle", CORNER, UNKNOWN, (90.0, "deg", False)),
        # An angle is the same at the detector and in the patient; pixels that are not square count.
        ("angle", ((10.0, 10.0), (10.0, 30.0), (30.0, 20.0)), AT_DETECTOR, (45.0, "deg", False)),
        ("angle", (SLOPE[0], SLOPE[1], SLOPE[0]), UNKNOWN, (0.0, "deg", False)),
    ],
)
def test_values_are_computed_from_points_and_pixel_spacing(
    kind: str,
    points: tuple[tuple[float, float], ...],
    shape: PixelShape,
    expected: tuple[float, str, bool],
) -> None:
    value = value_of(Measurement(uuid.uuid4(), kind, points), shape)
    assert (value.value, value.unit, value.at_detector) == expected


def test_they_are_drafted_signed_and_audited(
    seen: Prediction, radiograph: Radiograph, radiologist: User
) -> None:
    entered = entry(seen, length(radiograph))
    draft = save_draft(radiograph.study, radiologist, entered)
    assert stored(draft.measurements) == [(5.0, "mm", True)]
    assert save_draft(radiograph.study, radiologist, entered).updated_at == draft.updated_at
    without = save_draft(radiograph.study, radiologist, entry(seen))
    assert without.measurements == []

    read = sign(radiograph.study, radiologist, entered, PASSWORD)
    read.refresh_from_db()
    expected = {
        "radiograph": str(radiograph.pk),
        "kind": "length",
        "points": [[10.0, 10.0], [40.0, 30.0]],
        "value": 5.0,
        "unit": "mm",
        "at_detector": True,
    }
    assert read.measurements == [expected]
    assert AuditEntry.objects.get(action=Action.READ_SIGNED).detail["measurements"] == [expected]
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Read.objects.filter(pk=read.pk).update(measurements=[])
    assert take_back(read, radiologist).measurements == [expected]


def test_without_pixel_spacing_values_are_in_pixels(
    seen: Prediction, radiograph: Radiograph, radiologist: User
) -> None:
    set_spacing(radiograph)
    draft = save_draft(radiograph.study, radiologist, entry(seen, length(radiograph)))
    assert stored(draft.measurements) == [(36.06, "px", False)]


def test_impossible_measurements_are_refused(
    seen: Prediction, radiograph: Radiograph, radiologist: User
) -> None:
    other = make_radiograph().pk
    for measurements, words in (
        ([Measurement(other, "length", SLOPE)], "does not belong to this study"),
        ([Measurement(radiograph.pk, "volume", SLOPE)], "not one of those known"),
        ([Measurement(radiograph.pk, "angle", SLOPE)], "not one of those known"),
        (
            [Measurement(radiograph.pk, "length", ((0.0, 0.0), (COLUMNS + 0.5, 1.0)))],
            f"{COLUMNS} columns and {ROWS} rows",
        ),
        ([length(radiograph)] * (MOST_MEASUREMENTS + 1), "at most 50"),
    ):
        with pytest.raises(ReadingError, match=words) as refused:
            save_draft(radiograph.study, radiologist, entry(seen, *measurements))
        assert refused.value.code == "wrong_measurement"
    assert not Read.objects.exists()


@pytest.mark.parametrize(
    ("kind", "number"), [("length", 2), ("angle", 3), ("rectangle", 2), ("ellipse", 2)]
)
def test_each_kind_has_its_number_of_points(
    kind: str, number: int, seen: Prediction, radiograph: Radiograph, radiologist: User
) -> None:
    corners = (*CORNER, (30.0, 10.0))
    for given in range(len(corners) + 1):
        measurement = Measurement(radiograph.pk, kind, corners[:given])
        if given == number:
            draft = save_draft(radiograph.study, radiologist, entry(seen, measurement))
            assert len(draft.measurements) == 1
            continue
        with pytest.raises(ReadingError, match="not one of those known"):
            save_draft(radiograph.study, radiologist, entry(seen, measurement))


def test_a_changed_file_gives_no_value(
    seen: Prediction, radiograph: Radiograph, radiologist: User
) -> None:
    Radiograph.objects.filter(pk=radiograph.pk).update(dicom_sha256="0" * 64)
    with pytest.raises(ReadingError, match="checksum differs"):
        save_draft(radiograph.study, radiologist, entry(seen, length(radiograph)))


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "7",
        "[7]",
        '[{"radiograph": "x", "kind": "length", "points": []}]',
        '[{"radiograph": "%s", "kind": "length", "points": [[1, 2], [NaN, 3]]}]',
        '[{"radiograph": "%s", "kind": "length", "points": [[1, 2], [1e400, 3]]}]',
        '[{"radiograph": "%s", "kind": "length", "points": [[1, 2], [-1, 3]]}]',
        '[{"radiograph": "%s", "kind": "length", "points": [[1, 2], [true, 3]]}]',
        '[{"radiograph": "%s", "kind": "length", "points": [[1, 2], [3]]}]',
    ],
)
def test_the_form_refuses_invalid_measurements(
    bad: str, seen: Prediction, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    address = reverse("review:draft", args=[seen.radiograph.study_id])
    sent = {"seen": str(seen.pk), "images": 1, "kind": "first", "choice": "confirm:definite"}
    sent["measurements"] = bad.replace("%s", str(seen.radiograph_id))
    answer = sign_in(radiologist).post(address, sent, headers={"HX-Request": "true"})
    assert "Not saved" in answer.content.decode()
    assert not Read.objects.exists()


def test_a_browser_does_not_decide_the_value(
    seen: Prediction,
    radiograph: Radiograph,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> None:
    given = length(radiograph).as_json() | {"value": 99.0, "unit": "mm", "words": "99.0 mm"}
    sent = {"seen": str(seen.pk), "images": 1, "kind": "first", "choice": "confirm:definite"}
    client = sign_in(radiologist)
    client.post(
        reverse("review:draft", args=[radiograph.study_id]),
        sent | {"measurements": json.dumps([given])},
    )
    assert stored(Read.objects.get().measurements) == [(5.0, "mm", True)]
    page = client.get(reverse("review:study", args=[radiograph.study_id]))
    [shown] = json.loads(page.context["form"]["measurements"].value())
    assert shown["words"] == "5.0 mm at the detector"


def test_they_are_shown_with_the_signed_read_and_in_its_report(
    seen: Prediction,
    radiograph: Radiograph,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    study = radiograph.study
    sign(study, radiologist, entry(seen, length(radiograph)), PASSWORD)
    colleague = sign_in(make_user(Role.RADIOLOGIST, username="colleague"))
    page = colleague.get(reverse("review:study", args=[study.pk]))
    assert "Length on image 1: 5.0 mm at the detector" in page.content.decode()
    [shown] = page.context["viewer_data"]["measurements"]
    assert (shown["by"], shown["words"]) == (str(radiologist), "5.0 mm at the detector")
    let_time_pass(60)
    report = colleague.get(reverse("reports:report", args=[study.pk])).content.decode()
    assert "Length on image 1: 5.0 mm at the detector" in report
    picture = colleague.get(reverse("reports:key-image", args=[study.pk]))
    assert picture.status_code == 200
