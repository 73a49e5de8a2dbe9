"""A signed read names the result that its reader decided on, where the destination has it."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from django.db.models import F
from pydicom.dataset import FileDataset

from tests.conftest import PASSWORD
from tests.delivery.conftest import StoreScp, send_all
from tests.delivery.test_documents import check, made
from tests.delivery.test_withdrawals import withdraw
from tests.factories import make_prediction
from tests.helpers import let_time_pass
from tests.reading import add_addendum, read, sign
from webportal.accounts.models import User
from webportal.delivery import planning
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.inference.models import Prediction
from webportal.review.models import Read
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]
BOTH = [Content.READS, Content.RESULTS]


def report_at(destination: Destination) -> FileDataset:
    """The latest document of a read that a destination is sent, made now."""
    planning.plan()
    rows = destination.deliveries.filter(document__kind=DocumentKind.REPORT)
    document = rows.latest("created_at").document
    make(document)
    return pydicom.dcmread(BytesIO(bytes(document.content or b"")))


def named(report: FileDataset) -> list[str]:
    return [
        str(item.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


@pytest.mark.parametrize("finding", ["definite", "none"])
@pytest.mark.parametrize("when", ["at_once", "closed"])
def test_a_read_names_the_result_that_left_for_the_pacs_before_it(
    make_destination: Make,
    store_scp: StoreScp,
    radiologist: User,
    tmp_path: Path,
    when: str,
    finding: str,
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, sends=BOTH, results_when=when)
    prediction = make_prediction()
    send_all(destination)
    signed = read(prediction, radiologist, finding)
    let_time_pass()
    rows = send_all(destination)
    assert [row.document.kind for row in rows] == [
        DocumentKind.RESULT,
        DocumentKind.RESULT_REGION,
        DocumentKind.REPORT,
    ]
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    result, _region, report = (opened(row.document) for row in rows)
    assert (result.VerificationFlag, report.VerificationFlag) == ("UNVERIFIED", "VERIFIED")
    assert named(report) == [result.SOPInstanceUID]
    check(report, tmp_path)
    # An addendum makes the next.
    add_addendum(Read.objects.get(pk=signed.pk), radiologist, "Clinical", "More.", PASSWORD)
    later = opened(send_all(destination)[-1].document)
    assert named(later) == [report.SOPInstanceUID, result.SOPInstanceUID]
    check(later, tmp_path)
    assert len(send_all(destination)) == 4


def opened(document: Document) -> FileDataset:
    return pydicom.dcmread(BytesIO(bytes(document.content or b"")))


def test_a_destination_of_reads_alone_is_told_of_no_result_and_gets_a_document_of_its_own(
    make_destination: Make, radiologist: User
) -> None:
    reads = make_destination(name="A", sends=[Content.READS])
    both = make_destination(name="B", sends=BOTH, results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    result = made(DocumentKind.RESULT)
    signed = read(prediction, radiologist, "definite")
    let_time_pass()
    plain, linked = report_at(reads), report_at(both)
    assert (named(plain), named(linked)) == ([], [result.SOPInstanceUID])
    assert plain.SOPInstanceUID != linked.SOPInstanceUID
    assert plain.SeriesInstanceUID == linked.SeriesInstanceUID
    add_addendum(Read.objects.get(pk=signed.pk), radiologist, "Clinical", "More.", PASSWORD)
    assert named(report_at(reads)) == [plain.SOPInstanceUID]
    assert named(report_at(both)) == [linked.SOPInstanceUID, result.SOPInstanceUID]
    assert planning.plan() == 0


def test_a_read_without_the_model_names_no_result(
    make_destination: Make, radiologist: User
) -> None:
    destination = make_destination(sends=BOTH, results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    made(DocumentKind.RESULT)
    Prediction.objects.update(is_current=False)
    study = prediction.radiograph.study
    sign(study, radiologist, Entry(None, "unaided", "definite"), PASSWORD)
    let_time_pass()
    assert named(report_at(destination)) == []


@pytest.mark.parametrize("state", [DeliveryState.REJECTED, DeliveryState.CANCELLED])
def test_a_result_that_the_destination_did_not_take_is_not_named(
    make_destination: Make, radiologist: User, state: str
) -> None:
    destination = make_destination(sends=BOTH, results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    made(DocumentKind.RESULT)
    Delivery.objects.update(state=state, settled_at=destination.created_at, attempts=1)
    read(prediction, radiologist, "definite")
    let_time_pass()
    assert named(report_at(destination)) == []


def test_a_result_that_was_withdrawn_is_not_named(
    make_destination: Make, radiologist: User
) -> None:
    destination = make_destination(sends=BOTH, results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    made(DocumentKind.RESULT)
    Delivery.objects.update(
        state=DeliveryState.DELIVERED, settled_at=destination.created_at, attempts=1
    )
    read(prediction, radiologist, "definite")
    withdraw(prediction.radiograph)
    planning.plan()
    made(DocumentKind.WITHDRAWN)
    let_time_pass()
    assert named(report_at(destination)) == []


def test_what_is_in_the_outbox_stays_the_one_document_of_a_read(
    make_destination: Make, radiologist: User
) -> None:
    """As that of the release before, which named no result."""
    destination = make_destination(sends=BOTH, results_when="closed")
    signed = read(make_prediction(), radiologist, "definite")
    let_time_pass()
    plain = Document.objects.create(kind=DocumentKind.REPORT, study=signed.study, read=signed)
    Delivery.objects.create(
        destination=destination, document=plain, next_attempt_at=destination.created_at
    )
    planning.plan()
    of_read = destination.deliveries.filter(document__kind=DocumentKind.REPORT)
    assert [row.document for row in of_read] == [plain]


def test_a_heat_map_that_waits_holds_up_no_read(
    make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, sends=[*BOTH, Content.CAPTURES])
    read(make_prediction(), radiologist, "definite")
    let_time_pass()
    planning.plan()
    captures = destination.deliveries.filter(document__kind=DocumentKind.CAPTURE)
    captures.update(next_attempt_at=F("next_attempt_at") + timedelta(hours=1))
    states = {row.document.kind: row.state for row in send_all(destination)}
    assert states.pop(DocumentKind.CAPTURE) == DeliveryState.WAITING
    assert set(states) >= {DocumentKind.RESULT, DocumentKind.REPORT}
    assert set(states.values()) == {DeliveryState.DELIVERED}
