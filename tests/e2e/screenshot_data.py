"""What the demonstration lacks and the photographs want: reads, an upload, a second version."""

import hashlib
from datetime import timedelta
from io import BytesIO

import numpy as np
from django.utils import timezone

from tests import dicom_files as files
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.demo.phantoms import draw_phantom
from webportal.inference.models import ModelVersion
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.notifications.models import Kind, Notification
from webportal.records.choices import Category
from webportal.records.models import Study
from webportal.review.models import Read, SavedView, SecondReading, TextTemplate

STUDIES = 40
# Of ten studies: the model's category, and what the first and the second reader found.
FINDINGS = [
    *[("unlikely", "none", "none")] * 4,
    *[("likely", "definite", "definite")] * 3,
    ("indeterminate", "possible", "none"),
    ("likely", "none", "possible"),
    ("unlikely", "none", "none"),
]


def fill() -> None:
    """Put it into the database; the first administrator, who has every role, is there already."""
    admin = User.objects.get(username="admin")
    other = User.objects.create_user("r.sharma", None, [Role.RADIOLOGIST], full_name="R. Sharma")
    User.objects.create_user("m.tamang", None, [Role.UPLOADER], full_name="M. Tamang")
    active = ModelVersion.objects.get(is_active=True)
    _read_studies(admin, other, active)
    _upload(admin)
    _copy(active)
    for key, name, text in (
        ("n", "Normal", "Lungs clear. Heart and mediastinum of normal size. No effusion."),
        ("b", "Right base", "Opacity of the right base, in keeping with pneumonia."),
    ):
        TextTemplate.objects.create(owner=admin, key=key, name=name, text=text)
    SavedView.objects.create(owner=admin, name="Urgent and likely", filters={"category": "likely"})
    SavedView.objects.create(
        owner=other, name="Night shift", filters={"priority": "1"}, is_shared=True
    )
    Notification.objects.create(
        recipient=admin,
        kind=Kind.STAT_UNREAD,
        studies=3,
        waiting_since=timezone.now() - timedelta(minutes=95),
        category=Category.LIKELY,
    )


def _read_studies(first: User, second: User, model: ModelVersion) -> None:
    now = timezone.now()
    for number in range(STUDIES):
        category, *findings = FINDINGS[number % len(FINDINGS)]
        patient = make_patient(
            patient_id=f"PHANTOM-{number + 20}", issuer="PHANTOM", name=f"Phantom^{number + 20}"
        )
        study = make_study(patient=patient, is_phantom=True, created_by=first)
        prediction = make_prediction(make_radiograph(study), category, model_version=model)
        SecondReading.objects.create(study=study, reason="drawn", due="")
        for reader, kind, finding in zip(
            (first, second), ("first", "second"), findings, strict=True
        ):
            is_positive = category != "unlikely"
            Read.objects.create(
                study=study,
                reader=reader,
                prediction=prediction,
                state="signed",
                kind=kind,
                decision="confirm" if is_positive == (finding != "none") else "overrule",
                pneumonia=finding,
                signed_at=now - timedelta(hours=number),
            )
        Study.objects.filter(pk=study.pk).update(reading_state="signed")


def _copy(model: ModelVersion) -> None:
    """A second version to compare with, which says that it is no version of its own."""
    ModelVersion.objects.create(
        name="Copy for the photograph",
        version=f"{model.version}-copy",
        package_sha256=hashlib.sha256(b"copy").hexdigest(),
        package_path=model.package_path,
        thresholds=model.thresholds,
        figures=model.figures,
        population=model.population,
        card=model.card,
    )


def _upload(by: User) -> None:
    batch = services.create_batch(by, name="Night shift")
    for seed in range(5):
        greys = draw_phantom(seed + 201, (900, 1000), opacity=seed % 2 == 0).astype(np.uint16) * 12
        number = seed + 80
        data = files.dicom(
            greys,
            12,
            PatientID=f"PHANTOM-{number}",
            PatientName=f"Phantom^{number}",
            AccessionNumber=f"PH-20{number}",
        )
        pipeline.receive_file(batch, f"night/{seed:03}.dcm", BytesIO(data), by)
    contradicting = files.dicom(files.phantom(12, (900, 1000)), 12, PatientID="PHANTOM-80")
    pipeline.receive_file(batch, "night/005.dcm", BytesIO(contradicting), by)
    pipeline.receive_file(batch, "night/letter.txt", BytesIO(b"Dear colleague"), by)
