"""A portal served by the tests' own process, with something to see on every page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.delivery.rows import make_delivery, make_pacs
from tests.factories import (
    PROBABILITIES,
    make_job,
    make_model_version,
    make_package,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from tests.network.rows import (
    make_commitment,
    make_node,
    make_prior_request,
    make_received,
)
from tests.orders.messages import answered, make_source, order
from tests.oversight.filled import fill_oversight
from webportal.accounts.models import Department, Role, RoleRequest, User
from webportal.delivery.models import DeliveryState
from webportal.erasure.models import Erasure
from webportal.inference import history, registry
from webportal.inference.models import Job, ModelVersion, Prediction, Worker
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem
from webportal.network import callers
from webportal.network.models import InboxState, PriorState
from webportal.notifications.models import Notification, NotificationKind
from webportal.records.choices import Category
from webportal.records.emergency_models import EmergencyAccess
from webportal.records.models import Study
from webportal.records.services import change_patient
from webportal.review.models import Addendum, Read, SavedView, SecondReading, TextTemplate

CHEAP = ["django.contrib.auth.hashers.MD5PasswordHasher"]
PICTURE = (500, 420)  # rows, columns
CARD = """# Test model

## Intended use

A second pair of eyes for **frontal** chest radiographs; see [the source](https://example.org).

| fold | images | AUROC |
| --- | --- | --- |
| random | 708 | 0.991 |

```
python -m ml predict image.png
```
"""


@dataclass(frozen=True)
class Portal:
    """A served portal: its address, each role's session key, and the ids of what it shows."""

    url: str
    sessions: dict[Role, str]
    ids: dict[str, str]


@contextmanager
def filled_portal(folder: Path) -> Iterator[Portal]:
    """Serve a portal full of phantoms; the database is emptied at the end.

    Needs a database that may be used. Passwords, which are PASSWORD, are hashed cheaply.
    """
    with override_settings(
        PASSWORD_HASHERS=CHEAP, ALLOWED_HOSTS=["localhost"], UPLOAD_MIN_FREE_BYTES=0
    ):
        server = LiveServer("localhost")
        try:
            people = _make_people()
            ids = _fill(people, folder)
            sessions = {role: _session(person) for role, person in people.items()}
            yield Portal(server.url, sessions, ids)
        finally:
            server.stop()
            connections.close_all()
            call_command("flush", interactive=False, verbosity=0)


def _make_people() -> dict[Role, User]:
    names = {
        Role.UPLOADER: "uma",
        Role.IT: "ingo",
        Role.AUDITOR: "audrey",
        Role.REFERRER: "rekha",
        Role.RESEARCHER: "rosa",
    }
    people = {
        role: User.objects.create_user(name, PASSWORD, [role]) for role, name in names.items()
    }
    both = [Role.RADIOLOGIST, Role.COORDINATOR]
    return people | {Role.RADIOLOGIST: User.objects.create_user("rita", PASSWORD, both)}


def _session(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies["sessionid"].value


def _fill(people: dict[Role, User], folder: Path) -> dict[str, str]:
    active, newer = _register_models(folder)
    batch, held = _upload(people[Role.UPLOADER])
    study = _fill_worklist(people[Role.RADIOLOGIST])
    _fill_agreement(people[Role.RADIOLOGIST])
    signed = Study.objects.filter(patient=study.patient, reading_state="signed").get()
    Study.objects.filter(pk=signed.pk).update(referrer=people[Role.REFERRER])
    corrector = User.objects.get(username="sunil")
    change_patient(study.patient, {"sex": "F"}, corrector, "The request form says so.")
    other = make_patient(name="Phantom^Mayur", sex="M", birth_date=date(1980, 1, 2))
    _start_workers()
    reader = people[Role.RADIOLOGIST]
    template = TextTemplate.objects.create(
        owner=reader, key="b", name="Right base", text="Opacity of the right base."
    )
    view = SavedView.objects.create(
        owner=reader, name="Night", filters={"category": "likely"}, is_shared=True
    )
    Notification.objects.create(
        recipient=people[Role.UPLOADER], kind=NotificationKind.BATCH_DONE, batch=batch
    )
    waiting = {"studies": 2, "waiting_since": timezone.now(), "category": Category.LIKELY}
    Notification.objects.create(recipient=reader, kind=NotificationKind.STAT_UNREAD, **waiting)
    node = make_node(port=104)
    for state in InboxState:
        make_received(None if state == InboxState.FOUND else node, state)
    erasure = Erasure.objects.create(
        patient=other.pk,
        reason="Request of 3 May",
        reference="DP-17",
        requested_at=timezone.now(),
        requested_by=people[Role.UPLOADER],
    )
    RoleRequest.objects.create(
        user=people[Role.UPLOADER],
        roles=[Role.REFERRER],
        requested_by=people[Role.IT],
        requested_at=timezone.now(),
    )
    callers.record_rejected("CR2", "CHESTLINE", "192.0.2.7", callers.UNKNOWN)
    access = EmergencyAccess.objects.create(
        person=reader,
        patient=study.patient,
        reason="The neonatal ward asked at night.",
        began_at=timezone.now() - timedelta(hours=2),
        ends_at=timezone.now() - timedelta(hours=1),
    )
    source = make_source(by=people[Role.IT])
    for message in (order(obr={18: study.accession_number or "ACC-1"}), order("ZZ")):
        answered(source, message)
    make_commitment(node)
    make_prior_request(node, study, *PriorState)
    pacs = make_pacs()
    for outcome in DeliveryState:
        make_delivery(pacs, outcome)
    trial = fill_oversight(active, newer, people[Role.IT])
    return {
        "shadow_id": str(trial.pk),
        "access_id": str(access.pk),
        "department_id": str(Department.objects.get().pk),
        "destination_id": str(pacs.pk),
        "protocol": "dicom",
        "node_id": str(node.pk),
        "source_id": str(source.pk),
        "erasure_id": str(erasure.pk),
        "user_id": str(people[Role.UPLOADER].pk),
        "patient_id": str(study.patient_id),
        "study_id": str(study.pk),
        "signed_id": str(signed.pk),
        "other_patient_id": str(other.pk),
        "batch_id": str(batch.pk),
        "item_id": str(held.pk),
        "model_id": str(newer.pk),
        "active_id": str(active.pk),
        "template_id": str(template.pk),
        "view_id": str(view.pk),
        "name": "gpu-1",
    }


def _register_models(folder: Path) -> tuple[ModelVersion, ModelVersion]:
    versions = [
        registry.register(make_package(folder / name, plots={"roc": "ROC curves."}), None)[0]
        for name in ("2026.1", "2026.2")
    ]
    ModelVersion.objects.update(card=CARD)
    make_model_version()  # its package is gone
    return versions[0], versions[1]


def _upload(uploader: User) -> tuple[UploadBatch, UploadItem]:
    batch = services.create_batch(uploader, name="Night shift")
    picture = files.phantom()
    for name, data in (
        ("one.dcm", files.dicom(picture)),
        ("letter.txt", b"Dear colleague"),
        ("other-patient.dcm", files.dicom(files.phantom(seed=1), PatientName="Doe^Jane")),
        ("without-patient.png", files.png(files.phantom(seed=2))),
    ):
        pipeline.receive_file(batch, name, BytesIO(data), uploader)
    taken = batch.items.filter(radiograph__isnull=False).first()
    assert taken is not None
    assert taken.radiograph is not None
    Job.objects.all().delete()
    make_prediction(taken.radiograph, Category.INDETERMINATE)
    return batch, batch.items.get(verdict="held")


def _fill_worklist(reader: User) -> Study:
    """A row of each kind; returns a study with result, heat map, prior and signed prior read."""
    now = timezone.now()
    patient = make_patient(name="Phantom^Maya")
    earlier = make_study(
        patient=patient, performed_at=now - timedelta(days=210), description="Chest PA"
    )
    _sign(make_prediction(make_radiograph(earlier, PICTURE), Category.UNLIKELY), reader)
    study = make_study(
        patient=patient,
        performed_at=now,
        priority=0,
        accession_number="ACC-1",
        indication="Fever for four days, crackles over the right base. Pneumonia?",
        symptoms=["fever", "cough"],
    )
    picture = make_radiograph(study, PICTURE)
    make_prediction(picture, Category.UNLIKELY, model_version=make_model_version())
    make_prediction(picture, Category.LIKELY)
    make_prediction(make_radiograph(study, PICTURE), Category.NOT_ASSESSABLE)
    for category in PROBABILITIES:
        make_prediction(make_radiograph(make_study(priority=1)), category)
    make_study(assigned_reader=reader)
    for state in ("queued", "running", "quarantined"):
        make_job(make_radiograph(), state)
    return study


def _sign(prediction: Prediction, reader: User, kind: str = "first", finding: str = "none") -> Read:
    study = prediction.radiograph.study
    read = Read.objects.create(
        study=study,
        reader=reader,
        prediction=prediction,
        state="signed",
        kind=kind,
        decision="confirm" if finding == "none" else "overrule",
        pneumonia=finding,
        comment="Clear lungs." if finding == "none" else "Opacity of the right base.",
        signed_at=timezone.now() - timedelta(minutes=1),
    )
    Study.objects.filter(pk=study.pk).update(reading_state="signed")
    Addendum.objects.create(
        read=read, author=reader, reason="Second look", text="No change.", signed_at=timezone.now()
    )
    return read


def _fill_agreement(reader: User) -> None:
    second = User.objects.create_user("sunil", PASSWORD, [Role.RADIOLOGIST])
    for number in range(6):
        prediction = make_prediction(category=Category.UNLIKELY)
        SecondReading.objects.create(study=prediction.radiograph.study, reason="drawn", due="")
        _sign(prediction, reader, finding="definite" if number < 2 else "none")
        _sign(prediction, second, "second", finding="definite" if number < 3 else "none")


def _start_workers() -> None:
    now = timezone.now()
    for name, ago, is_draining in (("gpu-1", 0, False), ("gpu-2", 0, True), ("gpu-3", 900, False)):
        Worker.objects.create(
            name=name,
            device="NVIDIA H200",
            model_version="2026.1",
            is_draining=is_draining,
            started_at=now - timedelta(hours=3),
            last_seen_at=now - timedelta(seconds=ago),
            finished_jobs=1200,
            host="inference-1",
            program_version="0.0.1",
            log_tail="2026-01-01 10:00:00 INFO workers.engine: Model 2026.1 is ready\n" * 40,
        )
    history.summarise(60)
