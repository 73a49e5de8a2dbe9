"""What worklists answer that search badly, answer with errors, or send what cannot be used."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pynetdicom import evt

from tests.network import worklists
from tests.network.worklists import answering, arrived, ask, let_it_be_due, linked, make_ris
from webportal.accounts.models import Role, User
from webportal.network import worklist as asking
from webportal.orders import questions
from webportal.orders.models import Order, OrderQuestion, QuestionState
from webportal.records.choices import Priority

pytestmark = pytest.mark.django_db


def test_an_error_is_no_answer_and_does_not_go_on_for_ever(db: None) -> None:
    def out_of_resources(_: evt.Event) -> Iterator[tuple[int, Any]]:
        yield 0xA700, None

    with answering(out_of_resources) as port:
        ris = make_ris(port)
        arrived()
        assert ask(ris) == 1
        asked = OrderQuestion.objects.get()
        assert (asked.state, asked.nones) == (QuestionState.WAITING, 0)
        assert asked.reason.english == "The worklist answered with the error 0xA700."
        assert asking.nodes_to_ask() == set()
        for _ in range(questions.MOST_FAILURES):
            let_it_be_due()
            ask(ris)
        asked.refresh_from_db()
        assert (asked.state, asked.failures) == (QuestionState.FAILED, questions.MOST_FAILURES)


def test_an_unexpected_answer_does_not_stop_the_other_queries(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    def broken_for_the_first(event: evt.Event) -> Iterator[tuple[int, Any]]:
        number = event.identifier.AccessionNumber
        item = worklists.step(AccessionNumber=number)
        if number == "ACC-1":
            item.add_new("ScheduledProcedureStepSequence", "LO", "DOE^JANE")
        yield 0xFF00, item

    with answering(broken_for_the_first) as port:
        ris = make_ris(port)
        study = arrived(priority=Priority.STAT)
        other = arrived(accession_number="ACC-2", patient=study.patient)
        assert ask(ris) == 2
        assert [each.accession_number for each in linked(other)] == ["ACC-2"]
        asked = OrderQuestion.objects.get(study=study)
        assert (asked.state, asked.failures) == (QuestionState.WAITING, 1)
        assert asked.reason.english == "The answer of the worklist could not be processed."
        assert asking.nodes_to_ask() == set()
    assert "AttributeError" in caplog.text
    assert "DOE" not in caplog.text


def test_only_the_queried_number_is_read_from_a_worklist_that_ignores_the_key(
    monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(asking, "MOST_ITEMS", 20)
    count = 10

    def everything(_: evt.Event) -> Iterator[tuple[int, Any]]:
        for number in range(2, count):
            yield 0xFF00, worklists.step(AccessionNumber=f"ACC-{number}")
        yield 0xFF00, worklists.step()

    with answering(everything) as port:
        ris = make_ris(port)
        study = arrived()
        ask(ris)
        assert [each.accession_number for each in linked(study)] == ["ACC-1"]
        count = 40
        other = arrived(accession_number="ACC-99", patient=study.patient)
        ask(ris)
        asked = OrderQuestion.objects.get(study=other)
        assert asked.reason_code == "worklist_too_many"
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("element", "value"),
    [("PatientID", ""), ("PatientID", "P-1\\P-2"), ("PatientBirthDate", "1970")],
)
def test_what_cannot_be_used_as_it_is_is_not_used(element: str, value: str, db: None) -> None:
    def item(_: evt.Event) -> Iterator[tuple[int, Any]]:
        yield 0xFF00, worklists.step(**{element: value})

    with answering(item) as port:
        ris = make_ris(port)
        arrived()
        ask(ris)
    asked = OrderQuestion.objects.get()
    assert (asked.state, Order.objects.count()) == (QuestionState.FAILED, 0)
    assert asked.reason_code in ("field_missing", "field_invalid")


def test_the_test_says_what_a_worklist_lacks(
    client: Client, make_user: Callable[..., User]
) -> None:
    client.force_login(make_user(Role.IT))

    def everything(_: evt.Event) -> Iterator[tuple[int, Any]]:
        yield 0xFF00, worklists.step()

    with answering(everything) as port:
        test = reverse("network:test-node", args=[make_ris(port).pk])
        said = client.post(test, follow=True).content.decode()
    assert "does not search by accession number: it returned 1 item" in said
    assert "Nothing responds" in client.post(test, follow=True).content.decode()
