"""A backup made while the system is in use restores everything."""

import gzip
import hashlib
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pydicom
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests import services
from tests.backups.conftest import Other, hashes, rows
from tests.conftest import PASSWORD
from tests.intake.conftest import Send
from tests.network.rows import make_node
from tests.reading import sign
from tests.upkeep.files import age, remove_all
from webportal.accounts.models import ApiToken, Session, User
from webportal.accounts.services import create_token
from webportal.audit import anchors
from webportal.backups import repository, taking
from webportal.backups.manifest import Stored
from webportal.backups.models import Backup
from webportal.intake.held import resolution
from webportal.intake.held.resolution import HeldDecision
from webportal.intake.models import UploadItem
from webportal.network import inbox
from webportal.network.models import Node, ReceivedInstance
from webportal.records.models import Radiograph
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db(transaction=True)

KEPT_AS_THEY_WERE = (
    ("records_patient", "id"),
    ("records_study", "id"),
    ("records_radiograph", "id"),
    ("intake_uploaditem", "id"),
    ("network_receivedinstance", "id"),
    ("review_read", "id"),
    ("accounts_user", "id"),
)


def this_url() -> str:
    name = connection.settings_dict["NAME"]
    return urlsplit(services.postgres.url)._replace(path=f"/{name}").geturl()


def dicom(seed: int, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), **elements)


RECEIVED = dicom(6)


def receive(data: bytes, node: Node) -> None:
    """Let the DICOM inbox have an instance that nobody has looked at."""
    header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    about = (header.StudyInstanceUID, header.SOPInstanceUID, header.SOPClassUID)
    arrival = inbox.Arrival(node, "127.0.0.1", *about, header.file_meta.TransferSyntaxUID, data)
    inbox.receive(arrival)


@pytest.fixture
def contents(send: Send, radiologist: User, it_person: User) -> None:
    """Two images, a signed read, a held file, an instance in the inbox, a token, and anchors."""
    node = make_node(by=it_person)
    receive(RECEIVED, node)
    receive(dicom(7), node)
    send(dicom(1))
    send(files.jpeg(files.phantom(seed=2)))
    study = Radiograph.objects.filter(original_key__startswith="dicom").get().study
    sign(study, radiologist, Entry(None, "unaided", "none", comment="Clear."), PASSWORD)
    assert send(dicom(3, PatientName="Doe^Jane")).verdict == "held"
    create_token(radiologist, "script")
    Session.objects.create(session_key="open", session_data="", expire_date=timezone.now())
    anchors.anchor()


