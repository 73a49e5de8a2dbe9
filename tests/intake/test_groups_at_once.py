"""Requests with several files each that are received at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from tests.intake.together import Files, dicom, pngs, receive
from webportal.accounts.models import Role, User
from webportal.audit.trail import Event
from webportal.audit.verification import verify
from webportal.inference.models import Job
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import group, match
from webportal.records.models import Patient, Radiograph, Study

pytestmark = pytest.mark.django_db(transaction=True)


class Together:
    """Requests that are received at the same time, each in a thread and transactions of its own."""

    def __init__(self, by: User) -> None:
        self._by = by
        self.errors: list[Exception] = []

    def receive(self, *requests: tuple[UploadBatch, Files]) -> None:
        start = threading.Barrier(len(requests))
        threads = [
            threading.Thread(target=self._receive, args=(start, *request)) for request in requests
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _receive(self, start: threading.Barrier, batch: UploadBatch, named: Files) -> None:
        try:
            start.wait()
            receive(batch, self._by, named)
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.close()


def test_groups_with_the_same_files_in_other_orders_neither_wait_for_ever_nor_store_twice(
    make_user: Callable[..., User],
) -> None:
    uploader = make_user(Role.UPLOADER)
    sent = {
        f"{seed}.dcm": dicom(seed, PatientID=f"P-{seed % 4}", StudyInstanceUID=f"1.2.{seed % 4}")
        for seed in range(8)
    }
    backwards = dict(reversed(sent.items()))
    batches = [services.create_batch(uploader) for _ in range(3)]
    together = Together(uploader)
    together.receive((batches[0], sent), (batches[1], backwards), (batches[2], sent))
    assert together.errors == []
    assert Radiograph.objects.count() == Job.objects.count() == len(sent)
    assert UploadItem.objects.filter(verdict="accepted").count() == len(sent)
    assert UploadItem.objects.filter(verdict="duplicate").count() == 2 * len(sent)
    assert verify().findings == []


def test_a_patient_created_by_another_request_meanwhile_is_shared(
    make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader = make_user(Role.UPLOADER)
    batch, other = (services.create_batch(uploader) for _ in range(2))
    insert = group._Records.insert
    raced: list[str] = []

    def after_another_request(self: Any) -> Any:
        if not raced:
            raced.append("once")
            same = {"o.dcm": dicom(9, PatientID="P-1", StudyInstanceUID="1.2.3")}
            together = Together(uploader)
            together.receive((other, same))
            assert together.errors == []
        return insert(self)

    monkeypatch.setattr(group._Records, "insert", after_another_request)
    uids = {"PatientID": "P-1", "StudyInstanceUID": "1.2.3"}
    sent = {f"{seed}.dcm": dicom(seed, **uids) for seed in range(3)} | pngs([5])
    assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
    assert raced
    assert Patient.objects.filter(patient_id="P-1").count() == 1
    assert Study.objects.count() == 2
    assert Radiograph.objects.count() == Job.objects.count() == 5
    assert verify().findings == []


@pytest.mark.parametrize("images", [1, 2])
def test_completing_a_patient_and_adding_a_study_do_not_deadlock(
    images: int, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two studies have one accession number, and only the file of one has the birth date."""
    uploader = make_user(Role.UPLOADER)
    batch, other = (services.create_batch(uploader) for _ in range(2))
    known = {"PatientID": "P-1", "PatientName": "Doe^Jane", "PatientBirthDate": ""}
    receive(batch, uploader, {"0.dcm": dicom(0, **known)})
    person = known | {"AccessionNumber": "A-1"}
    completing = {"9.dcm": dicom(9, **person | {"PatientBirthDate": "19500101"})}
    together = Together(uploader)
    thread = threading.Thread(target=together.receive, args=((other, completing),))
    link_created = match.link_created

    def meanwhile(study: Study) -> list[Event]:
        events = link_created(study)
        if thread.ident is None:
            thread.start()
            time.sleep(1)  # until it waits
        return events

    monkeypatch.setattr(match, "link_created", meanwhile)
    sent = {f"{seed}.dcm": dicom(seed, **person) for seed in range(1, 1 + images)}
    assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
    thread.join()
    assert together.errors == []
    assert Radiograph.objects.count() == 2 + images
    assert Patient.objects.get().birth_date is not None


@pytest.mark.parametrize("pause", [0.3, 2.0])
@pytest.mark.parametrize("images", [1, 2])
def test_completing_a_patient_and_sending_the_same_new_study_both_get_a_verdict(
    images: int, pause: float, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other: one for the patient, one for the study. Either may be ended."""
    uploader = make_user(Role.UPLOADER)
    batch, other = (services.create_batch(uploader) for _ in range(2))
    known = {"PatientID": "P-1", "PatientName": "Doe^Jane", "PatientBirthDate": ""}
    receive(batch, uploader, {"0.dcm": dicom(0, **known)})
    same = known | {"StudyInstanceUID": "1.2.3"}
    completing = {"9.dcm": dicom(9, **same | {"PatientBirthDate": "19500101"})}
    together = Together(uploader)
    thread = threading.Thread(target=together.receive, args=((other, completing),))
    link_created = match.link_created

    def meanwhile(study: Study) -> list[Event]:
        events = link_created(study)
        if thread.ident is None:
            thread.start()
            time.sleep(pause)  # until it waits, or has found that nobody waits for it yet
        return events

    monkeypatch.setattr(match, "link_created", meanwhile)
    sent = {f"{seed}.dcm": dicom(seed, **same) for seed in range(1, 1 + images)}
    assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
    thread.join()
    assert together.errors == []
    assert (Study.objects.count(), Radiograph.objects.count()) == (2, 2 + images)
    assert Patient.objects.get().birth_date is not None
    assert verify().findings == []
