"""Orthanc's worklist plugin is asked for the order of a study."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import free_port, listens
from tests.network.rows import make_node
from tests.network.worklists import AE_TITLE, Worklist
from tests.orders.messages import ordered_study
from tests.peers.orthanc import running_orthanc
from webportal.network import worklist as asking
from webportal.network.echo import echo
from webportal.orders.linking import link_study
from webportal.orders.models import Order, OrderQuestion

pytestmark = [pytest.mark.peers, pytest.mark.django_db]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[int]:
    """The DICOM port of an Orthanc that has the order of tests.orders.messages."""
    files = Worklist(tmp_path / "worklists")
    files.add(t00100010="शर्मा^सीता", t00401003="STAT")
    files.add("b", t00080050="ACC-2", t00100020="P-2")
    port = free_port()
    configuration = {
        "HttpServerEnabled": False,
        "DicomPort": port,
        "DicomAet": AE_TITLE,
        "DicomAlwaysAllowFind": True,
        "DefaultEncoding": "Utf8",
        "DicomModalities": {"chestline": ["CHESTLINE", "127.0.0.1", 104]},
        "Worklists": {"Enable": True, "Database": str(files.folder / AE_TITLE)},
    }
    plugin = "libModalityWorklists.so"
    with running_orthanc(tmp_path, plugin, configuration, lambda: listens(port)):
        yield port


def test_a_study_gets_its_order_from_orthanc(orthanc: int) -> None:
    ris = make_node(AE_TITLE, port=orthanc, is_worklist=True)
    assert echo(ris, ris.created_by) == (True, "It answered, and its worklist can be searched.")
    study = ordered_study()
    link_study(study)
    assert asking.ask(ris.pk, threading.Event()) == 1
    found = Order.objects.get()
    assert (found.patient_name, found.indication) == ("शर्मा^सीता", "Cough and fever")
    study.refresh_from_db()
    assert (study.order_links.get().order, study.indication) == (found, "Cough and fever")
    assert (study.priority, OrderQuestion.objects.get().state) == (0, "found")
