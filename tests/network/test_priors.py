"""Prior studies, fetched from dcmtk's dcmqrscp and from Orthanc when a study comes in."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from pydicom import uid
from pynetdicom import AE

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.delivery.conftest import Orthanc, Peer, orthanc
from tests.factories import make_patient, make_study
from tests.helpers import audit_actions, wait_until
from tests.network.conftest import Receiver
from tests.network.rows import make_node, make_prior_request
from tests.network.test_receiving import send
from tests.reading import sign
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.audit.verification import verify
from webportal.database.clock import clock
from webportal.inference.models import Job
from webportal.network import outgoing
from webportal.network.models import (
    Node,
    PriorProtocol,
    PriorRequest,
    PriorRequestState,
    PriorState,
    PriorStudy,
    ReceivedInstance,
)
from webportal.network.priors import arrivals, planning, sources
from webportal.network.sop_classes import VERIFICATION
from webportal.records.choices import ReadingState
from webportal.records.models import Patient, Radiograph, Study
from webportal.review.reads.services import Entry, ReadingError

__all__ = ["orthanc"]
pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., Receiver]

NOW, OLD, OLDER = "20240229", "20231105", "20220310"
SET: dict[str, Any] = {
    "is_active": True,
    "protocol": PriorProtocol.GET,
    "issuer": "",
    "most_studies": 3,
    "years": 5,
}


class QueryScp(Peer):
    """dcmtk's dcmqrscp: C-STORE, C-FIND, C-GET and C-MOVE."""

    receiver_port = 1

    def command(self) -> list[str]:
        configuration = self.folder.parent / "dcmqrscp.cfg"
        configuration.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            "HostTable BEGIN\n"
            f"chestline = (CHESTLINE, 127.0.0.1, {self.receiver_port})\n"
            "HostTable END\nVendorTable BEGIN\nVendorTable END\nAETable BEGIN\n"
            f"PACS {self.folder} RW (200, 1024mb) ANY\nAETable END\n"
        )
        return ["dcmqrscp", "--config", str(configuration)]

    def keep(self, *images: bytes) -> None:
        """Store images there, in the encoding in which they are."""
        for number, image in enumerate(images):
            path = self.folder.parent / f"kept-{number}.dcm"
            path.write_bytes(image)
            called = ("-aec", "PACS", "127.0.0.1", str(self.port))
            subprocess.run(["storescu", "-xe", *called, str(path)], check=True)


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[QueryScp]:
    """A PACS that has not been started yet."""
    if shutil.which("dcmqrscp") is None:
        pytest.skip("dcmtk is not installed")
    peer = QueryScp(tmp_path / "pacs")
    yield peer
    peer.stop()


def image(day: str, seed: int = 0, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), StudyDate=day, AccessionNumber="", **elements)


def send_new(receiver: Receiver, folder: Path, **elements: Any) -> Study:
    """A modality sends the present study, which is taken in."""
    path = folder / "new.dcm"
    path.write_bytes(image(NOW, 99, **elements))
    assert send(receiver, [path]).returncode == 0
    unread = Study.objects.filter(reading_state=ReadingState.UNREAD)
    wait_until(unread.exists, "the study is taken in")
    return unread.get()


def fetch_from(peer: Peer, **values: Any) -> Node:
    """Have earlier studies fetched from a peer."""
    node = make_node("PACS", port=peer.port)
    sources.change_source(node, SET | values, node.created_by)
    return node


def is_done() -> bool:
    return PriorRequest.objects.filter(state=PriorRequestState.DONE).exists()


def priors(count: int) -> Callable[[], bool]:
    return lambda: Study.objects.filter(reading_state=ReadingState.PRIOR).count() == count


def test_earlier_studies_come_for_comparison_and_another_patients_do_not(
    start_receiver: Start,
    pacs: QueryScp,
    radiologist: User,
    sign_in: Callable[[User], Client],
    tmp_path: Path,
) -> None:
    pacs.start()
    other = uid.generate_uid()
    pacs.keep(
        image(OLD, 1),
        image(OLDER, 2),
        image("20231201", 3, StudyInstanceUID=other, PatientBirthDate="19710101"),
        image("20231202", 4, PatientID="PHANTOM-2"),
        image("20231203", 5, Modality="MR"),
        image("20180101", 6),
        image(NOW, 7),
    )
    fetch_from(pacs)
    make_node()
    receiver = start_receiver()
    study = send_new(receiver, tmp_path)
    wait_until(is_done, "the PACS has been asked")
    wait_until(priors(2), "two studies are there")

    found = study.patient.studies.exclude(pk=study.pk).order_by("performed_at")
    days = [f"{each.performed_at:%Y%m%d}" for each in found if each.performed_at]
    assert days == [OLDER, OLD]
    assert Patient.objects.count() == 1
    assert [each.study for each in Job.objects.all()] == [study]
    assert str(found[0].created_by) == "PACS (Room 1)"

    client = sign_in(radiologist)
    page = client.get(f"/studies/{study.pk}").content.decode()
    for each in found:
        assert f'data-compare="{each.pk}"' in page
    assert page.count("prior, fetched for comparison") == 2
    worklist = client.get("/worklist").content.decode()
    assert str(study.pk) in worklist
    assert not any(str(each.pk) in worklist for each in found)
    assert str(found[0].pk) in client.get("/worklist?state=prior").content.decode()

    [refused] = PriorStudy.objects.filter(state=PriorState.REFUSED)
    assert refused.study_instance_uid == other
    assert refused.reason_params == {"differences": ["birth_date"]}
    asked = AuditEntry.objects.get(action="priors.asked")
    assert asked.study_id == study.pk
    assert asked.detail["differing"] == {other: ["birth_date"]}
    assert audit_actions(action="priors.fetched") == ["priors.fetched"] * 2
    assert verify().intact


