"""An entry that the FHIR server does not take neither stops those after it nor gets lost."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.auditexport.fhir_repository import Repository
from tests.auditexport.test_fhir import repository, target
from tests.auditexport.test_sending import add, all_sequences
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.auditexport import fhir, health
from webportal.auditexport.models import SetAside, Target
from webportal.auditexport.sending import send_some
from webportal.notifications.alerts import current_alerts

pytestmark = pytest.mark.django_db
__all__ = ["repository"]


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


def said_in_the_trail(action: Action) -> list[int]:
    entries = AuditEntry.objects.filter(action=action).order_by("sequence")
    return [entry.detail["sequence"] for entry in entries]


def codes() -> list[str]:
    return [alert.code for alert in current_alerts()]


@pytest.mark.parametrize("status", [400, 409, 412, 413, 415, 422])
def test_those_after_it_arrive_and_hospital_it_is_told(status: int, repository: Repository) -> None:
    repository.dislikes = {3: status}
    add(5)
    assert send_some(60) == 4
    assert repository.sequences() == [1, 2, 4, 5]
    [left_out] = SetAside.objects.all()
    assert (left_out.sequence, left_out.error) == (3, f"HTTP {status}")
    assert said_in_the_trail(Action.AUDIT_ENTRY_SET_ASIDE) == [3]
    assert health.LEFT_OUT in codes()
    # The server learns of it, too, because that is in the trail.
    send_some(60)
    assert repository.sequences() == [each for each in all_sequences() if each != 3]


def test_several_in_a_row_are_left_out_together(repository: Repository) -> None:
    repository.dislikes = dict.fromkeys(range(2, 2 + fhir.MOST_REFUSED), 422)
    add(10)
    assert send_some(60) == 10 - fhir.MOST_REFUSED
    assert SetAside.objects.count() == fhir.MOST_REFUSED


def test_a_server_that_takes_nothing_is_not_told_less(repository: Repository) -> None:
    """A wrong profile or path there must not leave out the trail, entry by entry."""
    repository.dislikes = dict.fromkeys(range(1, 60), 422)
    add(20)
    for _ in range(3):
        assert send_some(60) == 0
    assert (target().position, target().error) == (0, "entry 1: HTTP 422")
    assert not SetAside.objects.exists()
    repository.dislikes = {}
    assert send_some(60) == 20
    assert repository.sequences() == all_sequences()


def test_the_last_entry_is_left_out_only_once_another_arrives(repository: Repository) -> None:
    repository.dislikes = {3: 422}
    add(3)
    assert send_some(60) == 2
    assert (target().position, target().error) == (2, "entry 3: HTTP 422")
    add(1)
    assert send_some(60) == 1
    assert repository.sequences() == [1, 2, 4]


def test_an_entry_about_an_entry_left_out_makes_no_others(repository: Repository) -> None:
    repository.dislikes = {2: 422, 4: 422}
    add(3)
    send_some(60)
    assert said_in_the_trail(Action.AUDIT_ENTRY_SET_ASIDE) == [2]
    add(1)
    send_some(60)
    assert SetAside.objects.count() == 2
    assert said_in_the_trail(Action.AUDIT_ENTRY_SET_ASIDE) == [2]


def test_hospital_it_has_it_sent_again(repository: Repository, client: Client) -> None:
    repository.dislikes = {2: 422}
    add(3)
    send_some(60)
    left_out = SetAside.objects.get()
    page = client.get("/operations").text
    assert "Entry left out" in page
    assert "HTTP 422" in page
    address = f"/operations/audit-export/{left_out.pk}/send-again"
    assert client.post(address).status_code == 302
    # Refused again, it stays; nobody is asked to press twice for nothing.
    send_some(60)
    left_out.refresh_from_db()
    assert not left_out.is_to_be_sent
    repository.dislikes = {}
    client.post(address)
    assert send_some(60) > 0
    assert set(repository.sequences()) == set(all_sequences())
    assert not SetAside.objects.exists()
    assert health.LEFT_OUT not in codes()
    assert said_in_the_trail(Action.AUDIT_ENTRY_SENT_AGAIN) == [2, 2]
    page = client.post(address, follow=True).text
    assert "has arrived" in page


def test_a_server_that_is_away_loses_no_wish_to_send_again(
    repository: Repository, client: Client
) -> None:
    repository.dislikes = {2: 422}
    add(3)
    send_some(60)
    client.post(f"/operations/audit-export/{SetAside.objects.get().pk}/send-again")
    repository.stop()
    assert send_some(60) == 0
    assert target().failures == 1
    assert SetAside.objects.get().is_to_be_sent
    repository.dislikes = {}
    repository.start()
    send_some(60)
    assert set(repository.sequences()) == set(all_sequences())


def test_hospital_it_gives_it_up_and_the_trail_says_who(
    repository: Repository, client: Client, it_person: User
) -> None:
    repository.dislikes = {2: 422}
    add(3)
    send_some(60)
    client.post(f"/operations/audit-export/{SetAside.objects.get().pk}/give-up")
    assert not SetAside.objects.exists()
    entry = AuditEntry.objects.get(action=Action.AUDIT_ENTRY_GIVEN_UP)
    assert (entry.actor_id, entry.detail["sequence"]) == (it_person.pk, 2)
    assert entry.detail["address"] == repository.url
    assert health.LEFT_OUT not in codes()
    # It is not sent of itself again, and it is still here.
    send_some(60)
    assert 2 not in repository.sequences()
    assert AuditEntry.objects.filter(sequence=2).exists()


def test_an_entry_that_breaks_the_server_can_be_left_out_by_hand(
    repository: Repository, client: Client, it_person: User
) -> None:
    """Of a server's own error nobody can tell whether it is the entry."""
    repository.dislikes = {2: 500}
    add(3)
    send_some(60)
    assert "Leave out entry" not in client.get("/operations").text
    send_some(60)
    send_some(60)
    assert "Leave out entry 2" in client.get("/operations").text
    sent = {"address": repository.url, "sequence": 2}
    client.post("/operations/audit-export/set-aside", sent)
    entry = AuditEntry.objects.get(action=Action.AUDIT_ENTRY_SET_ASIDE)
    assert (entry.actor_id, entry.detail["said"]) == (it_person.pk, "entry 2: HTTP 500")
    assert send_some(60) > 0
    assert repository.sequences() == [each for each in all_sequences() if each != 2]
    # What was shown then is no longer where the export stands.
    assert (
        "has gone on" in client.post("/operations/audit-export/set-aside", sent, follow=True).text
    )
    assert SetAside.objects.count() == 1
    assert "everything but the entries below has arrived" in client.get("/operations").text


