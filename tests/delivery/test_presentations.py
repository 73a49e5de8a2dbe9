"""Presentation states: what a reader drew, where they drew it, for destinations that want it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from django.utils import timezone
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ComprehensiveSRStorage, GrayscaleSoftcopyPresentationStateStorage
from pynetdicom import AE, evt
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.delivery.conftest import send_all
from tests.delivery.test_retractions import move
from tests.factories import make_prediction, make_radiograph, replace_file
from tests.helpers import let_time_pass
from tests.reading import add_addendum, read
from webportal.accounts.models import Role, User
from webportal.delivery.forms import FORMS
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.planning import plan
from webportal.inference.models import Prediction
from webportal.records.files import read_dicom
from webportal.review.models import Read
from webportal.review.reads.marks import Mark
from webportal.review.reads.measurements import Measurement

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]
BOX = [5, 6, 25, 6, 25, 27, 5, 27, 5, 6]


@pytest.fixture
def prediction() -> Prediction:
    return make_prediction()


def states() -> list[FileDataset]:
    """The presentation states, made, the oldest first."""
    found = []
    for document in Document.objects.filter(kind=DocumentKind.PRESENTATION).order_by("created_at"):
        make(document)
        found.append(pydicom.dcmread(BytesIO(bytes(document.content or b""))))
    return found


def draw(prediction: Prediction, reader: User, **more: Any) -> Read:
    """A read with a box and a length on the image, released."""
    image = prediction.radiograph.pk
    drawn = {
        "marks": (Mark(image, "pneumonia", 5, 6, 20, 21),),
        "measurements": (Measurement(image, "length", ((10.0, 10.0), (40.5, 30.25))),),
    }
    signed = read(prediction, reader, "definite", **drawn | more)
    let_time_pass()
    plan()
    return Read.objects.get(pk=signed.pk)


def everything_has_arrived() -> None:
    Delivery.objects.update(state=DeliveryState.DELIVERED, attempts=1, settled_at=timezone.now())


def shapes(state: Dataset) -> list[tuple[str, list[float], str]]:
    """Graphic type, points, and the text beside them."""
    return [
        (shape.GraphicType, list(shape.GraphicData), text.UnformattedTextValue)
        for each in state.get("GraphicAnnotationSequence", [])
        for shape, text in zip(each.GraphicObjectSequence, each.TextObjectSequence, strict=True)
    ]


def check(state: FileDataset, image: bytes, tmp_path: Path) -> None:
    """Check a presentation state with dciodvfy and dcmpschk; dcmp2pgm applies it to its image."""
    path, picture = tmp_path / "state.dcm", tmp_path / "image.dcm"
    state.save_as(path, enforce_file_format=True)
    picture.write_bytes(image)
    dciodvfy = Path(sys.executable).parent / "dciodvfy"
    done = subprocess.run([dciodvfy, path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    if shutil.which("dcmpschk") is None:
        pytest.skip("dcmtk is not installed")
    said = subprocess.run(["dcmpschk", path], check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert not any(line.startswith(("E:", "F:")) for line in said.stderr.splitlines()), said.stderr
    shown = tmp_path / "shown.pgm"
    drawn = subprocess.run(
        ["dcmp2pgm", "-p", path, picture, shown], check=False, capture_output=True, text=True
    )
    assert drawn.returncode == 0, drawn.stderr
    assert shown.stat().st_size > 0


def test_what_a_reader_drew_is_where_they_drew_it(
    make_destination: Make, radiologist: User, prediction: Prediction, tmp_path: Path
) -> None:
    make_destination(sends=[Content.PRESENTATIONS])
    radiologist.full_name = "Asha Shrestha"
    radiologist.save()
    one = prediction.radiograph
    other = make_radiograph(one.study, size=(120, 100))
    draw(
        prediction,
        radiologist,
        other_findings=("effusion",),
        marks=(Mark(one.pk, "pneumonia", 5, 6, 20, 21), Mark(other.pk, "effusion", 99, 119)),
        measurements=(
            Measurement(one.pk, "length", ((10.0, 10.0), (40.0, 30.0))),
            Measurement(one.pk, "angle", ((10.0, 10.0), (20.5, 30.25), (40.0, 30.0))),
            Measurement(one.pk, "rectangle", ((30.0, 40.0), (10.0, 20.0))),
            Measurement(one.pk, "ellipse", ((10.0, 20.0), (30.0, 60.0))),
        ),
    )
    first, second = states()
    for state, image in ((first, one), (second, other)):
        check(state, read_dicom(image), tmp_path)
        [series] = state.ReferencedSeriesSequence
        [reference] = series.ReferencedImageSequence
        assert reference.ReferencedSOPInstanceUID == image.sop_instance_uid
        [area] = state.DisplayedAreaSelectionSequence
        assert area.DisplayedAreaBottomRightHandCorner == [image.columns, image.rows]
        assert state.ContentCreatorName == "Asha Shrestha^"
    assert shapes(first) == [
        ("POLYLINE", BOX, "Pneumonia"),
        ("POLYLINE", [10, 10, 40, 30], "36.1 px"),
        ("POLYLINE", [10, 10, 20.5, 30.25, 40, 30], "116.7°"),
        ("POLYLINE", [30, 40, 10, 40, 10, 20, 30, 20, 30, 40], "400 px²"),
        ("ELLIPSE", [20, 20, 20, 60, 10, 40, 30, 40], "628 px²"),
    ]
    assert shapes(second) == [("POINT", [99.5, 119.5], "Pleural effusion")]
    units = {e.value for e in first.iterall() if e.keyword.endswith("AnnotationUnits")}
    assert units == {"PIXEL"}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_image_looks_as_in_the_viewer(
    make_destination: Make,
    radiologist: User,
    prediction: Prediction,
    tmp_path: Path,
    photometric: str,
) -> None:
    make_destination(sends=[Content.PRESENTATIONS])
    image = prediction.radiograph
    data = files.dicom(
        files.phantom(bits=12, size=(image.rows, image.columns)),
        bits=12,
        PhotometricInterpretation=photometric,
        WindowCenter=2000,
        WindowWidth=1000,
        RescaleSlope=1,
        RescaleIntercept=0,
        RescaleType="US",
        ImagerPixelSpacing=[0.2, 0.1],
    )
    replace_file(image, data)
    draw(prediction, radiologist)
    [state] = states()
    check(state, data, tmp_path)
    [window] = state.SoftcopyVOILUTSequence
    assert (float(window.WindowCenter), float(window.WindowWidth)) == (2000, 1000)
    assert state.PresentationLUTShape == ("INVERSE" if photometric == "MONOCHROME1" else "IDENTITY")
    assert list(state.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio) == [
        2000,
        1000,
    ]


def test_only_a_destination_that_wants_them_gets_them(
    make_destination: Make, radiologist: User, prediction: Prediction
) -> None:
    make_destination(sends=[Content.READS, Content.RESULTS, Content.CAPTURES])
    draw(prediction, radiologist)
    assert not Document.objects.filter(kind=DocumentKind.PRESENTATION).exists()
    offered = {protocol: Content.PRESENTATIONS in form.contents for protocol, form in FORMS.items()}
    assert offered == {"dicom": True, "dicomweb": True, "hl7": False, "fhir": False}


def test_it_waits_for_the_release_and_says_nothing_that_a_blind_reader_must_not_see(
    make_destination: Make,
    make_user: Callable[..., User],
    prediction: Prediction,
    settings: Settings,
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    make_destination(sends=[Content.PRESENTATIONS])
    first, second = (make_user(Role.RADIOLOGIST, username=each) for each in ("one", "two"))
    draw(prediction, first)
    assert not Document.objects.exists()
    image = prediction.radiograph.pk
    read(prediction, second, "definite", marks=(Mark(image, "pneumonia", 1, 2),))
    plan()
    assert not Document.objects.exists()
    let_time_pass()
    plan()
    [state] = states()
    assert shapes(state) == [("POINT", [1.5, 2.5], "Pneumonia")]


def test_an_addendum_changes_nothing_and_an_amended_read_replaces_it(
    make_destination: Make, radiologist: User, prediction: Prediction, tmp_path: Path
) -> None:
    destination = make_destination(port=1, sends=[Content.READS, Content.PRESENTATIONS])
    signed = draw(prediction, radiologist)
    add_addendum(signed, radiologist, "Clinical", "Known since May.", PASSWORD)
    plan()
    [before] = states()
    rows = send_all(destination)
    [waiting] = [row for row in rows if row.document.kind == DocumentKind.PRESENTATION]
    assert waiting.state == DeliveryState.WAITING
    assert waiting.reason_code == "not_reached"
    everything_has_arrived()
    amended = read(prediction, radiologist, "definite", amends=signed.pk, reason="Looked again")
    let_time_pass()
    plan()
    [_, after] = states()
    check(after, read_dicom(prediction.radiograph), tmp_path)
    assert shapes(after) == []
    assert after.ContentDescription == "No marks any more"
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.SeriesInstanceUID == before.SeriesInstanceUID
    assert after.InstanceNumber > before.InstanceNumber
    everything_has_arrived()
    read(prediction, radiologist, "definite", amends=amended.pk, reason="Looked once more")
    let_time_pass()
    plan()
    assert len(states()) == 2


def test_a_colour_image_gets_no_presentation_state(
    make_destination: Make, radiologist: User, prediction: Prediction
) -> None:
    destination = make_destination(port=1, sends=[Content.PRESENTATIONS])
    image = prediction.radiograph
    grey = files.phantom(size=(image.rows, image.columns))
    replace_file(image, files.dicom(np.stack([grey] * 3, axis=-1)))
    draw(prediction, radiologist)
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (DeliveryState.CANCELLED, "in_colour")


def test_a_pacs_that_takes_none_gets_the_next_report_all_the_same(
    make_destination: Make, radiologist: User, prediction: Prediction
) -> None:
    entity = AE(ae_title="PACS")
    entity.add_supported_context(ComprehensiveSRStorage)
    server: Any = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _event: 0x0000)]
    )
    port = server.socket.getsockname()[1]
    destination = make_destination(port, sends=[Content.READS, Content.PRESENTATIONS])
    signed = draw(prediction, radiologist)
    send_all(destination)
    add_addendum(signed, radiologist, "Clinical", "Known since May.", PASSWORD)
    rows = send_all(destination)
    server.shutdown()
    found = {(row.document.kind, row.state) for row in rows}
    assert (DocumentKind.PRESENTATION, DeliveryState.WAITING) in found
    reports = [row.state for row in rows if row.document.kind == DocumentKind.REPORT]
    assert reports == [DeliveryState.DELIVERED] * 2


def test_one_of_the_wrong_patient_is_rejected_there(
    make_destination: Make, radiologist: User, prediction: Prediction
) -> None:
    make_destination(sends=[Content.PRESENTATIONS])
    draw(prediction, radiologist)
    [state] = states()
    everything_has_arrived()
    move(prediction, radiologist)
    plan()
    document = Document.objects.get(kind=DocumentKind.RETRACTION)
    make(document)
    note = pydicom.dcmread(BytesIO(bytes(document.content or b"")))
    assert note.PatientID == state.PatientID
    [reference] = (
        note.CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence
    )
    assert reference.ReferencedSOPClassUID == GrayscaleSoftcopyPresentationStateStorage
    assert reference.ReferencedSOPInstanceUID == state.SOPInstanceUID
