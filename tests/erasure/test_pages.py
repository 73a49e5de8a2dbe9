"""Somebody who knows the patient requests an erasure, and hospital IT confirms it."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader
from pytest_django.fixtures import Settings

from tests.accounts.soft_passkey import SoftPasskey
from tests.acts import Act
from tests.conftest import PASSWORD
from tests.factories import make_job, make_patient, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.accounts.services import create_user
from webportal.audit.models import AuditEntry
from webportal.erasure import execution, services, views
from webportal.erasure import plan as plans
from webportal.erasure.models import Erasure
from webportal.records.choices import ReadingState
from webportal.records.models import Patient, Study
from webportal.retention import holds
from webportal.review.models import Reservation, SecondReading

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]


@pytest.fixture
def study() -> Study:
    made = make_study(
        patient=make_patient(name="Quux^Zoe", patient_id="ZZ-9"), reading_state=ReadingState.SIGNED
    )
    make_radiograph(made)
    return made


def ask(study: Study, client: Client, **more: str) -> str:
    given = {"reason": "Request of 3 May", "reference": "DP-17"} | more
    address = f"/patients/{study.patient_id}/erasure"
    return client.post(address, given, follow=True).content.decode()


def page(erasure: Erasure, client: Client) -> str:
    return client.get(f"/erasures/{erasure.pk}").content.decode()


def confirm(erasure: Erasure, client: Client, **more: str) -> str:
    plan = services.plan_of(erasure)
    given = {"digest": plan.digest if plan else "", "password": PASSWORD} | more
    return client.post(f"/erasures/{erasure.pk}/confirm", given, follow=True).content.decode()


def test_asked_for_confirmed_and_certified(
    study: Study, uploader: User, it_person: User, sign_in: SignIn
) -> None:
    said = ask(study, sign_in(uploader))
    assert "Hospital IT has to confirm it." in said
    assert "Requested; hospital IT has to confirm it." in said
    office, erasure = sign_in(it_person), Erasure.objects.get()
    assert "Request of 3 May" in office.get("/erasures").content.decode()
    shown = page(erasure, office)
    assert "What will be erased for good" in shown
    assert str(study.pk) in shown
    assert "Quux" not in shown
    assert "ZZ-9" not in shown
    assert "Confirmed. It is carried out" in confirm(erasure, office)
    assert Study.objects.exists()

    execution.carry_out_confirmed(60)
    assert not Patient.objects.exists()
    assert not Study.objects.exists()
    shown = page(erasure, office)
    assert "What was erased" in shown
    pdf = office.get(f"/erasures/{erasure.pk}/certificate")
    text = "".join(each.extract_text() for each in PdfReader(BytesIO(pdf.content)).pages)
    erasure.refresh_from_db()
    assert f"Entry {erasure.entries[0]}" in text
    assert erasure.hashes
    for said in ("DP-17", "Studies: 1", "Images: 1", "Requested by uploader", *erasure.hashes):
        assert said in text
    assert "Quux" not in text
    assert list(
        AuditEntry.objects.filter(object_type="erasure")
        .order_by("sequence")
        .values_list("action", "actor")
    ) == [
        ("erasure.requested", "uploader"),
        ("erasure.confirmed", "it"),
        ("records.erased", "it"),
        ("files.erased", "system"),
        ("erasure.certificate", "it"),
    ]


def test_it_can_be_declined_and_asked_for_again(
    study: Study, uploader: User, it_person: User, sign_in: SignIn
) -> None:
    client = sign_in(uploader)
    assert "Give the reason of the erasure" in ask(study, client, reason=" ")
    assert "at most 200" in ask(study, client, reason="x" * 201)
    ask(study, client)
    assert "has been requested already" in ask(study, client)
    erasure, office = Erasure.objects.get(), sign_in(it_person)
    said = office.post(f"/erasures/{erasure.pk}/decline", follow=True).content.decode()
    assert "Declined: nothing is erased." in said
    assert "Somebody else has decided on it already." in confirm(erasure, office)
    execution.carry_out_confirmed(60)
    assert Study.objects.exists()
    assert "Hospital IT has to confirm it." in ask(study, client)


def test_decided_erasures_are_shown_page_by_page(
    study: Study,
    uploader: User,
    it_person: User,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "ERASURES_PER_PAGE", 1)
    client, office = sign_in(uploader), sign_in(it_person)
    for reason in ("First request", "Second request"):
        ask(study, client, reason=reason)
        office.post(f"/erasures/{Erasure.objects.latest('requested_at').pk}/decline")
    first = office.get("/erasures").content.decode()
    assert "Page 1 of 2" in first
    assert 'href="?page=2"' in first
    second = office.get("/erasures?page=2").content.decode()
    assert ("First request" in first) != ("First request" in second)


def test_it_takes_two_and_the_password_and_the_same_list(
    study: Study, make_user: Callable[..., User], it_person: User, sign_in: SignIn
) -> None:
    both = make_user(Role.UPLOADER, Role.IT)
    ask(study, sign_in(both))
    erasure, office = Erasure.objects.get(), sign_in(it_person)
    assert "somebody else in hospital IT has to confirm it" in page(erasure, sign_in(both))
    assert "cannot confirm it: ask somebody else" in confirm(erasure, sign_in(both))
    assert "That is not your password." in confirm(erasure, office, password="wrong")
    seen = plans.of_patient(study.patient).digest
    make_radiograph(study)
    assert "The list has changed" in confirm(erasure, office, digest=seen)
    assert Erasure.objects.get().state == "requested"


def test_a_passkey_confirms_where_there_is_no_password(
    study: Study, uploader: User, it_person: User, sign_in: SignIn
) -> None:
    office, passkey = Client(headers={"Host": "localhost"}), SoftPasskey()
    office.post("/sign-in", {"username": it_person.username, "password": PASSWORD})
    account = "/account/second-factor/passkeys"
    made = passkey.make(office.post(f"{account}/options").json())
    office.post(account, {"name": "Laptop", "passkey": made})
    ask(study, sign_in(uploader))
    erasure = Erasure.objects.get()
    assert "Confirm with a passkey" in page(erasure, office)
    stranger = SoftPasskey().answer(office.post("/erasures/passkey").json())
    assert "does not know" in confirm(erasure, office, password="", passkey=stranger)
    assert Erasure.objects.get().state == "requested"
    answer = passkey.answer(office.post("/erasures/passkey").json())
    assert "Confirmed." in confirm(erasure, office, password="", passkey=answer)
    assert Erasure.objects.get().state == "confirmed"


def hold(study: Study, by: User) -> None:
    holds.place(study, "Claim 17", by)


def hold_patient(study: Study, by: User) -> None:
    holds.place(study.patient, "Claim 17", by)


def be_unread(study: Study, by: User) -> None:
    Study.objects.update(reading_state=ReadingState.UNREAD)


def be_read(study: Study, by: User) -> None:
    now = timezone.now()
    Reservation.objects.create(
        study=study, reader=by, reserved_at=now, expires_at=now + timedelta(minutes=5)
    )


def be_read_twice(study: Study, by: User) -> None:
    SecondReading.objects.create(study=study, reason="drawn")


def be_analysed(study: Study, by: User) -> None:
    make_job(study.radiographs.get(), "running")


IN_THE_WAY = [
    (hold, "There is a legal hold."),
    (hold_patient, "There is a legal hold."),
    (be_unread, "A study has not been read."),
    (be_read, "A study is being read."),
    (be_read_twice, "waits for its second read"),
    (be_analysed, "being analysed"),
]


@pytest.mark.parametrize(("put", "said"), IN_THE_WAY)
def test_every_obstacle_prevents_the_erasure(
    put: Callable[[Study, User], None],
    said: str,
    study: Study,
    uploader: User,
    it_person: User,
    sign_in: SignIn,
) -> None:
    client, office = sign_in(uploader), sign_in(it_person)
    ask(study, client)
    erasure = Erasure.objects.get()
    seen = plans.of_patient(study.patient).digest
    confirm(erasure, office)
    # It came after the confirmation: a person has to look again.
    put(study, uploader)
    execution.carry_out_confirmed(60)
    assert Study.objects.exists()
    erasure.refresh_from_db()
    assert erasure.state == "requested"
    shown = page(erasure, office)
    assert said in shown
    assert "Erase all of this for good" not in shown
    assert said in confirm(erasure, office, digest=seen)
    office.post(f"/erasures/{erasure.pk}/decline")
    assert said in ask(study, client)
    assert Erasure.objects.get().state == "declined"


@pytest.fixture
def rule(settings: Settings) -> None:
    settings.RETENTION_YEARS, settings.RETENTION_MINORS_UNTIL = 10, 0


def old_study(**fields: object) -> Study:
    long_ago = timezone.now() - timedelta(days=4000)
    given = {"performed_at": long_ago, "reading_state": ReadingState.SIGNED} | fields
    made = make_study(**given)
    make_radiograph(made)
    return made


def erase_due(client: Client, **more: str) -> str:
    given = {"digest": services.digest_of_due(), "password": PASSWORD, "reason": "Ten years"}
    return client.post("/erasures/due", given | more, follow=True).content.decode()


def test_what_is_due_goes_once_it_is_confirmed(
    rule: None, uploader: User, it_person: User, sign_in: SignIn
) -> None:
    due, patient = old_study(), make_patient()
    old, recent = old_study(patient=patient), make_study(patient=patient)
    unread = old_study(reading_state=ReadingState.UNREAD)
    held = old_study()
    office = sign_in(it_person)
    assert "Erase all 4 studies that are due" in office.get("/retention").content.decode()
    seen = services.digest_of_due()
    later = old_study()
    assert "The list has changed" in erase_due(office, digest=seen)
    later.performed_at = timezone.now()
    later.save()
    assert "That is not your password." in erase_due(office, password="wrong")
    assert "Give the reason" in erase_due(office, reason="")
    assert not Erasure.objects.exists()
    assert "erased one after the other" in erase_due(office)
    hold(held, uploader)

    # As often as it is broken off, it goes on.
    for _turn in range(6):
        execution.carry_out_confirmed(0)
    erasure = Erasure.objects.get()
    assert erasure.state == "done"
    assert set(Study.objects.all()) == {recent, unread, held, later}
    assert not Patient.objects.filter(pk=due.patient_id).exists()
    assert Patient.objects.filter(pk=old.patient_id).exists()
    skipped = {tuple(each) for each in erasure.skipped}
    assert skipped == {(str(unread.pk), "unread"), (str(held.pk), "hold")}
    shown = page(erasure, office)
    assert "What was not erased" in shown
    assert "A study has not been read." in shown


def test_what_is_due_takes_two_where_there_are_two(
    rule: None,
    it_person: User,
    make_user: Callable[..., User],
    sign_in: SignIn,
    uploader: User,
) -> None:
    """Otherwise one of them could lift a legal hold and erase what it kept."""
    due, kept = old_study(), old_study()
    hold = holds.place(kept, "A lawsuit", uploader)
    colleague = make_user(Role.IT, username="colleague")
    alone = sign_in(it_person)
    alone.post(f"/retention/holds/{hold.pk}/lift")
    assert "Request erasure" in alone.get("/retention").text
    assert "Somebody else in hospital IT has to confirm it." in erase_due(alone)
    erasure = Erasure.objects.get()
    digest = services.digest_of_due()
    for _again in range(2):
        assert "ask somebody else" in confirm(erasure, alone, digest=digest)
        assert "has been requested already" in erase_due(alone)
    assert "Erase all" not in alone.get("/retention").text
    execution.carry_out_confirmed(60)
    assert set(Study.objects.all()) == {due, kept}
    other = sign_in(colleague)
    shown = page(erasure, other)
    assert str(kept.pk) in shown
    assert "The list has changed" in confirm(erasure, other, digest="0" * 64)
    holds.place(kept, "The lawsuit goes on", uploader)
    assert "Confirmed." in confirm(erasure, other, digest=digest)
    execution.carry_out_confirmed(60)
    assert set(Study.objects.all()) == {kept}
    assert list(
        AuditEntry.objects.filter(action__startswith="erasure.")
        .order_by("sequence")
        .values_list("action", "actor")
    ) == [("erasure.requested", "it"), ("erasure.confirmed", "colleague")]


@pytest.mark.django_db(transaction=True)
def test_two_who_request_what_is_due_at_once_request_it_once(
    rule: None, it_person: User, make_user: Callable[..., User]
) -> None:
    old_study()
    colleague = make_user(Role.IT, username="colleague")

    def request(by: User) -> Erasure:
        digest = services.digest_of_due()
        return services.erase_due(digest, PASSWORD, "Ten years", "", by)

    with transaction.atomic():
        request(it_person)
        other = Act(lambda: request(colleague))
        assert other.waits()
    assert isinstance(other.end(), services.ErasureError)
    assert Erasure.objects.get().requested_by == it_person


@pytest.mark.parametrize("days", [0, 4])
def test_a_second_account_of_the_same_person_does_not_confirm(
    days: int, study: Study, it_person: User, make_user: Callable[..., User], sign_in: SignIn
) -> None:
    make_user(Role.IT, username="colleague")
    puppet, _ = create_user("puppet", "", ["uploader"], it_person)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_auditentry SET at = at - make_interval(days => %s)", [days])
        cursor.execute("ALTER TABLE audit_auditentry ENABLE TRIGGER USER")
    asked = services.request(study.patient, "Request", "", puppet)
    said = confirm(asked, sign_in(it_person))
    assert ("ask somebody else to confirm it" in said) is (days == 0)
    assert ("Confirmed." in said) is (days > 0)


def test_files_wait_for_a_backup_and_the_register_for_its_place(
    study: Study, it_person: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.request(study.patient, "Request", "", it_person)
    erasure = Erasure.objects.get()
    Erasure.objects.update(state="confirmed", decided_at=timezone.now())
    monkeypatch.setattr("webportal.erasure.files.may_remove_for_good", lambda: False)
    execution.carry_out_confirmed(60)
    erasure.refresh_from_db()
    assert (erasure.state, erasure.waits_for, len(erasure.files)) == ("confirmed", "backup", 1)
    assert not Study.objects.exists()
    monkeypatch.undo()
    settings.BACKUP_REPOSITORY = "file:///nowhere"
    settings.STORAGES = settings.STORAGES | {
        "backups": {
            "BACKEND": "webportal.storage.DurableFileSystemStorage",
            "OPTIONS": {"location": "/proc/nowhere"},
        }
    }
    execution.carry_out_confirmed(60)
    erasure.refresh_from_db()
    assert (erasure.state, erasure.waits_for, erasure.files) == ("confirmed", "repository", [])
    settings.BACKUP_REPOSITORY = ""
    execution.carry_out_confirmed(60)
    erasure.refresh_from_db()
    assert (erasure.state, erasure.waits_for) == ("done", "")
