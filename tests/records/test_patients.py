"""Patients: search, full history, and corrections."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.conftest import PASSWORD
from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import add_addendum, sign
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.records.models import Patient
from webportal.records.services import RecordError, change_patient
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(uploader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(uploader)


def found(browser: Client, text: str) -> list[Patient]:
    address = browser.post(reverse("records:search"), {"text": text}).headers["Location"]
    assert text.lower() not in address.lower()
    return list(browser.get(address).context["page"])


def test_search_by_name_id_and_accession_number(browser: Client) -> None:
    eva = make_patient(name="Müller^Eva", patient_id="H-771")
    ivo = make_patient(name="Meier^Ivo", patient_id="H-802")
    for number in ("ACC-9", "ACC-10"):
        make_study(patient=eva, accession_number=number)
    assert found(browser, "eva müller") == [eva]
    assert found(browser, "802") == [ivo]
    assert found(browser, "ACC-") == [eva]
    page = browser.get(reverse("records:patients"))
    assert [(p.name, p.study_count) for p in page.context["page"]] == [
        ("Meier^Ivo", 0),
        ("Müller^Eva", 2),
    ]


def test_temporary_identities_can_be_listed_separately(browser: Client) -> None:
    make_patient()
    temporary = make_patient(is_temporary=True)
    page = browser.get(reverse("records:patients"), {"temporary": 1})
    assert list(page.context["page"]) == [temporary]


def test_radiologists_see_the_whole_history_and_viewing_is_audited(
    browser: Client, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    old = make_prediction(category="unlikely", probability=0.04)
    study = old.radiograph.study
    new = make_prediction(old.radiograph, "likely", probability=0.93)
    entry = Entry(new.pk, "overrule", "none", other_findings=("effusion",))
    read = sign(study, radiologist, entry, PASSWORD)
    add_addendum(read, radiologist, "Late finding", "A small nodule.", PASSWORD)
    stuck = make_radiograph(make_study(patient=study.patient))
    make_job(stuck, "quarantined")
    address = reverse("records:patient", args=[study.patient_id])
    text = sign_in(radiologist).get(address).content.decode()
    of_uploader = browser.get(address).content.decode()
    for words in (
        "Pneumonia likely · 93 %",
        "Pneumonia unlikely · 4 %",
        "replaced since",
        "No pneumonia",
        "Pleural effusion",
        "Late finding",
        "A small nodule.",
        "no result (quarantined)",
    ):
        assert words in text, words
        assert words not in of_uploader, words
    assert "Not read yet" in of_uploader
    assert audit_actions(action="patient.viewed") == ["patient.viewed"] * 2


def test_a_change_that_changes_nothing_is_not_audited(uploader: User) -> None:
    patient = make_patient(name="Müler^Eva")
    values = {"name": "Müller^Eva", "sex": "F", "issuer": patient.issuer}
    assert change_patient(patient, values, uploader) == ["name", "sex"]
    assert change_patient(patient, values, uploader) == []
    assert AuditEntry.objects.count() == 1


def test_a_temporary_patient_with_a_real_id_is_no_longer_temporary(uploader: User) -> None:
    patient = make_patient(is_temporary=True)
    change_patient(patient, {"name": "Müller^Eva"}, uploader)
    patient.refresh_from_db()
    assert patient.is_temporary
    change_patient(patient, {"patient_id": "H-771"}, uploader)
    patient.refresh_from_db()
    assert not patient.is_temporary


def test_two_patients_never_share_an_id(uploader: User, browser: Client) -> None:
    eva, ivo = make_patient(patient_id="H-771"), make_patient(patient_id="H-802")
    with pytest.raises(RecordError, match="Another patient"):
        change_patient(ivo, {"patient_id": "H-771"}, uploader)
    address = reverse("records:edit-patient", args=[ivo.pk])
    answer = browser.post(address, {"patient_id": "H-771", "issuer": eva.issuer})
    assert "Another patient is recorded" in answer.content.decode()
    ivo.refresh_from_db()
    assert ivo.patient_id == "H-802"
    assert audit_actions(action="patient.changed") == []


def test_the_form_keeps_components_of_a_name_that_it_does_not_show(browser: Client) -> None:
    patient = make_patient(name="Müller^Eva^Maria^Dr^^=ミュラー")
    address = reverse("records:edit-patient", args=[patient.pk])
    initial = browser.get(address).context["form"].initial
    browser.post(address, initial | {"birth_date": "2020-02-29", "sex": "F"})
    patient.refresh_from_db()
    assert patient.sex == "F"
    assert patient.name == "Müller^Eva^Maria^Dr^^=ミュラー"
    browser.post(address, initial | {"birth_date": "", "family_name": "Meier", "given_name": "Eva"})
    patient.refresh_from_db()
    assert patient.name == "Meier^Eva"


def test_birth_dates_in_the_future_are_refused(browser: Client) -> None:
    patient = make_patient()
    address = reverse("records:edit-patient", args=[patient.pk])
    answer = browser.post(address, {"patient_id": "X", "birth_date": "2999-01-01"})
    assert "in the future" in answer.content.decode()


def test_a_purely_ideographic_name_is_found_shown_and_kept(browser: Client) -> None:
    patient = make_patient(name="=王^小東", patient_id="A-1")
    make_study(patient=patient)
    assert found(browser, "小東") == [patient]
    assert found(browser, patient.display_name) == [patient]
    address = reverse("records:edit-patient", args=[patient.pk])
    shown = browser.get(address).context["form"].initial
    assert (shown["family_name"], shown["given_name"]) == ("王", "小東")
    data = {name: value or "" for name, value in shown.items()}
    browser.post(address, data | {"sex": "F"})
    patient.refresh_from_db()
    assert (patient.name, patient.sex) == ("=王^小東", "F")
