"""A document that cannot be made is rejected in the end, and holds up nothing for ever."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.delivery.conftest import StoreScp, send_all
from tests.factories import make_prediction
from tests.helpers import audit_actions, wait_until
from webportal.accounts.models import User
from webportal.delivery import attempts, health, outbox
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    Protocol,
)
from webportal.records.choices import ReadingState
from webportal.records.models import Radiograph
from webportal.review.models import Decision, Pneumonia, Read, ReadState

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]
LATER = "of_later"


@pytest.fixture
def later(radiologist: User) -> Read:
    """A signed read with a finding that a later release has brought."""
    prediction = make_prediction()
    study = prediction.radiograph.study
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE review_read DROP CONSTRAINT read_other_findings_known")
    signed = Read.objects.create(
        study=study,
        reader=radiologist,
        state=ReadState.SIGNED,
        decision=Decision.CONFIRM,
        prediction=prediction,
        pneumonia=Pneumonia.DEFINITE,
        other_findings=["effusion", LATER],
        signed_at=timezone.now() - timedelta(minutes=1),
    )
    study.reading_state = ReadingState.SIGNED
    study.save()
    return signed


def rejected(destination: Destination) -> Delivery:
    """The only delivery, once it is rejected."""

    def is_rejected() -> bool:
        (row,) = send_all(destination)
        return row.state == DeliveryState.REJECTED

    wait_until(is_rejected, "it is rejected")
    return destination.deliveries.get()


@pytest.mark.parametrize("protocol", Protocol)
def test_a_finding_of_a_later_release_is_named_and_rejected_in_the_end(
    make_destination: Make, later: Read, it_person: User, protocol: Protocol
) -> None:
    destination = make_destination(
        protocol=protocol, sends=[Content.READS], url="http://127.0.0.1:1/"
    )
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (DeliveryState.WAITING, "finding_unknown")
    row = rejected(destination)
    assert (row.refusals, row.attempts) == (attempts.MOST_REFUSALS - 1, 0)
    assert LATER in row.reason.english
    assert audit_actions(action="delivery.rejected") == ["delivery.rejected"]
    # As after the upgrade.
    outbox.send_again([row.pk], it_person)
    row.refresh_from_db()
    assert (row.state, row.refusals) == (DeliveryState.WAITING, 0)


def test_what_cannot_be_made_for_another_reason_is_rejected_too(make_destination: Make) -> None:
    destination = make_destination(sends=[Content.CAPTURES], results_when="at_once")
    make_prediction(heatmap=b"too short")
    row = rejected(destination)
    assert row.reason_code == "not_made"
    assert "ValueError" in row.reason.english


def test_a_fault_of_the_sender_is_rejected_in_the_end(
    make_destination: Make, it_person: User, store_scp: StoreScp
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, sends=[Content.RESULTS], results_when="at_once")
    make_prediction(category="unlikely")
    (row,) = send_all(destination)
    # It has left, and nobody can read it any more.
    Document.objects.update(content=b"damaged")
    outbox.send_again([row.pk], it_person)
    row = rejected(destination)
    assert (row.reason_code, row.refusals) == ("not_sent", attempts.MOST_REFUSALS - 1)
    assert "send it again" in row.reason.english
    assert health.problems() == [health.REJECTED]
    outbox.send_rejected_again(destination, it_person)
    row.refresh_from_db()
    assert (row.state, row.refusals) == (DeliveryState.WAITING, 0)


def test_an_image_whose_file_stays_away_is_rejected_in_the_end(
    make_destination: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MOST_UNREADABLE", 3)
    destination = make_destination(sends=[Content.RESULTS], results_when="at_once")
    image = make_prediction(category="unlikely").radiograph
    Radiograph.objects.filter(pk=image.pk).update(dicom_sha256="0" * 64)
    row = rejected(destination)
    assert (row.reason_code, row.refusals, row.attempts) == ("file_stays_away", 2, 0)
    assert health.problems() == [health.REJECTED]


def test_a_file_that_is_back_leaves_the_destination_all_of_its_refusals(
    make_destination: Make,
) -> None:
    destination = make_destination(sends=[Content.RESULTS], results_when="at_once")
    image = make_prediction(category="unlikely").radiograph
    Radiograph.objects.filter(pk=image.pk).update(dicom_sha256="0" * 64)
    (row,) = send_all(destination)
    assert row.reason_code == "file_away"
    # On a busy machine the next attempt is due before this one has failed.
    assert row.refusals >= 1
    # After some hours it can be read again.
    Radiograph.objects.filter(pk=image.pk).update(dicom_sha256=image.dicom_sha256)
    destination.deliveries.update(refusals=100, next_attempt_at=timezone.now())
    (row,) = send_all(destination)
    assert (row.state, row.refusals) == (DeliveryState.WAITING, 0)
    assert row.attempts >= 1