def while_dumping(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Let something be done by another process once the snapshot has been taken."""
    put = repository.put

    def in_another() -> None:
        try:
            do()
        finally:
            connection.close()

    def put_then_do(name: str, *arguments: Any) -> Stored:
        stored = put(name, *arguments)
        if name.startswith("databases/"):
            other = threading.Thread(target=in_another)
            other.start()
            other.join()
        return stored

    monkeypatch.setattr(repository, "put", put_then_do)


def test_everything_is_restored(
    contents: None,
    send: Send,
    uploader: User,
    storage_folder: Path,
    inbox_folder: Path,
    repository_folder: Path,
    other: Other,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.STORAGE_TRASH_DAYS = 0
    before = {table: rows(this_url(), table, order) for table, order in KEPT_AS_THEY_WERE}
    trail = rows(this_url(), "audit_auditentry", "sequence")
    received = hashes(inbox_folder)
    named = {key: sha for key, sha in hashes(storage_folder).items() if key != "database.json"}

    def go_on() -> None:
        """Upload another file, and let the held one go to the trash, which is emptied at once."""
        send(dicom(4))
        send(RECEIVED)
        sha256 = hashlib.sha256(RECEIVED).hexdigest()
        ReceivedInstance.objects.filter(sha256=sha256).update(state="taken")
        inbox.clear()
        resolution.resolve(UploadItem.objects.get(verdict="held"), HeldDecision.DISCARD, uploader)
        age(storage_folder)
        remove_all()
        anchors.anchor()

    while_dumping(monkeypatch, go_on)
    backup = taking.take()
    assert (backup.state, backup.files, backup.lost_files) == ("complete", len(named) + 2, 0)
    assert len(hashes(inbox_folder)) == 1
    # What it copied out of the trash may go once it is done.
    assert any(key.startswith("trash/held/") for key in hashes(storage_folder))
    remove_all()
    assert not any(key.startswith("trash/") for key in hashes(storage_folder))

    done = other.manage("restore")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Restored and intact" in done.stdout
    assert {table: other.rows(table, order) for table, order in KEPT_AS_THEY_WERE} == before
    restored = other.rows("audit_auditentry", "sequence")
    assert restored[: len(trail)] == trail
    later = [entry["action"] for entry in restored[len(trail) :]]
    assert later[:3] == ["token.revoked", "removal.paused", "backup.restored"]
    assert hashes(other.storage) == named
    assert len(received) == 2
    assert hashes(other.folder / "inbox") == received
    assert other.rows("accounts_session", "session_key") == []
    assert other.rows("accounts_apitoken", "digest") == []
    assert [each["state"] for each in other.rows("backups_backup")] == ["complete"]
    assert ApiToken.objects.count() == Session.objects.count() == 1

    # The restored system makes backups itself, as the role that owns nothing.
    again = other.manage("backup")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 of them new" in again.stdout
    verified = other.manage("backup", "--verify")
    assert verified.returncode == 0
    assert "decrypted and compared, 0 missing" in verified.stdout


def test_an_interrupted_restore_can_be_resumed(
    contents: None, other: Other, repository_folder: Path
) -> None:
    backup = taking.take()
    blocked = other.folder / "anchors"
    blocked.mkdir(parents=True)
    (blocked / "in the way").touch()
    first = other.manage("restore", AUDIT_ANCHOR_FILE=str(blocked / "in the way" / "anchors"))
    assert first.returncode == 1
    assert "review_read" not in first.stderr
    done = other.manage("restore", AUDIT_ANCHOR_FILE=str(other.folder / "anchors.new"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(other.rows("review_read")) == 1
    again = other.manage("restore", backup.name)
    assert again.returncode == 1
    assert "only into an empty system" in again.stderr


def test_files_already_in_the_repository_are_not_copied_again(
    contents: None, send: Send, storage_folder: Path, repository_folder: Path
) -> None:
    first = taking.take()
    copied = [
        *(repository_folder / "files").rglob("*.age"),
        *(repository_folder / "inbox").rglob("*.age"),
    ]
    inodes = {path: path.stat().st_ino for path in copied}
    assert first.new_files == first.files == len(inodes)
    send(dicom(5))
    second = taking.take()
    assert (second.files, second.new_files) == (first.files + 1, 1)
    assert all(path.stat().st_ino == inode for path, inode in inodes.items())


def test_an_interrupted_backup_can_be_resumed(
    contents: None, repository_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = repository.put
    copied: list[str] = []

    def put_two(name: str, source: IO[bytes], *more: Any) -> Stored:
        if name.startswith(("files/", "inbox/")):
            if len(copied) == 2:
                raise KeyboardInterrupt
            copied.append(name)
        return put(name, source, *more)

    with monkeypatch.context() as patch:
        patch.setattr(repository, "put", put_two)
        with pytest.raises(KeyboardInterrupt):
            taking.take()
    assert Backup.objects.get().failure == "interrupted"
    assert repository.names() == []
    inodes = {name: (repository_folder / name).stat().st_ino for name in copied}
    assert taking.take().state == "complete"
    assert {name: (repository_folder / name).stat().st_ino for name in copied} == inodes


def test_the_repository_reveals_nothing_of_its_contents(
    contents: None, repository_folder: Path, storage_folder: Path
) -> None:
    taking.take()
    for path in repository_folder.rglob("*.age"):
        assert path.read_bytes().startswith(b"age-encryption.org/v1\n"), path
    for path in repository_folder.rglob("*.gz"):
        assert b"Phantom" not in gzip.decompress(path.read_bytes())
