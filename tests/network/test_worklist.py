"""Worklists are asked for the orders of studies that come without one."""

import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import dicom_files
from tests.factories import make_patient
from tests.helpers import wait_until
from tests.network.conftest import Receiver
from tests.network.rows import make_node
from tests.network.worklists import Worklist, arrived, ask, let_it_be_due, linked, make_ris
from tests.orders.messages import answered, make_source, order
from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.verification import verify
from webportal.network import worklist as asking
from webportal.network.models import Node
from webportal.notifications.alerts import current_alerts
from webportal.orders import linking, questions
from webportal.orders.models import Order, OrderQuestion, OrderSource, QuestionState
from webportal.records.choices import Priority
from webportal.records.models import Study
from webportal.review.study.case_records import change_case_record

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("wlmscpfs") is None, reason="dcmtk is not installed"),
]


@pytest.fixture
def worklist(tmp_path: Path) -> Iterator[Worklist]:
    found = Worklist(tmp_path / "worklists")
    found.start()
    yield found
    found.stop()


@pytest.fixture
def ris(worklist: Worklist, db: None) -> Node:
    return make_ris(worklist.port)


def test_a_study_gets_its_order_from_the_worklist(worklist: Worklist, ris: Node) -> None:
    worklist.add(t00401003="STAT")
    worklist.add("b", t00080050="ACC-2", t00100020="P-2")
    study = arrived()
    assert asking.nodes_to_ask() == {ris.pk}
    assert ask(ris) == 1
    [found] = linked(study)
    assert (found.source, found.accession_number) == (ris.order_source, "ACC-1")
    assert (found.placer_number, found.filler_number) == ("PL-1", "FI-1")
    assert found.patient_ids == [{"id": "P-1", "issuer": "", "type": ""}]
    assert (found.patient_name, found.birth_date) == ("DOE^JANE", date(1970, 1, 2))
    assert (found.procedure, found.notes) == ("Chest PA", "Second floor")
    study.refresh_from_db()
    assert (study.indication, study.history) == ("Cough and fever", "Asthma")
    assert (study.referring_physician, study.priority) == ("DR GREGORY HOUSE", Priority.STAT)
    assert OrderQuestion.objects.get().state == QuestionState.FOUND
    assert (asking.nodes_to_ask(), Order.objects.count()) == (set(), 1)
    received = AuditEntry.objects.get(action=Action.ORDER_RECEIVED)
    assert (received.actor, received.detail["source"]) == ("dicom:RIS1", "RIS1")
    assert not verify().findings


@pytest.mark.parametrize(
    ("character_set", "name"),
    [("ISO_IR 192", "शर्मा^सीता"), ("ISO_IR 100", "MÜLLER^JÜRGEN"), ("ISO_IR 192", "MÜLLER^JÜRGEN")],
)
def test_names_are_read_in_their_character_set(
    worklist: Worklist, ris: Node, character_set: str, name: str
) -> None:
    indication = "Fieber, Übelkeit"
    worklist.add(t00080005=character_set, t00100010=name, t00401002=indication)
    arrived()
    ask(ris)
    found = Order.objects.get()
    assert (found.patient_name, found.indication) == (name, indication)


@pytest.mark.parametrize(
    ("elements", "differences"),
    [
        ({"t00100020": "P-2"}, ["patient_id"]),
        ({"t00100020": "p-1"}, ["patient_id"]),
        ({"t00100030": "19710102"}, ["birth_date"]),
    ],
)
def test_an_order_of_another_patient_is_held(
    worklist: Worklist, ris: Node, elements: dict[str, str], differences: list[str]
) -> None:
    worklist.add(**elements)
    study = arrived(patient=make_patient(patient_id="P-1", issuer="", birth_date=date(1970, 1, 2)))
    ask(ris)
    study.refresh_from_db()
    assert (linked(study), study.indication) == ([], "")
    [held] = linking.of_number(study)
    assert linking.differences(held, study.patient) == differences


def test_the_steps_of_an_order_are_one_order(worklist: Worklist, ris: Node) -> None:
    worklist.add()
    worklist.add("b", t00321060="Chest lateral", t00401003="HIGH")
    worklist.add("c", t00402016="PL-2", t00401002="Trauma")
    study = arrived()
    ask(ris)
    found = sorted(linked(study), key=lambda each: each.placer_number)
    assert [each.placer_number for each in found] == ["PL-1", "PL-2"]
    assert set(found[0].procedure.splitlines()) == {"Chest PA", "Chest lateral"}
    study.refresh_from_db()
    assert study.priority == Priority.URGENT


