"""Nodes and the inbox: pages and REST for hospital IT."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests import dicom_files as files
from tests.factories import make_study
from tests.helpers import audit_actions, free_port, listens, wait_until
from tests.network.rows import make_commitment, make_node, make_prior_request, make_received
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.audit.verification import verify
from webportal.intake.batches import services
from webportal.intake.errors import StorageFullError
from webportal.network import health, importing, inbox, unrecorded
from webportal.network.models import (
    Commitment,
    InboxState,
    Node,
    PriorRequest,
    ReceivedInstance,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


NEW = {
    "ae_title": " CR2 ",
    "description": "Room 2",
    "addresses": "10.0.0.5, 10.1.0.0/16",
    "is_active": "on",
}


def test_a_device_is_added_with_an_account_nobody_can_use(client: Client) -> None:
    assert client.post("/dicom", NEW).status_code == 302
    node = Node.objects.get()
    assert node.is_active
    assert (node.ae_title, node.addresses) == ("CR2", ["10.0.0.5", "10.1.0.0/16"])
    account = node.account
    assert (account.is_node, account.roles, account.has_usable_password()) == (True, [], False)
    assert audit_actions(object_type="node") == ["node.created"]
    assert "CR2" in client.get("/dicom").content.decode()
    assert "dicom:CR2" not in client.get("/users").content.decode()
    assert client.get(f"/users/{account.pk}").status_code == 404
    assert client.post(f"/users/{account.pk}/reset-password").status_code == 404
    assert not {finding.code for finding in verify().findings} & {"user_without_entry"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ae_title", "A\\B", "no backslash"),
        ("addresses", "CR-ROOM", "not an IP address"),
        ("addresses", "10.0.0.1/8", "not an IP address"),
        ("port", "70000", "65535"),
    ],
)
def test_an_invalid_device_is_refused_with_the_reason(
    client: Client, field: str, value: str, said: str
) -> None:
    answer = client.post("/dicom", NEW | {field: value})
    assert said in answer.content.decode()
    assert not Node.objects.exists()


def test_an_ae_title_is_unique_ignoring_case(client: Client) -> None:
    client.post("/dicom", NEW)
    answer = client.post("/dicom", NEW | {"ae_title": "cr2"})
    assert "already a node" in answer.content.decode()
    assert Node.objects.count() == 1


def test_a_change_is_audited_with_its_values(client: Client) -> None:
    node = make_node()
    client.post(f"/dicom/nodes/{node.pk}", {"description": "Room 1", "addresses": "127.0.0.1"})
    node.refresh_from_db()
    assert not node.is_active
    entry = AuditEntry.objects.get(action="node.changed")
    assert entry.detail == {"active": {"from": True, "to": False}}


def test_a_refused_instance_can_be_retried_or_discarded(client: Client) -> None:
    node = make_node()
    first, second = make_received(node), make_received(node)
    aside = make_received(node, InboxState.SET_ASIDE)
    page = client.get("/dicom/inbox?state=refused").content.decode()
    assert first.sop_instance_uid in page
    assert aside.sop_instance_uid not in page

    client.post(f"/dicom/inbox/{first.pk}/retry")
    for row in (second, aside):
        assert "for good?" in client.get(f"/dicom/inbox?discard={row.pk}").content.decode()
        client.post(f"/dicom/inbox/{row.pk}/discard")
    for row in (first, second, aside):
        row.refresh_from_db()
    assert (first.state, first.reason_code) == ("waiting", "")
    assert [second.state, aside.state] == ["discarded", "discarded"]
    assert audit_actions(object_type="received_instance") == [
        "received.retried",
        "received.discarded",
        "received.discarded",
    ]
    inbox.clear()
    assert [path.name for path in inbox.folder().iterdir()] == [first.file_name]


def test_objects_that_are_no_images_are_discarded_together_the_oldest_first(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_AT_ONCE", 2)
    node = make_node()
    refused = make_received(node)
    kept = [make_received(node, InboxState.SET_ASIDE) for _ in range(3)]
    assert "Discard them" not in client.get("/dicom/inbox?state=refused").text
    assert "Discard them" in client.get("/dicom/inbox?state=set_aside").text
    page = client.get("/dicom/inbox?state=set_aside&discard=kept").text
    assert "Discard the 2 oldest objects for good?" in page
    page = client.post("/dicom/inbox/discard-kept", follow=True).text
    assert "2 objects have been discarded." in page
    left = ReceivedInstance.objects.exclude(state=InboxState.DISCARDED)
    assert set(left) == {refused, kept[-1]}
    assert audit_actions(object_type="received_instance") == ["received.discarded"] * 2
    client.post("/dicom/inbox/discard-kept")
    page = client.post("/dicom/inbox/discard-kept", follow=True).text
    assert "There is nothing left to discard." in page
    inbox.clear()
    assert [path.name for path in inbox.folder().iterdir()] == [refused.file_name]


def test_a_waiting_instance_can_be_neither_retried_nor_discarded(it_person: User) -> None:
    row = make_received(make_node(), InboxState.WAITING)
    client = APIClient()
    client.force_authenticate(it_person)
    for verb in ("retry", "discard"):
        assert client.post(f"/api/v1/received-instances/{row.pk}/{verb}").status_code == 409
    inbox.clear()
    assert (inbox.folder() / row.file_name).exists()


def test_a_file_lost_or_damaged_in_the_inbox_is_refused_and_the_others_are_imported(
    settings: Settings, storage_folder: Path
) -> None:
    settings.DICOM_STUDY_QUIET_SECONDS = 0
    node = make_node()
    lost, damaged = (make_received(node, InboxState.WAITING) for _ in range(2))
    (inbox.folder() / lost.file_name).unlink()
    assert importing.import_quiet_studies() == 2
    for row in (lost, damaged):
        row.refresh_from_db()
        assert (row.state, row.reason_code) == ("refused", "inbox_file_missing")


def test_a_read_only_storage_refuses_no_instance(settings: Settings, storage_folder: Path) -> None:
    settings.DICOM_STUDY_QUIET_SECONDS = 0
    data = files.dicom(files.phantom())
    row = make_received(
        make_node(), InboxState.WAITING, sha256=hashlib.sha256(data).hexdigest(), size=len(data)
    )
    (inbox.folder() / row.file_name).write_bytes(data)
    settings.UPLOAD_MIN_FREE_BYTES = 2**60
    with pytest.raises(StorageFullError):
        importing.import_quiet_studies()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)
    settings.UPLOAD_MIN_FREE_BYTES = 0
    assert importing.import_quiet_studies() == 1
    row.refresh_from_db()
    assert row.state == "taken"


def test_files_without_a_record_are_processed_once_somebody_says_who_sent_them(
    client: Client, settings: Settings, storage_folder: Path
) -> None:
    settings.DICOM_STUDY_QUIET_SECONDS = 0
    node = make_node()
    recorded = make_received(node)
    kept = [files.dicom(files.phantom(seed=seed)) for seed in (1, 2)]
    broken = b"no DICOM"
    for data in (*kept, broken):
        name = hashlib.sha256(data).hexdigest()
        (inbox.folder() / f"{name}.dcm").write_bytes(data)
    (inbox.folder() / "notes.txt").write_text("not ours")

    assert unrecorded.record() == 3
    assert unrecorded.record() == 0
    rows = ReceivedInstance.objects.filter(state=InboxState.FOUND)
    assert importing.import_quiet_studies() == 0
    assert (
        "3 files were in the inbox without a record" in client.get("/dicom/inbox").content.decode()
    )
    study = rows.exclude(study_instance_uid="").earliest("sha256").study_instance_uid

    client.post("/dicom/inbox/adopt", {"node": "", "study": ""})
    assert rows.count() == 3
    client.post("/dicom/inbox/adopt", {"node": node.pk, "study": study})
    assert rows.count() == 2
    client.post("/dicom/inbox/adopt", {"node": node.pk, "study": ""})
    assert importing.import_quiet_studies() == 3
    others = ReceivedInstance.objects.exclude(pk=recorded.pk)
    assert sorted(others.values_list("state", flat=True)) == ["refused", "taken", "taken"]
    assert {row.node for row in others} == {node}
    assert audit_actions(action="received.adopted") == ["received.adopted"] * 3


def test_a_file_without_a_record_may_be_discarded(client: Client) -> None:
    row = make_received(None, InboxState.FOUND)
    assert "for good?" in client.get(f"/dicom/inbox?discard={row.pk}").content.decode()
    client.post(f"/dicom/inbox/{row.pk}/discard")
    row.refresh_from_db()
    assert row.state == InboxState.DISCARDED


def test_what_another_node_sends_again_is_in_a_batch_of_that_node(
    settings: Settings, storage_folder: Path
) -> None:
    settings.DICOM_STUDY_QUIET_SECONDS = 0
    first, second = make_node(), make_node("PACS")
    data = files.dicom(files.phantom())
    earlier = services.create_batch(first.account, department=first.department)
    row = make_received(
        second,
        InboxState.WAITING,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        batch=earlier,
    )
    (inbox.folder() / row.file_name).write_bytes(data)
    assert importing.import_quiet_studies() == 1
    row.refresh_from_db()
    assert row.batch is not None
    assert (row.state, row.batch.created_by) == ("taken", second.account)


@pytest.mark.skipif(shutil.which("storescp") is None, reason="dcmtk is not installed")
def test_the_connection_to_a_device_is_tested_with_an_echo(client: Client) -> None:
    port = free_port()
    node = make_node(port=port)
    said = client.post(f"/dicom/nodes/{node.pk}/test", follow=True).content.decode()
    assert "Nothing responds" in said
    listening = subprocess.Popen(["storescp", "-aet", "CR1", str(port)])
    try:
        wait_until(lambda: listens(port), "the device listens")
        said = client.post(f"/dicom/nodes/{node.pk}/test", follow=True).content.decode()
        assert "It answered." in said
    finally:
        listening.kill()
        listening.wait()
    assert audit_actions(action="node.tested") == ["node.tested"] * 2


@pytest.mark.parametrize("page", ["commitments", "priors"])
def test_what_has_been_given_up_is_not_announced_as_retried(client: Client, page: str) -> None:
    node, why = make_node(), {"reason_code": "node_away"}
    make_commitment(node, **why)
    make_prior_request(node, make_study(), **why)
    assert "Next attempt" in client.get(f"/dicom/{page}").content.decode()
    Commitment.objects.update(state="given_up", settled_at=timezone.now())
    PriorRequest.objects.update(state="given_up", settled_at=timezone.now())
    given_up = client.get(f"/dicom/{page}").content.decode()
    assert "The device does not respond." in given_up
    assert "Next attempt" not in given_up
    assert "tried again" not in given_up


def test_objects_of_studies_that_never_come_are_told_and_discarded_alone(
    it_person: User, sign_in: Callable[[User], Client]
) -> None:
    client, node = sign_in(it_person), make_node()
    long_ago = timezone.now() - 2 * inbox.LONGEST_ALONE
    here = make_study()
    make_received(
        node,
        InboxState.SET_ASIDE,
        study_instance_uid=here.study_instance_uid,
        received_at=long_ago,
    )
    # Its images may still come.
    make_received(node, InboxState.SET_ASIDE)
    address = "/dicom/inbox?state=set_aside"
    assert health.problems() == []
    assert "no image has come" not in client.get(address).text
    alone = make_received(node, InboxState.SET_ASIDE, received_at=long_ago)
    assert health.problems() == [health.ALONE]
    page = client.get(address).text
    assert f"1 of them, received on {timezone.localtime(long_ago):%Y-%m-%d}" in page
    assert "Discard 1 object for good?" in client.get(f"{address}&discard=alone").text
    page = client.post("/dicom/inbox/discard-kept", {"which": "alone"}, follow=True).text
    assert "1 object has been discarded." in page
    alone.refresh_from_db()
    assert alone.state == InboxState.DISCARDED
    assert ReceivedInstance.objects.filter(state=InboxState.SET_ASIDE).count() == 2
    assert health.problems() == []