@pytest.mark.parametrize("protocol", [PriorProtocol.GET, PriorProtocol.MOVE])
def test_a_pacs_that_is_down_is_asked_later(
    start_receiver: Start, pacs: QueryScp, tmp_path: Path, protocol: PriorProtocol
) -> None:
    pacs.start()
    pacs.keep(image(OLD, 1))
    pacs.stop()
    fetch_from(pacs, protocol=protocol)
    make_node()
    receiver = start_receiver()
    send_new(receiver, tmp_path)
    wait_until(PriorRequest.objects.filter(reason_code="node_away").exists, "it was tried")
    pacs.receiver_port = receiver.port
    pacs.start()
    wait_until(is_done, "the PACS has been asked")
    wait_until(priors(1), "the study is there")
    assert PriorRequest.objects.get().reason_code == ""
    assert [each.state for each in PriorStudy.objects.all()] == [PriorState.FETCHED]
    assert ReceivedInstance.objects.filter(is_prior=True).count() == 1


def test_a_prior_that_is_sent_like_any_other_study_is_to_be_read(
    start_receiver: Start, pacs: QueryScp, tmp_path: Path
) -> None:
    pacs.start()
    first, second = (
        image(OLD, seed, StudyInstanceUID="2.25.7", SeriesInstanceUID="2.25.8") for seed in (1, 2)
    )
    pacs.keep(first, second)
    fetch_from(pacs)
    make_node()
    receiver = start_receiver()
    send_new(receiver, tmp_path)
    wait_until(priors(1), "the study is there")
    wait_until(lambda: Radiograph.objects.count() == 3, "with both images")
    path = tmp_path / "again.dcm"
    path.write_bytes(first)
    assert send(receiver, [path]).returncode == 0
    prior = Study.objects.get(study_instance_uid="2.25.7")

    def is_unread() -> bool:
        prior.refresh_from_db()
        return prior.reading_state == ReadingState.UNREAD

    wait_until(is_unread, "it is on the worklist")
    assert Job.objects.filter(study=prior).count() == 2
    assert verify().intact


def test_orthanc_is_asked_for_chest_radiographs_alone_and_for_the_newest(
    start_receiver: Start, orthanc: Orthanc, tmp_path: Path
) -> None:
    orthanc.start()
    wanted = "2.25.1"
    for each in (
        image(OLD, 1, StudyInstanceUID=wanted, BodyPartExamined="CHEST"),
        image("20231106", 2, BodyPartExamined="KNEE"),
        image("20231107", 3, Modality="MR"),
        image(OLDER, 4, BodyPartExamined="CHEST"),
    ):
        url = f"http://127.0.0.1:{orthanc.http_port}/instances"
        requests.post(url, data=each, timeout=10).raise_for_status()
    fetch_from(orthanc, most_studies=1)
    modality = {"AET": "CHESTLINE", "Host": "127.0.0.1", "Port": 104}
    url = f"http://127.0.0.1:{orthanc.http_port}/modalities/chestline"
    requests.put(url, json=modality, timeout=10).raise_for_status()
    make_node()
    receiver = start_receiver()
    send_new(receiver, tmp_path)
    wait_until(is_done, "Orthanc has been asked")
    wait_until(priors(1), "one study is there")
    found = [each.study_instance_uid for each in PriorStudy.objects.all()]
    assert found == [wanted]


def test_only_studies_of_identified_patients_of_the_issuer_are_asked_about() -> None:
    node = make_node("PACS", port=1)
    sources.change_source(node, SET | {"issuer": "HOSPITAL"}, node.created_by)
    patient = make_patient(issuer="HOSPITAL")
    wanted = make_study(patient=patient)
    make_study(patient=make_patient(issuer="ELSEWHERE"))
    make_study(patient=make_patient(issuer="HOSPITAL", is_temporary=True))
    make_study(patient=patient, is_phantom=True)
    make_study(patient=patient, reading_state=ReadingState.PRIOR)
    assert planning.plan() == 1
    assert planning.plan() == 0
    assert PriorRequest.objects.get().study == wanted


