"""A patient whose name, in words that occur nowhere else, is wherever a name can get to."""

import hashlib
import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pydicom
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import dicom_files
from tests.audit import day
from tests.conftest import PASSWORD
from tests.network.rows import make_node
from tests.orders.messages import answered, make_source, order
from tests.reading import add_addendum, sign
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.batches.services import create_batch
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.held import resolution
from webportal.intake.held.resolution import HeldDecision
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import receive_file
from webportal.network import inbox
from webportal.network.models import Node, ReceivedInstance
from webportal.notifications import run
from webportal.records.models import FileFault, Patient, Radiograph
from webportal.records.services import change_patient
from webportal.retention import holds
from webportal.review.models import Reservation
from webportal.review.reads.corrections import take_note
from webportal.review.reads.services import Entry, save_draft
from webportal.review.study.case_records import change_case_record
from webportal.storage import quarantine

#: What must be nowhere afterwards, in small letters; parts of names and numbers of the patient.
WORDS = (
    "zephyrine",
    "okonkwoski",
    "formerlyq",
    "zq-77812",
    "acc-91827",
    "1.2.826.0.1.3680043.8.498.777",
    "19870405",
    "1987-04-05",
)
IDENTITY: dict[str, Any] = {
    "PatientID": "ZQ-77812",
    "PatientName": "Okonkwoski^Zephyrine",
    "PatientBirthDate": "19870405",
    "AccessionNumber": "ACC-91827",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.777",
    "StudyDate": "20240229",
    "ViewPosition": "PA",
}


@dataclass
class Planted:
    """The patient, and the upload with another patient's file."""

    people: day.People
    patient: Patient
    batch: UploadBatch
    node: Node


def picture(seed: int, **elements: Any) -> bytes:
    return dicom_files.dicom(dicom_files.phantom(seed=seed), **{**IDENTITY, **elements})


def send(batch: UploadBatch, name: str, data: bytes, people: day.People) -> UploadItem:
    [item] = receive_file(batch, name, io.BytesIO(data), people.uploader)
    return item


def plant(people: day.People) -> Planted:
    """Let the name get about."""
    record = CaseRecord(patient_id="ZQ-77812", name="Okonkwoski^Zephyrine")
    other = CaseRecord(patient_id="P9", name="Doe^Jane 9")
    records = {"zephyrine_1.dcm": record, "doe.dcm": other}
    batch = create_batch(people.uploader, name="Okonkwoski, ward 3", records=records)
    data = picture(21)
    first = send(batch, "zephyrine_1.dcm", data, people)
    assert first.radiograph is not None, first.reason
    send(batch, "Zephyrine.txt", b"no image of Okonkwoski", people)
    send(batch, "doe.dcm", dicom_files.dicom(dicom_files.phantom(seed=22), PatientID="P9"), people)
    own = create_batch(people.uploader, name="Zephyrine alone")
    send(own, "Okonkwoski^2.dcm", picture(23), people)
    send(own, "again.dcm", data, people)
    day.analyse()
    patient, study = first.radiograph.study.patient, first.radiograph.study
    # Before and after a signature the identity is changed in different ways.
    change_patient(patient, {"name": "Formerlyq^Zephyrine"}, people.uploader)
    change_patient(patient, {"name": "Okonkwoski^Zephyrine"}, people.uploader)
    told = {"indication": "Zephyrine coughs", "history": "Okonkwoski family"}
    change_case_record(study, told, people.uploader)
    save_draft(study, people.reader, Entry(None, "", "", comment="Zephyrine's draft"))
    seen = day.confirm(study)
    read = sign(study, people.other_reader, seen, PASSWORD)
    reason = "told by Okonkwoski"
    amended = day.confirm(study, amends=read.pk, reason=reason)
    read = sign(study, people.other_reader, amended, PASSWORD)
    add_addendum(read, people.reader, "Zephyrine called", "Okonkwoski is well.", PASSWORD)
    for name in ("Formerlyq^Zephyrine", "Okonkwoski^Zephyrine"):
        change_patient(patient, {"name": name}, people.reader, "Okonkwoski said so")
    take_note(study, people.other_reader)
    node = make_node(by=people.it)
    _plant_files(people, patient, node)
    _plant_orders(people)
    _plant_searches(people)
    holds.lift(holds.place(patient, "Okonkwoski v. hospital", people.uploader), people.it)
    run.create_due()
    Reservation.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    return Planted(people, Patient.objects.get(pk=patient.pk), batch, node)


def _plant_files(people: day.People, patient: Patient, node: Node) -> None:
    held = create_batch(people.uploader)
    for seed, name in ((24, "Okonkwoski^Somebody Else"), (25, "Okonkwoski^Another")):
        item = send(held, f"{seed}.dcm", picture(seed, PatientName=name), people)
        assert item.verdict == "held", item.reason
    # A held file that was discarded is in the trash, without a record.
    resolution.resolve(item, HeldDecision.DISCARD, people.uploader)
    for seed, state in ((26, "refused"), (27, "set_aside")):
        data = picture(seed, SOPInstanceUID=f"1.2.3.{seed}")
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        about = (header.StudyInstanceUID, header.SOPInstanceUID, header.SOPClassUID)
        syntax = header.file_meta.TransferSyntaxUID
        inbox.receive(inbox.Arrival(node, "127.0.0.1", *about, syntax, data))
        sha256 = hashlib.sha256(data).hexdigest()
        ReceivedInstance.objects.filter(sha256=sha256).update(state=state, reason_code="damaged")
    image = Radiograph.objects.filter(study__patient=patient).first()
    assert image is not None
    FileFault.objects.create(key=image.dicom_key, kind="damaged", radiograph=image)
    default_storage.save("dicom/aa/bb/loose.dcm", ContentFile(picture(28)))
    quarantine.set_aside("dicom/aa/bb/loose.dcm")


def _plant_orders(people: day.People) -> None:
    """One of the study, one that found none, and one that was the patient's before."""
    source = make_source(by=people.it)
    pid = "PID|1||ZQ-77812||Okonkwoski^Zephyrine||19870405"
    for number in ("ACC-91827", "ACC-91827-2", "B-1"):
        assert answered(source, order(pid=pid, obr={18: number, 31: "^Zephyrine coughs"}))
    assert answered(source, order("XO", minute=1, pid=pid, obr={18: "ACC-91827", 31: "^Zephyrine"}))
    other = 'PID|1||P9||Doe^Jane 9||""'
    assert answered(source, order("XO", minute=1, pid=other, obr={18: "B-1", 31: "^Cough"}))


def _plant_searches(people: day.People) -> None:
    browser = Client()
    browser.force_login(people.reader)
    for text in ("zephyrine", "Doe", "ACC-91827"):
        found = browser.post(reverse("records:search"), {"text": text})
        browser.get(found.headers["Location"])
    append(Event(Action.ACCESS_VIEWED, detail={"text": "Okonkwoski"}), people.it)
