"""A read is signed once, on the result that its reader saw, and is then immutable."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import add_addendum, refusal, sign
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.review.models import Addendum, Read
from webportal.review.reads.decisions import open_choices
from webportal.review.reads.queries import leading_prediction
from webportal.review.reads.services import (
    Entry,
    ReadingError,
    discard_draft,
    draft_version,
    save_draft,
)

CATEGORIES = ["likely", "indeterminate", "unlikely", "not_assessable", ""]


def study_with(category: str) -> tuple[Study, Prediction | None]:
    radiograph = make_radiograph()
    return radiograph.study, make_prediction(radiograph, category) if category else None


def entry(seen: Prediction | None, decision: str, pneumonia: str, **more: Any) -> Entry:
    return Entry(seen.pk if seen else None, decision, pneumonia, **more)


@pytest.mark.django_db
@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("decision", ["confirm", "overrule", "not_interpretable", "unaided"])
@pytest.mark.parametrize("finding", ["", "none", "possible", "definite"])
def test_every_pair_of_finding_and_result_is_signed_or_refused(
    category: str, decision: str, finding: str, radiologist: User
) -> None:
    study, seen = study_with(category)
    entered = entry(seen, decision, finding)
    if (decision, finding) not in open_choices(category):
        assert refusal(lambda: sign(study, radiologist, entered, PASSWORD)) == "not_fitting"
        study.refresh_from_db()
        assert study.reading_state == "unread"
        return
    read = sign(study, radiologist, entered, PASSWORD)
    read.refresh_from_db()
    assert (read.state, read.decision, read.pneumonia) == ("signed", decision, finding)
    assert read.prediction == (None if decision == "unaided" else seen)


@pytest.mark.django_db
def test_signing_updates_the_study_and_the_trail(radiologist: User) -> None:
    study, seen = study_with("likely")
    read = sign(study, radiologist, entry(seen, "overrule", "none"), PASSWORD)
    study.refresh_from_db()
    assert study.reading_state == "signed"
    assert read.signed_at is not None
    assert audit_actions(study_id=study.pk) == ["image.viewed", "read.saved", "read.signed"]


@pytest.mark.django_db
def test_nothing_is_signed_without_a_decision(radiologist: User) -> None:
    study, seen = study_with("likely")
    entered = entry(seen, "", "", comment="thinking")
    assert refusal(lambda: sign(study, radiologist, entered, PASSWORD)) == "incomplete"
    assert Read.objects.get().comment == "thinking"


@pytest.mark.django_db
def test_a_wrong_password_signs_nothing_and_loses_nothing(radiologist: User) -> None:
    study, seen = study_with("likely")
    entered = entry(seen, "confirm", "definite", other_findings=("effusion",), comment="right base")
    assert refusal(lambda: sign(study, radiologist, entered, "guess")) == "wrong_password"
    kept = Read.objects.get()
    assert (kept.state, kept.decision, kept.comment) == ("draft", "confirm", "right base")
    assert kept.other_findings == ["effusion"]
    study.refresh_from_db()
    assert study.reading_state == "unread"
    assert audit_actions(study_id=study.pk) == [
        "image.viewed",
        "read.saved",
        "read.signature_failed",
    ]


@pytest.mark.django_db
def test_a_changed_result_must_be_seen_first(radiologist: User) -> None:
    study, seen = study_with("likely")
    entered = entry(seen, "confirm", "definite", comment="kept")
    newer = make_prediction(study.radiographs.get(), "likely")
    assert refusal(lambda: sign(study, radiologist, entered, PASSWORD)) == "result_changed"
    assert Read.objects.get().comment == "kept"
    assert (
        sign(study, radiologist, entry(newer, "confirm", "definite"), PASSWORD).prediction == newer
    )


@pytest.mark.django_db
def test_a_new_result_must_be_seen_first(radiologist: User) -> None:
    study, _ = study_with("")
    make_prediction(study.radiographs.get(), "unlikely")
    entered = entry(None, "unaided", "none")
    assert refusal(lambda: sign(study, radiologist, entered, PASSWORD)) == "result_changed"


@pytest.mark.django_db
def test_the_worst_of_several_radiographs_leads() -> None:
    study = make_study()
    for category in ("unlikely", "not_assessable", "likely", "indeterminate"):
        make_prediction(make_radiograph(study), category)
    leading = leading_prediction(study)
    assert leading is not None
    assert leading.category == "likely"


@pytest.mark.django_db
def test_a_result_of_another_study_is_refused(radiologist: User) -> None:
    study, _ = study_with("likely")
    _, other = study_with("likely")
    entered = entry(other, "confirm", "definite")
    assert refusal(lambda: save_draft(study, radiologist, entered)) == "unknown_value"
    assert refusal(lambda: save_draft(study, radiologist, Entry(uuid.uuid4()))) == "unknown_value"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [("agree", ""), ("confirm", "certain"), ("confirm", "definite", ("halo",))],
    ids=["decision", "finding", "other finding"],
)
def test_an_unknown_value_is_refused(values: tuple[Any, ...], radiologist: User) -> None:
    study, seen = study_with("likely")
    assert seen is not None
    entered = Entry(seen.pk, *values)
    assert refusal(lambda: save_draft(study, radiologist, entered)) == "unknown_value"


@pytest.mark.django_db
def test_a_draft_is_saved_again_only_if_changed(radiologist: User) -> None:
    study, seen = study_with("likely")
    first = save_draft(study, radiologist, entry(seen, "confirm", "", comment="a"))
    assert save_draft(study, radiologist, entry(seen, "confirm", "", comment="a")) == first
    assert save_draft(study, radiologist, entry(seen, "confirm", "", comment="b")) == first
    assert audit_actions(study_id=study.pk) == ["read.saved", "read.saved"]
    discard_draft(study, radiologist)
    assert not Read.objects.exists()
    *saved, discarded = AuditEntry.objects.filter(study_id=study.pk).order_by("sequence")
    assert [each.detail for each in saved] == [{}, {}]
    assert (discarded.action, discarded.detail) == ("read.saved", {"discarded": True})


@pytest.mark.django_db
def test_a_draft_changed_elsewhere_is_not_overwritten(radiologist: User) -> None:
    study, seen = study_with("likely")
    first = save_draft(study, radiologist, entry(seen, "confirm", "", comment="a", version=""))
    late = entry(seen, "confirm", "definite", comment="b", version="")
    assert refusal(lambda: save_draft(study, radiologist, late)) == "draft_changed"
    assert refusal(lambda: sign(study, radiologist, late, PASSWORD)) == "draft_changed"
    first.refresh_from_db()
    assert first.comment == "a"
    in_time = replace(late, version=draft_version(first))
    assert sign(study, radiologist, in_time, PASSWORD).comment == "b"


def test_each_reader_has_their_own_draft(radiologist: User, make_user: Callable[..., User]) -> None:
    other = make_user(Role.RADIOLOGIST, username="other")
    study, seen = study_with("likely")
    save_draft(study, radiologist, entry(seen, "confirm", "definite"))
    save_draft(study, other, entry(seen, "overrule", "none"))
    discard_draft(study, other)
    assert Read.objects.get().reader == radiologist


@pytest.mark.django_db
def test_the_same_signature_submitted_twice_is_one_read(radiologist: User) -> None:
    study, seen = study_with("likely")
    entered = entry(seen, "confirm", "definite", other_findings=("other", "effusion"))
    first = sign(study, radiologist, entered, PASSWORD)
    assert sign(study, radiologist, entered, PASSWORD) == first
    assert Read.objects.count() == 1
    assert audit_actions(action="read.signed") == ["read.signed"]


@pytest.mark.django_db
def test_the_second_reader_keeps_the_text(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    other = make_user(Role.RADIOLOGIST, username="other")
    study, seen = study_with("likely")
    sign(study, radiologist, entry(seen, "confirm", "definite"), PASSWORD)
    entered = entry(seen, "overrule", "none", comment="I see a fold of skin.")
    assert refusal(lambda: sign(study, other, entered, PASSWORD)) == "already_signed"
    assert Read.objects.get(reader=other).comment == "I see a fold of skin."


@pytest.mark.django_db(transaction=True)
def test_exactly_one_of_two_simultaneous_signatures_wins(make_user: Callable[..., User]) -> None:
    readers = [make_user(Role.RADIOLOGIST, username=f"reader{n}") for n in range(4)]
    study, seen = study_with("likely")
    outcomes: list[str] = []
    start = threading.Barrier(len(readers))

    def read(reader: User) -> None:
        try:
            start.wait()
            sign(
                study, reader, entry(seen, "confirm", "definite", comment=reader.username), PASSWORD
            )
            outcomes.append("signed")
        except ReadingError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=read, args=[reader]) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already_signed"] * 3 + ["signed"]
    assert Read.objects.filter(state="signed").count() == 1
    assert Read.objects.filter(state="draft").count() == 3
    assert audit_actions(action="read.signed") == ["read.signed"]


@pytest.mark.django_db
def test_the_database_allows_one_signed_read_per_study(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    study, seen = study_with("likely")
    sign(study, radiologist, entry(seen, "confirm", "definite"), PASSWORD)
    other = make_user(Role.RADIOLOGIST, username="other")
    with pytest.raises(IntegrityError, match="one_signed_read_per_study"), transaction.atomic():
        Read.objects.create(
            study=study,
            reader=other,
            prediction=seen,
            state="signed",
            decision="overrule",
            pneumonia="none",
            signed_at=timezone.now(),
        )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE review_read SET comment = 'other'",
        "UPDATE review_read SET state = 'draft', signed_at = NULL",
        "DELETE FROM review_read",
        "UPDATE review_addendum SET text = 'other'",
        "DELETE FROM review_addendum",
    ],
)
def test_the_database_protects_signed_reads(statement: str, radiologist: User) -> None:
    study, seen = study_with("likely")
    read = sign(study, radiologist, entry(seen, "confirm", "definite"), PASSWORD)
    add_addendum(read, radiologist, "Late finding", "Small effusion.", PASSWORD)
    with (
        pytest.raises(IntegrityError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.django_db
def test_an_addendum_needs_a_signed_read_a_reason_a_text_and_the_password(
    radiologist: User,
) -> None:
    study, seen = study_with("likely")
    draft = save_draft(study, radiologist, entry(seen, "confirm", "definite"))

    def add(read: Read, reason: str = "Why", text: str = "What", password: str = PASSWORD) -> str:
        return refusal(lambda: add_addendum(read, radiologist, reason, text, password))

    assert add(draft) == "not_signed"
    read = sign(study, radiologist, entry(seen, "confirm", "definite"), PASSWORD)
    assert add(read, reason="  ") == "incomplete"
    assert add(read, text="\n") == "incomplete"
    assert add(read, password="guess") == "wrong_password"
    assert not Addendum.objects.exists()
    assert audit_actions(study_id=study.pk)[-1] == "read.signature_failed"
    addendum = add_addendum(read, radiologist, "Why", "What", PASSWORD)
    assert list(read.addenda.all()) == [addendum]
    assert audit_actions(study_id=study.pk)[-1] == "addendum.signed"


@pytest.mark.django_db
def test_an_addendum_replaces_the_draft_that_came_too_late(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    other = make_user(Role.RADIOLOGIST, username="other")
    study, seen = study_with("likely")
    read = sign(study, radiologist, entry(seen, "confirm", "definite"), PASSWORD)
    save_draft(study, other, entry(seen, "overrule", "none", comment="I disagree."))
    add_addendum(read, other, "Second opinion", "I disagree.", PASSWORD)
    assert not Read.objects.filter(state="draft").exists()