def test_an_image_whose_header_names_somebody_else_refuses_the_study() -> None:
    node = make_node("PACS", port=1)
    known = {"name": "Phantom^One", "birth_date": "1970-01-01", "sex": "O"}
    study = make_study(patient=make_patient(patient_id="PHANTOM-1", issuer="", **known))
    prior = make_prior_request(node, study, PriorState.WANTED).found.get()
    fresh = PriorStudy.objects.select_related("request__study__patient").get()
    assert arrivals.is_of_our_patient(fresh, image(OLD))
    others: list[tuple[dict[str, Any], str]] = [
        ({"PatientID": "PHANTOM-2"}, "PatientID"),
        ({"IssuerOfPatientID": "ELSEWHERE"}, "IssuerOfPatientID"),
        ({"PatientBirthDate": "19700102"}, "birth_date"),
        ({"PatientBirthDate": ""}, "birth_date"),
        ({"PatientName": "Phantom^Two"}, "name"),
        ({"PatientSex": "F"}, "sex"),
    ]
    for elements, name in others:
        assert not arrivals.is_of_our_patient(fresh, image(OLD, **elements)), elements
        prior.refresh_from_db()
        assert (prior.state, prior.reason_params) == ("refused", {"differences": [name]})


def test_hospital_it_chooses_what_is_fetched_and_has_it_asked_again(
    it_person: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(it_person)
    node = make_node("PACS")
    entered = SET | {"is_active": "on", "most_studies": "5"}
    said = client.post(f"/dicom/nodes/{node.pk}/priors", entered).content.decode()
    assert "the port on which the node listens" in said
    Node.objects.update(port=1)
    assert client.post(f"/dicom/nodes/{node.pk}/priors", entered).status_code == 302
    assert sources.source_of(node).most_studies == 5
    changed = AuditEntry.objects.get(action="node.changed")
    assert changed.detail["priors"]["is_active"] == {"from": False, "to": True}
    assert "prior studies are fetched" in client.get("/dicom").content.decode()

    make_study(patient=make_patient(issuer=""))
    planning.plan()
    outgoing.serve(node.pk, threading.Event())
    row = PriorRequest.objects.get()
    assert (row.reason_code, row.attempts) == ("node_away", 1)
    page = client.get("/dicom/priors?state=waiting").content.decode()
    assert "The device does not respond" in page
    client.post(f"/dicom/priors/{row.pk}/again")
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)
    assert audit_actions(action="priors.retried") == ["priors.retried"]

    sources.change_source(node, SET | {"is_active": False}, it_person)
    said = client.post(f"/dicom/priors/{row.pk}/again", follow=True).content.decode()
    assert "No prior studies are fetched from this device" in said
    assert audit_actions(action="priors.retried") == ["priors.retried"]


def test_a_device_that_takes_no_queries_is_not_reported_as_unreachable() -> None:
    entity = AE("PACS")
    entity.add_supported_context(VERIFICATION)
    server: Any = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        node = make_node("PACS", port=server.server_address[1])
        sources.change_source(node, SET, node.created_by)
        row = make_prior_request(node, make_study(patient=make_patient(issuer="")))
        outgoing.serve(node.pk, threading.Event())
    finally:
        server.shutdown()
    row.refresh_from_db()
    assert (row.state, row.reason_code) == ("waiting", "find_not_offered")


def test_what_does_not_come_for_a_day_is_given_up() -> None:
    node = make_node("PACS", port=1)
    sources.change_source(node, SET, node.created_by)
    row = make_prior_request(
        node,
        make_study(patient=make_patient(issuer="")),
        PriorState.WANTED,
        requested_at=clock() - timedelta(days=2),
    )
    outgoing.serve(node.pk, threading.Event())
    row.refresh_from_db()
    assert row.state == PriorRequestState.GIVEN_UP
    assert arrivals.wanted(node, row.found.get().study_instance_uid) is None


def test_a_prior_is_read_only_once_a_radiologist_puts_it_on_the_worklist(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_study(reading_state=ReadingState.PRIOR)
    client = sign_in(radiologist)
    page = client.get(f"/studies/{study.pk}").content.decode()
    assert "Put on the worklist" in page
    with pytest.raises(ReadingError, match="fetched from a PACS for comparison"):
        sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    client.post(f"/studies/{study.pk}/read-prior")
    study.refresh_from_db()
    assert study.reading_state == ReadingState.UNREAD
    assert "Put on the worklist" not in client.get(f"/studies/{study.pk}").content.decode()
