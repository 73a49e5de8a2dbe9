"""Further anchor locations: a second file, and syslog."""

import socket
import threading
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.audit.anchoring import codes, cut_back, lines, unsigned
from webportal.audit.anchors import anchor
from webportal.audit.models import Action, AnchorState
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def copy(settings: Settings, tmp_path: Path) -> Path:
    settings.AUDIT_ANCHOR_COPY = tmp_path / "elsewhere" / "anchors"
    return tmp_path / "elsewhere" / "anchors"


def test_a_second_file_has_the_same_anchors_including_earlier_ones(
    settings: Settings, anchored: Path, copy: Path
) -> None:
    assert codes() == {"anchors_gone"}
    assert anchor()
    assert copy.read_text() == anchored.read_text()
    assert verify().intact


def test_a_second_file_has_the_unsigned_anchors_too(file: Path, copy: Path) -> None:
    for _ in range(4):
        append(Event(Action.STUDY_VIEWED), "ann")
    unsigned(file, 2, 4)
    anchor()
    assert copy.read_text() == file.read_text()
    assert len(lines(copy)) == 3


def test_damage_to_the_first_file_is_no_finding_in_the_second(file: Path, copy: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("moved here from the old machine\n")
    append(Event(Action.SIGNED_IN), "ann")
    anchor()
    [finding] = verify().findings
    assert (finding.code, finding.values["place"]) == ("anchors_damaged", "AUDIT_ANCHOR_FILE")


def test_a_second_file_reveals_what_the_first_has_lost(anchored: Path, copy: Path) -> None:
    anchor()
    anchored.unlink()
    cut_back(3)
    found = verify().findings
    assert {"anchors_gone", "cut_off"} <= {finding.code for finding in found}
    assert any("AUDIT_ANCHOR_FILE" in str(finding) for finding in found)


def test_a_second_file_catches_up_after_an_outage(anchored: Path, copy: Path) -> None:
    copy.parent.write_text("a mount that is gone")
    append(Event(Action.SIGNED_IN), "ann")
    assert anchor()
    assert AnchorState.objects.get().unwritten == "AUDIT_ANCHOR_COPY"
    assert "anchors_gone" in codes()
    copy.parent.unlink()
    assert anchor()
    assert AnchorState.objects.get().unwritten == ""
    assert copy.read_text() == anchored.read_text()
    assert verify().intact


def test_syslog_gets_each_anchor_over_tcp(settings: Settings, anchored: Path) -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            stream, _ = server.accept()
            with stream:
                received.append(stream.makefile("rb").read())

        thread = threading.Thread(target=serve)
        thread.start()
        settings.AUDIT_ANCHOR_SYSLOG = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        append(Event(Action.SIGNED_IN), "ann")
        anchor()
        thread.join()
    assert received == [f"<86>chestline-anchor: {lines(anchored)[-1]}".encode()]
    append(Event(Action.SIGNED_IN), "ann")
    assert anchor()
    assert AnchorState.objects.get().unwritten == "AUDIT_ANCHOR_SYSLOG"


@pytest.mark.parametrize("kind", ["udp", "local"])
def test_syslog_gets_each_anchor_as_a_datagram(
    settings: Settings, anchored: Path, tmp_path: Path, kind: str
) -> None:
    family = socket.AF_INET if kind == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.settimeout(10)
        if kind == "udp":
            server.bind(("127.0.0.1", 0))
            settings.AUDIT_ANCHOR_SYSLOG = f"127.0.0.1:{server.getsockname()[1]}"
        else:
            server.bind(str(tmp_path / "log"))
            settings.AUDIT_ANCHOR_SYSLOG = str(tmp_path / "log")
        append(Event(Action.SIGNED_IN), "ann")
        anchor()
        message = f"<86>chestline-anchor: {lines(anchored)[-1].strip()}"
        assert server.recv(1000).decode() == message
