"""What a node sends while prior studies are fetched from it, and what it sends by itself."""

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread, uid
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pytest_django.fixtures import Settings

from tests.factories import make_patient, make_study
from tests.network.conftest import Receiver
from tests.network.rows import make_node, make_prior_request
from tests.network.test_priors import OLD, SET, QueryScp, image, pacs
from webportal.accounts.models import Department
from webportal.database.clock import clock
from webportal.network import outgoing
from webportal.network.models import (
    InboxState,
    Node,
    PriorProtocol,
    PriorRequest,
    PriorRequestState,
    PriorState,
    PriorStudy,
    ReceivedInstance,
)
from webportal.network.priors import arrivals, retrieving, sources
from webportal.network.priors.queries import chest_series
from webportal.network.scu import NotReachedError
from webportal.network.sop_classes import GET, IMAGES
from webportal.records.models import Study

__all__ = ["pacs"]
pytestmark = pytest.mark.django_db(transaction=True)

KNOWN = {"name": "Phantom^One", "birth_date": "1970-01-01", "sex": "O"}
SUCCESS, NOT_MATCHING, OUT_OF_RESOURCES = 0x0000, 0xA900, 0xA700


def phantom_study(**fields: Any) -> Study:
    patient = make_patient(patient_id="PHANTOM-1", issuer="", **KNOWN)
    return make_study(patient=patient, **fields)


def make_source(**fields: Any) -> Node:
    node = make_node("PACS", port=1)
    return set_source(node, **fields)


def set_source(node: Node, **fields: Any) -> Node:
    sources.change_source(node, SET | {"protocol": PriorProtocol.MOVE} | fields, node.created_by)
    return node


def make_prior(node: Node, state: PriorState, **fields: Any) -> PriorStudy:
    """A prior of a request that is not due for an hour."""
    later = {"next_attempt_at": clock() + timedelta(hours=1)}
    request = make_prior_request(node, phantom_study(), state, **later | fields)
    return request.found.get()


def move(receiver: Receiver, *images: bytes, originator: str | None = "CHESTLINE") -> list[int]:
    """Send images as the peer of a C-MOVE does; the status of each."""
    datasets = [dcmread(BytesIO(each)) for each in images]
    entity = AE("PACS")
    for each in datasets:
        entity.add_requested_context(each.SOPClassUID, each.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE")
    try:
        return [
            int(association.send_c_store(each, originator_aet=originator, originator_id=1).Status)
            for each in datasets
        ]
    finally:
        association.release()


def test_what_we_have_moved_is_a_prior_or_refused_and_never_a_study_to_be_read(
    start_receiver: Callable[..., Receiver],
) -> None:
    prior = make_prior(make_source(), PriorState.WANTED)
    of_study = {"StudyInstanceUID": prior.study_instance_uid}
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="3600")
    first, second, third = (image(OLD, seed, **of_study) for seed in (1, 2, 3))
    assert move(receiver, first) == [SUCCESS]
    PriorStudy.objects.update(state=PriorState.FETCHED)
    assert move(receiver, second) == [SUCCESS]
    assert list(ReceivedInstance.objects.values_list("is_prior", flat=True)) == [True, True]

    PriorStudy.objects.update(state=PriorState.WANTED)
    somebody_elses = image(OLD, 4, **of_study, PatientID="PHANTOM-2")
    assert move(receiver, somebody_elses, third) == [NOT_MATCHING] * 2
    assert move(receiver, image(OLD, 5, StudyInstanceUID=uid.generate_uid())) == [NOT_MATCHING]
    assert ReceivedInstance.objects.count() == 2

    assert move(receiver, third, originator="WORKSTATION") == [SUCCESS]
    assert ReceivedInstance.objects.filter(is_prior=False).count() == 1


def test_a_study_without_originator_is_a_prior_only_while_it_is_retrieved() -> None:
    node = make_source()
    prior = make_prior(node, PriorState.WANTED, reason_code="retrieve_failed")

    def moved() -> PriorStudy | None:
        return arrivals.prior_being_moved(node, prior.study_instance_uid, None)

    assert moved() is None
    arrivals.record_retrieving(prior.request)
    assert moved() == prior
    arrivals.refuse(prior, ["birth_date"])
    with pytest.raises(arrivals.NotWantedError):
        moved()
    PriorRequest.objects.update(next_attempt_at=clock())
    assert moved() is None

    PriorStudy.objects.update(state=PriorState.WANTED)
    assert moved() is None
    arrivals.record_retrieving(prior.request)
    set_source(node, protocol=PriorProtocol.GET)
    assert moved() is None
    set_source(node)
    assert moved() == prior
    PriorRequest.objects.update(state=PriorRequestState.DONE)
    assert moved() is None


@pytest.fixture
def endless() -> Iterator[int]:
    """The port of a PACS whose answer to a C-GET never ends."""

    def answer(_event: Event) -> Iterator[Any]:
        yield 1000
        while True:
            sent = dcmread(BytesIO(image(OLD, 1, StudyInstanceUID="2.25.7")))
            yield 0xFF00, sent

    entity = AE("PACS")
    entity.add_supported_context(GET)
    for each in IMAGES:
        entity.add_supported_context(each, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_C_GET, answer)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    yield server.server_address[1]
    server.shutdown()


