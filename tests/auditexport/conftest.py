"""A real syslog server, rsyslog, with certificates of the test's own."""

import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pytest_django.fixtures import Settings

from tests.certificates import write_certificates
from tests.helpers import PATIENCE_SECONDS, free_port, listens, wait_until
from webportal.auditexport import sending

_CONFIGURATION = """
global(
  workDirectory="{folder}"
  maxMessageSize="64k"
  defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{folder}/ca.pem"
  defaultNetstreamDriverCertFile="{folder}/server.pem"
  defaultNetstreamDriverKeyFile="{folder}/server.key"
)
module(load="imtcp" {driver})
template(name="message" type="string" string="%msg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{folder}/audit.log" template="message")
"""
_BARE = 'streamDriver.name="ptcp" streamDriver.mode="0"'
_TLS = (
    'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/name"'
    ' permittedPeer="portal"'
)


class Server:
    """An rsyslog that writes every message to a file."""

    def __init__(self, folder: Path, *, is_encrypted: bool) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        driver = _TLS if is_encrypted else _BARE
        self.configuration = folder / "rsyslog.conf"
        self.configuration.write_text(
            _CONFIGURATION.format(folder=folder, port=self.port, driver=driver)
        )

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = shutil.which("rsyslogd")
        if program is None:
            pytest.skip("rsyslog is not installed")
        if not list(Path("/usr/lib").glob("**/rsyslog/lmnsd_ossl.so")):
            pytest.skip("rsyslog-openssl is not installed")
        with (self.folder / "rsyslog.out").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-n", "-f", self.configuration, "-i", self.folder / "rsyslog.pid"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._listens, "rsyslog listens")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "rsyslog.out").read_text()
        return listens(self.port)

    def stop(self) -> None:
        """End it as systemd does; it writes what it has."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)

    def messages(self) -> list[ElementTree.Element]:
        """What it has written so far."""
        path = self.folder / "audit.log"
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
        return [ElementTree.fromstring(line.strip().lstrip("\ufeff")) for line in lines]

    def sequences(self) -> list[int]:
        """The numbers of the entries that it has written so far."""
        return [entry_in(message)["sequence"] for message in self.messages()]


def entry_in(message: ElementTree.Element) -> dict[str, Any]:
    """The entry of the trail that a message carries."""
    found = message.find(".//ParticipantObjectDetail[@type='entry']")
    assert found is not None
    entry: dict[str, Any] = json.loads(b64decode(found.attrib["value"]))
    return entry


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once: no test waits for a pause."""
    monkeypatch.setattr(sending, "LONGEST_PAUSE_SECONDS", 0)


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[Server]:
    """A server with TLS that lets the portal alone in, started, and the portal set to it."""
    write_certificates(tmp_path)
    made = Server(tmp_path, is_encrypted=True)
    settings.AUDIT_EXPORT = f"syslog+tls://127.0.0.1:{made.port}"
    settings.AUDIT_EXPORT_CA = str(tmp_path / "ca.pem")
    settings.AUDIT_EXPORT_CERTIFICATE = str(tmp_path / "portal.pem")
    settings.AUDIT_EXPORT_KEY = str(tmp_path / "portal.key")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def bare_server(tmp_path: Path, settings: Settings) -> Iterator[Server]:
    """The same without TLS."""
    write_certificates(tmp_path)
    made = Server(tmp_path, is_encrypted=False)
    settings.AUDIT_EXPORT = f"syslog+tcp://127.0.0.1:{made.port}"
    made.start()
    yield made
    made.stop()
