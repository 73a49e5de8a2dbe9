"""A signature states the patient's identity as the reader saw it, and never applies to another."""

import html
import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.reading import look_at, present_identity, refusal, sign
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.intake.claimed_identity import Identity
from webportal.intake.pipeline.identify import StudyFacts
from webportal.intake.pipeline.match import match
from webportal.records.identity import shown_identity, version_of
from webportal.records.models import Patient, Study
from webportal.records.services import SignedIdentityError, change_patient
from webportal.review.models import Addendum, Read
from webportal.review.reads import services
from webportal.review.reads.addenda import add_addendum
from webportal.review.reads.services import Entry, ReadingError, save_draft
from webportal.review.reads.signed_identity import parse_identity
from webportal.review.study.case_records import assign_patient

UNAIDED = Entry(None, "unaided", "none")


def study_of(name: str = "Before^Phantom") -> Study:
    study = make_study(patient=make_patient(name=name, birth_date=date(2021, 2, 3), sex="F"))
    make_radiograph(study)
    return study


@pytest.mark.django_db
def test_a_signed_read_records_the_identity_and_the_trail_its_fingerprint(
    radiologist: User,
) -> None:
    study = study_of()
    read = sign(study, radiologist, UNAIDED, PASSWORD)
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
def test_a_later_correction_does_not_change_the_signed_read(radiologist: User) -> None:
    study = study_of()
    read = sign(study, radiologist, UNAIDED, PASSWORD)
    change_patient(study.patient, {"name": "After^Phantom"}, radiologist, "Misspelt")
    read.refresh_from_db()
    study.patient.refresh_from_db()
    assert read.identity["name"] == "Before^Phantom"
    assert read.identity != shown_identity(study.patient)


CHANGES: list[dict[str, object]] = [
    {"name": "After^Phantom"},
    {"birth_date": date(2021, 2, 4)},
    {"birth_date": None},
    {"sex": "M"},
    {"patient_id": "OTHER"},
    {"issuer": "ELSEWHERE"},
]


@pytest.mark.django_db
@pytest.mark.parametrize("values", CHANGES)
def test_a_read_cannot_be_signed_under_an_identity_not_seen(
    values: dict[str, object], radiologist: User
) -> None:
    study = study_of()
    seen = replace(UNAIDED, identity=present_identity(study), comment="Clear.")
    look_at(study, radiologist)
    change_patient(study.patient, values, radiologist)
    assert refusal(lambda: services.sign(study, radiologist, seen, PASSWORD)) == "identity_changed"
    draft = Read.objects.get()
    assert (draft.state, draft.comment) == ("draft", "Clear.")
    again = replace(seen, identity=present_identity(study))
    assert services.sign(study, radiologist, again, PASSWORD).state == "signed"


@pytest.mark.django_db
def test_a_moved_study_cannot_be_signed_without_acknowledgement(radiologist: User) -> None:
    study = study_of()
    seen = replace(UNAIDED, identity=present_identity(study))
    look_at(study, radiologist)
    # The other person bears the same name and birth date.
    other = Identity("TWIN", "TEST", "Before^Phantom", date(2021, 2, 3), "F")
    assign_patient(study, other, radiologist)
    assert refusal(lambda: services.sign(study, radiologist, seen, PASSWORD)) == "identity_changed"


@pytest.mark.django_db
def test_nothing_can_be_signed_without_an_identity(radiologist: User) -> None:
    study = study_of()
    look_at(study, radiologist)
    act = partial(services.sign, study, radiologist, UNAIDED, PASSWORD)
    assert refusal(act) == "identity_changed"


@pytest.mark.django_db
def test_an_addendum_cannot_be_signed_under_another_identity(radiologist: User) -> None:
    study = study_of()
    read = sign(study, radiologist, UNAIDED, PASSWORD)
    seen = present_identity(study)
    change_patient(study.patient, {"sex": "M"}, radiologist, "Wrong button")

    def add(identity: str) -> Addendum:
        return add_addendum(read, radiologist, "Late", "A scar.", PASSWORD, identity=identity)

    assert refusal(lambda: add(seen)) == "identity_changed"
    assert not Addendum.objects.exists()
    assert add(present_identity(study)).text == "A scar."
    detail = AuditEntry.objects.get(action="addendum.signed").detail
    assert detail["identity_sha256"] == present_identity(study)