def test_a_number_of_several_patients_is_not_guessed(worklist: Worklist, ris: Node) -> None:
    worklist.add(t00100020="P-8")
    worklist.add("b", t00100020="P-9")
    study = arrived()
    ask(ris)
    assert not Order.objects.exists()
    asked = OrderQuestion.objects.get()
    assert (asked.state, asked.reason_code) == (QuestionState.FAILED, "worklist_several_patients")
    worklist.add("c", t00100020="P-1")
    questions.ask_for(study)
    ask(ris)
    assert [each.patient_ids[0]["id"] for each in linked(study)] == ["P-1"]


def test_no_order_is_asked_for_a_few_times_and_the_page_says_so(
    worklist: Worklist, ris: Node, client: Client, make_user: Callable[..., User]
) -> None:
    client.force_login(make_user(Role.RADIOLOGIST))
    study = arrived()
    address = reverse("review:study", args=[study.pk])
    assert "RIS1 is being queried." in client.get(address).content.decode()
    ask(ris)
    asked = OrderQuestion.objects.get()
    assert asked.asked_at is not None
    at = timezone.localtime(asked.asked_at).strftime("%Y-%m-%d %H:%M")
    assert f"No order found (queried RIS1 at {at})." in client.get(address).content.decode()
    assert ask(ris) == 0
    times = 1
    while asked.state == QuestionState.WAITING:
        assert asked.next_at > timezone.now()
        let_it_be_due()
        times += ask(ris)
        asked.refresh_from_db()
    assert (times, asked.state) == (len(questions.ASKED_AGAIN) + 1, QuestionState.NONE)
    assert "No order found" in client.get(address).content.decode()
    worklist.add()
    page = reverse("orders:study-order", args=[study.pk])
    assert client.post(page, {"step": "ask"}).status_code == 302
    assert ask(ris) == 1
    assert len(linked(study)) == 1
    assert "No order found" not in client.get(address).content.decode()


def test_no_worklist_query_is_announced_for_a_study_already_read(
    ris: Node, client: Client, make_user: Callable[..., User]
) -> None:
    client.force_login(make_user(Role.RADIOLOGIST))
    study = arrived()
    order_page = reverse("orders:study-order", args=[study.pk])
    study_page = reverse("review:study", args=[study.pk])
    before = client.get(order_page).content.decode()
    assert "RIS1 is being queried." in before
    assert 'value="ask"' in before
    Study.objects.filter(pk=study.pk).update(reading_state="signed")
    assert "is being queried" not in client.get(study_page).content.decode()
    after = client.get(order_page).content.decode()
    assert "is being queried" not in after
    assert 'value="ask"' not in after


def test_a_worklist_that_is_away_is_asked_once_it_is_back(worklist: Worklist, ris: Node) -> None:
    worklist.add()
    worklist.stop()
    study = arrived()
    assert ask(ris) == 0
    source = OrderSource.objects.get()
    assert source.failures == 1
    assert source.retry_at is not None
    assert source.retry_at > timezone.now()
    assert asking.nodes_to_ask() == set()
    assert "worklist_away" not in [alert.code for alert in current_alerts()]
    OrderSource.objects.update(away_since=F("away_since") - timedelta(hours=1))
    assert "worklist_away" in [alert.code for alert in current_alerts()]
    worklist.start()
    let_it_be_due()
    assert ask(ris) == 1
    assert len(linked(study)) == 1
    back = OrderSource.objects.get()
    assert (back.failures, back.away_since, back.retry_at) == (0, None, None)


def test_nobody_is_alerted_of_a_worklist_that_no_study_waits_for(
    worklist: Worklist, ris: Node
) -> None:
    worklist.stop()
    arrived()
    ask(ris)
    OrderSource.objects.update(away_since=F("away_since") - timedelta(hours=1))
    assert "worklist_away" in [alert.code for alert in current_alerts()]
    answered(make_source(), order())
    assert "worklist_away" not in [alert.code for alert in current_alerts()]


def test_a_test_that_succeeds_has_the_worklist_asked_at_once(
    worklist: Worklist, ris: Node, client: Client, make_user: Callable[..., User]
) -> None:
    worklist.stop()
    arrived()
    ask(ris)
    worklist.start()
    assert asking.nodes_to_ask() == set()
    client.force_login(make_user(Role.IT))
    client.post(reverse("network:test-node", args=[ris.pk]))
    assert asking.nodes_to_ask() == {ris.pk}


