"""Phantoms with a white mark, and what the model says of them."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.utils import timezone

from tests import dicom_files as files
from tests.factories import (
    drawn,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
    replace_file,
)
from webportal.records.models import Radiograph, Study

SPACING = 0.2
CELLS = 14
MARKED_CELL = (3, 4)  # row and column of the heat map, where the picture has its white mark
WHITE, BRIGHTEST_PHANTOM = 4095, 2976


@dataclass(frozen=True)
class Case:
    """A study of two images with a prior, and the study that comes next on the worklist."""

    study: Study
    plain: Radiograph
    monochrome1: Radiograph
    prior: Radiograph
    following: Radiograph


def make_case() -> Case:
    """Store the studies and images of a case, and the model's result on its first image."""
    now = timezone.now()
    patient = make_patient()
    study = make_study(patient=patient, performed_at=now, priority=0)
    cells = np.zeros((CELLS, CELLS), np.uint8)
    cells[MARKED_CELL] = 255
    plain = make_marked(study, "MONOCHROME2")
    make_prediction(
        plain,
        "likely",
        heatmap=cells.tobytes(),
        heatmap_rows=CELLS,
        heatmap_columns=CELLS,
    )
    monochrome1 = make_marked(study, "MONOCHROME1")
    earlier = make_study(patient=patient, performed_at=now - timedelta(days=210))
    Study.objects.filter(pk=earlier.pk).update(reading_state="signed")
    prior = make_marked(earlier, "MONOCHROME2", size=(500, 400))
    following = make_marked(make_study(priority=1), "MONOCHROME2")
    return Case(study, plain, monochrome1, prior, following)


def make_marked(study: Study, photometric: str, size: tuple[int, int] = (700, 700)) -> Radiograph:
    """A 12-bit phantom with a white square in the middle of MARKED_CELL."""
    greys = drawn(1, size).astype(np.uint16) * 12
    assert greys.max() <= BRIGHTEST_PHANTOM
    rows, columns = size
    top, left = (
        round((cell + 0.25) * side / CELLS) for cell, side in zip(MARKED_CELL, size, strict=True)
    )
    greys[top : top + rows // CELLS // 2, left : left + columns // CELLS // 2] = WHITE
    if photometric == "MONOCHROME1":
        greys = WHITE - greys
    radiograph = make_radiograph(study, rows=rows, columns=columns, bits_stored=12)
    data = files.dicom(
        greys,
        12,
        PhotometricInterpretation=photometric,
        WindowCenter=2048,
        WindowWidth=4096,
        ImagerPixelSpacing=[SPACING, SPACING],
        PatientOrientation=["L", "F"],
    )
    replace_file(radiograph, data)
    return radiograph
