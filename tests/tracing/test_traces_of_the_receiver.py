"""The trace of an image that arrives over the DICOM network."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dicom_files import dicom, phantom
from tests.helpers import wait_until
from tests.network.conftest import Receiver
from tests.network.conftest import node as node
from tests.network.conftest import start_receiver as start_receiver
from tests.network.conftest import storage_folder as storage_folder
from tests.tracing.collector import Collector
from tests.tracing.collector import collecting as collecting
from webportal.inference.models import Job
from webportal.network.models import Node

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_image_from_a_modality_is_traced_from_its_import(
    collecting: Collector,
    start_receiver: Callable[..., Receiver],
    node: Node,
    storage_folder: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "planted.dcm").write_bytes(dicom(phantom(), PatientName="Planted^Name"))
    receiver = start_receiver()
    sent = receiver.call("storescu", tmp_path / "planted.dcm")
    assert sent.returncode == 0, sent.stdout
    [imported] = collecting.wait_for("import instances")
    assert imported.service == "chestline-receiver"
    trace, span = imported.span.trace_id.hex(), imported.span.span_id.hex()
    wait_until(Job.objects.exists, "the image was queued")
    assert Job.objects.get().traceparent.startswith(f"00-{trace}-{span}-")
    assert [body for body in collecting.bodies if b"planted" in body.lower()] == []