def test_an_hl7_system_speaks_for_an_order_from_then_on(worklist: Worklist, ris: Node) -> None:
    worklist.add()
    study = arrived()
    ask(ris)
    # It was written before the worklist was asked, and says nothing of the history.
    hl7 = make_source()
    answered(hl7, order(obr={31: "^Weight loss"}))
    [found] = linked(study)
    assert (found.source, Order.objects.count()) == (hl7, 1)
    study.refresh_from_db()
    assert (study.indication, study.history) == ("Weight loss", "Asthma")
    changed = AuditEntry.objects.get(action=Action.ORDER_CHANGED)
    assert changed.detail["source"] == {"from": "RIS1", "to": "RIS"}
    answered(hl7, order("CA", minute=1))
    found.refresh_from_db()
    assert found.is_cancelled
    # The worklist has it still, and is believed no more.
    questions.ask_for(arrived(patient=make_patient(patient_id="P-7")))
    ask(ris)
    found.refresh_from_db()
    assert (found.is_cancelled, Order.objects.count()) == (True, 1)
    assert not verify().findings


def test_an_hl7_order_for_somebody_else_takes_over_nothing(worklist: Worklist, ris: Node) -> None:
    worklist.add()
    study = arrived()
    ask(ris)
    answered(make_source(), order(pid="PID|1||P-9^^^HOSP^MR||ROE^RICHARD"))
    assert [each.source.name for each in linked(study)] == ["RIS1"]
    assert Order.objects.count() == 2


def test_nothing_is_asked_of_what_has_its_order_or_none(ris: Node) -> None:
    answered(make_source(), order())
    patient = arrived().patient
    arrived(patient=patient, accession_number="")
    arrived(patient=patient, accession_number="ACC-8", is_phantom=True)
    before = timezone.now() - timedelta(days=30)
    arrived(patient=patient, accession_number="ACC-9", performed_at=before)
    assert not OrderQuestion.objects.exists()
    arrived(patient=patient, accession_number="ACC-9", performed_at=timezone.now())
    assert OrderQuestion.objects.count() == 1


def test_another_number_is_another_question(
    worklist: Worklist, ris: Node, make_user: Callable[..., User]
) -> None:
    study = arrived(accession_number="ACC-0")
    ask(ris)
    before = OrderQuestion.objects.get()
    worklist.add()
    change_case_record(study, {"accession_number": "ACC-1"}, make_user(Role.UPLOADER))
    # An answer to the former question, which was under way.
    questions.record_none(before)
    asked = OrderQuestion.objects.get()
    assert (asked.nones, asked.asked_at) == (0, None)
    ask(ris)
    assert len(linked(study)) == 1


def test_hospital_it_has_a_worklist_asked(
    worklist: Worklist, client: Client, make_user: Callable[..., User]
) -> None:
    client.force_login(make_user(Role.IT))
    address = reverse("network:network")
    given = {"ae_title": "RIS1", "addresses": "127.0.0.1", "is_worklist": "on"}
    refused = client.post(address, given).content.decode()
    assert "give a single address and the port" in refused
    assert not Node.objects.exists()
    added = client.post(address, given | {"port": worklist.port}, follow=True).content.decode()
    assert "RIS1 is added." in added
    assert "may send images now" not in added
    node = Node.objects.get()
    assert (node.is_worklist, node.is_active) == (True, False)
    assert "queried for orders" in client.get(address).content.decode()
    assert "RIS1" not in client.get(reverse("orders:sources")).content.decode()
    test = reverse("network:test-node", args=[node.pk])
    said = client.post(test, follow=True).content.decode()
    assert "It answered, and its worklist can be searched." in said
    one = reverse("network:node", args=[node.pk])
    client.post(one, {"addresses": "127.0.0.1", "port": worklist.port, "is_active": "on"})
    assert not Node.objects.get().is_worklist
    arrived()
    assert not OrderQuestion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_receiver_asks_and_writes_nothing_of_it_to_the_log(
    worklist: Worklist, start_receiver: Callable[..., Receiver], tmp_path: Path
) -> None:
    worklist.add()
    make_ris(worklist.port)
    make_node()
    receiver = start_receiver()
    image = tmp_path / "a.dcm"
    image.write_bytes(
        dicom_files.dicom(
            dicom_files.phantom(),
            PatientID="P-1",
            PatientName="DOE^JANE",
            PatientBirthDate="19700102",
            AccessionNumber="ACC-1",
            StudyDate=timezone.localdate().strftime("%Y%m%d"),
        )
    )
    assert receiver.call("storescu", image).returncode == 0
    wait_until(lambda: Study.objects.filter(order_links__isnull=False).exists(), "it was linked")
    assert Study.objects.get().indication == "Cough and fever"
    receiver.stop()
    log = receiver.log.read_text()
    for secret in ("ACC-1", "DOE", "P-1"):
        assert secret not in log
