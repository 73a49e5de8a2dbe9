"""An image added to a study while it is read, or after it is signed, has to be read too."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.helpers import audit_actions
from tests.intake.conftest import Send
from tests.reading import add_addendum, sign
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.reasons import NO_REASON
from webportal.records.models import Patient, Study
from webportal.records.services import RecordError
from webportal.review.models import ReadState
from webportal.review.reads.services import Entry, ReadingError
from webportal.review.study.case_records import change_case_record

pytestmark = pytest.mark.django_db

UNAIDED = Entry(None, "unaided", "none", comment="Clear.", images=1)


def send_image(send: Send, number: int) -> Study:
    data = files.dicom(files.phantom(), StudyInstanceUID="1.2.3", SOPInstanceUID=f"1.2.3.{number}")
    item = send(data, f"{number}.dcm")
    assert item.radiograph is not None, item.reason
    return Study.objects.get(pk=item.radiograph.study_id)


def test_nobody_signs_an_image_that_was_not_displayed(send: Send, radiologist: User) -> None:
    study = send_image(send, 1)
    send_image(send, 2)
    with pytest.raises(ReadingError) as refused:
        sign(study, radiologist, UNAIDED, PASSWORD)
    assert refused.value.code == "images_changed"
    draft = study.reads.get()
    assert (draft.state, draft.comment) == (ReadState.DRAFT, "Clear.")


def test_an_image_added_after_signing_returns_the_study_to_the_worklist(
    send: Send, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    read = sign(send_image(send, 1), radiologist, UNAIDED, PASSWORD)
    study = send_image(send, 2)
    assert study.reading_state == "unread"
    assert audit_actions(study_id=study.pk)[-3:] == [
        "study.changed",
        "radiograph.stored",
        "job.queued",
    ]
    page = sign_in(radiologist).get(reverse("review:study", args=[study.pk])).content.decode()
    assert "An image was added to this study after the signature" in page
    # What was signed stays signed: the case record is closed all the same.
    with pytest.raises(RecordError, match="signed"):
        change_case_record(study, {"indication": "Another"}, radiologist)

    with pytest.raises(ReadingError) as refused:
        add_addendum(read, radiologist, "Second image", "Clear too.", PASSWORD, images=1)
    assert refused.value.code == "images_changed"
    add_addendum(read, radiologist, "Second image", "Clear too.", PASSWORD, images=2)
    study.refresh_from_db()
    assert study.reading_state == "signed"


def test_an_addendum_submitted_twice_is_signed_once(send: Send, radiologist: User) -> None:
    read = sign(send_image(send, 1), radiologist, UNAIDED, PASSWORD)
    first = add_addendum(read, radiologist, "Typing error", "Left, not right.", PASSWORD)
    assert add_addendum(read, radiologist, "Typing error", "Left, not right.", PASSWORD) == first
    assert read.addenda.count() == 1


def test_a_later_file_completes_no_identity_under_which_a_read_is_signed(
    send: Send, radiologist: User
) -> None:
    def image(number: int, **elements: Any) -> bytes:
        elements |= {"StudyInstanceUID": f"1.2.{number}", "SOPInstanceUID": f"1.2.3.{number}"}
        return files.dicom(files.phantom(seed=number), **elements)

    send(image(1, PatientBirthDate="", PatientSex=""), "1.dcm")
    patient = Patient.objects.get()
    assert send(image(2, PatientBirthDate="", PatientSex="M"), "2.dcm").reason == NO_REASON
    patient.refresh_from_db()
    assert patient.sex == "M"
    entry = AuditEntry.objects.get(action="patient.changed")
    assert (entry.detail["before"], entry.detail["after"]) == ({"sex": ""}, {"sex": "M"})

    sign(patient.studies.get(study_instance_uid="1.2.1"), radiologist, UNAIDED, PASSWORD)
    item = send(image(3, PatientBirthDate="19700101", PatientSex="M"), "3.dcm")
    assert item.verdict == "accepted"
    assert "also gives the patient’s date of birth" in str(item.reason)
    patient.refresh_from_db()
    assert patient.birth_date is None
    assert audit_actions().count("patient.changed") == 1
