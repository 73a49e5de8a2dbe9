"""Demonstration data: studies of invented patients with drawn images."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from io import BytesIO

from django.db import transaction
from django.utils import timezone
from PIL import Image

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.demo.phantoms import draw_phantom
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.cases import lookup
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.models import IdentityMode, UploadBatch
from webportal.records.choices import Priority
from webportal.records.models import Study

USERNAME = "demonstration"
ISSUER = "PHANTOM"
BATCH_NAME = "Demonstration: drawn phantoms"
UNNAMED_BATCH_NAME = "Demonstration: a phantom without patient data"


@dataclass(frozen=True)
class Phantom:
    """An image to draw and the case record that goes with it; None for an unknown patient."""

    file_name: str
    opacity: bool
    days_ago: int = 0
    record: CaseRecord | None = None

    @property
    def seed(self) -> int:
        """The seed of its image."""
        return int(self.file_name.removeprefix("phantom-").removesuffix(".png"))

    def png(self) -> bytes:
        """The image as a PNG."""
        rows = 1000 + self.seed % 5 * 60
        columns = 1300 + self.seed % 4 * 50
        buffer = BytesIO()
        # The model accepts most collimated phantoms as radiographs and refuses the others as
        # drawings, so that both kinds of result are there to see.
        collimated = self.seed % 4 != 0
        pixels = draw_phantom(self.seed, (rows, columns), self.opacity, collimated)
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()


def _person(number: int, name: str, born: str, sex: str) -> CaseRecord:
    return CaseRecord(
        patient_id=f"PHANTOM-{number:02}",
        issuer=ISSUER,
        name=name,
        birth_date=date.fromisoformat(born),
        sex=sex,
        referring_physician="Dr P. Joshi, paediatric ward",
    )


MAYA = _person(1, "Phantom^Maya", "2021-03-14", "F")
BISHAL = _person(2, "Phantom^Bishal", "2023-11-02", "M")
NIMA = _person(3, "Phantom^Nima", "2022-07-21", "F")
ASHA = _person(4, "Phantom^Asha", "2022-01-30", "F")
DEV = _person(5, "Phantom^Dev", "2019-09-09", "M")
SITA = _person(6, "Phantom^Sita", "2021-12-24", "F")
HARI = _person(7, "Phantom^Hari", "2024-05-17", "M")
PEMA = _person(8, "Phantom^Pema", "2024-02-29", "M")
ANU = _person(9, "Phantom^Anu", "2022-08-08", "F")

PHANTOMS = [
    Phantom(
        "phantom-101.png",
        opacity=True,
        record=replace(
            MAYA,
            accession_number="PH-1001",
            indication="Fever for four days, crackles over the right base. Pneumonia?",
            symptoms=["fever", "cough", "tachypnoea"],
            priority=Priority.URGENT,
        ),
    ),
    Phantom(
        "phantom-102.png",
        opacity=False,
        days_ago=210,
        record=replace(
            MAYA,
            accession_number="PH-0412",
            indication="Cough for three weeks.",
            symptoms=["cough"],
        ),
    ),
    Phantom(
        "phantom-103.png",
        opacity=True,
        record=replace(
            BISHAL,
            accession_number="PH-1002",
            indication="Saturation 89 % on room air, grunting.",
            symptoms=["hypoxia", "dyspnoea", "fever"],
            history="Born at 31 weeks.",
            priority=Priority.STAT,
        ),
    ),
    Phantom(
        "phantom-104.png",
        opacity=False,
        record=replace(
            NIMA,
            accession_number="PH-1003",
            indication="Before an operation on a hernia. No complaints.",
        ),
    ),
    Phantom(
        "phantom-105.png",
        opacity=False,
        record=replace(
            ASHA,
            accession_number="PH-1004",
            indication="Wheeze since yesterday evening.",
            symptoms=["wheeze", "cough"],
            history="Asthma, salbutamol as needed.",
        ),
    ),
    Phantom(
        "phantom-106.png",
        opacity=True,
        record=replace(
            DEV,
            accession_number="PH-1005",
            indication="Chest pain and fever, one week after influenza.",
            symptoms=["chest_pain", "fever", "fatigue"],
        ),
    ),
    Phantom(
        "phantom-107.png",
        opacity=True,
        days_ago=9,
        record=replace(
            SITA,
            accession_number="PH-0987",
            indication="Pneumonia? Fever and fast breathing.",
            symptoms=["fever", "tachypnoea"],
        ),
    ),
    Phantom(
        "phantom-108.png",
        opacity=False,
        record=replace(
            SITA,
            accession_number="PH-1006",
            indication="After nine days of amoxicillin: has it cleared?",
            symptoms=["cough"],
        ),
    ),
    Phantom(
        "phantom-109.png",
        opacity=False,
        record=replace(
            HARI,
            accession_number="PH-1007",
            indication="Vomiting and fever, source not clear.",
            symptoms=["vomiting", "fever"],
            priority=Priority.URGENT,
        ),
    ),
    Phantom(
        "phantom-110.png",
        opacity=True,
        record=replace(
            PEMA,
            accession_number="PH-1008",
            indication="Productive cough, dull over the left base.",
            symptoms=["cough", "sputum", "fever"],
        ),
    ),
    Phantom(
        "phantom-111.png",
        opacity=False,
        record=replace(
            ANU,
            accession_number="PH-1009",
            indication="Contact with tuberculosis in the family.",
            symptoms=["fatigue"],
        ),
    ),
    Phantom("phantom-112.png", opacity=False),
]


def load() -> Iterator[tuple[str, str]]:
    """Upload every phantom that is missing; yields file names and verdicts as it goes."""
    uploader = _uploader()
    for phantom in PHANTOMS:
        batch = _batch(phantom, uploader)
        item = batch.items.filter(file_name=phantom.file_name, radiograph__isnull=False).first()
        if item is None:
            file = BytesIO(phantom.png())
            item = pipeline.receive_file(batch, phantom.file_name, file, uploader)[0]
            _mark(batch, uploader)
        yield phantom.file_name, f"{item.get_verdict_display()} {item.reason}".strip()


def _uploader() -> User:
    """The user who owns the phantoms and cannot sign in."""
    known = User.objects.filter(username=USERNAME).first()
    if known is not None:
        return known
    with transaction.atomic():
        user = User.objects.create_user(
            USERNAME, None, [], full_name="Demonstration", is_active=False
        )
        append(Event(Action.USER_CREATED, "user", user.pk, detail={"roles": [], "active": False}))
        return user


def _batch(phantom: Phantom, uploader: User) -> UploadBatch:
    """The batch of an earlier run, so that nothing is uploaded twice, or a new one."""
    name = BATCH_NAME if phantom.record else UNNAMED_BATCH_NAME
    known = UploadBatch.objects.filter(created_by=uploader, name=name).first()
    if known is not None:
        return known
    if phantom.record is None:
        return services.create_batch(uploader, name=name)
    today = timezone.localdate()
    records = {
        lookup.file_key(other.file_name): replace(
            other.record, study_date=today - timedelta(days=other.days_ago)
        )
        for other in PHANTOMS
        if other.record is not None
    }
    return services.create_batch(
        uploader, name=name, identity_mode=IdentityMode.SHEET, records=records
    )


@transaction.atomic
def _mark(batch: UploadBatch, uploader: User) -> None:
    """Mark the batch's studies as phantoms."""
    studies = Study.objects.filter(
        radiographs__upload_items__batch=batch, is_phantom=False
    ).distinct()
    events = [
        Event(Action.STUDY_CHANGED, "study", pk, pk, {"fields": ["is_phantom"]})
        for pk in studies.values_list("pk", flat=True)
    ]
    Study.objects.filter(pk__in=studies.values("pk")).update(is_phantom=True)
    append_all(events, uploader)
