"""A signature says whom the reader took the patient to be."""

import threading
from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.records.identity import shown_identity, version_of
from webportal.records.models import Study
from webportal.records.services import change_patient
from webportal.review.models import Read
from webportal.review.reading import Entry, save_draft, sign


def study_of(name: str = "Before^Phantom") -> Study:
    study = make_study(patient=make_patient(name=name, birth_date=date(2021, 2, 3), sex="F"))
    make_radiograph(study)
    return study


@pytest.mark.django_db
def test_a_signed_read_records_the_identity_and_the_trail_its_fingerprint(
    radiologist: User,
) -> None:
    study = study_of()
    entry = Entry(None, "unaided", "none")
    assert save_draft(study, radiologist, entry).identity == {}
    read = sign(study, radiologist, entry, PASSWORD)
    read.refresh_from_db()
    assert read.identity == {
        "patient": str(study.patient_id),
        "patient_id": study.patient.patient_id,
        "issuer": "TEST",
        "name": "Before^Phantom",
        "birth_date": "2021-02-03",
        "sex": "F",
    }
    detail = AuditEntry.objects.get(action="read.signed").detail
    assert detail["patient"] == str(study.patient_id)
    assert detail["identity_sha256"] == version_of(read.identity)
    assert "Before" not in str(detail)


@pytest.mark.django_db
def test_a_later_correction_leaves_what_was_signed(radiologist: User) -> None:
    study = study_of()
    read = sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    change_patient(study.patient, {"name": "After^Phantom"}, radiologist, "A slip.")
    read.refresh_from_db()
    study.patient.refresh_from_db()
    assert read.identity["name"] == "Before^Phantom"
    assert read.identity != shown_identity(study.patient)


def in_threads(*acts: Callable[[], object]) -> list[BaseException]:
    """Do these at once, each on a connection of its own; what they raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            start.wait()
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
def test_a_correction_and_a_signature_never_wait_for_each_other_for_ever(
    radiologist: User,
) -> None:
    for number in range(10):
        study = study_of()

        def rename(study: Study = study, number: int = number) -> None:
            values = {"name": f"After^{number}", "patient_id": f"N{number}"}
            change_patient(study.patient, values, radiologist, "A slip.")

        def sign_it(study: Study = study) -> None:
            sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)

        assert in_threads(rename, sign_it) == []
        read = Read.objects.get(study=study)
        assert read.identity["name"] in ("Before^Phantom", f"After^{number}")
