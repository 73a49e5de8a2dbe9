"""A signature can be taken back for 30 seconds, enforced by the database's clock and triggers."""

import re
import threading
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph
from tests.helpers import audit_actions, let_time_pass
from tests.reading import add_addendum, identity_field, look_at, read, refusal, sign, state
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.review.models import Read, SecondReading
from webportal.review.reads.marks import Mark
from webportal.review.reads.queries import own_draft, signed_read
from webportal.review.reads.reservation import reservation_of
from webportal.review.reads.services import Entry, ReadingError, save_draft
from webportal.review.reads.standing import TAKE_BACK_PERIOD, final_reads, is_final
from webportal.review.reads.taking_back import take_back

pytestmark = pytest.mark.django_db


def test_a_read_taken_back_is_a_draft_again(prediction: Prediction, radiologist: User) -> None:
    mark = Mark(prediction.radiograph_id, "effusion", column=3, row=4)
    signed = read(
        prediction,
        radiologist,
        "definite",
        zones=("left_lower",),
        other_findings=("effusion",),
        marks=(mark,),
        comment="Wrong study.",
    )
    study = signed.study
    draft = take_back(signed, radiologist)
    assert draft == own_draft(study, radiologist)
    assert draft.state == "draft"
    assert (draft.decision, draft.pneumonia, draft.comment, draft.zones, draft.prediction_id) == (
        "overrule",
        "definite",
        "Wrong study.",
        ["left_lower"],
        prediction.pk,
    )
    assert (draft.other_findings, draft.marks) == (["effusion"], [mark.as_json()])
    assert draft.signed_at is None
    assert state(study) == ("unread", "first")
    assert signed_read(study) is None
    held = reservation_of(study)
    assert held is not None
    assert held.reader == radiologist
    # What was signed is kept, and so are both events.
    signed.refresh_from_db()
    assert (signed.state, signed.pneumonia) == ("taken_back", "definite")
    actions = audit_actions(study_id=study.pk)
    assert [each for each in actions if "sign" in each or "taken" in each] == [
        "read.signed",
        "read.taken_back",
    ]
    entry = AuditEntry.objects.get(action="read.taken_back")
    assert (entry.object_id, entry.detail["draft"]) == (str(signed.pk), str(draft.pk))
    again = read(prediction, radiologist, "none")
    assert signed_read(Study.objects.get(pk=study.pk)) == again


def test_after_thirty_seconds_it_is_too_late(prediction: Prediction, radiologist: User) -> None:
    signed = read(prediction, radiologist, "none")
    assert TAKE_BACK_PERIOD.total_seconds() == 30
    assert not is_final(signed)
    let_time_pass(29)
    assert not final_reads().exists()
    let_time_pass(2)
    assert is_final(signed)
    with pytest.raises(ReadingError, match="30 seconds") as caught:
        take_back(signed, radiologist)
    assert caught.value.code == "too_late"
    assert signed_read(signed.study) == signed
    assert own_draft(signed.study, radiologist) is None
    assert "read.taken_back" not in audit_actions()


