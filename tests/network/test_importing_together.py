"""Instances of a study are imported together, and none of them affects another."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from tests import dicom_files
from tests.network.rows import make_node, make_received
from webportal.audit.models import Action, AuditEntry
from webportal.audit.verification import verify
from webportal.intake.pipeline import group
from webportal.network import importing, inbox
from webportal.network.models import InboxState, Node, ReceivedInstance
from webportal.records.models import Radiograph, Series

pytestmark = pytest.mark.django_db

STUDY = "1.2.826.0.1.4711"


@pytest.fixture(autouse=True)
def _no_quiet_time(settings: Settings) -> None:
    settings.DICOM_STUDY_QUIET_SECONDS = 0


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files came to be stored in one transaction, each time it was tried."""
    numbers: list[int] = []
    store_plain = group.store_plain

    def noted(ready: Sequence[Any]) -> Any:
        numbers.append(len(ready))
        return store_plain(ready)

    monkeypatch.setattr(group, "store_plain", noted)
    return numbers


def dicom(seed: int, **elements: Any) -> bytes:
    own = {"StudyInstanceUID": STUDY, "SOPInstanceUID": f"{STUDY}.{seed}", "PatientID": "P-1"}
    return dicom_files.dicom(dicom_files.phantom(seed=seed), **own | elements)


def wait_in_inbox(node: Node, data: bytes, **fields: Any) -> ReceivedInstance:
    """An instance of the study with its bytes in the inbox."""
    row = make_received(
        node,
        InboxState.WAITING,
        **{"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        | {"study_instance_uid": STUDY}
        | fields,
    )
    (inbox.folder() / row.file_name).write_bytes(data)
    return row


def outcomes(rows: Sequence[ReceivedInstance]) -> list[tuple[str, str, int]]:
    for row in rows:
        row.refresh_from_db()
    return [(row.state, row.reason_code, row.attempts) for row in rows]


def test_a_study_is_stored_in_one_transaction(together: list[int]) -> None:
    node = make_node()
    wait_in_inbox(node, dicom(1, StudyInstanceUID="1.2.3"), study_instance_uid="1.2.3")
    with CaptureQueriesContext(connection) as of_one:
        assert importing.import_quiet_studies() == 1
    rows = [wait_in_inbox(node, dicom(seed)) for seed in range(2, 7)]
    with CaptureQueriesContext(connection) as of_five:
        assert importing.import_quiet_studies() == 5
    assert outcomes(rows) == [("taken", "", 0)] * 5
    assert together == [5]
    assert len(of_five) <= len(of_one) + 10, "\n".join(each["sql"] for each in of_five)
    assert Radiograph.objects.filter(study__study_instance_uid=STUDY).count() == 5
    assert set(Series.objects.values_list("ae_title", flat=True)) == {node.ae_title}
    assert AuditEntry.objects.filter(action=Action.RADIOGRAPH_STORED).count() == 6
    assert verify().findings == []


def test_a_faulty_instance_does_not_affect_the_others(
    together: list[int], storage_folder: Path
) -> None:
    node = make_node()
    good = [wait_in_inbox(node, dicom(seed)) for seed in (1, 2)]
    broken = wait_in_inbox(node, b"\0" * 128 + b"DICM" + b"broken")
    lost, damaged = (wait_in_inbox(node, dicom(seed)) for seed in (3, 4))
    (inbox.folder() / lost.file_name).unlink()
    (inbox.folder() / damaged.file_name).write_bytes(b"other bytes")
    another = wait_in_inbox(node, dicom(5, PatientBirthDate="20010101", PatientID="P-2"))
    last = wait_in_inbox(node, dicom(6))
    assert importing.import_quiet_studies() == 7
    assert outcomes([*good, last]) == [("taken", "", 0)] * 3
    assert outcomes([lost, damaged]) == [("refused", "inbox_file_missing", 0)] * 2
    [(state, reason, _)] = outcomes([broken])
    assert state == "refused"
    assert reason not in ("", "internal_error")
    assert outcomes([another]) == [("held", "study_mismatch", 0)]
    assert together == [4]
    assert Radiograph.objects.count() == 3


def test_after_an_interruption_each_instance_is_handled_by_itself(together: list[int]) -> None:
    """One of them may have killed the process, and would take the others along again."""
    node = make_node()
    begun = [wait_in_inbox(node, dicom(seed), attempts=1) for seed in (1, 2)]
    deadly = wait_in_inbox(node, dicom(3), attempts=3)
    new = [wait_in_inbox(node, dicom(seed)) for seed in (4, 5)]
    assert importing.import_quiet_studies() == 5
    assert outcomes([*begun, *new]) == [("taken", "", 0)] * 4
    assert outcomes([deadly]) == [("refused", "internal_error", 0)]
    assert together == [2]