@pytest.mark.django_db
def test_a_draft_remembers_the_identity_until_the_change_is_acknowledged(
    radiologist: User,
) -> None:
    study = study_of()
    begun = shown_identity(study.patient)
    save_draft(study, radiologist, from_page(begun, comment="Half a"))
    change_patient(study.patient, {"name": "After^Phantom"}, radiologist)
    # Typing on does not acknowledge anything.
    draft = save_draft(study, radiologist, from_page(begun, comment="Half a sentence"))
    assert draft.identity["name"] == "Before^Phantom"
    acknowledged = from_page(begun, comment="Half a sentence", identity=present_identity(study))
    assert save_draft(study, radiologist, acknowledged).identity["name"] == "After^Phantom"


def from_page(begun: dict[str, str], **more: Any) -> Entry:
    """What a page sends on which the draft was begun under this identity."""
    return replace(UNAIDED, **{"identity": version_of(begun), "seen_identity": begun} | more)


def form_of(study: Study, begun: dict[str, str], **more: str) -> dict[str, str]:
    values = {"images": "1", "kind": "first", "choice": "unaided:none", "password": PASSWORD}
    return values | {"identity": json.dumps(begun)} | more


@pytest.mark.django_db
def test_the_page_shows_the_change_and_asks_before_signing(
    browser: Client, radiologist: User
) -> None:
    study = study_of()
    look_at(study, radiologist)
    begun = shown_identity(study.patient)
    change_patient(
        study.patient, {"name": "After^Phantom", "sex": "M", "birth_date": None}, radiologist
    )
    address = reverse("review:sign", args=[study.pk])
    refused = browser.post(address, form_of(study, begun))
    assert refused.status_code == 422
    page = refused.content.decode()
    assert "Not signed: the patient’s data have changed" in page
    for label, before, after in (
        ("Name", "Before, Phantom", "After, Phantom"),
        ("Date of birth", "2021-02-03", "not known"),
        ("Sex", "Female", "Male"),
    ):
        change = f"<dt>{label}</dt><dd><del>{before}</del>"
        assert change in page
        assert f"<ins>{after}</ins>" in page
    version = present_identity(study)
    tick = f'name="identity_acknowledged" value="{version}"'
    assert tick in page
    # It is asked for again whenever the page is opened, until it is given.
    here = reverse("review:study", args=[study.pk])
    assert tick in browser.get(here).content.decode()
    assert browser.post(address, form_of(study, begun)).status_code == 422
    ticked = form_of(study, begun, identity_acknowledged=version)
    assert browser.post(address, ticked).status_code == 302
    read = Read.objects.get()
    assert (read.state, read.identity["name"]) == ("signed", "After^Phantom")


@pytest.mark.django_db
def test_acknowledging_one_change_does_not_cover_the_next(
    browser: Client, radiologist: User
) -> None:
    study = study_of()
    look_at(study, radiologist)
    begun = shown_identity(study.patient)
    change_patient(study.patient, {"name": "After^Phantom"}, radiologist)
    ticked = form_of(study, begun, identity_acknowledged=present_identity(study))
    change_patient(study.patient, {"name": "Third^Phantom"}, radiologist)
    address = reverse("review:sign", args=[study.pk])
    assert browser.post(address, ticked).status_code == 422


@pytest.mark.django_db
def test_an_addendum_on_the_page_asks_too(browser: Client, radiologist: User) -> None:
    study = study_of()
    sign(study, radiologist, UNAIDED, PASSWORD)
    begun = shown_identity(study.patient)
    change_patient(study.patient, {"name": "After^Phantom"}, radiologist, "Misspelt")
    address = reverse("review:addendum", args=[study.pk])
    values = {"reason": "Late", "text": "A scar.", "addendum_password": PASSWORD, "images": "1"}
    values["identity"] = json.dumps(begun)
    for _ in range(2):
        refused = browser.post(address, values)
        assert refused.status_code == 422
        assert "<del>Before, Phantom</del>" in refused.content.decode()
    values["identity_acknowledged"] = present_identity(study)
    assert browser.post(address, values).status_code == 302


