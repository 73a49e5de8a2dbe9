"""Orders find their studies, bring what they say, and are followed when they change."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from tests import dicom_files
from tests.factories import make_patient, make_study
from tests.orders.messages import answered, make_source, order, ordered_study
from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.intake.batches.services import create_batch
from webportal.intake.pipeline import receive_file
from webportal.orders.linking import link, of_number, unlink
from webportal.orders.models import Order, OrderMessage, OrderSource
from webportal.records.choices import Priority
from webportal.records.models import Study
from webportal.records.services import change_patient, move_study
from webportal.review.study.case_records import change_case_record

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> OrderSource:
    return make_source()


def entries(action: Action) -> list[dict[str, Any]]:
    return [each.detail for each in AuditEntry.objects.filter(action=action).order_by("sequence")]


def linked(study: Study) -> list[Order]:
    return [each.order for each in study.order_links.select_related("order")]


def test_an_order_brings_its_study_what_it_says(source: OrderSource) -> None:
    study = ordered_study(priority=Priority.ROUTINE)
    more = ("TQ1|1||||||||S", "NTE|1||Second floor")
    doctor = {13: "Asthma", 16: "D7^HOUSE^GREGORY^^^DR"}
    assert answered(source, order(obr=doctor, more=more)) == ("AA", "")
    study.refresh_from_db()
    assert (study.indication, study.history) == ("Cough and fever", "Asthma")
    assert study.referring_physician == "DR GREGORY HOUSE"
    assert study.priority == Priority.STAT
    [found] = linked(study)
    assert (found.procedure_code, found.procedure) == ("CXR", "Chest PA")
    assert (found.placer_number, found.filler_number) == ("PL-1", "FI-1")
    assert (found.notes, found.priority_code) == ("Second floor", "S")
    [changed] = entries(Action.STUDY_CHANGED)
    assert (changed["previous_priority"], changed["priority"]) == (2, 0)
    assert changed["order"] == str(found.pk)


def test_a_study_finds_the_order_that_came_before_it(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    assert answered(source, order(obr={5: "STAT"}))[0] == "AA"
    person = make_user(Role.UPLOADER)
    batch = create_batch(person, name="")
    data = dicom_files.dicom(
        dicom_files.phantom(seed=3),
        PatientID="P-1",
        PatientName="DOE^JANE",
        PatientBirthDate="19700102",
        AccessionNumber="ACC-1",
    )
    [item] = receive_file(batch, "a.dcm", BytesIO(data), person)
    assert item.radiograph is not None, item.reason
    study = item.radiograph.study
    assert len(linked(study)) == 1
    assert (study.indication, study.priority) == ("Cough and fever", Priority.STAT)
    assert item.radiograph.jobs.get().priority == Priority.STAT


@pytest.mark.parametrize(
    "pid",
    [
        "PID|1||P-2^^^HOSP^MR||DOE^JANE||19700102|F",
        "PID|1||p-1^^^HOSP^MR||DOE^JANE||19700102|F",
        "PID|1||P-1 ^^^HOSP^MR||DOE^JANE||19700102|F",
        "PID|1||P-1^^^HOSP^MR||DOE^JANE||19710102|F",
    ],
    ids=["another", "case", "space", "birth date"],
)
def test_an_order_of_another_patient_is_held_for_a_person(source: OrderSource, pid: str) -> None:
    patient = make_patient(patient_id="P-1", issuer="", birth_date="1970-01-02")
    study = ordered_study(patient=patient)
    assert answered(source, order(pid=pid))[0] == "AA"
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")
    assert of_number(study).count() == 1


def test_an_issuer_that_both_name_has_to_be_the_same(source: OrderSource) -> None:
    study = ordered_study(patient=make_patient(patient_id="P-1", issuer="OTHER"))
    own = ordered_study(patient=make_patient(patient_id="P-1", issuer="HOSP"))
    assert answered(source, order())[0] == "AA"
    assert linked(study) == []
    assert len(linked(own)) == 1


def test_a_person_links_and_unlinks_a_held_order(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    study, person = ordered_study(patient=make_patient(patient_id="X")), make_user(Role.UPLOADER)
    answered(source, order())
    held = Order.objects.get()
    link(held, study, person)
    study.refresh_from_db()
    assert study.indication == "Cough and fever"
    assert entries(Action.ORDER_LINKED) == [{"differences": ["patient_id"]}]
    # A later message leaves what a person has decided.
    answered(source, order("XO", minute=1, obr={31: "^Cough"}))
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([held], "Cough")
    unlink(held, study, person)
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")
    answered(source, order("XO", minute=2, obr={31: "^Fever"}))
    assert linked(study) == []
    assert not of_number(study).exists()


def test_a_changed_order_is_followed_and_its_old_values_stay_in_the_trail(
    source: OrderSource,
) -> None:
    study = ordered_study()
    answered(source, order())
    answered(source, order("XO", minute=1, obr={31: "^Weight loss", 5: "A"}))
    study.refresh_from_db()
    assert (study.indication, study.priority) == ("Weight loss", Priority.URGENT)
    [changed] = entries(Action.ORDER_CHANGED)
    assert changed["indication"] == {"from": "Cough and fever", "to": "Weight loss"}
    # What a message says nothing of stays, two quotes delete it, and no study becomes less urgent.
    answered(source, order("XO", minute=2, obr={4: "", 31: '""', 5: "R"}))
    study.refresh_from_db()
    assert (study.indication, study.priority) == ("", Priority.URGENT)
    assert linked(study)[0].procedure == "Chest PA"


def test_a_change_leaves_what_a_person_wrote(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    study = ordered_study()
    answered(source, order())
    change_case_record(study, {"indication": "Asked the ward"}, make_user(Role.UPLOADER))
    answered(source, order("XO", minute=1, obr={31: "^Weight loss"}))
    study.refresh_from_db()
    assert study.indication == "Asked the ward"
    assert linked(study)[0].indication == "Weight loss"


@pytest.mark.parametrize(("control", "orc"), [("CA", "PL-1|FI-1"), ("SC", "PL-1|FI-1||CA")])
def test_a_cancelled_order_is_followed(source: OrderSource, control: str, orc: str) -> None:
    study = ordered_study()
    answered(source, order())
    answered(source, order(control, minute=1, orc=orc))
    [found] = linked(study)
    assert found.is_cancelled
    [cancelled] = entries(Action.ORDER_CANCELLED)
    assert cancelled["status"] == {"from": "ordered", "to": "cancelled"}


def test_messages_out_of_order_have_the_effect_of_their_order(source: OrderSource) -> None:
    study = ordered_study()
    answered(source, order("CA", minute=2, obr={31: ""}))
    answered(source, order("XO", minute=1, obr={31: "^Changed", 13: ""}))
    answered(source, order("NW", minute=0, obr={31: "^First", 13: "Asthma"}))
    [found] = linked(study)
    assert found.is_cancelled
    assert (found.indication, found.history) == ("Changed", "Asthma")


def test_of_one_moment_a_change_goes_before_the_order_itself(source: OrderSource) -> None:
    answered(source, order("XO", obr={31: "^Changed"}))
    answered(source, order("NW", obr={31: "^First"}))
    assert Order.objects.get().indication == "Changed"


def test_a_message_that_comes_twice_has_no_second_effect(source: OrderSource) -> None:
    ordered_study()
    first = order(message_id="M-77")
    again = first.replace(b"20260929080000", b"20260929093000", 1)
    answered(source, first)
    answered(source, order("XO", minute=1, obr={31: "^Changed"}))
    count = AuditEntry.objects.count()
    assert answered(source, first) == answered(source, again) == ("AA", "")
    assert AuditEntry.objects.count() == count
    assert Order.objects.get().indication == "Changed"
    assert OrderMessage.objects.get(control_id="M-77").times_received == 3
    code, words = answered(source, order(message_id="M-77", obr={31: "^Other"}))
    assert (code, words) == ("AE", "MSH-10 is that of an earlier message with different content.")
    assert Order.objects.get().indication == "Changed"


def test_two_orders_of_an_accession_number_are_told_apart_by_their_placers_number(
    source: OrderSource,
) -> None:
    study = ordered_study()
    answered(source, order())
    answered(source, order(orc="PL-2|FI-2", obr={31: "^Trauma"}))
    answered(source, order("CA", minute=1, orc="PL-2|FI-2"))
    assert [each.is_cancelled for each in linked(study)] == [False, True]
    study.refresh_from_db()
    assert study.indication == "Cough and fever"
    code, words = answered(source, order("CA", minute=2, orc="|"))
    assert code == "AE"
    assert "ORC-2" in words


def test_what_an_order_taken_away_had_brought_comes_from_the_one_that_stays(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    person = make_user(Role.UPLOADER)
    study = ordered_study()
    answered(source, order(obr={13: "Asthma"}))
    answered(source, order(orc="PL-2|FI-2", obr={31: "^Trauma"}))
    first, second = linked(study)
    unlink(first, study, person)
    study.refresh_from_db()
    assert (study.indication, study.history) == ("Trauma", "")
    unlink(second, study, person)
    study.refresh_from_db()
    assert study.indication == ""


def test_no_order_stays_when_the_study_moves_to_another_patient(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    study = ordered_study()
    answered(source, order())
    answered(source, order(orc="PL-2|FI-2", obr={31: "^Trauma"}))
    study.refresh_from_db()
    assert study.indication == "Cough and fever"
    move_study(study, make_patient(patient_id="P-2"), make_user(Role.UPLOADER))
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")


def test_an_order_follows_its_study_to_the_right_patient(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    person = make_user(Role.UPLOADER)
    study = ordered_study(patient=make_patient(patient_id="TEMP-1", is_temporary=True))
    answered(source, order())
    assert linked(study) == []
    # The temporary patient gets the Patient ID.
    change_patient(study.patient, {"patient_id": "P-1", "issuer": ""}, person)
    study.refresh_from_db()
    assert (len(linked(study)), study.indication) == (1, "Cough and fever")
    # The study was of somebody else: the order, and what it brought, stay with its patient.
    move_study(study, make_patient(patient_id="P-2"), person)
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")
    assert entries(Action.ORDER_UNLINKED) == [{"reason": "patient_differs"}]


def test_an_order_that_turns_out_to_be_of_somebody_else_is_taken_away(source: OrderSource) -> None:
    study = ordered_study()
    answered(source, order())
    answered(source, order("XO", minute=1, pid="PID|1||P-9^^^HOSP^MR||ROE^RICHARD"))
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")
    [changed] = entries(Action.ORDER_CHANGED)
    assert changed["patient_ids"]["from"][0]["id"] == "P-1"


MOVES = "PID|1||P-9^^^HOSP^MR||ROE^RICHARD"


def test_an_order_that_is_moved_says_nothing_of_the_former_patient(source: OrderSource) -> None:
    study = ordered_study(patient=make_patient(patient_id="P-9", issuer=""))
    answered(source, order(obr={13: "Asthma", 16: "D7^HOUSE^GREGORY"}, more=("NTE|1||Deaf",)))
    answered(source, order("XO", minute=1, pid=MOVES, obr={31: ""}))
    moved = Order.objects.get()
    assert (moved.patient_name, moved.birth_date, moved.sex) == ("ROE^RICHARD", None, "")
    assert (moved.indication, moved.history, moved.notes) == ("", "", "")
    assert (moved.referring_physician, moved.procedure) == ("", "Chest PA")
    study.refresh_from_db()
    assert (len(linked(study)), study.indication, study.history) == (1, "", "")
    [changed] = entries(Action.ORDER_CHANGED)
    assert changed["indication"] == {"from": "Cough and fever", "to": ""}


def test_what_was_sent_for_the_former_patient_arrives_too_late(source: OrderSource) -> None:
    answered(source, order("XO", minute=2, pid=MOVES, obr={31: ""}))
    answered(source, order("XO", minute=1, obr={13: "Asthma", 20: "x"}))
    answered(source, order())
    moved = Order.objects.get()
    assert (moved.patient_name, moved.indication, moved.history) == ("ROE^RICHARD", "", "")
    assert moved.birth_date is None


def test_the_same_number_of_another_issuer_is_somebody_else(source: OrderSource) -> None:
    answered(source, order())
    other = "PID|1||P-1^^^CLINIC^MR||ROE^RICHARD"
    answered(source, order("XO", minute=1, pid=other, obr={31: ""}))
    assert Order.objects.get().indication == ""
    more = "PID|1||P-1^^^CLINIC^MR~4711^^^HOSP^MR||ROE^RICHARD"
    answered(source, order("XO", minute=2, pid=more, obr={31: "^Cough"}))
    answered(source, order("XO", minute=3, pid=other, obr={31: ""}))
    assert Order.objects.get().indication == "Cough"


def test_a_field_that_an_order_clears_has_what_another_order_says(source: OrderSource) -> None:
    study = ordered_study()
    answered(source, order(obr={13: "Asthma"}))
    answered(source, order(orc="PL-2|FI-2", obr={31: "^Trauma"}))
    answered(source, order("XO", minute=1, obr={31: '""'}))
    study.refresh_from_db()
    assert (study.indication, study.history) == ("Trauma", "Asthma")
    # It is the other one's now, and follows that.
    answered(source, order("XO", minute=2, orc="PL-2|FI-2", obr={31: "^Fall"}))
    study.refresh_from_db()
    assert study.indication == "Fall"


def test_what_a_person_linked_is_taken_away_when_the_order_moves_to_somebody_else(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    study = ordered_study(patient=make_patient(patient_id="X"))
    answered(source, order())
    link(Order.objects.get(), study, make_user(Role.UPLOADER))
    answered(source, order("XO", minute=1, pid="PID|1||P-9^^^HOSP^MR||ROE^RICHARD"))
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")


def test_a_new_accession_number_finds_its_order(
    source: OrderSource, make_user: Callable[..., User]
) -> None:
    study = ordered_study(accession_number="")
    answered(source, order())
    change_case_record(study, {"accession_number": "ACC-1"}, make_user(Role.UPLOADER))
    assert len(linked(study)) == 1


def test_several_studies_of_an_accession_number_have_the_same_order(source: OrderSource) -> None:
    study = ordered_study()
    again = make_study(patient=study.patient, accession_number="ACC-1")
    answered(source, order())
    assert linked(study) == linked(again) == [Order.objects.get()]
