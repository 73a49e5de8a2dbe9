"""What the demonstration lacks and the photographs want: reads, an upload, a second version."""

import hashlib
from datetime import timedelta
from io import BytesIO

import numpy as np
from django.utils import timezone

from tests import dicom_files as files
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.network.rows import make_received
from webportal.accounts.models import Role, User
from webportal.delivery.destinations import create_destination
from webportal.delivery.models import Content, Protocol
from webportal.demo.phantoms import draw_phantom
from webportal.inference.models import ModelVersion
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.network.models import InboxState
from webportal.network.nodes import create_node
from webportal.notifications.models import Notification, NotificationKind
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
    _other_systems(admin)
    _copy(active)
    _name_the_factory()
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
        kind=NotificationKind.STAT_UNREAD,
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
    """A second version to compare with, which says that it is not a version of its own."""
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


def _other_systems(by: User) -> None:
    """Devices that send images, one of which was refused, and where results go."""
    create_node("CR1", "Room 1, paediatric radiology", ["192.0.2.11"], 104, by)
    mobile = create_node("DX2", "Mobile unit", ["192.0.2.12"], None, by)
    make_received(mobile, InboxState.REFUSED, address="192.0.2.12")
    pacs = {"name": "PACS", "ae_title": "PACS", "host": "pacs.hospital.example", "port": 104}
    ris = {"name": "RIS", "host": "ris.hospital.example", "port": 2575}
    everything = [Content.READS, Content.RESULTS]
    create_destination(Protocol.DICOM, {**pacs, "sends": everything}, by)
    create_destination(Protocol.HL7, {**ris, "sends": [Content.READS]}, by)
    ehr = {"name": "EHR", "url": "https://ehr.hospital.example/fhir"}
    create_destination(Protocol.FHIR, {**ehr, "sends": everything}, by)


def _name_the_factory() -> None:
    """Give the person whom the tests' factories make a name."""
    User.objects.filter(username="factory").update(username="s.gurung", full_name="S. Gurung")


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
            PatientBirthDate="20210601",
            ViewPosition="AP",
            AccessionNumber=f"PH-20{number}",
        )
        pipeline.receive_file(batch, f"night/{seed:03}.dcm", BytesIO(data), by)
    greys = draw_phantom(230, (900, 1000), opacity=False).astype(np.uint16) * 12
    contradicting = files.dicom(
        greys, 12, PatientID="PHANTOM-80", PatientBirthDate="20210601", ViewPosition="AP"
    )
    pipeline.receive_file(batch, "night/005.dcm", BytesIO(contradicting), by)
    pipeline.receive_file(batch, "night/letter.txt", BytesIO(b"Dear colleague"), by)