@pytest.mark.django_db
def test_an_open_page_shows_a_change(browser: Client, radiologist: User) -> None:
    study = study_of()
    page = browser.get(reverse("review:study", args=[study.pk])).content.decode()
    found = re.search(r'hx-vals="([^"]+)"', page)
    assert found is not None
    sent = json.loads(html.unescape(found[1]))
    address = reverse("review:status", args=[study.pk])
    assert "data-identity-news" not in browser.post(address, sent).content.decode()
    change_patient(study.patient, {"name": "After^Phantom"}, radiologist)
    news = browser.post(address, sent).content.decode()
    assert "data-identity-news" in news
    assert "The patient’s data have been changed." in news
    assert "<del>Before, Phantom</del>" in news
    assign_patient(study, Identity("TWIN", "TEST"), radiologist)
    news = browser.post(address, sent).content.decode()
    assert "This study has been moved to another patient." in news


@pytest.mark.parametrize("text", ["", "{", "7", "[]", "{}", '{"name": 7}'])
def test_an_invalid_identity_is_none(text: str) -> None:
    assert parse_identity(text) is None


# ── Races ─────────────────────────────────────────────────────────────────────────────────────────


def while_open(change: Callable[[], object], act: Callable[[], object]) -> list[BaseException]:
    """Begin `act` on another connection while `change` is not committed yet; what `act` raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        change()
        thread.start()
        thread.join(1)
        assert thread.is_alive(), "it did not wait"
    thread.join()
    return raised


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """Do these at the same time, each on a connection of its own; what they raised."""
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
@pytest.mark.parametrize("way", ["moved", "renamed", "completed"])
def test_a_signature_waits_for_a_concurrent_change_and_is_refused(
    way: str, radiologist: User
) -> None:
    study = study_of()
    if way == "completed":
        Patient.objects.filter(pk=study.patient_id).update(sex="")
        study.patient.refresh_from_db()
    look_at(study, radiologist)
    seen = replace(UNAIDED, identity=present_identity(study))
    patient_id = study.patient.patient_id
    completed = Identity(patient_id, "TEST", "Before^Phantom", date(2021, 2, 3), "F")
    department = study.department_id
    changes: dict[str, Callable[[], object]] = {
        "moved": lambda: assign_patient(study, Identity("B", "TEST", "Other^One"), radiologist),
        "renamed": lambda: change_patient(study.patient, {"name": "After^P"}, radiologist),
        "completed": lambda: match(completed, StudyFacts("1.2.3"), radiologist, department),
    }
    # The reader's text goes first, as the page sends it.
    save_draft(study, radiologist, seen)
    (error,) = while_open(changes[way], lambda: services.sign(study, radiologist, seen, PASSWORD))
    assert isinstance(error, ReadingError)
    assert error.code == "identity_changed"
    assert Read.objects.get().state == "draft"


@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_a_concurrent_signature_and_is_a_correction(radiologist: User) -> None:
    study = study_of()
    look_at(study, radiologist)
    seen = replace(UNAIDED, identity=present_identity(study))
    (error,) = while_open(
        lambda: services.sign(study, radiologist, seen, PASSWORD),
        lambda: change_patient(study.patient, {"name": "After^P"}, radiologist),
    )
    assert isinstance(error, SignedIdentityError)
    assert Read.objects.get().identity["name"] == "Before^Phantom"


@pytest.mark.django_db(transaction=True)
def test_a_correction_and_a_signature_never_deadlock(radiologist: User) -> None:
    for number in range(10):
        study = study_of()
        look_at(study, radiologist)
        seen = replace(UNAIDED, identity=present_identity(study))
        values = {"name": f"After^{number}", "patient_id": f"N{number}"}
        acts: list[Callable[[], object]] = [
            partial(change_patient, study.patient, values, radiologist, "Misspelt"),
            partial(services.sign, study, radiologist, seen, PASSWORD),
        ]
        raised = at_once(*acts)
        codes = [error.code for error in raised if isinstance(error, ReadingError)]
        assert len(codes) == len(raised), raised
        assert codes in ([], ["identity_changed"])
        read = Read.objects.get(study=study)
        if read.state == "signed":
            assert read.identity["name"] == "Before^Phantom"