@pytest.mark.parametrize("reason", ["time", "images", "stopping"])
def test_a_pacs_that_never_ends_is_left(
    endless: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = set_source(make_node("PACS", port=endless), protocol=PriorProtocol.GET)
    prior = make_prior(node, PriorState.WANTED)
    PriorStudy.objects.update(study_instance_uid="2.25.7")
    prior.refresh_from_db()
    stopping = threading.Event()
    if reason == "time":
        monkeypatch.setattr(retrieving, "LONGEST_RETRIEVE", timedelta(seconds=1))
    elif reason == "images":
        monkeypatch.setattr(retrieving, "MOST_IMAGES", 3)
    else:
        threading.Timer(1, stopping.set).start()
    source = sources.source_of(node)
    began = time.monotonic()
    with retrieving.SourceAssociation(source, stopping) as connection:
        with pytest.raises(NotReachedError, match="retrieve_failed"):
            connection.retrieve(prior, ["2.25.8"])
        assert not connection.association.is_established
    assert time.monotonic() - began < 20
    if reason == "images":
        assert ReceivedInstance.objects.count() <= 3


def test_a_data_set_that_is_too_long_is_left_before_it_is_in_memory(
    pacs: QueryScp, settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = megabyte = 1024**2
    pacs.start()
    pacs.keep(image(OLD, 1, StudyInstanceUID="2.25.7", EncapsulatedDocument=bytes(40 * megabyte)))
    node = set_source(make_node("PACS", port=pacs.port), protocol=PriorProtocol.GET)
    prior = make_prior(node, PriorState.WANTED)
    PriorStudy.objects.update(study_instance_uid="2.25.7")
    prior.refresh_from_db()
    with retrieving.SourceAssociation(sources.source_of(node), threading.Event()) as connection:
        (series,) = chest_series(connection.association, "2.25.7")
        tracemalloc.start()
        try:
            with pytest.raises(NotReachedError, match="retrieve_failed"):
                connection.retrieve(prior, [series])
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 20 * megabyte
    assert not ReceivedInstance.objects.exists()


def test_a_c_move_brings_no_more_images_than_a_study_may_have(
    start_receiver: Callable[..., Receiver],
) -> None:
    prior = make_prior(make_source(), PriorState.WANTED)
    of_study = {"StudyInstanceUID": prior.study_instance_uid}
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="3600")
    last, beyond = image(OLD, 1, **of_study), image(OLD, 2, **of_study)
    ReceivedInstance.objects.bulk_create(
        ReceivedInstance(
            sha256=f"{number:064}",
            size=1,
            node=prior.request.node,
            study_instance_uid=prior.study_instance_uid,
            sop_instance_uid=f"2.25.{number}",
            is_prior=True,
            has_file=False,
            state=InboxState.TAKEN,
            settled_at=clock(),
            first_received_at=clock(),
            received_at=clock(),
        )
        for number in range(arrivals.MOST_IMAGES - 1)
    )
    assert move(receiver, last, beyond, last) == [SUCCESS, OUT_OF_RESOURCES, SUCCESS]


def test_nothing_is_wanted_of_a_node_once_it_is_switched_off() -> None:
    node = make_source()
    prior = make_prior(node, PriorState.WANTED)
    set_source(node, is_active=False)
    prior.refresh_from_db()
    assert prior.state == PriorState.REFUSED
    with pytest.raises(arrivals.NotWantedError):
        arrivals.prior_being_moved(node, prior.study_instance_uid, "CHESTLINE")


def test_what_the_pacs_no_longer_names_is_not_wanted_once_it_has_answered(pacs: QueryScp) -> None:
    pacs.start()
    pacs.keep(image(OLD, 1, StudyInstanceUID="2.25.7"))
    node = set_source(make_node("PACS", port=pacs.port), protocol=PriorProtocol.GET)
    prior = make_prior(node, PriorState.WANTED, next_attempt_at=clock())
    outgoing.serve(node.pk, threading.Event())
    states = dict(PriorStudy.objects.values_list("study_instance_uid", "state"))
    assert states == {"2.25.7": PriorState.FETCHED, prior.study_instance_uid: PriorState.REFUSED}
    assert PriorRequest.objects.get().state == PriorRequestState.DONE


def test_the_request_of_another_patient_that_was_refused_gives_no_department() -> None:
    node = make_source()
    prior = make_prior(node, PriorState.FETCHED)
    elsewhere = make_study(
        patient=make_patient(), department=Department.objects.create(name="Elsewhere")
    )
    later = {"requested_at": clock() + timedelta(minutes=1)}
    refused = make_prior_request(node, elsewhere, PriorState.REFUSED, **later)
    refused.found.update(study_instance_uid=prior.study_instance_uid)
    found = arrivals.department_of(node, prior.study_instance_uid)
    assert found == prior.request.study.department
