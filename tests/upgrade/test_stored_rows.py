"""Rows of older versions after an upgrade: signed reads, and reasons that were sentences.

A single test for both, because it is the way back to those versions that takes long.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.conftest import PASSWORD
from tests.factories import make_job, make_prediction, make_radiograph
from tests.migrating import migrate_originals
from tests.reading import sign
from webportal.accounts.models import User
from webportal.audit.verification import verify
from webportal.inference.models import JobState, Prediction
from webportal.intake.batches import services
from webportal.intake.models import UploadItem, Verdict
from webportal.reasons import Reason
from webportal.review.models import Read
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db(transaction=True)
# Before there were zones and second readers.
FIRST_READS = ("review", "0002_signed_reads_stay")
BEFORE = [
    ("intake", "0002_held_to_be_decided"),
    ("inference", "0007_judge_results_by_the_new_rule"),
]
AFTER = [("intake", "0003_reasons_as_codes"), ("inference", "0008_reasons_as_codes")]
MISMATCH = (
    "The patient record with this Patient ID has another name and date of birth. Decide on the list"
    " of held files whose image this is."
)
NOTE = (
    "It is recorded for another patient than you gave. Open that patient and check which is right."
)
BIRTH = (
    "The patient's date of birth is 2072-01-12, in the future. It may be in Bikram Sambat, in which"
    " it is 2015-04-25 of the common era. Say whether it is that, or when the patient was born."
)
#: Code and sentence as they were stored, and code and parameters that they become.
STORED: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("patient_mismatch", MISMATCH): (
        "patient_mismatch",
        {"differences": ["name", "birth_date"]},
    ),
    ("", NOTE): ("recorded_for_another", {}),
    ("bikram_sambat", BIRTH): (
        "bikram_sambat",
        {"given": "2072-01-12", "converted": "2015-04-25", "variant": "birth"},
    ),
    ("undecodable", "The deflated DICOM file cannot be unpacked. Export it again, uncompressed."): (
        "undecodable",
        {"variant": "deflated"},
    ),
    ("too_many_entries", "The ZIP file holds more than 5,000 files. Split it into smaller ones."): (
        "too_many_entries",
        {"files": 5000},
    ),
    ("too_large", "It is too big (100 %)."): ("too_large", {"text": "It is too big (100 %)."}),
    ("", "A note of long ago."): ("other", {"text": "A note of long ago."}),
}
LOST = (
    "The worker stopped or was cut off while it had this image (attempts: 3). The image may be the"
    " cause."
)


@pytest.fixture(autouse=True)
def _migrated_again() -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)


def test_reads_survive_and_sentences_become_codes_that_can_be_converted_back(
    uploader: User, radiologist: User
) -> None:
    batch = services.create_batch(uploader)
    held: dict[str, Any] = {"held_key": "held/1", "verdict": Verdict.HELD}
    noted = {"radiograph": make_radiograph(), "verdict": Verdict.ACCEPTED}
    for number, ((code, _), (known, params)) in enumerate(STORED.items()):
        UploadItem.objects.create(
            batch=batch,
            file_name=f"{number}.dcm",
            sha256="0" * 64,
            size=1,
            reason_code=known,
            reason_params=params,
            **held if code else noted,
        )
    job = make_job(
        state=JobState.QUARANTINED, reason_code="worker_lost", reason_params={"attempts": 3}
    )
    blank = make_prediction(category="not_assessable")
    read = make_prediction(category="likely")

    before = migrate_originals(FIRST_READS, *BEFORE)
    items = before.get_model("intake", "UploadItem").objects.order_by("file_name")
    assert list(items.values_list("reason", flat=True)) == [words for _, words in STORED]
    assert before.get_model("inference", "Job").objects.get(pk=job.pk).reason == LOST
    items.filter(verdict="accepted").update(reason_code="")  # as notes had none
    store_first_reads(read, radiologist)

    migrate_originals(*AFTER)
    # Everything: what depends on reads went back with them.
    call_command("migrate", verbosity=0)
    found = UploadItem.objects.order_by("file_name")
    assert list(found.values_list("reason_code", "reason_params")) == list(STORED.values())
    # In today's words; a migration keeps those that were stored.
    assert [item.reason for item in found] == [Reason(*known) for known in STORED.values()]
    job.refresh_from_db()
    assert job.reason == Reason("worker_lost", {"attempts": 3})
    assert str(Prediction.objects.get(pk=blank.pk).reason) == str(blank.reason)

    assert set(Read.objects.values_list("state", flat=True)) == {"signed", "draft"}
    for each in Read.objects.all():
        assert (each.kind, each.zones, each.comment) == ("first", [], "A fold.")
        assert (each.decision, each.other_findings) == ("overrule", ["effusion"])
    later = make_prediction(category="unlikely")
    sign(later.radiograph.study, radiologist, Entry(later.pk, "confirm", "none"), PASSWORD)
    assert verify().intact


def store_first_reads(prediction: Prediction, radiologist: User) -> None:
    """Store a signed read and a draft of a study, as FIRST_READS has them."""
    study = prediction.radiograph.study_id
    insert = """INSERT INTO review_read (id, study_id, reader_id, prediction_id, state, decision,
        pneumonia, other_findings, comment, created_at, updated_at, signed_at)
        VALUES (gen_random_uuid(), %s, %s, %s, %s, 'overrule', 'none', '{effusion}', 'A fold.',
        now(), now(), %s)"""
    with connection.cursor() as cursor:
        for state, signed_at in (("signed", "2026-01-01T00:00Z"), ("draft", None)):
            cursor.execute(insert, [study, radiologist.pk, prediction.pk, state, signed_at])
        signed = "UPDATE records_study SET reading_state = 'signed' WHERE id = %s"
        cursor.execute(signed, [study])
