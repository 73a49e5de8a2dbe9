"""The order of a study, the list of what is to be decided, and the pages of hospital IT."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_patient, make_radiograph
from tests.orders.messages import answered, make_source, order, ordered_study
from webportal.access.models import AccessEntry
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.intake.batches.services import create_batch
from webportal.intake.models import UploadItem, Verdict
from webportal.orders.models import Order, OrderSource
from webportal.orders.sources import record_rejected
from webportal.records.models import Study

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> OrderSource:
    return make_source()


@pytest.fixture
def client(client: Client, make_user: Callable[..., User]) -> Client:
    client.force_login(make_user(Role.UPLOADER, Role.RADIOLOGIST))
    return client


def page(client: Client, study: Study) -> str:
    return client.get(reverse("orders:study-order", args=[study.pk])).content.decode()


def find(client: Client, study: Study, number: str, patient_id: str) -> str:
    given = {"step": "find", "number": number, "patient_id": patient_id}
    return client.post(reverse("orders:study-order", args=[study.pk]), given).content.decode()


def test_the_reader_sees_what_is_ordered_and_why(client: Client, source: OrderSource) -> None:
    study = ordered_study()
    address = reverse("review:study", args=[study.pk])
    assert "no order" in client.get(address).content.decode()
    answered(source, order(more=("NTE|1||Second floor",)))
    shown = client.get(address).content.decode()
    assert "no order" not in shown
    for text in ("Cough and fever", "Chest PA", "Second floor"):
        assert text in shown
    answered(source, order("CA", minute=1))
    assert "order cancelled" in client.get(address).content.decode()


def test_without_anybody_who_sends_orders_none_is_missed(client: Client) -> None:
    address = reverse("review:study", args=[ordered_study().pk])
    assert "no order" not in client.get(address).content.decode()


def test_a_held_order_is_compared_and_linked(client: Client, source: OrderSource) -> None:
    study = ordered_study(patient=make_patient(patient_id="P-2", name="ROE^JANE"))
    patient = make_patient(patient_id="P-1", issuer="")
    answered(source, order())
    found = Order.objects.get()
    assert "for another patient" in client.get(reverse("orders:to-decide")).content.decode()
    shown = page(client, study)
    assert "DOE, JANE" in shown
    assert "Differs from the study: Patient ID." in shown
    entry = AccessEntry.objects.filter(route="orders:study-order").latest("id")
    assert set(entry.patient_ids) == {study.patient_id, patient.pk}
    assert entry.criteria == {"orders": str(found.pk)}
    answer = client.post(
        reverse("orders:study-order", args=[study.pk]), {"step": "link", "order": found.pk}
    )
    assert answer.status_code == 302
    assert study.order_links.get().order == found
    assert AuditEntry.objects.filter(action=Action.ORDER_LINKED, study_id=study.pk).exists()
    assert "ROE" not in client.get(reverse("orders:to-decide")).content.decode()


def test_an_order_is_found_by_another_number_and_taken_away(
    client: Client, source: OrderSource
) -> None:
    study = ordered_study(accession_number="")
    answered(source, order())
    address = reverse("orders:study-order", args=[study.pk])
    assert "No order." in page(client, study)
    assert "There is no order" in find(client, study, "ACC", "P-1")
    assert "Cough and fever" in find(client, study, "ACC-1", "P-1")
    client.post(address, {"step": "link", "order": Order.objects.get().pk})
    assert study.order_links.exists()
    client.post(address, {"step": "unlink", "order": Order.objects.get().pk})
    assert not study.order_links.exists()
    for nonsense in ("", "x", "00000000-0000-0000-0000-000000000000"):
        answer = client.post(address, {"step": "link", "order": nonsense})
        assert answer.status_code == 404


def test_orders_of_other_departments_are_as_if_they_were_none(
    client: Client, make_user: Callable[..., User]
) -> None:
    other = Department.objects.create(name="Elsewhere")
    source = make_source(departments=[other])
    study = ordered_study(accession_number="")
    person = make_user(Role.UPLOADER)
    person.departments.set([study.department])
    client.force_login(person)
    answered(source, order())
    address = reverse("orders:study-order", args=[study.pk])
    key = Order.objects.get().pk
    assert client.post(address, {"step": "link", "order": key}).status_code == 404
    person.departments.add(other)
    assert client.post(address, {"step": "link", "order": key}).status_code == 302


@pytest.mark.parametrize("patient_id", ["", "P", "p-1", "P-2", "unknown"])
def test_an_accession_number_alone_shows_nothing_of_the_order(
    client: Client, source: OrderSource, patient_id: str
) -> None:
    study = ordered_study(accession_number="", patient=make_patient(patient_id="P-2"))
    answered(source, order())
    shown = find(client, study, "ACC-1", patient_id)
    assert "There is no order with this number and Patient ID" in shown
    for secret in ("Cough", "DOE", "1970"):
        assert secret not in shown
    assert "Cough" in find(client, study, "ACC-1", "P-1")


def test_giving_a_study_a_number_shows_nothing_of_an_order_of_another_department(
    client: Client, make_user: Callable[..., User]
) -> None:
    other = Department.objects.create(name="Elsewhere")
    answered(make_source(departments=[other]), order())
    study = ordered_study(patient=make_patient(patient_id="P-2"))
    person = make_user(Role.UPLOADER)
    person.departments.set([study.department])
    client.force_login(person)
    shown = page(client, study)
    # The page says that they contradict each other, or nobody would look.
    assert "Differs from the study: Patient ID." in shown
    for text in (page(client, study), find(client, study, "ACC-1", "P-2")):
        assert "Cough" not in text
        assert "DOE" not in text
    assert "for another patient" in client.get(reverse("orders:to-decide")).content.decode()
    address = reverse("orders:study-order", args=[study.pk])
    key = Order.objects.get().pk
    assert client.post(address, {"step": "link", "order": key}).status_code == 404
    entries = AccessEntry.objects.filter(route="orders:study-order")
    assert not entries.filter(criteria__orders__contains=str(key)).exists()
    # A user who has the request form knows the Patient ID.
    assert "Cough" in find(client, study, "ACC-1", "P-1")
    known = {"step": "link", "order": key, "patient_id": "P-1"}
    assert client.post(address, known).status_code == 302
    assert study.order_links.exists()


def test_an_order_of_another_department_that_names_the_patient_is_shown(
    client: Client, make_user: Callable[..., User]
) -> None:
    other = Department.objects.create(name="Elsewhere")
    patient = make_patient(patient_id="P-1", issuer="", birth_date="1971-01-02")
    study = ordered_study(patient=patient)
    answered(make_source(departments=[other]), order())
    person = make_user(Role.UPLOADER)
    person.departments.set([study.department])
    client.force_login(person)
    shown = page(client, study)
    assert "Differs from the study: date of birth." in shown
    assert "Cough" in shown


def test_an_order_of_another_department_is_reported_as_not_for_the_study(
    client: Client, make_user: Callable[..., User]
) -> None:
    answered(make_source(departments=[Department.objects.create(name="Elsewhere")]), order())
    study = ordered_study(patient=make_patient(patient_id="P-2"))
    person = make_user(Role.UPLOADER)
    person.departments.set([study.department])
    client.force_login(person)
    address = reverse("orders:study-order", args=[study.pk])
    client.post(address, {"step": "unlink", "order": Order.objects.get().pk})
    assert "Differs" not in page(client, study)


def test_a_temporary_patient_is_named_as_on_the_worklist(
    client: Client, source: OrderSource
) -> None:
    patient = make_patient(patient_id="TMP-12345", name="", is_temporary=True)
    study = ordered_study(patient=patient, accession_number="")
    image = make_radiograph(study)
    UploadItem.objects.create(
        batch=create_batch(study.created_by, name=""),
        file_name="ward/chest 7.jpg",
        sha256=image.original_sha256,
        size=1,
        verdict=Verdict.ACCEPTED,
        radiograph=image,
    )
    shown = client.get(reverse("orders:to-decide")).content.decode()
    assert ">chest 7.jpg<" in shown
    assert "temporary identity" in shown
    assert ">TMP-12345<" not in shown


def test_an_order_of_a_study_elsewhere_is_not_found_by_giving_its_number(
    client: Client, make_user: Callable[..., User]
) -> None:
    other = Department.objects.create(name="Elsewhere")
    theirs = ordered_study(department=other)
    answered(make_source(departments=[other]), order())
    assert theirs.order_links.exists()
    study = ordered_study(patient=make_patient(patient_id="P-2"))
    person = make_user(Role.UPLOADER)
    person.departments.set([study.department])
    client.force_login(person)
    assert "Cough" not in page(client, study)
    assert "1 order" not in client.get(reverse("review:study", args=[study.pk])).content.decode()
    key = Order.objects.get().pk
    address = reverse("orders:study-order", args=[study.pk])
    assert client.post(address, {"step": "link", "order": key}).status_code == 404


def test_hospital_it_adds_and_changes_a_system(
    client: Client, make_user: Callable[..., User]
) -> None:
    client.force_login(make_user(Role.IT))
    address = reverse("orders:sources")
    given = {"name": "RIS", "addresses": "10.0.0.5 10.0.1.0/24", "accession_in": "filler"}
    assert client.post(address, given).status_code == 302
    source = OrderSource.objects.get()
    assert source.addresses == ["10.0.0.5", "10.0.1.0/24"]
    taken = client.post(address, given | {"name": "Engine", "addresses": "10.0.1.7"})
    assert "RIS sends from one of these addresses already." in taken.content.decode()
    wrong = client.post(address, given | {"addresses": "ris"})
    assert "is not an IP address" in wrong.content.decode()
    one = reverse("orders:source", args=[source.pk])
    assert client.post(one, given | {"character_set": "8859/1"}).status_code == 302
    source.refresh_from_db()
    assert (source.is_active, source.character_set) == (False, "8859/1")
    changed = AuditEntry.objects.get(action=Action.ORDER_SOURCE_CHANGED)
    assert changed.detail["active"] == {"from": True, "to": False}


def test_hospital_it_sees_messages_without_patients(
    client: Client, source: OrderSource, make_user: Callable[..., User]
) -> None:
    client.force_login(make_user(Role.IT))
    answered(source, order(message_id="GOOD-1"))
    answered(source, order(message_id="BAD-1", obr={18: ""}))
    record_rejected("192.0.2.66")
    shown = client.get(reverse("orders:sources")).content.decode()
    for text in ("GOOD-1", "BAD-1", "IPC-1, OBR-18 is empty.", "192.0.2.66"):
        assert text in shown
    for secret in ("DOE", "P-1", "Cough", "ACC-1"):
        assert secret not in shown


def test_rest_has_the_orders_of_a_study(client: Client, source: OrderSource) -> None:
    study = ordered_study()
    answered(source, order("NW", obr={5: "S"}))
    answered(source, order("CA", minute=1))
    [found] = client.get(f"/api/v1/studies/{study.pk}").json()["orders"]
    assert (found["status"], found["priority"]) == ("cancelled", "stat")
    assert (found["procedure_code"], found["indication"]) == ("CXR", "Cough and fever")
    [listed] = client.get("/api/v1/studies").json()["results"]
    assert listed["orders"] == [found]