def test_a_server_that_is_away_offers_to_leave_nothing_out(
    repository: Repository, client: Client
) -> None:
    add(3)
    repository.stop()
    for _ in range(4):
        send_some(60)
    assert target().failures == 4
    assert "Leave out entry" not in client.get("/operations").text
    client.post("/operations/audit-export/set-aside", {"address": repository.url, "sequence": 1})
    assert not SetAside.objects.exists()


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_a_server_that_refuses_access_is_no_reason_to_set_an_entry_aside(
    repository: Repository, client: Client, status: int
) -> None:
    add(3)
    repository.dislikes = dict.fromkeys(all_sequences(), status)
    for _ in range(4):
        send_some(60)
    assert target().failures == 4
    assert "Leave out entry" not in client.get("/operations").text


@pytest.mark.parametrize(
    "sent",
    [{}, {"address": "x"}, {"address": "x", "sequence": "a"}, {"address": "x", "sequence": 10**30}],
)
def test_what_is_no_entry_is_refused(sent: dict[str, object], client: Client) -> None:
    page = client.post("/operations/audit-export/set-aside", sent, follow=True).text
    assert "There is no such entry" in page


def test_nothing_can_be_left_out_over_syslog(settings: Settings, client: Client) -> None:
    settings.AUDIT_EXPORT = "syslog+tcp://127.0.0.1:1"
    append(Event(Action.JOB_QUEUED))
    for _ in range(4):
        send_some(10)
    assert Target.objects.get().failures == 4
    assert [state.stuck_at for state in health.states()] == [None]
    first = AuditEntry.objects.earliest("sequence").sequence
    sent = {"address": settings.AUDIT_EXPORT, "sequence": first}
    client.post("/operations/audit-export/set-aside", sent)
    assert not SetAside.objects.exists()
