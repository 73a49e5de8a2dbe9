"""A signed read is corrected by another one of the same reader, which supersedes it."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph
from tests.helpers import audit_actions
from tests.reading import add_addendum, entry, read, refusal, sign, state
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.review.models import Read, SecondReading
from webportal.review.reads.queries import own_draft, signed_read
from webportal.review.reads.reservation import reservation_of, reserve
from webportal.review.reads.second_reading import signed_reads
from webportal.review.reads.services import ReadingError, save_draft
from webportal.review.reads.standing import standing_reads, superseding_read
from webportal.review.reports.agreement import readers_against_model, reads_between

pytestmark = pytest.mark.django_db


def amend(
    amended: Read, seen: Prediction, finding: str, reason: str = "Misread", **more: Any
) -> Read:
    entered = entry(seen, finding, amends=amended.pk, reason=reason, **more)
    return sign(amended.study, amended.reader, entered, PASSWORD)


def test_the_amendment_counts_and_the_earlier_read_is_kept(
    prediction: Prediction, radiologist: User
) -> None:
    study = prediction.radiograph.study
    first = read(prediction, radiologist, "none", comment="Clear.")
    second = amend(first, prediction, "definite", zones=("left_lower",), comment="Behind heart.")
    assert signed_read(study) == second
    assert (second.kind, second.revision, second.amends) == ("first", 1, first)
    assert superseding_read(first) == second
    first.refresh_from_db()
    assert (first.state, first.pneumonia, first.comment) == ("signed", "none", "Clear.")
    assert state(study) == ("signed", "")
    assert list(standing_reads()) == [second]
    # It overrules the model now, and that is how it counts in the figures.
    figures = readers_against_model(reads_between(None, None))
    assert (figures.count, figures.neither, figures.only_first) == (1, 0, 1)


def test_an_amendment_can_be_amended(prediction: Prediction, radiologist: User) -> None:
    first = read(prediction, radiologist, "none")
    second = amend(first, prediction, "definite")
    third = amend(second, prediction, "possible", reason="Less sure")
    assert signed_read(first.study) == third
    assert [each.revision for each in (first, second, third)] == [0, 1, 2]
    assert refusal(lambda: amend(first, prediction, "none")) == "already_amended"
    draft = own_draft(first.study, radiologist)
    assert draft is not None
    assert draft.amends == first


def test_the_trail_records_the_amended_and_the_original_read(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    second = amend(first, prediction, "definite", reason="Misread: Anna", comment="Anna")
    assert audit_actions(action="read.amended") == ["read.amended"]
    detail = AuditEntry.objects.get(action="read.amended").detail
    assert detail["amends"] == str(first.pk)
    assert (detail["revision"], detail["pneumonia"], detail["kind"]) == (1, "definite", "first")
    assert detail["prediction"] == str(prediction.pk)
    assert len(detail["reason_sha256"]) == len(detail["text_sha256"]) == 64
    assert "Anna" not in str(detail)
    assert AuditEntry.objects.filter(action="read.signed").get().object_id == str(first.pk)
    assert second.signed_at is not None


def test_an_amendment_needs_a_reason_and_the_password(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    assert refusal(lambda: amend(first, prediction, "definite", reason="")) == "incomplete"
    entered = entry(prediction, "definite", amends=first.pk, reason="Misread")
    assert refusal(lambda: sign(first.study, radiologist, entered, "guess")) == "wrong_password"
    draft = own_draft(first.study, radiologist)
    assert draft is not None
    assert (draft.amends, draft.reason, draft.pneumonia) == (first, "Misread", "definite")
    assert signed_read(first.study) == first
    assert audit_actions()[-1] == "read.signature_failed"


def test_only_its_author_amends_a_read(prediction: Prediction, readers: list[User]) -> None:
    first = read(prediction, readers[0], "none")
    entered = entry(prediction, "definite", amends=first.pk, reason="No")
    study = first.study
    assert refusal(lambda: sign(study, readers[1], entered, PASSWORD)) == "not_own_read"
    assert refusal(lambda: save_draft(study, readers[1], entered)) == "not_own_read"
    other = make_prediction()
    elsewhere = entry(other, "definite", amends=first.pk, reason="No")
    assert refusal(lambda: save_draft(other.radiograph.study, readers[0], elsewhere)) == (
        "not_own_read"
    )


def test_an_amendment_is_bound_to_the_result_and_images_seen(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    newer = make_prediction(prediction.radiograph, "likely")
    assert refusal(lambda: amend(first, prediction, "definite")) == "result_changed"
    make_radiograph(first.study)
    assert refusal(lambda: amend(first, newer, "definite", images=1)) == "images_changed"
    Study.objects.filter(pk=first.study_id).update(reading_state="unread")
    second = amend(first, newer, "definite", images=2)
    assert (second.prediction, second.decision) == (newer, "confirm")
    assert state(first.study) == ("signed", "")


def test_the_same_amendment_submitted_twice_is_signed_once(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    second = amend(first, prediction, "definite")
    assert amend(first, prediction, "definite") == second
    assert audit_actions(action="read.amended") == ["read.amended"]


def test_an_addendum_keeps_the_draft_of_an_amendment(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    save_draft(first.study, radiologist, entry(prediction, "definite", amends=first.pk))
    add_addendum(first, radiologist, "Why", "What", PASSWORD)
    draft = own_draft(first.study, radiologist)
    assert draft is not None
    assert draft.amends == first


@pytest.mark.django_db(transaction=True)
def test_only_one_of_two_simultaneous_amendments_is_signed(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def correct(finding: str) -> None:
        try:
            start.wait()
            amend(first, prediction, finding)
            outcomes.append("signed")
        except ReadingError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=correct, args=[each]) for each in ("possible", "definite")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) in (["already_amended", "signed"], ["draft_changed", "signed"])
    assert standing_reads().count() == 1


def test_the_database_rejects_an_inconsistent_amendment(
    prediction: Prediction, readers: list[User]
) -> None:
    first = read(prediction, readers[0], "none")
    fitting: dict[str, Any] = {
        "study": first.study,
        "reader": readers[0],
        "prediction": prediction,
        "state": "signed",
        "decision": "overrule",
        "pneumonia": "definite",
        "amends": first,
        "revision": 1,
        "reason": "Misread",
        "signed_at": timezone.now(),
    }
    elsewhere = make_radiograph().study
    for change in (
        {"reader": readers[1]},
        {"study": elsewhere},
        {"kind": "second"},
        {"revision": 2},
        {"reason": ""},
        {"amends": None},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Read.objects.create(**fitting | change)
    Read.objects.create(**fitting)
    with pytest.raises(IntegrityError), transaction.atomic():
        Read.objects.create(**fitting)


# ── In a study that is read twice ──────────────────────────────────────────────────────────────


def test_a_first_read_amended_while_the_second_is_due(
    twice: None, prediction: Prediction, readers: list[User]
) -> None:
    first = read(prediction, readers[0], "none")
    study = first.study
    reserve(study, readers[1])
    amended = amend(first, prediction, "definite")
    assert state(study) == ("unread", "second")
    held = reservation_of(study)
    assert held is not None
    assert held.reader == readers[1]
    second = read(prediction, readers[1], "definite")
    assert second.kind == "second"
    assert state(study) == ("signed", "")
    assert signed_reads(Study.objects.get(pk=study.pk)) == [amended, second]


@pytest.mark.parametrize("who", [0, 1])
def test_an_amendment_can_resolve_a_disagreement(
    twice: None, who: int, prediction: Prediction, readers: list[User]
) -> None:
    reads = [read(prediction, readers[0], "none"), read(prediction, readers[1], "definite")]
    study = reads[0].study
    assert state(study) == ("unread", "arbitration")
    amend(reads[who], prediction, "possible")
    assert state(study) == ("unread", "arbitration")
    last = amend(Read.objects.get(revision=1), prediction, ("definite", "none")[who])
    assert state(study) == ("signed", "")
    study = Study.objects.get(pk=study.pk)
    assert signed_read(study) == (reads[1] if who == 0 else last)
    late = refusal(lambda: read(prediction, readers[2], "none"))
    assert late == "already_signed"


@pytest.mark.parametrize("who", [0, 1])
def test_an_amendment_can_create_a_disagreement(
    twice: None, who: int, prediction: Prediction, readers: list[User]
) -> None:
    reads = [read(prediction, readers[0], "none"), read(prediction, readers[1], "none")]
    study = reads[0].study
    assert state(study) == ("signed", "")
    amend(reads[who], prediction, "definite")
    assert state(study) == ("unread", "arbitration")
    arbitration = read(prediction, readers[2], "none")
    assert arbitration.kind == "arbitration"
    assert state(study) == ("signed", "")
    # What was arbitrated stays so, whatever the two say later.
    amend(signed_reads(Study.objects.get(pk=study.pk))[0], prediction, "possible")
    assert signed_read(Study.objects.get(pk=study.pk)) == arbitration
    corrected = amend(arbitration, prediction, "definite")
    assert signed_read(Study.objects.get(pk=study.pk)) == corrected
    assert state(study) == ("signed", "")


def test_a_likely_result_overruled_by_an_amendment_goes_to_a_second_reader(
    settings: Settings, readers: list[User]
) -> None:
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 0.0
    likely = make_prediction(category="likely")
    first = read(likely, readers[0], "definite")
    assert state(first.study) == ("signed", "")
    amended = amend(first, likely, "none")
    assert state(first.study) == ("unread", "second")
    order = SecondReading.objects.get()
    assert (order.reason, order.ordered_by) == ("overruled", amended)
    # Once asked for it stays asked for.
    amend(amended, likely, "definite")
    assert state(first.study) == ("unread", "second")


def test_an_amendment_does_not_repeat_the_random_selection(
    settings: Settings, prediction: Prediction, readers: list[User]
) -> None:
    first = read(prediction, readers[0], "none")
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 1.0
    amend(first, prediction, "definite")
    assert state(first.study) == ("signed", "")
