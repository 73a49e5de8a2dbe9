"""Worklists of others, dcmtk's wlmscpfs and one that misbehaves, and asking them."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from tests.helpers import free_port, listens, wait_until
from tests.network.rows import make_node
from tests.orders.messages import ordered_study
from webportal.network import worklist
from webportal.network.models import Node
from webportal.network.sop_classes import PLAIN_SYNTAXES, VERIFICATION, WORKLIST
from webportal.orders import linking
from webportal.orders.models import Order, OrderQuestion, OrderSource
from webportal.records.choices import Priority
from webportal.records.models import Study

AE_TITLE = "RIS1"
ENCODINGS = {"ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}
# One step of the order of tests.orders.messages, as dump2dcm reads it.
_STEP = {
    "(0008,0005) CS": "ISO_IR 192",
    "(0008,0050) SH": "ACC-1",
    "(0008,0090) PN": "HOUSE^GREGORY^^DR",
    "(0010,0010) PN": "DOE^JANE",
    "(0010,0020) LO": "P-1",
    "(0010,0021) LO": "",
    "(0010,0030) DA": "19700102",
    "(0010,0040) CS": "F",
    "(0010,21b0) LT": "Asthma",
    "(0020,000d) UI": "1.2.3",
    "(0032,1060) LO": "Chest PA",
    "(0040,1001) SH": "RP1",
    "(0040,1002) LO": "Cough and fever",
    "(0040,1003) SH": "ROUTINE",
    "(0040,1400) LT": "Second floor",
    "(0040,2016) LO": "PL-1",
    "(0040,2017) LO": "FI-1",
}
_SCHEDULED = """(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS [DX]
(0040,0001) AE [CR1]
(0040,0002) DA [20261129]
(0040,0003) TM [080000]
(0040,0006) PN [TECH^A]
(0040,0007) LO [{step}]
(0040,0009) SH [S1]
(fffe,e00d) -
(fffe,e0dd) -
"""


class Worklist:
    """dcmtk's server of worklist files; it may be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._place = folder / AE_TITLE
        self._place.mkdir(parents=True)
        (self._place / "lockfile").touch()
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, name: str = "a", *, step: str = "Chest", **changed: str) -> None:
        """Schedule a step; `changed` are its elements by tag, as `t00100020`."""
        elements = dict(_STEP)
        for tag, value in changed.items():
            [key] = [each for each in _STEP if each.startswith(f"({tag[1:5]},{tag[5:]})")]
            elements[key] = value
        lines = [f"{key} [{value}]\n" for key, value in elements.items()]
        text = "".join(lines) + _SCHEDULED.format(step=step)
        dump = self.folder / f"{name}.dump"
        dump.write_bytes(text.encode(ENCODINGS[elements["(0008,0005) CS"]]))
        target = self._place / f"{name}.wl"
        subprocess.run(["dump2dcm", "-q", str(dump), str(target)], check=True)

    def start(self) -> None:
        """Listen, and keep the character set of each file."""
        command = ["wlmscpfs", "-q", "-csk", "-dfp", str(self.folder), str(self.port)]
        self._process = subprocess.Popen(command)
        wait_until(lambda: listens(self.port), "wlmscpfs listened")

    def stop(self) -> None:
        """Listen no longer."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def answering(answer: Callable[[evt.Event], Iterator[tuple[int, Any]]]) -> Iterator[int]:
    """A worklist that answers as it is told; yields its port."""
    entity = AE(ae_title=AE_TITLE)
    for sop_class in (VERIFICATION, WORKLIST):
        entity.add_supported_context(sop_class, list(PLAIN_SYNTAXES))
    port = free_port()
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)]
    )
    assert server is not None
    try:
        yield port
    finally:
        server.shutdown()


def step(**elements: str) -> Dataset:
    """An item of the worklist of `answering`."""
    item = Dataset()
    defaults = {"AccessionNumber": "ACC-1", "PatientID": "P-1", "PatientName": "DOE^JANE"}
    for keyword, value in (defaults | elements).items():
        setattr(item, keyword, value)
    return item


def make_ris(port: int, **fields: Any) -> Node:
    """A worklist on this machine that Chestline asks."""
    return make_node(AE_TITLE, port=port, is_worklist=True, **fields)


def arrived(**fields: Any) -> Study:
    """A study that has just arrived, as intake links it."""
    study = ordered_study(**{"priority": Priority.ROUTINE} | fields)
    linking.link_study(study)
    return study


def ask(node: Node) -> int:
    """Ask a worklist what is due; how many questions that was."""
    return worklist.ask(node.pk, threading.Event())


def let_it_be_due() -> None:
    """Let the time pass after which worklists are asked again."""
    past = timezone.now() - timedelta(hours=1)
    OrderQuestion.objects.update(next_at=past)
    OrderSource.objects.filter(retry_at__isnull=False).update(retry_at=past)


def linked(study: Study) -> list[Order]:
    """The orders of a study."""
    return [each.order for each in study.order_links.select_related("order__source")]