def test_each_of_several_signatures_in_a_row_is_offered_on_its_own_page(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(radiologist)
    studies = [make_prediction(category="unlikely").radiograph.study for _ in range(3)]
    for study in studies[:2]:
        prediction = Prediction.objects.get(radiograph__study=study)
        look_at(study, radiologist)
        posted = {"seen": prediction.pk, "images": 1, "choice": "confirm:none"}
        posted |= identity_field(study) | {"password": PASSWORD}
        assert client.post(f"/studies/{study.pk}/sign", posted).status_code == 302
    first, last = (Read.objects.get(study=study) for study in studies[:2])

    def offered(study: Study) -> str:
        page = client.get(f"/studies/{study.pk}").content.decode()
        return "".join(re.findall(r'action="/reads/([0-9a-f-]+)/take-back"', page))

    assert [offered(study) for study in studies] == [str(first.pk), str(last.pk), str(last.pk)]
    # On the page of one that is final no other is offered, which would be taken for it.
    let_time_pass()
    assert [offered(study) for study in studies] == ["", "", str(last.pk)]


def test_a_draft_started_since_is_kept(prediction: Prediction, radiologist: User) -> None:
    signed = read(prediction, radiologist, "none")
    begun = Entry(prediction.pk, "overrule", "definite", amends=signed.pk, reason="Misread")
    save_draft(signed.study, radiologist, begun)
    draft = take_back(signed, radiologist)
    assert (draft.pneumonia, draft.amends, draft.reason) == ("definite", None, "")


def test_only_its_reader_takes_a_signature_back(
    prediction: Prediction, readers: list[User]
) -> None:
    signed = read(prediction, readers[0], "none")
    assert refusal(lambda: take_back(signed, readers[1])) == "not_own_read"
    take_back(signed, readers[0])
    assert refusal(lambda: take_back(signed, readers[0])) == "not_signed"
    draft = own_draft(signed.study, readers[0])
    assert draft is not None
    assert refusal(lambda: take_back(draft, readers[0])) == "not_signed"


def test_an_addendum_prevents_taking_the_signature_back(
    prediction: Prediction, readers: list[User]
) -> None:
    signed = read(prediction, readers[0], "none")
    add_addendum(signed, readers[1], "Why", "What", PASSWORD)
    assert refusal(lambda: take_back(signed, readers[0])) == "signed_on_top"


def test_an_amendment_taken_back_leaves_the_earlier_read(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    second = read(prediction, radiologist, "definite", amends=first.pk, reason="Misread")
    assert refusal(lambda: take_back(first, radiologist)) == "signed_on_top"
    draft = take_back(second, radiologist)
    assert (draft.amends, draft.reason, draft.pneumonia) == (first, "Misread", "definite")
    assert signed_read(Study.objects.get(pk=first.study_id)) == first
    assert state(first.study) == ("signed", "")
    take_back(first, radiologist)
    assert state(first.study) == ("unread", "first")


def test_an_image_covered_only_by_the_amendment_is_unread_again(
    prediction: Prediction, radiologist: User
) -> None:
    first = read(prediction, radiologist, "none")
    study = first.study
    make_radiograph(study)
    Study.objects.filter(pk=study.pk).update(reading_state="unread")
    second = read(
        prediction, radiologist, "definite", amends=first.pk, reason="Late image", images=2
    )
    assert state(study) == ("signed", "")
    take_back(second, radiologist)
    assert state(study) == ("unread", "")


def test_the_required_second_read_is_cancelled(
    twice: None, prediction: Prediction, readers: list[User]
) -> None:
    first = read(prediction, readers[0], "none")
    study = first.study
    assert state(study) == ("unread", "second")
    take_back(first, readers[0])
    assert not SecondReading.objects.exists()
    assert state(study) == ("unread", "first")
    # A second reader who had it open is told, and loses nothing.
    late = Entry(prediction.pk, "confirm", "none", kind="second", comment="Mine.")
    with pytest.raises(ReadingError, match="taken the signature back"):
        sign(study, readers[1], late, PASSWORD, pin_is_open=False)
    assert Read.objects.get(reader=readers[1]).comment == "Mine."


def test_a_second_read_taken_back_is_due_again(
    twice: None, prediction: Prediction, readers: list[User]
) -> None:
    first = read(prediction, readers[0], "none")
    second = read(prediction, readers[1], "definite")
    study = first.study
    assert state(study) == ("unread", "arbitration")
    assert refusal(lambda: take_back(first, readers[0])) == "signed_on_top"
    take_back(second, readers[1])
    assert state(study) == ("unread", "second")
    third = read(prediction, readers[1], "none")
    assert third.kind == "second"
    assert state(study) == ("signed", "")


def test_an_arbitration_prevents_taking_either_read_back(
    twice: None, prediction: Prediction, readers: list[User]
) -> None:
    read(prediction, readers[0], "none")
    second = read(prediction, readers[1], "definite")
    arbitration = read(prediction, readers[2], "none")
    assert refusal(lambda: take_back(second, readers[1])) == "signed_on_top"
    take_back(arbitration, readers[2])
    assert state(second.study) == ("unread", "arbitration")
    take_back(second, readers[1])
    assert state(second.study) == ("unread", "second")


@pytest.mark.parametrize(
    "change",
    [
        "state = 'draft', signed_at = NULL",
        "state = 'taken_back', comment = 'other'",
        "state = 'taken_back', updated_at = now()",
        "comment = 'other'",
    ],
)
def test_the_database_allows_nothing_else(
    change: str, prediction: Prediction, radiologist: User
) -> None:
    read(prediction, radiologist, "none")
    _refused(f"UPDATE review_read SET {change}")


def test_the_database_protects_reads_taken_back(prediction: Prediction, radiologist: User) -> None:
    signed = read(prediction, radiologist, "none")
    take_back(signed, radiologist)
    for statement in (
        f"UPDATE review_read SET state = 'signed' WHERE id = '{signed.pk}'",
        f"UPDATE review_read SET comment = 'other' WHERE id = '{signed.pk}'",
        f"DELETE FROM review_read WHERE id = '{signed.pk}'",
    ):
        _refused(statement)


def test_the_database_refuses_taking_back_after_thirty_seconds(
    prediction: Prediction, radiologist: User
) -> None:
    read(prediction, radiologist, "none")
    let_time_pass(30)
    _refused("UPDATE review_read SET state = 'taken_back'")


def _refused(statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def _at_once(*acts: Callable[[], object]) -> list[str]:
    """Do all of it at the same time; what became of each, in order."""
    outcomes = [""] * len(acts)
    start = threading.Barrier(len(acts))

    def do(number: int) -> None:
        try:
            start.wait()
            acts[number]()
            outcomes[number] = "done"
        except ReadingError as error:
            outcomes[number] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=[number]) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_two_simultaneous_requests_take_it_back_once(
    prediction: Prediction, radiologist: User
) -> None:
    signed = read(prediction, radiologist, "none")
    outcomes = _at_once(*[lambda: take_back(signed, radiologist)] * 3)
    assert sorted(outcomes) == ["done", "not_signed", "not_signed"]
    assert Read.objects.filter(state="draft").count() == 1
    assert audit_actions(action="read.taken_back") == ["read.taken_back"]


@pytest.mark.django_db(transaction=True)
def test_a_second_signature_and_taking_back_the_first_exclude_each_other(
    twice: None, prediction: Prediction, readers: list[User]
) -> None:
    for _ in range(4):
        seen = make_prediction(category="unlikely")
        first = read(seen, readers[0], "none")
        taken, signed = _at_once(
            lambda first=first: take_back(first, readers[0]),  # type: ignore[misc]
            lambda seen=seen: read(seen, readers[1], "none", kind="second"),  # type: ignore[misc]
        )
        kinds = set(Read.objects.filter(study=first.study, state="signed").values_list("kind"))
        if taken == "done":
            assert signed in ("reading_changed", "reserved")
            assert kinds == set()
            assert state(first.study) == ("unread", "first")
        else:
            assert (taken, signed) == ("signed_on_top", "done")
            assert kinds == {("first",), ("second",)}
            assert state(first.study) == ("signed", "")
